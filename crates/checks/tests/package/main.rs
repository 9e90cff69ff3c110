//! What `func azure functionapp publish` uploads from the repository's root, and what keeps its dependencies up to date;
//! packaged.rs looks at what was built.

#![expect(clippy::unwrap_used, reason = "a broken expectation ends a test")]

mod contents;
mod rules;
mod updates;

use std::fs;
use std::path::Path;

use contents::{CONTENTS, HANDLER, ROOT, files};
use rules::Rules;

fn rules() -> Rules {
    Rules::parse(&fs::read_to_string(Path::new(ROOT).join(".funcignore")).unwrap())
}

#[test]
fn the_root_publishes_the_package_and_nothing_else() {
    let rules = rules();
    // Other people's files, by the ten thousand; the next test has some of their paths.
    let mut tree = files(Path::new(ROOT), &[".git", "node_modules", "target"]);
    // Before scripts/package has run it is not there.
    if !tree.iter().any(|file| file == HANDLER) {
        tree.push(HANDLER.to_owned());
        tree.sort();
    }
    assert!(tree.iter().any(|file| file == "src/main.rs"), "{tree:?}");

    tree.retain(|file| rules.publishes(file));

    assert_eq!(tree, CONTENTS);
}

#[test]
fn what_is_not_there_yet_is_not_published_either() {
    let rules = rules();
    let table = [
        ".azure/dev/.env",
        ".cargo/config.toml",
        ".ci/run",
        ".devcontainer/devcontainer.json",
        ".env",
        ".git/config",
        ".github/workflows/ci.yml",
        ".vscode/settings.json",
        "CHANGELOG.md",
        ".github/CONTRIBUTING.md",
        "Cargo.lock",
        "Dockerfile",
        "GetSecret/README.md",
        "GetSecret/notes/function.json",
        "GetSecrets/function.json",
        "LICENSE",
        "Makefile",
        "New/function.json",
        "Preflight/sample.dat",
        "azure.yaml",
        "core.1234",
        "dist/GetSecret/function.json",
        "dist/handler",
        "dist/host.json",
        "crates/fuzz/corpus/origin/1",
        "crates/fuzz/target/release/origin",
        "handler_old",
        "handlers/handler",
        "host.local.json",
        "infra/main.bicep",
        "infra/main.parameters.json",
        "key.pem",
        "local.settings.json",
        "local.settings.json.bak",
        "node_modules/esbuild/bin/esbuild",
        "package.json",
        "secrets.txt",
        "src/main.rs",
        "target/zigbuild/bin/python",
        "target/release/handler",
        "target/x86_64-unknown-linux-gnu/release/handler",
        "tests/browser/node_modules/a/index.js",
        "x",
    ];
    for path in table {
        assert!(!rules.publishes(path), "{path}");
    }
}

#[test]
fn the_host_starts_the_file_that_is_published() {
    let host = fs::read_to_string(Path::new(ROOT).join("host.json")).unwrap();
    let host: serde_json::Value = serde_json::from_str(&host).unwrap();
    // Core Tools makes the entry executable whose name equals this, "./handler" would not.
    assert_eq!(host["customHandler"]["description"]["defaultExecutablePath"], HANDLER);
}
