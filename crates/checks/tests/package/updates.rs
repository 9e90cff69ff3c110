//! Dependabot watches every folder with a lock file, and no other.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::contents::{ROOT, files};

#[test]
fn every_lock_file_is_kept_up_to_date() {
    let tree = files(Path::new(ROOT), &[".git", "node_modules", "target"]);
    let folders: BTreeSet<_> = tree
        .iter()
        .filter_map(|file| {
            let locks = ["package-lock.json", "Cargo.lock", "requirements.txt"];
            locks.iter().find_map(|lock| file.strip_suffix(lock))
        })
        .map(|folder| format!("/{}", folder.trim_end_matches('/')))
        .collect();
    let dependabot = fs::read_to_string(Path::new(ROOT).join(".github/dependabot.yml")).unwrap();
    let lists = dependabot
        .lines()
        .filter_map(|line| line.trim().strip_prefix("directories: [")?.strip_suffix(']'));
    let watched: BTreeSet<_> = lists.flat_map(|list| list.split(", ")).map(str::to_owned).collect();

    assert_eq!(watched, folders);
}
