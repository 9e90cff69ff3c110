//! Each module one room: what it may name of its siblings, and what it never names at all.
//!
//! The tables say what `docs/architecture.md` says; this reads `src/` and holds both.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a broken expectation ends a test")]

use std::fs;
use std::path::{Path, PathBuf};

/// A module, the siblings that it may name, and what it never names: words that stand alone in its code.
struct Room {
    module: &'static str,
    siblings: &'static [&'static str],
    never: &'static [&'static str],
}

/// The network, the clock and files.
const OUTSIDE: [&str; 8] = [
    "async",
    "tokio",
    "warp",
    "hyper",
    "reqwest",
    "SystemTime",
    "Instant",
    "fs",
];

const ROOMS: [Room; 18] = [
    Room {
        module: "az",
        siblings: &[],
        never: &OUTSIDE,
    },
    Room {
        module: "host",
        siblings: &[],
        never: &OUTSIDE,
    },
    Room {
        module: "outbound",
        siblings: &[],
        never: &["warp", "hyper", "SystemTime", "Instant", "fs"],
    },
    Room {
        module: "secret",
        siblings: &[],
        never: &[
            "http",
            "hyper",
            "warp",
            "tokio",
            "tracing",
            "serde_json",
            "SystemTime",
            "Instant",
            "fs",
        ],
    },
    Room {
        module: "cors",
        siblings: &["host"],
        never: &[
            "async",
            "await",
            "tokio",
            "warp",
            "hyper",
            "tracing",
            "SystemTime",
            "Instant",
            "fs",
        ],
    },
    Room {
        module: "config",
        siblings: &[
            "az", "host", "secret", "cors", "token", "access", "vault", "deliver", "cache", "api", "log",
        ],
        never: &["async", "tokio", "warp", "hyper", "SystemTime", "Instant", "fs"],
    },
    Room {
        module: "vault",
        siblings: &["outbound", "secret"],
        never: &["warp", "hyper"],
    },
    Room {
        module: "deliver",
        siblings: &["secret", "outbound"],
        never: &["warp", "hyper", "StatusCode", "HeaderMap", "SystemTime", "fs"],
    },
    Room {
        module: "cache",
        siblings: &["secret", "vault", "deliver"],
        never: &["http", "hyper", "warp", "reqwest", "HeaderMap", "StatusCode"],
    },
    Room {
        module: "token",
        siblings: &["host", "outbound"],
        never: &["warp", "hyper"],
    },
    Room {
        module: "access",
        siblings: &["secret", "cors", "token"],
        never: &[
            "async",
            "await",
            "tokio",
            "warp",
            "hyper",
            "http",
            "tracing",
            "SystemTime",
            "Instant",
            "fs",
        ],
    },
    Room {
        module: "api",
        siblings: &[
            "host", "secret", "cors", "cache", "token", "access", "deliver", "vault", "log",
        ],
        never: &["hyper", "reqwest", "SystemTime", "fs"],
    },
    Room {
        module: "server",
        siblings: &[],
        never: &["SystemTime", "serde", "serde_json", "reqwest"],
    },
    Room {
        module: "log",
        siblings: &[],
        never: &["async", "tokio", "warp", "hyper", "Instant", "fs"],
    },
    Room {
        module: "process",
        siblings: &[],
        never: &["warp", "hyper", "http", "Instant", "fs"],
    },
    Room {
        module: "app",
        siblings: &[
            "access", "api", "cache", "config", "cors", "deliver", "log", "process", "server", "token", "vault",
        ],
        never: &["serde_json", "hyper", "reqwest", "Instant", "fs"],
    },
    Room {
        module: "cli",
        siblings: &["access", "app", "config", "cors", "log", "secret", "vault"],
        never: &[
            "async",
            "await",
            "tokio",
            "warp",
            "hyper",
            "reqwest",
            "SystemTime",
            "Instant",
        ],
    },
    Room {
        module: "cli/smoke",
        siblings: &["az", "cors", "host", "outbound", "secret"],
        never: &["warp", "hyper", "SystemTime", "Instant", "fs"],
    },
];

/// The longest file that a person reads without a map.
const MAX_LINES: usize = 450;

fn root() -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../..")).join("src")
}

/// Every source file below a folder, or the file itself; not the data beside them.
fn files(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        let source = path.extension().is_some_and(|extension| extension == "rs");
        return source.then(|| path.to_owned()).into_iter().collect();
    }
    let entries = fs::read_dir(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    entries.flat_map(|entry| files(&entry.unwrap().path())).collect()
}

/// The files of a module that are part of the product, but for those of a room inside it.
fn product_files(module: &str) -> Vec<PathBuf> {
    let file = root().join(module).with_extension("rs");
    let all = if file.is_file() {
        vec![file]
    } else {
        files(&root().join(module))
    };
    let inner: Vec<_> = ROOMS
        .iter()
        .filter(|room| room.module.starts_with(&format!("{module}/")))
        .map(|room| root().join(room.module))
        .collect();
    all.into_iter()
        .filter(|path| !is_test(path) && !inner.iter().any(|room| path.starts_with(room)))
        .collect()
}

fn is_test(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "tests") || path.ends_with("tests.rs")
}

/// A file's code: without comments, texts, and the tests at its end.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    without_comments_and_texts(text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default())
}

/// The words of a file's code.
fn words(path: &Path) -> Vec<String> {
    let code = code(path);
    let words = code.split(|c: char| !is_of_a_word(c));
    words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn is_of_a_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn without_comments_and_texts(code: &str) -> String {
    let mut kept = String::new();
    let mut rest = code;
    while let Some(c) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("r\"") || rest.starts_with("r#\"") {
            let end = if rest.starts_with("r#") { "\"#" } else { "\"" };
            let start = rest.find('"').unwrap() + 1;
            start + rest.get(start..).unwrap().find(end).unwrap() + end.len()
        } else if c == '"' {
            end_of_text(rest)
        } else if rest.starts_with("'\"'") {
            3
        } else {
            kept.push(c);
            c.len_utf8()
        };
        rest = rest.get(skipped..).unwrap();
    }
    kept
}

/// Where the text ends that begins here.
fn end_of_text(rest: &str) -> usize {
    let mut is_escaped = false;
    for (index, c) in rest.char_indices().skip(1) {
        match c {
            '"' if !is_escaped => return index + 1,
            '\\' => is_escaped = !is_escaped,
            _ => is_escaped = false,
        }
    }
    rest.len()
}

/// The sibling modules that this code names: `crate::X`, `crate::{X, Y}`, and the binary's `keyvault_cors::X`.
fn siblings(code: &str) -> impl Iterator<Item = &str> {
    let paths = code
        .split("crate::")
        .skip(1)
        .chain(code.split("keyvault_cors::").skip(1));
    paths.flat_map(|rest| match rest.strip_prefix('{') {
        Some(group) => group_members(group),
        None => vec![first_word(rest)],
    })
}

fn first_word(text: &str) -> &str {
    text.split(|c| !is_of_a_word(c)).next().unwrap_or_default()
}

/// The first words of the members of a group of imports, up to its closing brace.
fn group_members(group: &str) -> Vec<&str> {
    let (mut depth, mut start, mut members) = (0, 0, Vec::new());
    for (index, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            ',' | '}' if depth == 0 => {
                members.push(first_word(group.get(start..index).unwrap_or_default().trim()));
                start = index + 1;
                if c == '}' {
                    break;
                }
            }
            '}' => depth -= 1,
            _ => {}
        }
    }
    members.retain(|member| !member.is_empty() && *member != "self");
    members
}

#[test]
fn every_module_has_its_room() {
    let modules = ROOMS.iter().map(|room| room.module);
    let modules = modules.filter(|module| !module.contains('/'));
    let mut expected: Vec<_> = modules.chain(["lib", "main"]).collect();
    let mut found: Vec<_> = fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    expected.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, expected);
}

#[test]
fn a_module_names_no_sibling_that_it_need_not_know() {
    for room in &ROOMS {
        for path in product_files(room.module) {
            for sibling in siblings(&code(&path)) {
                let is_known = sibling == room.module || room.siblings.contains(&sibling);
                assert!(is_known, "{} names crate::{sibling}", path.display());
            }
        }
    }
}

#[test]
fn a_module_never_names_what_is_another_rooms() {
    for room in &ROOMS {
        for path in product_files(room.module) {
            let words = words(&path);
            for never in room.never {
                assert!(
                    !words.iter().any(|word| word == never),
                    "{} names {never}",
                    path.display()
                );
            }
        }
    }
}

#[test]
fn only_cli_reads_the_environment_and_only_vault_knows_azure() {
    for room in &ROOMS {
        for path in product_files(room.module) {
            // `env!` is the compiler's: the version.
            let reads_environment = code(&path).replace("env!", "").contains("env::");
            assert!(
                !reads_environment || room.module == "cli",
                "{} reads it",
                path.display()
            );
            for word in words(&path) {
                let is_azure = word.starts_with("azure_");
                assert!(!is_azure || room.module == "vault", "{} names {word}", path.display());
            }
        }
    }
}

#[test]
fn a_secrets_bytes_are_exposed_once() {
    let exposing = |path: &PathBuf| words(path).iter().filter(|word| *word == "expose").count();
    let uses: Vec<_> = ROOMS
        .iter()
        .filter(|room| room.module != "secret")
        .flat_map(|room| product_files(room.module))
        .filter(|path| exposing(path) > 0)
        .collect();
    assert_eq!(uses, [root().join("deliver").join("mod.rs")]);
    assert_eq!(exposing(&uses.into_iter().next().unwrap()), 1);
}

#[test]
fn no_file_needs_a_map() {
    for path in files(&root()) {
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines <= MAX_LINES, "{} has {lines} lines", path.display());
    }
}

#[test]
fn the_architecture_has_a_row_for_every_room() {
    let page = include_str!("../../../docs/architecture.md");
    for room in &ROOMS {
        let has_row = page.lines().any(|line| {
            let cell = line.split('|').nth(1).unwrap_or_default();
            line.starts_with("| ") && cell.contains(&format!("`{}`", room.module))
        });
        assert!(has_row, "{}", room.module);
    }
}

#[test]
fn every_form_of_an_import_is_read() {
    let code = "use crate::a::{self, B}; use crate::{c, d::{E, F}, g}; keyvault_cors::h::run()";
    let found: Vec<_> = siblings(code).collect();
    assert_eq!(found, ["a", "c", "d", "g", "h"]);
}

#[test]
fn code_is_told_from_comments_and_texts() {
    let code = "let a = \"env \\\" env\"; // env\nlet b = r#\"env\"#; let c = '\"'; let d = \"x\"; azure_core::x();";
    let kept = without_comments_and_texts(code);
    assert!(!kept.contains("env"), "{kept}");
    assert!(kept.contains("azure_core"), "{kept}");
}
