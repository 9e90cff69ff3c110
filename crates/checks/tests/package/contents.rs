//! What is published, from wherever.

use std::fs;
use std::path::Path;

/// The repository.
pub(crate) const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// The one file that is built.
pub(crate) const HANDLER: &str = "handler";

/// The package, sorted.
pub(crate) const CONTENTS: [&str; 4] = [
    "GetSecret/function.json",
    "Preflight/function.json",
    HANDLER,
    "host.json",
];

/// Every file in this folder and below, by its path from there, sorted; links are followed. Folders of these names are
/// left out.
pub(crate) fn files(root: &Path, without: &[&str]) -> Vec<String> {
    let mut files = Vec::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let entry = entry.unwrap();
            let path = entry.path();
            if !path.is_dir() {
                files.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
            } else if !without.iter().any(|name| entry.file_name() == *name) {
                folders.push(path);
            }
        }
    }
    files.sort();
    files
}
