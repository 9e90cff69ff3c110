//! `Values` of a local.settings.json, as Core Tools reads them.

use std::collections::{BTreeMap, BTreeSet};

use super::json::Json;
use super::reader::Finding;

/// The `Values` of a settings file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SettingsFile {
    /// The settings; numbers and booleans are taken as text.
    pub values: BTreeMap<String, String>,
    /// The names whose values are none: null, objects and arrays.
    pub invalid: BTreeSet<String>,
    /// What is wrong with those, none of which is repeated.
    pub faults: Vec<Finding>,
}

/// Reads the `Values` of the file `name` from its bytes.
///
/// # Errors
/// Why it has none: it is no JSON, is encrypted, or has no object `Values`.
pub fn read_settings_file(name: &str, bytes: &[u8]) -> Result<SettingsFile, Finding> {
    let finding = |message: String| Finding::new(name, message);
    let json =
        Json::parse(bytes).map_err(|at| finding(format!("it is not JSON: line {}, column {}", at.line, at.column)))?;
    let is_encrypted = json
        .members("IsEncrypted")
        .any(|value| *value == Json::Boolean(true) || value.is_text("true"));
    if is_encrypted {
        let message = "it is encrypted; decrypt it where it is, with: func settings decrypt";
        return Err(finding(message.into()));
    }
    // As with every repeated name, the last one holds.
    let Some(Json::Object(members)) = json.members("Values").last() else {
        return Err(finding("it has no object `Values`".into()));
    };
    let mut file = SettingsFile::default();
    for (setting, value) in members {
        let what = match value {
            Json::Text(text) | Json::Number(text) => {
                file.values.insert(setting.clone(), text.clone());
                continue;
            }
            Json::Boolean(boolean) => {
                file.values.insert(setting.clone(), boolean.to_string());
                continue;
            }
            Json::Null => "null, which is not a value; remove the line, or give it a text",
            Json::Array(_) => "an array; a setting is one text, and commas separate the elements of a list in it",
            Json::Object(_) => {
                "an object; a setting is one text, and the parts of a nested name are joined by `__` (two underscores)"
            }
        };
        file.invalid.insert(setting.clone());
        file.faults
            .push(finding(format!("Values.{} is {what}", setting.escape_debug())));
    }
    Ok(file)
}
