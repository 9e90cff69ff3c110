//! Which files Core Tools publishes, as its source has it: Azure/azure-functions-core-tools, version 4,
//! `GetLocalFiles` in `src/Cli/func/Common/FileSystemHelpers.cs`, and `src/Cli/func/Common/GitIgnoreParser.cs`.

use regex::Regex;

/// Folders that are never published, at any depth and in any case.
const NEVER_FOLDERS: [&str; 2] = [".git", ".vscode"];

/// Files that are never published, at any depth and in any case.
const NEVER_FILES: [&str; 4] = [".funcignore", ".gitignore", "local.settings.json", "project.lock.json"];

/// A `.funcignore` as Core Tools understands it.
#[derive(Debug)]
pub(crate) struct Rules {
    denied: Option<Regex>,
    allowed: Option<Regex>,
}

impl Rules {
    pub(crate) fn parse(text: &str) -> Self {
        let (allowed, denied): (Vec<_>, Vec<_>) = text
            .split('\n')
            .map(str::trim)
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .partition(|line| line.starts_with('!'));
        let allowed: Vec<_> = allowed.iter().filter_map(|line| line.strip_prefix('!')).collect();
        Self {
            denied: expression(&denied),
            allowed: expression(&allowed),
        }
    }

    /// Whether a file, given by its path from the root, is published.
    pub(crate) fn publishes(&self, path: &str) -> bool {
        let is_one_of = |names: &[&str], name: &str| names.iter().any(|other| other.eq_ignore_ascii_case(name));
        let mut segments = path.split('/').rev();
        let name = segments.next().unwrap();
        let matches = |expression: &Option<Regex>| expression.as_ref().is_some_and(|regex| regex.is_match(path));
        !is_one_of(&NEVER_FILES, name)
            && !segments.any(|folder| is_one_of(&NEVER_FOLDERS, folder))
            && (matches(&self.allowed) || !matches(&self.denied))
    }
}

/// Patterns as one regular expression: anchored at the root, and ended by a boundary between an ASCII word character
/// and another one, which may be in the middle of a name.
fn expression(patterns: &[&str]) -> Option<Regex> {
    if patterns.is_empty() {
        return None;
    }
    let alternatives = patterns
        .iter()
        .map(|pattern| translate(pattern.strip_prefix('/').unwrap_or(pattern)))
        .collect::<Vec<_>>();
    Some(Regex::new(&format!(r"^(({}))(?-u:\b)", alternatives.join(")|("))).unwrap())
}

fn translate(pattern: &str) -> String {
    let mut escaped = String::new();
    for character in pattern.chars() {
        if r"-[]/{}()+?.\^$|".contains(character) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped.replace("**", "(.+)").replace('*', r"([^\/]+)")
}

#[test]
fn the_rules_are_core_tools_own_and_not_gits() {
    // The file's text, a path, and whether that is published.
    let table = [
        ("", "src/main.rs", true),
        ("# src", "src/main.rs", true),
        ("  src \r\n", "src/main.rs", false),
        ("/src", "src/main.rs", false),
        // The whole name, or its beginning up to a word's end.
        ("src", "src", false),
        ("src", "src-old/main.rs", false),
        ("src", "src.rs", false),
        ("src", "srcs/main.rs", true),
        ("src", "src_old/main.rs", true),
        ("src/", "src/main.rs", false),
        ("src/", "src/.hidden", true),
        // From the root only, and in this case only.
        ("src", "crates/testkit/src/main.rs", true),
        ("Src", "src/main.rs", true),
        // A star is one character or more, and stops at a slash.
        ("*.rs", "main.rs", false),
        ("*.rs", ".rs", true),
        ("*.rs", "src/main.rs", true),
        ("src/*", "src/api/mod.rs", false),
        ("src/*/mod.rs", "src/mod.rs", true),
        // Two stars are one character or more too, and do not stop.
        ("**.rs", "src/api/mod.rs", false),
        ("src/**/mod.rs", "src/api/cors/mod.rs", false),
        ("src/**/mod.rs", "src/mod.rs", true),
        ("**/mod.rs", "mod.rs", true),
        // Nothing else is special.
        ("[a-z]rc", "src/main.rs", true),
        ("s?c", "src/main.rs", true),
        ("s.c", "src/main.rs", true),
        // An exception wins wherever it stands, and ends at a boundary as well.
        ("!src\nsrc", "src/main.rs", true),
        ("**\n!src", "src-old/main.rs", true),
        ("**\n!/src/main.rs", "src/main.rs", true),
        ("**\n!src/main.rs", "src/lib.rs", false),
        ("**\n!main.rs", "src/main.rs", false),
        // A star needs a word's end, and finds none in a name without letters, digits and underscores.
        ("*", "-/main.rs", true),
        ("**", "-/main.rs", false),
        ("**", "-/~", true),
        // Some are out without being listed.
        ("!.git\n!.funcignore", ".git/config", false),
        ("!.funcignore", "docs/.FuncIgnore", false),
        ("!local.settings.json", "local.settings.json", false),
        ("", "a/.VSCode/settings.json", false),
        ("", ".vscode", true),
    ];
    for (text, path, published) in table {
        assert_eq!(Rules::parse(text).publishes(path), published, "{text:?} on {path}");
    }
}
