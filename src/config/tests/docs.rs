//! The README's table of settings is made from the table here.

use super::*;

/// The table as the README must have it.
fn table() -> String {
    let mut table = String::from("| name | default | meaning |\n| --- | --- | --- |\n");
    for setting in SETTINGS.iter().chain([&settings::PORT]) {
        let default = match setting.default {
            Fallback::Required(_) => "required".to_owned(),
            Fallback::Without(words) => words.to_owned(),
            Fallback::Value(value) if value.contains('=') => format!("`{value}`"),
            Fallback::Value(value) => format!("`{}`", value.replace(',', ", ")),
        };
        let range = match setting.kind {
            Kind::Number(min, max) => format!("{min} to {max}: "),
            Kind::Choice(words) if setting.default != Fallback::Without("by environment") => {
                format!("`{}`: ", words.join("` or `"))
            }
            Kind::Choice(_) | Kind::Text | Kind::Boolean => String::new(),
        };
        let empty = match setting.empty {
            Empty::Means(words) => format!("; empty: {words}"),
            Empty::Fault | Empty::Unset => String::new(),
        };
        table.push_str(&format!(
            "| `{}` | {default} | {range}{}{empty} |\n",
            setting.name, setting.meaning
        ));
    }
    for part in RULE_PARTS {
        table.push_str(&format!(
            "| `RULES__NAME__{}` | {} | {} |\n",
            part.name, part.default, part.meaning
        ));
    }
    table
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
