//! The secrets that may be served, whoever asks.

use std::collections::BTreeSet;

use crate::secret::SecretName;

/// The secrets that may be served: exact names, prefixes, or all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowList {
    /// Sorted: comparing with a few names costs less than hashing the one that is asked for.
    names: BTreeSet<SecretName>,
    prefixes: Vec<Box<str>>,
}

impl AllowList {
    /// Builds the list. An empty prefix allows every secret; prefixes are
    /// folded to lower case like names.
    pub fn new(names: impl IntoIterator<Item = SecretName>, prefixes: impl IntoIterator<Item = String>) -> Self {
        Self {
            names: names.into_iter().collect(),
            prefixes: prefixes
                .into_iter()
                .map(|prefix| prefix.to_ascii_lowercase().into())
                .collect(),
        }
    }

    /// Whether `name` may be served.
    pub fn allows(&self, name: &SecretName) -> bool {
        self.has_exactly(name) || self.has_prefix_of(name)
    }

    /// Whether a prefix allows `name`.
    pub(super) fn has_prefix_of(&self, name: &SecretName) -> bool {
        self.prefixes.iter().any(|prefix| name.as_str().starts_with(&**prefix))
    }

    /// Whether `name` is listed itself, not only by a prefix.
    pub fn has_exactly(&self, name: &SecretName) -> bool {
        self.names.contains(name)
    }

    /// Whether every name that begins with `prefix` may be served.
    pub fn covers_prefix(&self, prefix: &str) -> bool {
        self.prefixes.iter().any(|wider| prefix.starts_with(&**wider))
    }

    /// The prefixes, in lower case and without their `*`.
    pub fn prefixes(&self) -> impl Iterator<Item = &str> {
        self.prefixes.iter().map(|prefix| &**prefix)
    }

    /// The exact names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &SecretName> {
        self.names.iter()
    }

    /// The entries as an operator writes them, sorted.
    pub fn describe(&self) -> Vec<String> {
        let names = self.names.iter().map(ToString::to_string);
        let prefixes = self.prefixes.iter().map(|prefix| format!("{prefix}*"));
        let mut entries: Vec<_> = names.chain(prefixes).collect();
        entries.sort_unstable();
        entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_allow_list_knows_names_and_prefixes_in_any_case() {
        let name = |text| SecretName::parse(text).unwrap();
        let list = AllowList::new([name("Maps-Key")], ["Web-".to_owned()]);
        for (text, allowed) in [
            ("maps-key", true),
            ("MAPS-KEY", true),
            ("maps-key2", false),
            ("maps-ke", false),
            ("web-", true),
            ("WEB-a", true),
            ("we", false),
            ("xweb-a", false),
        ] {
            assert_eq!(list.allows(&name(text)), allowed, "{text}");
        }
        assert!(!AllowList::default().allows(&name("a")));
        assert!(AllowList::new([], [String::new()]).allows(&name("a")));
    }
}
