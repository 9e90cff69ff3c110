//! A secret as JSON, in Key Vault's shape.

use bytes::Bytes;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::secret::{Attributes, SecretKey, SecretVersion};

/// JSON of a bundle without its value and content type, at most.
const OVERHEAD: usize = 1024;

/// What an answer says of a secret.
#[derive(Serialize)]
pub(super) struct RenderedBundle<'a> {
    pub(super) value: &'a str,
    pub(super) id: &'a str,
    #[serde(rename = "contentType", skip_serializing_if = "Option::is_none")]
    pub(super) content_type: Option<&'a str>,
    #[serde(skip_serializing_if = "RenderedAttributes::is_empty")]
    pub(super) attributes: RenderedAttributes,
}

/// The attributes that a page sees.
#[derive(Default, PartialEq, Eq, Serialize)]
pub(super) struct RenderedAttributes {
    #[serde(skip_serializing_if = "Option::is_none")]
    enabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nbf: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    updated: Option<i64>,
}

impl RenderedAttributes {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl From<Attributes> for RenderedAttributes {
    fn from(attributes: Attributes) -> Self {
        Self {
            enabled: attributes.enabled,
            nbf: attributes.not_before,
            exp: attributes.expires,
            created: attributes.created,
            updated: attributes.updated,
        }
    }
}

impl RenderedBundle<'_> {
    /// The JSON, in bytes that are zeroed when the last answer that shares them is gone.
    pub(super) fn into_body(self) -> Bytes {
        // JSON writes a byte of a value as at most six (\u0000). With room for all of it the buffer is never moved, so
        // it leaves no copy behind.
        let text = self.value.len() + self.content_type.map_or(0, str::len) + self.id.len();
        let mut json = Zeroizing::new(Vec::with_capacity(6 * text + OVERHEAD));
        // Writing to memory cannot fail, and neither can these types.
        let written = serde_json::to_writer(&mut *json, &self);
        debug_assert!(written.is_ok(), "a bundle is always JSON");
        // Exactly as large as it is: it may stay for hours.
        Bytes::from_owner(Zeroizing::new(json.as_slice().to_vec()))
    }
}

/// The `id` of a secret: this app's, so that the vault's name never leaves.
pub(super) fn id(public_host: &str, key: &SecretKey, version: Option<&SecretVersion>) -> String {
    // Clients parse NAME and VERSION out of the id's path, so it has no /api.
    let mut id = format!("https://{public_host}/secrets/{}", key.name);
    if let Some(version) = version.or(key.version.as_ref()) {
        id.push('/');
        id.push_str(version.as_str());
    }
    id
}
