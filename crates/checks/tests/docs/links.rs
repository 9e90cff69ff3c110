//! Links, anchors and paths.

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

use regex::Regex;

use crate::page::{Page, pages, root};

/// What a path in inline code begins with.
const FOLDERS: [&str; 10] = [
    ".github/",
    "GetSecret/",
    "Preflight/",
    "crates/",
    "docs/",
    "examples/",
    "infra/",
    "scripts/",
    "src/",
    "tests/",
];

/// GitHub's anchor of a heading: lower case, without punctuation, hyphens for spaces.
fn anchor(heading: &str) -> String {
    let link = Regex::new(r"\[([^\]]*)\]\([^)]*\)").unwrap();
    let text = link.replace_all(heading, "$1").to_lowercase();
    let kept = text
        .chars()
        .filter(|&c| c.is_alphanumeric() || c == ' ' || c == '-' || c == '_');
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// The anchors of a page; a heading that comes again has a number behind it.
fn anchors(page: &Page) -> Vec<String> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut anchors = Vec::new();
    for heading in page.headings() {
        let anchor = anchor(&heading);
        let count = seen.entry(anchor.clone()).or_default();
        anchors.push(if *count == 0 {
            anchor
        } else {
            format!("{anchor}-{count}")
        });
        *count += 1;
    }
    anchors
}

/// The targets of a page's links and pictures.
fn targets(page: &Page) -> Vec<String> {
    let code = Regex::new(r"`[^`\n]*`").unwrap();
    let prose = page.prose();
    let prose = code.replace_all(&prose, "`");
    let forms = Regex::new(r#"\]\(([^) \n]+)\)|(?:src|srcset|href)="([^"]+)""#).unwrap();
    let captures = forms.captures_iter(&prose);
    captures
        .filter_map(|captures| captures.get(1).or(captures.get(2)))
        .map(|target| target.as_str().to_owned())
        .collect()
}

/// A path relative to a page, from the root of the repository.
fn resolve(page: &Page, path: &str) -> String {
    let mut resolved = PathBuf::new();
    let folder = Path::new(&page.name).parent().unwrap();
    for part in folder.join(path).components() {
        match part {
            Component::ParentDir => assert!(resolved.pop(), "{}: {path} leaves the repository", page.name),
            part => resolved.push(part),
        }
    }
    resolved.to_str().unwrap().to_owned()
}

#[test]
fn every_link_leads_somewhere() {
    for page in pages() {
        for target in targets(&page) {
            if target.contains("://") {
                assert!(target.starts_with("https://"), "{}: {target} is not https", page.name);
                continue;
            }
            let (path, fragment) = target.split_once('#').map_or((&*target, None), |(p, f)| (p, Some(f)));
            let path = if path.is_empty() {
                page.name.clone()
            } else {
                resolve(&page, path)
            };
            assert!(root().join(&path).exists(), "{}: there is no {path}", page.name);
            if let Some(fragment) = fragment {
                let anchors = anchors(&Page::read(&path));
                assert!(
                    anchors.iter().any(|anchor| anchor == fragment),
                    "{}: {target}",
                    page.name
                );
            }
        }
    }
}

#[test]
fn every_path_in_code_is_there() {
    let code = Regex::new(r"`([^` \n]+)`").unwrap();
    for page in pages() {
        let prose = page.prose();
        for captures in code.captures_iter(&prose) {
            let path = captures.get(1).unwrap().as_str();
            let is_a_path = FOLDERS.iter().any(|folder| path.starts_with(folder));
            let has_a_place_holder = path.contains(['*', '…', '<', '$', '{']) || path.contains("NAME");
            if !is_a_path || has_a_place_holder {
                continue;
            }
            assert!(root().join(path).exists(), "{}: there is no {path}", page.name);
        }
    }
}

#[test]
fn anchors_are_githubs() {
    for (heading, expected) in [
        ("What it is", "what-it-is"),
        ("Two pages, one app: which?", "two-pages-one-app-which"),
        ("The owner agrees: `REQUIRED_TAG`", "the-owner-agrees-required_tag"),
        ("See [docs](docs/README.md)", "see-docs"),
    ] {
        assert_eq!(anchor(heading), expected);
    }
}
