//! The JSON shapes of Key Vault's secrets, as its REST specification names them; absent fields are left out.
//!
//! Source: <https://learn.microsoft.com/rest/api/keyvault/secrets/get-secret/get-secret>.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::secret::Secret;
use super::store::{Deleted, Entry, Version};

/// How long a soft-deleted secret can be recovered.
const RECOVERABLE_DAYS: i64 = 90;
const DAY_SECONDS: i64 = 24 * 60 * 60;

/// `SecretAttributes`.
#[derive(Serialize)]
struct Attributes {
    enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    nbf: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<i64>,
    created: i64,
    updated: i64,
    #[serde(rename = "recoveryLevel")]
    recovery_level: &'static str,
    #[serde(rename = "recoverableDays")]
    recoverable_days: i64,
}

/// `SecretBundle`, `SecretItem`, `DeletedSecretBundle` and `DeletedSecretItem`: they differ in what is absent.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Bundle<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    recovery_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted_date: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scheduled_purge_date: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<&'a str>,
    id: String,
    attributes: Attributes,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    tags: &'a BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    managed: Option<bool>,
}

impl<'a> Bundle<'a> {
    /// A version with its value, as `GET /secrets/{name}/{version}` shows it.
    pub(crate) fn full(vault_url: &str, entry: &'a Entry, version: &'a Version) -> Self {
        Self {
            value: Some(&version.secret.value),
            ..Self::without_value(vault_url, entry, version)
        }
    }

    /// A version without its value, as updates and the list of versions show it.
    pub(crate) fn without_value(vault_url: &str, entry: &'a Entry, version: &'a Version) -> Self {
        let secret = &version.secret;
        Self {
            recovery_id: None,
            deleted_date: None,
            scheduled_purge_date: None,
            value: None,
            content_type: secret.content_type.as_deref(),
            id: format!("{vault_url}/secrets/{}/{}", entry.name, version.id),
            attributes: Attributes {
                enabled: secret.enabled,
                nbf: secret.not_before,
                exp: secret.expires,
                created: version.created,
                updated: version.updated,
                recovery_level: "Recoverable+Purgeable",
                recoverable_days: RECOVERABLE_DAYS,
            },
            tags: &secret.tags,
            kid: secret.kid.as_deref(),
            managed: secret.managed.then_some(true),
        }
    }

    /// The current version without its value and without a version in its id, as the list of secrets shows it.
    pub(crate) fn item(vault_url: &str, entry: &'a Entry) -> Option<Self> {
        let current = entry.current()?;
        let id = format!("{vault_url}/secrets/{}", entry.name);
        Some(Self {
            id,
            ..Self::without_value(vault_url, entry, current)
        })
    }

    /// A soft-deleted secret.
    pub(crate) fn deleted(vault_url: &str, deleted: &'a Deleted) -> Option<Self> {
        let current = deleted.entry.current()?;
        Some(Self {
            recovery_id: Some(format!("{vault_url}/deletedsecrets/{}", deleted.entry.name)),
            deleted_date: Some(deleted.date),
            scheduled_purge_date: Some(deleted.date + RECOVERABLE_DAYS * DAY_SECONDS),
            ..Self::without_value(vault_url, &deleted.entry, current)
        })
    }

    /// A soft-deleted secret without a version in its id, as the list of them shows it.
    pub(crate) fn deleted_item(vault_url: &str, deleted: &'a Deleted) -> Option<Self> {
        let id = format!("{vault_url}/secrets/{}", deleted.entry.name);
        Some(Self {
            id,
            ..Self::deleted(vault_url, deleted)?
        })
    }
}

/// One page of a list.
#[derive(Serialize)]
pub(crate) struct Page<'a> {
    pub(crate) value: Vec<Bundle<'a>>,
    /// Null on the last page, as Key Vault has it.
    #[serde(rename = "nextLink")]
    pub(crate) next_link: Option<String>,
}

/// The attributes that a request may set.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct NewAttributes {
    enabled: Option<bool>,
    nbf: Option<i64>,
    exp: Option<i64>,
}

/// The body of `PUT /secrets/{name}` and, without a value, of `PATCH /secrets/{name}/{version}`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Change {
    pub(crate) value: Option<String>,
    content_type: Option<String>,
    attributes: Option<NewAttributes>,
    tags: Option<BTreeMap<String, String>>,
}

impl Change {
    /// Changes what the body names and leaves the rest, the value included.
    pub(crate) fn apply(self, secret: &mut Secret) {
        let attributes = self.attributes.unwrap_or_default();
        secret.enabled = attributes.enabled.unwrap_or(secret.enabled);
        secret.not_before = attributes.nbf.or(secret.not_before);
        secret.expires = attributes.exp.or(secret.expires);
        secret.content_type = self.content_type.or_else(|| secret.content_type.take());
        if let Some(tags) = self.tags {
            secret.tags = tags;
        }
    }
}
