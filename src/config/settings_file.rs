//! `Values` of a local.settings.json, as Core Tools reads them.

use std::collections::BTreeMap;

use super::json::Json;
use super::reader::Finding;

/// The settings in the `Values` of the file `name`, from its bytes. Numbers and booleans are taken as text.
///
/// # Errors
/// Everything that is wrong with it at once: it is no JSON, is encrypted, has no object `Values`, or has values that are
/// null, objects or arrays. No value is repeated.
pub fn read_settings_file(name: &str, bytes: &[u8]) -> Result<BTreeMap<String, String>, Vec<Finding>> {
    let finding = |message: String| Finding::new(name, message);
    let file = Json::parse(bytes).map_err(|at| {
        let message = format!("it is not JSON: line {}, column {}", at.line, at.column);
        vec![finding(message)]
    })?;
    let is_encrypted = file
        .members("IsEncrypted")
        .any(|value| *value == Json::Boolean(true) || value.is_text("true"));
    if is_encrypted {
        let message = "it is encrypted; decrypt it where it is, with: func settings decrypt";
        return Err(vec![finding(message.into())]);
    }
    // As with every repeated name, the last one holds.
    let Some(Json::Object(values)) = file.members("Values").last() else {
        return Err(vec![finding("it has no object `Values`".into())]);
    };
    let mut settings = BTreeMap::new();
    let mut faults = Vec::new();
    for (name, value) in values {
        let what = match value {
            Json::Text(text) | Json::Number(text) => {
                settings.insert(name.clone(), text.clone());
                continue;
            }
            Json::Boolean(boolean) => {
                settings.insert(name.clone(), boolean.to_string());
                continue;
            }
            Json::Null => "null, which is no value; remove the line, or give it a text",
            Json::Array(_) => "an array; a setting is one text, a list in it is separated by commas",
            Json::Object(_) => {
                "an object; a setting is one text, and the parts of a nested name are joined by `__` (two underscores)"
            }
        };
        faults.push(finding(format!("Values.{} is {what}", name.escape_debug())));
    }
    if faults.is_empty() { Ok(settings) } else { Err(faults) }
}
