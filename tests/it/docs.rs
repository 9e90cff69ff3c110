//! The page on settings names every kind of fault and warning that is tested.

use crate::dangerous::TABLES;
use crate::support::table;

const CONFIGURATION: &str = include_str!("../../docs/configuration.md");

/// The cells of the rows of all tables in a document.
fn rows(document: &str) -> Vec<Vec<&str>> {
    let lines = document.lines().filter(|line| line.starts_with("| "));
    lines
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect()
}

#[test]
fn every_fault_and_warning_that_is_tested_is_in_the_table_of_faults() {
    let rows = rows(CONFIGURATION);
    for text in TABLES {
        for section in table::read(text) {
            let (kind, names) = section.title.split_once(' ').unwrap();
            for name in names.split(',') {
                let name = match name.strip_suffix('*') {
                    Some(beginning) => format!("`{beginning}"),
                    None => format!("`{name}`"),
                };
                let is_told = rows.iter().any(|row| {
                    let of_kind = match kind {
                        "either" => row[2] == "fault" || row[2] == "warning",
                        kind => row[2] == kind,
                    };
                    row[0].contains(&name) && of_kind
                });
                assert!(is_told, "{}", section.title);
            }
        }
    }
}

#[test]
fn the_table_of_faults_has_four_columns_and_says_fault_or_warning() {
    let rows = rows(CONFIGURATION);
    assert!(rows.len() > 40, "{} rows", rows.len());
    for row in rows.iter().skip(1).filter(|row| !row[0].starts_with("---")) {
        assert_eq!(row.len(), 4, "{row:?}");
        assert!(matches!(row[2], "fault" | "warning"), "{row:?}");
    }
}
