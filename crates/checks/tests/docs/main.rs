//! The documents: every link, anchor, path and command in them is there, the README is short and has every setting, and
//! every example of settings is a valid configuration.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a broken expectation ends a test")]

mod commands;
mod links;
mod page;
mod settings;

use std::fs;
use std::path::Path;

use page::{Page, root};

/// Lines of the README, at most.
const MAX_README: usize = 160;
/// Lines that a person sees without scrolling, at most.
const FIRST_SCREEN: usize = 25;

#[test]
fn the_readme_is_short_and_says_first_what_was_never_run() {
    let readme = Page::read("README.md");
    let count = readme.text.lines().count();
    assert!(count <= MAX_README, "{count} lines");
    let first: Vec<_> = readme.text.lines().take(FIRST_SCREEN).collect();
    let first = first.join(" ");
    for said in ["never run on Azure", "What it is not for", "docs/choosing.md"] {
        assert!(first.contains(said), "{said}");
    }
}

#[test]
fn the_readme_keeps_its_order() {
    let readme = Page::read("README.md");
    let headings: Vec<_> = readme.headings().collect();
    let expected = [
        "keyvault-cors",
        "See it work",
        "Test it",
        "Deploy it",
        "Settings",
        "Status",
    ];
    assert_eq!(headings, expected);
}

#[test]
fn every_page_is_in_the_index() {
    for (folder, index) in [
        ("docs", "docs/README.md"),
        ("docs/decisions", "docs/decisions/README.md"),
    ] {
        let index = Page::read(index);
        for entry in fs::read_dir(root().join(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let is_page = Path::new(&name).extension().is_some_and(|extension| extension == "md");
            if is_page && name != "README.md" {
                assert!(index.text.contains(&format!("({name})")), "{folder}/{name}");
            }
        }
    }
}

#[test]
fn decisions_are_numbered_without_gaps() {
    let entries = fs::read_dir(root().join("docs/decisions")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut numbers: Vec<usize> = names.filter_map(|name| name.split('-').next()?.parse().ok()).collect();
    numbers.sort_unstable();
    let expected: Vec<_> = (1..=numbers.len()).collect();
    assert_eq!(numbers, expected);
}

#[test]
fn the_dark_pictures_are_the_light_ones_in_other_colours() {
    let colour = regex::Regex::new("#[0-9a-f]{6}").unwrap();
    for name in ["demo", "request"] {
        let [light, dark] = ["light", "dark"].map(|theme| {
            let picture = fs::read_to_string(root().join(format!("docs/images/{name}-{theme}.svg"))).unwrap();
            colour.replace_all(&picture, "#").into_owned()
        });
        assert_eq!(light, dark, "{name}");
    }
}

/// What a person searches for: the codes of answers, and the reasons in the log.
#[test]
fn every_code_is_explained_in_troubleshooting() {
    let page = Page::read("docs/troubleshooting.md");
    let code = fs::read_to_string(root().join("src/api/problem.rs")).unwrap();
    let texts = regex::Regex::new(r#"text!\([ \n]*"([A-Za-z]+)",(?:[ \n]*"([A-Za-z]+)",)?"#).unwrap();
    let reasons = regex::Regex::new(r#"NotFound::[A-Za-z]+ => "([A-Za-z]+)""#).unwrap();
    let captures = texts.captures_iter(&code).chain(reasons.captures_iter(&code));
    let mut count = 0;
    for code in captures.flat_map(|captures| captures.iter().skip(1).flatten().collect::<Vec<_>>()) {
        count += 1;
        assert!(page.text.contains(code.as_str()), "{}", code.as_str());
    }
    assert!(count > 20, "{count} codes");
}
