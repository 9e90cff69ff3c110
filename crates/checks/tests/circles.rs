//! No files import one another in a circle: each can be read with those below it, and changed without those above.
//!
//! A module's file and the files of its own folder count as one here: they declare, re-export and use each other.

#![expect(
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a broken expectation ends a test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const REPOSITORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// The folders of crate roots, `*` for any name.
const ROOTS: [&str; 5] = ["src", "crates/*/src", "crates/*/tests/*", "tests/it", "examples/*"];

/// The modules of a crate: the path of each and its file.
type Modules = BTreeMap<Vec<String>, PathBuf>;

fn folders(pattern: &str) -> Vec<PathBuf> {
    let mut folders = vec![PathBuf::from(REPOSITORY)];
    for part in pattern.split('/') {
        let children = |folder: &PathBuf| match part {
            "*" => {
                fs::read_dir(folder).map_or_else(|_| Vec::new(), |all| all.map(|entry| entry.unwrap().path()).collect())
            }
            name => vec![folder.join(name)],
        };
        folders = folders.iter().flat_map(children).filter(|path| path.is_dir()).collect();
    }
    folders
}

fn add_modules(folder: &Path, path: &[String], modules: &mut Modules) {
    for entry in fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().path();
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        let below = [path, std::slice::from_ref(&name)].concat();
        if file.is_dir() {
            add_modules(&file, &below, modules);
        } else if file.extension().is_some_and(|extension| extension == "rs") {
            let is_root = matches!(name.as_str(), "mod" | "main" | "lib");
            modules.insert(if is_root { path.to_vec() } else { below }, file);
        }
    }
}

/// A file's code without comments, and without the tests at its end.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
    code.lines()
        .map(|line| line.split("//").next().unwrap().to_owned() + "\n")
        .collect()
}

/// `a::{b, c::d}` as `a::b` and `a::c::d`.
fn expanded(tree: &str) -> Vec<String> {
    let Some((before, group)) = tree.split_once('{') else {
        return vec![tree.split(" as ").next().unwrap().trim().to_owned()];
    };
    let (mut depth, mut parts) = (0, vec![String::new()]);
    for character in group.trim_end().trim_end_matches('}').chars() {
        depth += i32::from(character == '{') - i32::from(character == '}');
        match character {
            ',' if depth == 0 => parts.push(String::new()),
            _ => parts.last_mut().unwrap().push(character),
        }
    }
    let parts = parts.iter().filter(|part| !part.trim().is_empty());
    parts
        .flat_map(|part| expanded(&format!("{}{}", before.trim(), part.trim())))
        .collect()
}

/// The trees of a file's `use` statements, re-exports or not.
fn uses(code: &str, re_exports: bool) -> impl Iterator<Item = String> {
    let statements = code.split(';').filter_map(move |statement| {
        let (before, tree) = statement.rsplit_once("use ")?;
        let is_re_export = before.trim_end().ends_with("pub") || before.trim_end().ends_with(')');
        (is_re_export == re_exports).then(|| expanded(tree))
    });
    statements.flatten()
}

/// A path as a list of names from the crate's root, if it names something of this crate.
fn absolute(text: &str, module: &[String], modules: &Modules) -> Option<Vec<String>> {
    let names: Vec<_> = text.split("::").map(|name| name.trim().to_owned()).collect();
    let supers = names.iter().take_while(|name| *name == "super").count();
    let is_child = modules.contains_key(&[module, &names[..1]].concat());
    match names[0].as_str() {
        "crate" => Some(names[1..].to_vec()),
        "super" => Some([&module[..module.len().checked_sub(supers)?], &names[supers..]].concat()),
        "self" => Some([module, &names[1..]].concat()),
        _ if is_child => Some([module, &names].concat()),
        _ => None,
    }
}

/// The module that has what a path names, re-exports followed.
fn owner(path: &[String], modules: &Modules) -> Option<Vec<String>> {
    let length = (0..=path.len())
        .rev()
        .find(|&length| modules.contains_key(&path[..length]))?;
    let (module, rest) = path.split_at(length);
    let exported =
        uses(&code(&modules[module]), true).find(|tree| tree.rsplit("::").next() == rest.first().map(String::as_str));
    let exported = exported
        .and_then(|tree| absolute(&tree, module, modules))
        .filter(|next| next != path);
    exported.map_or_else(|| Some(module.to_vec()), |next| owner(&next, modules))
}

fn imports(module: &[String], modules: &Modules) -> BTreeSet<Vec<String>> {
    let code = code(&modules[module]);
    let named = ["crate::", "super::"].into_iter().flat_map(|start| {
        let after = code.split(start).skip(1);
        after
            .map(move |rest| {
                rest.split(|c: char| !c.is_alphanumeric() && c != '_' && c != ':')
                    .next()
                    .unwrap()
            })
            .map(move |rest| format!("{start}{rest}"))
    });
    let paths = uses(&code, false)
        .chain(named)
        .filter_map(|text| absolute(&text, module, modules));
    let owners = paths.filter_map(|path| owner(&path, modules));
    owners
        .filter(|other| !other.starts_with(module) && !module.starts_with(other))
        .collect()
}

/// What is left when whatever imports nothing that is left, or is imported by nothing, is taken away again and again.
fn circles(mut edges: BTreeMap<Vec<String>, BTreeSet<Vec<String>>>) -> Vec<String> {
    loop {
        let left: BTreeSet<_> = edges.keys().cloned().collect();
        let imported: BTreeSet<_> = edges.values().flatten().cloned().collect();
        edges.retain(|module, imports| imported.contains(module) && !imports.is_disjoint(&left));
        if edges.len() == left.len() {
            return edges.keys().map(|module| module.join("::")).collect();
        }
    }
}

#[test]
fn no_files_import_one_another_in_a_circle() {
    let mut files = 0;
    for folder in ROOTS.into_iter().flat_map(folders) {
        let mut modules = Modules::new();
        add_modules(&folder, &[], &mut modules);
        files += modules.len();
        let edges = modules.keys().map(|module| (module.clone(), imports(module, &modules)));
        let circles = circles(edges.collect());
        assert!(circles.is_empty(), "{}: {circles:?}", folder.display());
    }
    assert!(files > 100, "{files} files");
}

#[test]
fn a_circle_is_found_through_re_exports_and_groups() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("circles");
    fs::create_dir_all(folder.join("b")).unwrap();
    for (file, text) in [
        ("lib.rs", "mod a;\nmod b;\nmod c;\nmod d;\n"),
        ("a.rs", "use std::{fs, io};\nuse crate::{b::{Name}, c};\n"),
        ("b/mod.rs", "mod inner;\npub use inner::Name;\n"),
        ("b/inner.rs", "use super::super::a::Other;\n"),
        ("c.rs", "// use crate::a;\n"),
        ("d.rs", "use crate::a::Other;\n"),
    ] {
        fs::write(folder.join(file), text).unwrap();
    }
    let mut modules = Modules::new();
    add_modules(&folder, &[], &mut modules);
    let edges = modules.keys().map(|module| (module.clone(), imports(module, &modules)));
    assert_eq!(circles(edges.collect()), ["a", "b::inner"]);
}
