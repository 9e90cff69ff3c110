//! Reads the body of a Key Vault "Get Secret" answer.

use bytes::Bytes;
use serde::Deserialize;
use serde::de::IgnoredAny;
use zeroize::{Zeroize, Zeroizing};

use super::error::{Cause, Failure};
use crate::secret::{Attributes, Bundle, SecretValue, SecretVersion};

/// The bundle as the vault writes it, as far as it is needed. Every field is
/// optional (REST reference, `SecretBundle`).
#[derive(Deserialize)]
struct Wire {
    value: Option<Zeroizing<String>>,
    id: Option<String>,
    #[serde(rename = "contentType")]
    content_type: Option<String>,
    attributes: Option<WireAttributes>,
    managed: Option<bool>,
    kid: Option<IgnoredAny>,
}

#[derive(Default, Deserialize)]
struct WireAttributes {
    enabled: Option<bool>,
    nbf: Option<i64>,
    exp: Option<i64>,
    created: Option<i64>,
    updated: Option<i64>,
}

/// The bundle in `body`, which is zeroed where it can be.
pub(super) fn read(body: Bytes) -> Result<Bundle, Failure> {
    let wire = serde_json::from_slice(&body);
    // The buffer is the SDK's. It is ours alone by now, unless the HTTP client
    // still holds a part of the read buffer that it was cut from.
    if let Ok(mut buffer) = body.try_into_mut() {
        buffer.zeroize();
    }
    let wire: Wire = wire.map_err(|_| Failure::new(Cause::Unreadable))?;
    // "managed" and "kid" mark the secret behind a certificate: its value is
    // the certificate's private key.
    if wire.managed == Some(true) || wire.kid.is_some() {
        return Err(Failure::new(Cause::Certificate));
    }
    let value = wire.value.ok_or_else(|| Failure::new(Cause::Unreadable))?;
    let attributes = wire.attributes.unwrap_or_default();
    // The vault says 403 for a disabled secret; if it says so here, it is the
    // same answer.
    if attributes.enabled == Some(false) {
        return Err(Failure::new(Cause::Disabled));
    }
    Ok(Bundle {
        value: SecretValue::new(value),
        version: wire.id.as_deref().and_then(version),
        content_type: wire.content_type,
        attributes: Attributes {
            enabled: attributes.enabled,
            not_before: attributes.nbf,
            expires: attributes.exp,
            created: attributes.created,
            updated: attributes.updated,
        },
    })
}

/// The version in `https://HOST/secrets/NAME/VERSION`.
fn version(id: &str) -> Option<SecretVersion> {
    let (_, path) = id.split_once("/secrets/")?;
    let (_, version) = path.split_once('/')?;
    SecretVersion::parse(version).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &'static str) -> Result<Bundle, Failure> {
        read(Bytes::from(body.as_bytes().to_vec()))
    }

    #[test]
    fn a_bundle_is_read_with_what_the_vault_sent() {
        let bundle = parse(
            r#"{"value":"a \"quoted\" é","id":"https://kv.vault.azure.net/secrets/maps-key/0aF1",
                "contentType":"text/plain","tags":{"a":"b"},
                "attributes":{"enabled":true,"nbf":1,"exp":2,"created":3,"updated":4,"recoveryLevel":"Purgeable"}}"#,
        )
        .expect("a bundle");
        assert_eq!(bundle.value.expose(), "a \"quoted\" é");
        assert_eq!(bundle.version, Some(SecretVersion::parse("0aF1").unwrap()));
        assert_eq!(bundle.content_type.as_deref(), Some("text/plain"));
        assert_eq!(
            bundle.attributes,
            Attributes {
                enabled: Some(true),
                not_before: Some(1),
                expires: Some(2),
                created: Some(3),
                updated: Some(4),
            }
        );
        let unversioned = parse(r#"{"value":"","id":"https://kv.vault.azure.net/secrets/mapskey"}"#);
        assert_eq!(unversioned.expect("a bundle").version, None);
        let least = parse(r#"{"value":""}"#).expect("a bundle");
        assert_eq!(
            (least.value.expose(), least.version, least.content_type),
            ("", None, None)
        );
    }

    #[test]
    fn a_certificates_secret_and_an_unreadable_answer_are_no_bundles() {
        for (body, cause) in [
            (r#"{"value":"x","managed":true}"#, Cause::Certificate),
            (
                r#"{"value":"x","kid":"https://kv.vault.azure.net/keys/x/1"}"#,
                Cause::Certificate,
            ),
            (r#"{"kid":"k"}"#, Cause::Certificate),
            (r#"{"value":"x","attributes":{"enabled":false}}"#, Cause::Disabled),
            (r"{}", Cause::Unreadable),
            (r#"{"value":1}"#, Cause::Unreadable),
            (r#"{"value":"x","attributes":{"exp":"never"}}"#, Cause::Unreadable),
            (r#"{"value":"x""#, Cause::Unreadable),
            ("<html>", Cause::Unreadable),
            ("", Cause::Unreadable),
        ] {
            assert_eq!(parse(body).err(), Some(Failure::new(cause)), "{body}");
        }
        assert!(parse(r#"{"value":"x","managed":false,"kid":null}"#).is_ok());
    }
}
