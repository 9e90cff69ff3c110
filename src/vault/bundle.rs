//! Reads the body of a Key Vault "Get Secret" answer.

use std::collections::HashMap;

use bytes::Bytes;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use zeroize::Zeroizing;

use super::RequiredTag;
use super::failure::{Cause, Failure};
use crate::outbound::zero;
use crate::secret::{Attributes, Bundle, SecretValue, SecretVersion};

/// The bundle as the vault writes it, as far as it is needed. Every field is
/// optional (REST reference, `SecretBundle`).
#[derive(Deserialize)]
struct SecretBundle {
    value: Option<Zeroizing<String>>,
    id: Option<String>,
    #[serde(rename = "contentType")]
    content_type: Option<String>,
    attributes: Option<SecretAttributes>,
    managed: Option<bool>,
    kid: Option<IgnoredAny>,
    tags: Option<HashMap<String, Value>>,
}

#[derive(Default, Deserialize)]
struct SecretAttributes {
    enabled: Option<bool>,
    nbf: Option<i64>,
    exp: Option<i64>,
    created: Option<i64>,
    updated: Option<i64>,
}

/// The bundle in `body`, which is zeroed where it can be. With a required tag
/// it must carry that one: tags are not kept.
pub(super) fn read(body: Bytes, required_tag: Option<&RequiredTag>) -> Result<Bundle, Failure> {
    let parsed = serde_json::from_slice(&body);
    zero(body);
    let bundle: SecretBundle = parsed.map_err(|_| Failure::new(Cause::Unreadable))?;
    // "managed" and "kid" mark the secret behind a certificate: its value is
    // the certificate's private key.
    if bundle.managed == Some(true) || bundle.kid.is_some() {
        return Err(Failure::new(Cause::Certificate));
    }
    if required_tag.is_some_and(|tag| !carries(bundle.tags.as_ref(), tag)) {
        return Err(Failure::new(Cause::MissingTag));
    }
    let value = bundle.value.ok_or_else(|| Failure::new(Cause::Unreadable))?;
    let attributes = bundle.attributes.unwrap_or_default();
    // The vault says 403 for a disabled secret; if it says so here, it is the
    // same answer.
    if attributes.enabled == Some(false) {
        return Err(Failure::new(Cause::Disabled));
    }
    Ok(Bundle {
        value: SecretValue::new(value),
        version: bundle.id.as_deref().and_then(version),
        content_type: bundle.content_type,
        attributes: Attributes {
            enabled: attributes.enabled,
            not_before: attributes.nbf,
            expires: attributes.exp,
            created: attributes.created,
            updated: attributes.updated,
        },
    })
}

/// Whether these tags have the required one. Key Vault compares neither the
/// names nor the values of tags without regard to case.
fn carries(tags: Option<&HashMap<String, Value>>, required: &RequiredTag) -> bool {
    let value = tags.and_then(|tags| tags.get(&required.name));
    match &required.value {
        Some(wanted) => value.and_then(Value::as_str) == Some(wanted),
        None => value.is_some(),
    }
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

    const VERSION: &str = "0af1000000000000000000000000000f";

    fn parse(body: &str) -> Result<Bundle, Failure> {
        read(Bytes::from(body.as_bytes().to_vec()), None)
    }

    #[test]
    fn a_bundle_is_read_with_what_the_vault_sent() {
        let bundle = parse(&format!(
            r#"{{"value":"a \"quoted\" é","id":"https://kv.vault.azure.net/secrets/maps-key/{VERSION}",
                "contentType":"text/plain","tags":{{"a":"b"}},
                "attributes":{{"enabled":true,"nbf":1,"exp":2,"created":3,"updated":4,"recoveryLevel":"Purgeable"}}}}"#,
        ))
        .expect("a bundle");
        assert_eq!(bundle.value.expose(), "a \"quoted\" é");
        assert_eq!(bundle.version, Some(SecretVersion::parse(VERSION).unwrap()));
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

    #[test]
    fn a_required_tag_is_compared_by_exact_case_before_everything_but_a_certificate() {
        let any = RequiredTag {
            name: "Web".to_owned(),
            value: None,
        };
        let yes = RequiredTag {
            value: Some("Yes".to_owned()),
            ..any.clone()
        };
        for (tags, has_name, has_value) in [
            (r#","tags":{"Web":"Yes"}"#, true, true),
            (r#","tags":{"Web":"Yes","a":"b"}"#, true, true),
            (r#","tags":{"Web":"yes"}"#, true, false),
            (r#","tags":{"Web":""}"#, true, false),
            (r#","tags":{"web":"Yes"}"#, false, false),
            (r#","tags":{"Yes":"Web"}"#, false, false),
            (r#","tags":{}"#, false, false),
            (r#","tags":null"#, false, false),
            ("", false, false),
        ] {
            let body = format!(r#"{{"value":"x"{tags},"attributes":{{"exp":1}}}}"#);
            for (tag, carries) in [(&any, has_name), (&yes, has_value)] {
                let answer = read(Bytes::from(body.clone()), Some(tag));
                let missing = Failure::new(Cause::MissingTag);
                assert_eq!(answer.err(), (!carries).then_some(missing), "{tag:?} {body}");
            }
        }
        let certificate = read(Bytes::from(r#"{"value":"x","kid":"k"}"#), Some(&any));
        assert_eq!(certificate.err(), Some(Failure::new(Cause::Certificate)));
    }
}
