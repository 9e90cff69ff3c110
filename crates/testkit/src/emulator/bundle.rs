//! The JSON shape of a secret, as Key Vault's REST specification names it; absent fields are left out.
//!
//! Source: <https://learn.microsoft.com/rest/api/keyvault/secrets/get-secret/get-secret>.

use std::collections::BTreeMap;

use serde::Serialize;

use super::store::{Entry, Version};

/// How long a soft-deleted secret can be recovered.
const RECOVERABLE_DAYS: i64 = 90;

/// `SecretAttributes`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Attributes {
    enabled: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    nbf: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<i64>,
    created: i64,
    updated: i64,
    recovery_level: &'static str,
    recoverable_days: i64,
}

/// `SecretBundle`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Bundle<'a> {
    value: &'a str,
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
    pub(crate) fn new(vault_url: &str, entry: &'a Entry, version: &'a Version) -> Self {
        let secret = &version.secret;
        Self {
            value: &secret.value,
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
}
