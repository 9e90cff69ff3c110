//! The table of settings in the README, and the examples of settings.

use std::collections::BTreeMap;

use keyvault_cors::config::{AppFiles, Config, Empty, Fallback, Kind, RULE_PARTS, SETTINGS, Setting};

use crate::page::{Page, pages};

/// The row of a setting in the README, by its cells.
fn row(setting: &Setting) -> [String; 3] {
    let default = match setting.default {
        Fallback::Required(_) => "required".to_owned(),
        Fallback::Without(word) => word.to_owned(),
        Fallback::Value(value) if value.contains(",x-") => format!("`{}`", value.replace(',', "`, `")),
        Fallback::Value(value) => format!("`{value}`"),
    };
    let mut meaning = setting.meaning.to_owned();
    if let Kind::Number(least, most) = setting.kind {
        meaning.insert_str(0, &format!("{least} to {most}: "));
    }
    if let Empty::Means(what) = setting.empty {
        meaning += "; empty: ";
        meaning += what;
    }
    [format!("`{}`", setting.name), default, meaning]
}

#[test]
fn the_readme_has_the_table_of_all_settings() {
    let of_rules = RULE_PARTS.iter().map(|part| {
        let name = format!("`RULES__NAME__{}`", part.name);
        [name, part.default.to_owned(), part.meaning.to_owned()]
    });
    let expected: Vec<_> = SETTINGS.iter().map(row).chain(of_rules).collect();
    let readme = Page::read("README.md");
    let found: Vec<_> = readme
        .rows()
        .skip_while(|row| row[0] != "name")
        .skip(2)
        .take_while(|row| row[0].starts_with('`'))
        .collect();
    let as_lines: Vec<_> = expected
        .iter()
        .map(|row| format!("| {} |\n", row.join(" | ")))
        .collect();
    assert!(
        found == expected,
        "README.md should have this table:\n{}",
        as_lines.concat()
    );
}

/// Blocks of the language `ini` are app settings; what they leave out is added.
#[test]
fn every_example_of_settings_is_a_valid_configuration() {
    let mut count = 0;
    for page in pages() {
        for block in page.blocks().filter(|block| block.language == "ini") {
            count += 1;
            let usual = [
                ("KEY_VAULT_URL", "https://my-vault.vault.azure.net"),
                ("ALLOWED_SECRETS", "maps-key"),
                ("ALLOWED_ORIGINS", "https://app.contoso.com"),
            ];
            let lines = block.text.lines().filter_map(|line| line.split_once('='));
            let settings: BTreeMap<_, _> = usual
                .into_iter()
                .chain(lines)
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect();
            let read = Config::read(&settings, &AppFiles::new());
            let findings = match read {
                Ok(config) => config.warnings,
                Err(findings) => findings.faults,
            };
            assert!(findings.is_empty(), "{}: {findings:?}\n{}", page.name, block.text);
        }
    }
    assert!(count > 0);
}
