//! What the figures were measured on and with.

use std::fs;
use std::path::Path;
use std::process::Command;

use bench::process::which;
use serde_json::Value;

/// Rows of a table: what, and which.
pub(crate) fn describe(express: &Path) -> Vec<(&'static str, String)> {
    vec![
        ("processor", processor()),
        ("memory", memory()),
        ("system", system()),
        ("Rust", said(Command::new("rustc").arg("--version"), "rustc ")),
        ("wrk", said(Command::new("wrk").arg("--version"), "wrk ")),
        ("nginx", said(Command::new(which("nginx")).arg("-v"), "nginx/")),
        ("Node.js", said(Command::new(which("node")).arg("--version"), "v")),
        ("express peer", packages(express)),
    ]
}

fn processor() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap();
    let cores = text.lines().filter(|line| line.starts_with("processor")).count();
    format!("{cores} × {}", field(&text, "model name").unwrap_or("unknown"))
}

fn memory() -> String {
    let text = fs::read_to_string("/proc/meminfo").unwrap();
    let kib: u64 = field(&text, "MemTotal")
        .unwrap()
        .trim_end_matches(" kB")
        .parse()
        .unwrap();
    format!("{} GiB", (kib + (1 << 19)) >> 20)
}

fn system() -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let os = fs::read_to_string("/etc/os-release").unwrap();
    let name = os.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    format!(
        "{}, Linux {}",
        name.unwrap_or("unknown").trim_matches('"'),
        release.trim()
    )
}

/// The value of a `name : value` line.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim())
}

/// The word behind `prefix` in what a program says, on whichever stream.
fn said(command: &mut Command, prefix: &str) -> String {
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    let rest = text
        .split_once(prefix)
        .unwrap_or_else(|| panic!("no version in: {text}"))
        .1;
    rest.split_whitespace().next().unwrap().to_owned()
}

fn packages(express: &Path) -> String {
    let package: Value = serde_json::from_slice(&fs::read(express.join("package.json")).unwrap()).unwrap();
    let dependencies = package["dependencies"].as_object().unwrap().iter();
    let named: Vec<_> = dependencies
        .map(|(name, version)| format!("{name} {}", version.as_str().unwrap()))
        .collect();
    named.join(", ")
}
