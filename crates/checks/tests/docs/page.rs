//! A document of the repository, as Markdown.

use std::fs;
use std::path::{Path, PathBuf};

/// Folders without documents of ours.
const OTHERS: [&str; 5] = [".git", "dist", "node_modules", "target", ".venv"];

pub(crate) fn root() -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .canonicalize()
        .unwrap()
}

/// A document.
pub(crate) struct Page {
    /// Its path from the root of the repository.
    pub(crate) name: String,
    pub(crate) text: String,
}

/// A fenced block of code.
pub(crate) struct Block<'a> {
    pub(crate) language: &'a str,
    pub(crate) text: String,
}

impl Page {
    pub(crate) fn read(name: &str) -> Self {
        let text = fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        let name = name.to_owned();
        Self { name, text }
    }

    /// The fenced blocks, without the indentation of the list that they stand in.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = Block<'_>> {
        let mut blocks: Vec<Block<'_>> = Vec::new();
        let mut indent = None;
        for line in self.text.lines() {
            let fence = line.trim_start().strip_prefix("```");
            match (fence, indent) {
                (Some(language), None) => {
                    indent = Some(line.len() - line.trim_start().len());
                    let text = String::new();
                    blocks.push(Block { language, text });
                }
                (Some(_), Some(_)) => indent = None,
                (None, Some(indent)) => {
                    let block = blocks.last_mut().unwrap();
                    block.text.push_str(line.get(indent..).unwrap_or_default());
                    block.text.push('\n');
                }
                (None, None) => {}
            }
        }
        assert!(indent.is_none(), "{}: a block without an end", self.name);
        blocks.into_iter()
    }

    /// The lines outside fenced blocks.
    pub(crate) fn prose(&self) -> String {
        let mut is_code = false;
        let mut prose = String::new();
        for line in self.text.lines() {
            if line.trim_start().starts_with("```") {
                is_code = !is_code;
            } else if !is_code {
                prose.push_str(line);
                prose.push('\n');
            }
        }
        prose
    }

    /// The texts of the headings.
    pub(crate) fn headings(&self) -> impl Iterator<Item = String> {
        let prose = self.prose();
        let lines: Vec<_> = prose
            .lines()
            .filter(|line| line.starts_with('#'))
            .map(str::to_owned)
            .collect();
        lines
            .into_iter()
            .map(|line| line.trim_start_matches('#').trim().to_owned())
    }

    /// The rows of all tables, by their cells.
    pub(crate) fn rows(&self) -> impl Iterator<Item = Vec<&str>> {
        let lines = self.text.lines().filter(|line| line.starts_with("| "));
        lines.map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
    }
}

/// Every document, in the order of their names.
pub(crate) fn pages() -> Vec<Page> {
    let mut names = Vec::new();
    collect(&root(), "", &mut names);
    names.sort();
    assert!(names.len() > 15, "{names:?}");
    names.iter().map(|name| Page::read(name)).collect()
}

fn collect(folder: &Path, prefix: &str, names: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = format!("{prefix}{name}");
        if entry.file_type().unwrap().is_dir() {
            if !OTHERS.contains(&name.as_str()) {
                collect(&entry.path(), &format!("{path}/"), names);
            }
        } else if Path::new(&name).extension().is_some_and(|extension| extension == "md") {
            names.push(path);
        }
    }
}
