//! The secrets: names to versions, live and soft-deleted.
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
    pub(crate) versions: Vec<Version>,
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

    fn version_mut(&mut self, id: Option<&str>) -> Option<&mut Version> {
        match id {
            None => self.versions.last_mut(),
            Some(id) => self
                .versions
                .iter_mut()
                .find(|version| version.id.eq_ignore_ascii_case(id)),
        }
    }
}

/// A soft-deleted entry.
#[derive(Debug)]
pub(crate) struct Deleted {
    /// What was deleted.
    pub(crate) entry: Entry,
    /// When, in Unix seconds.
    pub(crate) date: i64,
}

/// All secrets, by lower-cased name.
#[derive(Debug, Default)]
pub(crate) struct Store {
    live: BTreeMap<String, Entry>,
    deleted: BTreeMap<String, Deleted>,
}

impl Store {
    /// Appends a version, which becomes the current one, and returns its entry. A soft-deleted name comes back.
    pub(crate) fn put(&mut self, name: &str, secret: Secret, now: i64) -> &Entry {
        self.recover(name);
        let entry = self.live.entry(name.to_ascii_lowercase()).or_insert_with(|| Entry {
            name: name.to_owned(),
            versions: Vec::new(),
        });
        entry.versions.push(Version {
            id: Uuid::new_v4().simple().to_string(),
            created: now,
            updated: now,
            secret,
        });
        entry
    }

    /// The live entry of this name.
    pub(crate) fn entry(&self, name: &str) -> Option<&Entry> {
        self.live.get(&name.to_ascii_lowercase())
    }

    /// The live entries whose folded name comes after `after`, in order of name.
    pub(crate) fn entries_after(&self, after: &str) -> impl Iterator<Item = (&str, &Entry)> {
        let after = after.to_owned();
        self.live
            .iter()
            .filter(move |(key, _)| **key > after)
            .map(|(key, entry)| (key.as_str(), entry))
    }

    /// Changes one version, or the current one, in place.
    pub(crate) fn update(
        &mut self,
        name: &str,
        version: Option<&str>,
        now: i64,
        change: impl FnOnce(&mut Secret),
    ) -> Option<(&Entry, &Version)> {
        let entry = self.live.get_mut(&name.to_ascii_lowercase())?;
        let found = entry.version_mut(version)?;
        change(&mut found.secret);
        found.updated = now;
        let entry = &*entry;
        entry.version(version).map(|version| (entry, version))
    }

    /// Soft-deletes a name with all its versions.
    pub(crate) fn delete(&mut self, name: &str, now: i64) -> Option<&Deleted> {
        let key = name.to_ascii_lowercase();
        let entry = self.live.remove(&key)?;
        self.deleted.insert(key.clone(), Deleted { entry, date: now });
        self.deleted.get(&key)
    }

    /// The soft-deleted entry of this name.
    pub(crate) fn deleted(&self, name: &str) -> Option<&Deleted> {
        self.deleted.get(&name.to_ascii_lowercase())
    }

    /// The soft-deleted entries whose folded name comes after `after`, in order of name.
    pub(crate) fn deleted_after(&self, after: &str) -> impl Iterator<Item = (&str, &Deleted)> {
        let after = after.to_owned();
        self.deleted
            .iter()
            .filter(move |(key, _)| **key > after)
            .map(|(key, deleted)| (key.as_str(), deleted))
    }

    /// Brings a soft-deleted name back.
    pub(crate) fn recover(&mut self, name: &str) -> Option<&Entry> {
        let key = name.to_ascii_lowercase();
        let Deleted { entry, .. } = self.deleted.remove(&key)?;
        Some(self.live.entry(key).or_insert(entry))
    }

    /// Forgets a soft-deleted name for good.
    pub(crate) fn purge(&mut self, name: &str) -> bool {
        self.deleted.remove(&name.to_ascii_lowercase()).is_some()
    }
}
