//! The secrets: names to versions.
//!
//! This module knows nothing about HTTP and enforces nothing about reading; the clock is given by the caller.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::secret::Secret;

/// One version of a secret.
#[derive(Debug)]
pub(crate) struct Version {
    /// 32 lower-case hexadecimal digits.
    pub(crate) id: String,
    /// Unix seconds.
    pub(crate) created: i64,
    /// Unix seconds.
    pub(crate) updated: i64,
    /// What it holds.
    pub(crate) secret: Secret,
}

/// A name and its versions.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The name as it was first spelled; ids show it like this, look-ups ignore its case.
    pub(crate) name: String,
    /// In order of creation, never empty; the last one is current.
    versions: Vec<Version>,
    is_deleted: bool,
}

impl Entry {
    /// The version that a request without one means.
    pub(crate) fn current(&self) -> Option<&Version> {
        self.versions.last()
    }

    /// The version with this id, or the current one.
    pub(crate) fn version(&self, id: Option<&str>) -> Option<&Version> {
        match id {
            None => self.current(),
            Some(id) => self.versions.iter().find(|version| version.id.eq_ignore_ascii_case(id)),
        }
    }

    fn version_mut(&mut self, id: &str) -> Option<&mut Version> {
        let mut versions = self.versions.iter_mut();
        versions.find(|version| version.id.eq_ignore_ascii_case(id))
    }
}

/// All secrets, by lower-cased name.
#[derive(Debug, Default)]
pub(crate) struct Store(BTreeMap<String, Entry>);

impl Store {
    /// Appends a version, which becomes the current one, and returns its entry. A soft-deleted name comes back.
    pub(crate) fn put(&mut self, name: &str, secret: Secret, now: i64) -> &Entry {
        let entry = self.0.entry(name.to_ascii_lowercase()).or_insert_with(|| Entry {
            name: name.to_owned(),
            versions: Vec::new(),
            is_deleted: false,
        });
        entry.is_deleted = false;
        entry.versions.push(Version {
            id: Uuid::new_v4().simple().to_string(),
            created: now,
            updated: now,
            secret,
        });
        entry
    }

    /// The entry of this name, if it is not deleted.
    pub(crate) fn entry(&self, name: &str) -> Option<&Entry> {
        self.0.get(&name.to_ascii_lowercase()).filter(|entry| !entry.is_deleted)
    }

    /// Changes one version in place, and returns whether there is such a version.
    pub(crate) fn update(&mut self, name: &str, version: &str, now: i64, change: impl FnOnce(&mut Secret)) -> bool {
        let entry = self.0.get_mut(&name.to_ascii_lowercase());
        let Some(found) = entry.and_then(|entry| entry.version_mut(version)) else {
            return false;
        };
        change(&mut found.secret);
        found.updated = now;
        true
    }

    /// Soft-deletes a name with all its versions.
    pub(crate) fn delete(&mut self, name: &str) {
        if let Some(entry) = self.0.get_mut(&name.to_ascii_lowercase()) {
            entry.is_deleted = true;
        }
    }
}
