//! `ALLOWED_SECRETS`: from text to an allow-list.

use super::reader::{Reader, elements};
use super::settings::{ALLOW_ANY_SECRET, ALLOWED_SECRETS};
use crate::access::AllowList;
use crate::secret::{self, MAX_NAME, SecretName, is_name_text};

const NAME: &str = ALLOWED_SECRETS.name;

/// The names and the prefixes of a list.
#[derive(Debug, Default)]
pub(super) struct Entries {
    pub(super) names: Vec<SecretName>,
    /// In lower case, without their `*`.
    pub(super) prefixes: Vec<String>,
}

impl Entries {
    pub(super) fn into_list(self) -> AllowList {
        AllowList::new(self.names, self.prefixes)
    }
}

/// Reads `ALLOWED_SECRETS` and `DANGEROUSLY_ALLOW_ANY_SECRET`. `None` when there is a fault.
pub(super) fn read(reader: &mut Reader<'_>) -> Option<AllowList> {
    let dangerously_any = reader.boolean(&ALLOW_ANY_SECRET);
    let list = reader.text(&ALLOWED_SECRETS)?;
    let entries = read_entries(reader, NAME, list);
    let any = list.split(',').any(|element| element.trim() == "*");
    match (any, dangerously_any) {
        (true, false) => {
            reader.fault(
                NAME,
                format!(
                    "`*` serves every secret of the vault; list the names, or set {}=true if that is really meant",
                    ALLOW_ANY_SECRET.name
                ),
            );
            return None;
        }
        (true, true) => reader.warn(NAME, "`*` serves every secret of the vault, those added later too"),
        (false, true) => reader.warn(
            ALLOW_ANY_SECRET.name,
            "it has no effect without `*` in ALLOWED_SECRETS, and would let one added later pass unnoticed; remove it",
        ),
        (false, false) => {}
    }
    entries.map(Entries::into_list)
}

/// The entries of a list of the setting `name`; `None` when one of them is at fault.
pub(super) fn read_entries(reader: &mut Reader<'_>, name: &str, list: &str) -> Option<Entries> {
    let mut entries = Entries::default();
    let mut is_sound = true;
    for (place, element) in elements(list) {
        match read_entry(element) {
            Ok(Entry::Prefix(prefix)) if entries.prefixes.contains(&prefix) => {
                reader.warn(name, format!("element {place} is there twice; remove one"));
            }
            Ok(Entry::Name(secret)) if entries.names.contains(&secret) => {
                reader.warn(name, format!("element {place} is there twice; remove one"));
            }
            Ok(Entry::Prefix(prefix)) => entries.prefixes.push(prefix),
            Ok(Entry::Name(secret)) => entries.names.push(secret),
            Err(message) => {
                is_sound = false;
                reader.fault(name, format!("element {place}: {message}"));
            }
        }
    }
    warn_of_covered(reader, name, &entries);
    is_sound.then_some(entries)
}

enum Entry {
    Name(SecretName),
    Prefix(String),
}

/// Reads one element. What is wrong with it is told without repeating it: somebody may have pasted the secret itself in
/// place of its name.
fn read_entry(element: &str) -> Result<Entry, String> {
    if element.is_empty() {
        return Err("it is empty; remove the comma".into());
    }
    let prefix = element
        .strip_suffix('*')
        .filter(|prefix| is_name_text(prefix) && prefix.len() < MAX_NAME);
    if let Some(prefix) = prefix {
        return Ok(Entry::Prefix(prefix.to_ascii_lowercase()));
    }
    SecretName::parse(element)
        .map(Entry::Name)
        .map_err(|error| format!("{error}; a single `*` may end it to allow a prefix"))
}

fn covered(entry: &str, prefix: &str) -> String {
    let prefix = secret::shown(&format!("{prefix}*"));
    format!(
        "{} is allowed by {prefix} already; remove one of them",
        secret::shown(entry)
    )
}

fn warn_of_covered(reader: &mut Reader<'_>, name: &str, entries: &Entries) {
    let covering = |text: &str, own: Option<&String>| {
        entries
            .prefixes
            .iter()
            .find(|prefix| Some(*prefix) != own && text.starts_with(prefix.as_str()))
    };
    for secret in &entries.names {
        if let Some(prefix) = covering(secret.as_str(), None) {
            reader.warn(name, covered(secret.as_str(), prefix));
        }
    }
    for prefix in &entries.prefixes {
        if let Some(wider) = covering(prefix, Some(prefix)) {
            reader.warn(name, covered(&format!("{prefix}*"), wider));
        }
    }
}
