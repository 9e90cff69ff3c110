//! The Bicep compiler, where there is one, and the files that it made.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Map, Value};

use crate::files::{folder, root};
use crate::rpc::Bicep;
use crate::snapshot::names;
use crate::template;

pub(crate) const REMEDY: &str =
    "; with a Bicep compiler, `UPDATE=1 cargo test -p checks --test infra` writes the files: review their differences";

const TEMPLATE: &str = "crates/checks/tests/infra/template.json";
const SOURCES: &str = "crates/checks/tests/infra/sources.sha256";

fn variable(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name)
}

pub(crate) fn find() -> Option<PathBuf> {
    let named = variable("BICEP").map(PathBuf::from);
    let candidates = [root().join("../shared/bicep/bicep"), PathBuf::from("bicep")];
    let runs = |path: &PathBuf| Command::new(path).arg("--version").output().is_ok();
    let found = named.into_iter().chain(candidates).find(runs);
    assert!(
        found.is_some() || variable("BICEP_REQUIRED").is_none(),
        "BICEP_REQUIRED is set, and there is no bicep"
    );
    if found.is_none() {
        // Written past the capture of the test harness, which would hide it when the test passes.
        let line = "infra: no Bicep compiler: the committed snapshots were not compared with infra/\n";
        let written = std::io::stderr().write_all(line.as_bytes());
        drop(written);
    }
    found
}

/// Every source, by its path below the root.
fn sources() -> Vec<String> {
    let mut all = vec!["infra/bicepconfig.json".to_owned()];
    for folder in ["infra", "infra/modules"] {
        for entry in std::fs::read_dir(root().join(folder)).expect(folder) {
            let name = entry.expect(folder).file_name().into_string().expect("UTF-8");
            if Path::new(&name).extension().is_some_and(|it| it == "bicep") {
                all.push(format!("{folder}/{name}"));
            }
        }
    }
    all.extend(
        names()
            .iter()
            .map(|name| format!("crates/checks/tests/infra/snapshots/{name}.bicepparam")),
    );
    all.sort_unstable();
    all
}

/// One line a source, as `sha256sum` writes it.
fn sums() -> String {
    let mut text = String::new();
    for path in sources() {
        let bytes = std::fs::read(root().join(&path)).expect("a source");
        for byte in digest(&SHA256, &bytes).as_ref() {
            write!(text, "{byte:02x}").expect("text");
        }
        writeln!(text, "  {path}").expect("text");
    }
    text
}

/// Sources that were changed, added or removed since the snapshots were made.
pub(crate) fn stale() -> Vec<String> {
    if variable("UPDATE").is_some() {
        return Vec::new();
    }
    let committed = std::fs::read_to_string(root().join(SOURCES)).unwrap_or_default();
    let current = sums();
    let missing = committed.lines().filter(|line| !current.contains(line));
    let new = current.lines().filter(|line| !committed.contains(line));
    missing.chain(new).map(str::to_owned).collect()
}

/// Where the compiler and the committed files differ, and whatever else it has to say.
pub(crate) fn differences(program: &Path) -> Vec<String> {
    let mut bicep = Bicep::start(program);
    let mut found = Vec::new();
    for path in sources()
        .iter()
        .filter(|path| path.starts_with("infra/") && Path::new(path).extension().is_some_and(|end| end == "bicep"))
    {
        let file = root().join(path);
        if std::fs::read_to_string(&file).expect("a source") != bicep.format(&file) {
            found.push(format!("{path} is not formatted: bicep format {path}"));
        }
    }
    let (template, diagnostics) = bicep.compile(&root().join("infra/main.bicep"));
    found.extend(diagnostics);
    found.extend(bicep.compile(&root().join("infra/resources.bicep")).1);
    let digest = template.as_ref().map_or(Value::Null, template::digest);
    found.extend(compare(&root().join(TEMPLATE), digest));
    for name in names() {
        let group = name.starts_with("group-").then_some("rg-dev");
        let new = bicep.snapshot(&folder().join(format!("{name}.bicepparam")), group);
        found.extend(compare(&folder().join(format!("{name}.json")), new));
    }
    for entry in std::fs::read_dir(folder()).expect("snapshots") {
        let path = entry.expect("an entry").path();
        if !path.with_extension("bicepparam").exists() {
            found.push(format!("{} has no parameter file", path.display()));
        }
    }
    if variable("UPDATE").is_some() {
        std::fs::write(root().join(SOURCES), sums()).expect("written");
    }
    found
}

/// The first line in which a committed file differs from what was made now; with `UPDATE` it is written instead.
fn compare(path: &Path, new: Value) -> Option<String> {
    let new = serde_json::to_string_pretty(&sorted(new)).expect("text") + "\n";
    if variable("UPDATE").is_some() {
        std::fs::write(path, &new).expect("written");
        return None;
    }
    let old = std::fs::read_to_string(path).unwrap_or_default();
    if old == new {
        return None;
    }
    let mut lines = old.lines().zip(new.lines()).enumerate();
    let first = lines.find(|(_, (old, new))| old != new);
    let name = path.file_name().unwrap_or_default().display();
    Some(match first {
        Some((at, (old, new))) => format!("{name}:{}: committed `{}`, now `{}`", at + 1, old.trim(), new.trim()),
        None => format!("{name}: one is the beginning of the other"),
    })
}

/// The compiler's own order of outputs differs from run to run.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(entries) => {
            let mut entries: Vec<_> = entries.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            entries.sort_unstable_by(|a, b| a.0.cmp(&b.0));
            Value::Object(entries.into_iter().collect::<Map<_, _>>())
        }
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        other => other,
    }
}

/// A fault that the compiler has to report, in a copy of `infra/`: a file, a text in it, and what replaces it.
const FAULTS: &[(&str, &str, &str, &str)] = &[
    // A type fault in a resource's body is a warning, and the exit code of `bicep lint` stays 0.
    (
        "BCP089",
        "modules/app-flex.bicep",
        "httpsOnly: true",
        "httpsOnlyy: true",
    ),
    (
        "BCP036",
        "modules/vault.bicep",
        "enableSoftDelete: true",
        "enableSoftDelete: 'yes'",
    ),
    (
        "BCP081",
        "modules/storage.bicep",
        "blobServices@2025-06-01",
        "blobServices@2025-06-31",
    ),
    (
        "no-unused-vars",
        "resources.bicep",
        "var insightsName",
        "var unused = 1\nvar insightsName",
    ),
    (
        "use-parent-property",
        "modules/storage.bicep",
        "  parent: account\n  name: 'default'",
        "  name: '${storageAccountName}/default'",
    ),
];

/// Faults of [`FAULTS`] that the compiler says nothing about.
pub(crate) fn silent_faults(program: &Path) -> Vec<String> {
    let copy = tempfile::tempdir().expect("a folder");
    for source in sources().iter().filter(|it| it.starts_with("infra/")) {
        let to = copy.path().join(source);
        std::fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
        std::fs::copy(root().join(source), to).expect("copied");
    }
    for (_, path, find, replacement) in FAULTS {
        let changed = copy.path().join("infra").join(path);
        let text = std::fs::read_to_string(&changed).expect("a source");
        assert_eq!(text.matches(find).count(), 1, "{path} has not once: {find}");
        std::fs::write(&changed, text.replace(find, replacement)).expect("written");
    }
    let (_, diagnostics) = Bicep::start(program).compile(&copy.path().join("infra/main.bicep"));
    let silent = FAULTS
        .iter()
        .filter(|(code, ..)| !diagnostics.iter().any(|line| line.contains(code)));
    silent
        .map(|(code, path, ..)| format!("{code} in {path}: {diagnostics:?}"))
        .collect()
}
