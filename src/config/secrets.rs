//! `ALLOWED_SECRETS`: from text to an allow-list.

use super::reader::{Reader, elements};
use crate::access::AllowList;
use crate::secret::{MAX_NAME, SecretName, is_name_text};

const NAME: &str = "ALLOWED_SECRETS";
const DANGEROUSLY_ANY: &str = "DANGEROUSLY_ALLOW_ANY_SECRET";

/// Reads `ALLOWED_SECRETS` and `DANGEROUSLY_ALLOW_ANY_SECRET`.
pub(super) fn read(reader: &mut Reader<'_>) -> AllowList {
    let dangerously_any = reader.boolean(DANGEROUSLY_ANY, false);
    let (mut names, mut prefixes) = (Vec::new(), Vec::<String>::new());
    let Some(list) = reader.required(NAME, "maps-key") else {
        return AllowList::default();
    };
    for (place, element) in elements(&list) {
        if element.is_empty() {
            reader.fault(NAME, format!("element {place}: it is empty; remove the comma"));
        } else if let Some(prefix) = prefix(element) {
            if prefixes.contains(&prefix) {
                reader.warn(NAME, format!("element {place} is there twice; remove one"));
            }
            prefixes.push(prefix);
        } else {
            // The value is not repeated: somebody may have pasted the secret
            // itself in place of its name.
            match SecretName::parse(element) {
                Ok(name) if names.contains(&name) => {
                    reader.warn(NAME, format!("element {place} is there twice; remove one"));
                }
                Ok(name) => names.push(name),
                Err(error) => reader.fault(
                    NAME,
                    format!("element {place}: {error}; a single `*` may end it to allow a prefix"),
                ),
            }
        }
    }
    let any = prefixes.iter().any(String::is_empty);
    match (any, dangerously_any) {
        (true, false) => reader.fault(
            NAME,
            format!(
                "`*` serves every secret of the vault; list the names, or set {DANGEROUSLY_ANY}=true if that is really \
                 meant"
            ),
        ),
        (true, true) => reader.warn(NAME, "`*` serves every secret of the vault, those added later too"),
        (false, true) => reader.warn(
            DANGEROUSLY_ANY,
            "it has no effect without `*` in ALLOWED_SECRETS, and would let one added later pass unnoticed; remove it",
        ),
        (false, false) => {}
    }
    for name in &names {
        if let Some(prefix) = prefixes.iter().find(|prefix| name.as_str().starts_with(&**prefix)) {
            reader.warn(
                NAME,
                format!("{name} is allowed by {prefix}* already; remove one of them"),
            );
        }
    }
    for prefix in &prefixes {
        if let Some(wider) = prefixes
            .iter()
            .find(|wider| *wider != prefix && prefix.starts_with(&**wider))
        {
            reader.warn(
                NAME,
                format!("{prefix}* is allowed by {wider}* already; remove one of them"),
            );
        }
    }
    AllowList::new(names, prefixes)
}

/// The folded prefix of `prefix*`, if `element` is one.
fn prefix(element: &str) -> Option<String> {
    let prefix = element.strip_suffix('*')?;
    (is_name_text(prefix) && prefix.len() < MAX_NAME).then(|| prefix.to_ascii_lowercase())
}
