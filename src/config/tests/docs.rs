//! The README's table of settings is made from the table here.

use super::*;

/// The table as the README must have it.
fn table() -> String {
    let mut rows = vec![
        "| name | default | meaning |".to_owned(),
        "| --- | --- | --- |".to_owned(),
    ];
    for setting in SETTINGS {
        let default = match setting.default {
            Fallback::Required(_) => "required".to_owned(),
            Fallback::Without(words) => words.to_owned(),
            Fallback::Value(value) if value.contains('=') => format!("`{value}`"),
            Fallback::Value(value) => format!("`{}`", value.replace(',', "`, `")),
        };
        let range = match setting.kind {
            Kind::Number(min, max) => format!("{min} to {max}: "),
            Kind::Choice(_) | Kind::Text | Kind::Boolean => String::new(),
        };
        let empty = match setting.empty {
            Empty::Means(words) => format!("; empty: {words}"),
            Empty::Fault | Empty::Unset => String::new(),
        };
        let name = setting.name;
        rows.push(format!("| `{name}` | {default} | {range}{}{empty} |", setting.meaning));
    }
    let parts = RULE_PARTS.iter();
    rows.extend(parts.map(|part| format!("| `RULES__NAME__{}` | {} | {} |", part.name, part.default, part.meaning)));
    rows.push(String::new());
    rows.join("\n")
}

#[test]
fn the_readme_has_the_table_of_settings() {
    let readme = include_str!("../../../README.md");
    let table = table();
    assert!(
        readme.contains(&table),
        "the README's table of settings must be:\n{table}"
    );
}
