//! What criterion measured in process, read from the files that it leaves.

use std::fs;
use std::path::Path;

use serde_json::Value;

/// The benchmarks' names, with their medians in nanoseconds, in the order of the names.
pub(crate) fn read(folder: &Path) -> Vec<(String, f64)> {
    let mut found = Vec::new();
    visit(folder, &mut found);
    found.sort_by(|(a, _), (b, _)| a.cmp(b));
    found
}

fn visit(folder: &Path, found: &mut Vec<(String, f64)>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.map(|entry| entry.unwrap().path()) {
        if !path.ends_with("new") {
            visit(&path, found);
            continue;
        }
        let json = |file: &str| -> Value { serde_json::from_slice(&fs::read(path.join(file)).unwrap()).unwrap() };
        let name = json("benchmark.json")["full_id"].as_str().unwrap().to_owned();
        let median = json("estimates.json")["median"]["point_estimate"].as_f64().unwrap();
        found.push((name, median));
    }
}
