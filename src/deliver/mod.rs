//! What a page gets for a secret: Key Vault's bundle as JSON, with our own `id`.
//!
//! The only room in which a secret's bytes come out of their type. It knows
//! neither the vault nor HTTP.

mod blob_sas;
mod give;
mod pubsub_token;
mod speech_token;

use std::fmt;

use bytes::Bytes;
use serde::Serialize;
use zeroize::Zeroizing;

pub use self::blob_sas::BlobSas;
pub use self::give::{Give, GiveFault, GiveWarning, Given};
pub use self::pubsub_token::PubSubToken;
pub use self::speech_token::SpeechToken;
use crate::secret::{Attributes, Bundle, SecretKey};

/// JSON of a bundle without its value and content type, at most.
const OVERHEAD: usize = 1024;

#[derive(Serialize)]
struct RenderedBundle<'a> {
    value: &'a str,
    id: String,
    #[serde(rename = "contentType", skip_serializing_if = "Option::is_none")]
    content_type: Option<&'a str>,
    attributes: RenderedAttributes,
}

#[derive(Serialize)]
struct RenderedAttributes {
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

/// What answers carry.
#[derive(Clone, Debug)]
pub struct Options {
    /// The host in the `id` of a bundle: the app's own, so that the vault's
    /// name never leaves.
    pub public_host: String,
}

/// Renders bundles to what answers carry.
#[derive(Clone, Debug)]
pub struct Renderer {
    options: Options,
}

impl Renderer {
    /// A renderer with these options.
    pub fn new(options: Options) -> Self {
        Self { options }
    }

    /// Renders `bundle` as the answer to a request for `key`.
    pub fn render(&self, key: &SecretKey, bundle: &Bundle) -> Delivery {
        Delivery::new(bundle, key, &self.options.public_host)
    }
}

/// A secret, ready to be served: rendered once, shared by every answer.
#[derive(Clone)]
pub struct Delivery {
    attributes: Attributes,
    body: Bytes,
}

impl fmt::Debug for Delivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("attributes", &self.attributes)
            .finish_non_exhaustive()
    }
}

impl Delivery {
    /// The JSON of `bundle` as the answer to a request for `key`, in bytes
    /// that are zeroed when the last answer that shares them is gone. The
    /// bundle's own bytes are zeroed here.
    fn new(bundle: &Bundle, key: &SecretKey, public_host: &str) -> Self {
        // This is the one place outside tests where a secret's bytes come out
        // of their type; the gates are in front of every use of the result.
        let value = bundle.value.expose();
        // Clients parse NAME and VERSION out of the id's path, so it has no /api.
        let mut id = format!("https://{public_host}/secrets/{}", key.name);
        if let Some(version) = bundle.version.as_ref().or(key.version.as_ref()) {
            id.push('/');
            id.push_str(version.as_str());
        }
        let rendered = RenderedBundle {
            value,
            id,
            content_type: bundle.content_type.as_deref(),
            attributes: bundle.attributes.into(),
        };
        // JSON writes a byte of a value as at most six (\u0000). With room for
        // all of it the buffer is never moved, so it leaves no copy behind.
        let text = value.len() + rendered.content_type.map_or(0, str::len) + rendered.id.len();
        let mut json = Zeroizing::new(Vec::with_capacity(6 * text + OVERHEAD));
        // Writing to memory cannot fail, and neither can these types.
        let written = serde_json::to_writer(&mut *json, &rendered);
        debug_assert!(written.is_ok(), "a bundle is always JSON");
        Self {
            attributes: bundle.attributes,
            // Exactly as large as it is: it may stay for hours.
            body: Bytes::from_owner(Zeroizing::new(json.as_slice().to_vec())),
        }
    }

    /// What decides whether it may be served at a time.
    pub fn attributes(&self) -> Attributes {
        self.attributes
    }

    /// The JSON, sharing its bytes with every other answer.
    pub fn body(&self) -> Bytes {
        self.body.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::{SecretName, SecretValue, SecretVersion};

    fn bundle(value: &str, version: Option<SecretVersion>) -> Bundle {
        Bundle {
            value: SecretValue::new(Zeroizing::new(value.to_owned())),
            version,
            content_type: None,
            attributes: Attributes::default(),
        }
    }

    /// A version that ends in this digit.
    fn version(digit: char) -> SecretVersion {
        SecretVersion::parse(&format!("{digit:0>32}")).unwrap()
    }

    fn key(version: Option<SecretVersion>) -> SecretKey {
        SecretKey {
            name: SecretName::parse("Maps-Key").unwrap(),
            version,
        }
    }

    #[test]
    fn the_id_names_this_app_the_folded_name_and_the_vaults_version() {
        let id = |bundle_version, key_version| {
            let body = Delivery::new(&bundle("x", bundle_version), &key(key_version), "app.example").body();
            let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
            json["id"].as_str().unwrap().to_owned()
        };
        let [one, two] = ['1', '2'].map(|digit| Some(version(digit)));
        let url = |digit| format!("https://app.example/secrets/maps-key/{digit:0>32}");
        assert_eq!(id(two.clone(), None), url('2'));
        assert_eq!(id(two, one.clone()), url('2'));
        assert_eq!(id(None, one), url('1'));
        assert_eq!(id(None, None), "https://app.example/secrets/maps-key");
    }

    #[test]
    fn fields_that_the_vault_did_not_send_are_absent() {
        let body = Delivery::new(&bundle("x", None), &key(None), "h").body();
        assert_eq!(
            body,
            r#"{"value":"x","id":"https://h/secrets/maps-key","attributes":{}}"#
        );
    }

    #[test]
    fn any_value_fits_the_buffer_that_it_is_written_to() {
        for value in ["\0".repeat(25_000), "\"".repeat(25_000), "é".repeat(12_500)] {
            let body = Delivery::new(&bundle(&value, None), &key(None), "h").body();
            let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(json["value"], value);
        }
    }
}
