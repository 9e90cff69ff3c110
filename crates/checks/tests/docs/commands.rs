//! Commands that a reader copies.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::page::{pages, root};

/// Programs that are not ours.
const PROGRAMS: [&str; 22] = [
    "apt-get",
    "az",
    "azd",
    "cat",
    "cd",
    "cp",
    "curl",
    "do",
    "done",
    "dotnet",
    "eval",
    "export",
    "for",
    "func",
    "gh",
    "git",
    "node",
    "printf",
    "rm",
    "sha256sum",
    "sudo",
    "unzip",
];

/// What `handler --help` says of the command line.
fn usage() -> String {
    fs::read_to_string(root().join("src/cli/arguments.rs")).unwrap()
}

/// The commands of a line, by their words: without comments, and without variables in front.
fn commands(line: &str) -> Vec<Vec<String>> {
    let mut commands = vec![Vec::new()];
    for word in words(line) {
        match word.as_str() {
            "#" => break,
            "&&" | "|" | ";" => commands.push(Vec::new()),
            _ => commands.last_mut().unwrap().push(word),
        }
    }
    let bare = commands
        .into_iter()
        .map(|words| words.into_iter().skip_while(|word| is_assignment(word)));
    bare.map(Iterator::collect)
        .filter(|words: &Vec<_>| !words.is_empty())
        .collect()
}

/// The words of a line; a quoted text is part of its word.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for c in line.chars() {
        if quote == Some(c) {
            quote = None;
        } else if quote.is_none() && (c == '"' || c == '\'') {
            quote = Some(c);
        } else if quote.is_none() && c.is_whitespace() {
            words.push(String::new());
        } else {
            words.last_mut().unwrap().push(c);
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn is_assignment(word: &str) -> bool {
    let name = word.split_once('=').map_or("", |(name, _)| name);
    !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_uppercase() || b == b'_' || b.is_ascii_lowercase())
}

/// The lines to type of a block: all of `sh`, those behind a prompt of `console`.
fn lines(language: &str, text: &str) -> Vec<String> {
    let joined = text.replace("\\\n", " ");
    let lines = joined
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    match language {
        "sh" => lines.map(str::to_owned).collect(),
        "console" => lines
            .filter_map(|line| line.strip_prefix("$ "))
            .map(str::to_owned)
            .collect(),
        _ => Vec::new(),
    }
}

/// What follows an option.
fn value_of<'a>(words: &'a [String], option: &str) -> Option<&'a str> {
    let behind = words.iter().skip_while(|word| *word != option).nth(1);
    let joined = words
        .iter()
        .find_map(|word| word.strip_prefix(option)?.strip_prefix('='));
    behind.map(String::as_str).or(joined)
}

/// What is wrong with a command.
fn fault(words: &[String]) -> Option<String> {
    let (program, arguments) = words.split_first()?;
    let missing = |path: String| (!root().join(&path).exists()).then(|| format!("there is no {path}"));
    match program.as_str() {
        "cargo" => cargo(arguments),
        "handler" | "target/debug/handler" => handler(arguments),
        "npm" => missing(format!("{}/package.json", value_of(arguments, "--prefix")?)),
        "az" => value_of(arguments, "--template-file").and_then(|file| missing(file.to_owned())),
        "azd" => azd(arguments),
        script if script.contains('/') => {
            let Ok(metadata) = fs::metadata(root().join(script)) else {
                return Some(format!("there is no {script}"));
            };
            (metadata.permissions().mode() & 0o111 == 0).then(|| format!("{script} cannot be run"))
        }
        other => (!PROGRAMS.contains(&other)).then(|| format!("{other} is no program that a reader has")),
    }
}

fn cargo(arguments: &[String]) -> Option<String> {
    let package = value_of(arguments, "--package").or(value_of(arguments, "-p"));
    let folder = package.map_or(String::new(), |package| format!("crates/{package}/"));
    let exists = |path: String| root().join(path).exists();
    if !exists(format!("{folder}Cargo.toml")) {
        return Some(format!("there is no package {folder}"));
    }
    if let Some(test) = value_of(arguments, "--test") {
        let manifest = fs::read_to_string(root().join(format!("{folder}Cargo.toml"))).unwrap();
        let is_there = exists(format!("{folder}tests/{test}.rs"))
            || exists(format!("{folder}tests/{test}/main.rs"))
            || manifest.contains(&format!("name = \"{test}\""));
        return (!is_there).then(|| format!("there is no test {test}"));
    }
    let example = value_of(arguments, "--example")?;
    let is_there = exists(format!("examples/{example}/main.rs")) || exists(format!("examples/{example}.rs"));
    (!is_there).then(|| format!("there is no example {example}"))
}

fn handler(arguments: &[String]) -> Option<String> {
    let subcommand = arguments.first().filter(|word| !word.starts_with('-'));
    let usage = usage();
    if let Some(subcommand) = subcommand
        && !usage.contains(&format!("  handler {subcommand}"))
    {
        return Some(format!("handler has no {subcommand}"));
    }
    let unknown = arguments
        .iter()
        .find(|word| word.starts_with("--") && !usage.contains(word.as_str()));
    unknown.map(|option| format!("handler has no {option}"))
}

/// `azd env set NAME VALUE` and `azd env set NAME=VALUE …` name what infra/main.parameters.json reads.
fn azd(arguments: &[String]) -> Option<String> {
    let [env, set, rest @ ..] = arguments else {
        return None;
    };
    if env != "env" || set != "set" {
        return None;
    }
    let parameters = fs::read_to_string(root().join("infra/main.parameters.json")).unwrap();
    let pairs: Vec<_> = rest.iter().filter(|word| is_assignment(word)).collect();
    let names = if pairs.is_empty() {
        rest.iter().take(1).collect()
    } else {
        pairs
    };
    let unknown = names.iter().map(|word| word.split('=').next().unwrap_or_default());
    let is_read = |name: &str| {
        ["}", "="]
            .iter()
            .any(|end| parameters.contains(&format!("${{{name}{end}")))
    };
    let mut unknown = unknown.filter(|name| !is_read(name));
    unknown
        .next()
        .map(|name| format!("infra/main.parameters.json does not read {name}"))
}

/// Commands in the middle of a sentence, by their first words.
const IN_PROSE: [&str; 5] = ["azd env set ", "cargo ", "handler ", "npm ", "scripts/"];

#[test]
fn every_command_in_prose_can_be_run() {
    let code = regex::Regex::new("`([^`]+)`").unwrap();
    for page in pages() {
        let prose = page.prose();
        for captures in code.captures_iter(&prose) {
            let line = captures[1].replace('\n', " ");
            if IN_PROSE.iter().any(|start| line.starts_with(start)) {
                let faults: Vec<_> = commands(&line).iter().filter_map(|words| fault(words)).collect();
                assert!(faults.is_empty(), "{}: `{line}`: {faults:?}", page.name);
            }
        }
    }
}

#[test]
fn every_command_can_be_run() {
    let mut count = 0;
    for page in pages() {
        for block in page.blocks() {
            for line in lines(block.language, &block.text) {
                for words in commands(&line) {
                    count += 1;
                    let fault = fault(&words);
                    assert_eq!(fault, None, "{}: {line}", page.name);
                }
            }
        }
    }
    assert!(count > 15, "{count} commands");
}

#[test]
fn a_command_that_is_not_there_is_found() {
    for (line, is_right) in [
        ("cargo run --example demo", true),
        ("cargo run --example demonstration", false),
        ("cargo test --package checks --test rooms", true),
        ("cargo test --package checks --test room", false),
        ("scripts/test", true),
        ("scripts/tests", false),
        ("handler check --origin https://contoso.com", true),
        ("handler check --origins https://contoso.com", false),
        ("handler chek", false),
        ("azd env set ALLOWED_ORIGINS=https://contoso.com PREFETCH=false", true),
        ("azd env set ALLOWED_ORIGIN https://contoso.com", false),
        ("az deployment group create --template-file infra/resource.bicep", false),
        ("npm ci --prefix examples/spa", true),
        ("npm ci --prefix examples/page", false),
        ("KEY_VAULT_URL=x cargo run --example demonstration", false),
        ("frobnicate", false),
    ] {
        let faults: Vec<_> = commands(line).iter().filter_map(|words| fault(words)).collect();
        assert_eq!(faults.is_empty(), is_right, "{line}: {faults:?}");
    }
}
