//! `pubsub-token`: a client's token for one hub of Azure Web PubSub, signed with the service's access key.
//!
//! Source: "Generate client access URL" and "Client roles and permissions" of Azure Web PubSub; what it should be is what
//! the service's SDK makes.

use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;
use zeroize::Zeroizing;

use super::parameters::{Credential, Parameters, Unfit, host_in, is_dns_name};

const DEFAULT_TTL_SECONDS: u32 = 600;
/// Bounds on the text of an access key: HS256 needs 256 bits at least (RFC 7518 §3.2), and Azure's have 44 or 84.
const KEY_CHARACTERS: std::ops::RangeInclusive<usize> = 32..=512;

const SEND: &str = "webpubsub.sendToGroup";
const JOIN: &str = "webpubsub.joinLeaveGroup";

const HOST_FORM: &str = "the service's host name in lower case, without scheme, port and path";
const HUB_FORM: &str = "a letter, then letters, digits and underscores";
const ROLES_FORM: &str =
    "webpubsub.sendToGroup or webpubsub.joinLeaveGroup, each with .GROUP or without, joined by `+`";
const USER_FORM: &str = "`none`, or leave it out for the caller's oid";

/// Which hub a client may connect to, as whom, and what it may do there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PubSubToken {
    audience: String,
    roles: Vec<String>,
    /// Whether `sub` is the caller's `oid`, and not absent.
    names_the_caller: bool,
    ttl: i64,
}

#[derive(Serialize)]
struct Claims<'a> {
    #[serde(skip_serializing_if = "is_empty")]
    role: &'a [String],
    iat: i64,
    exp: i64,
    aud: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<&'a str>,
}

fn is_empty(roles: &&[String]) -> bool {
    roles.is_empty()
}

impl PubSubToken {
    pub(super) const KIND: &str = "pubsub-token";
    pub(super) const PARAMETERS: &[&str] = &["host", "hub", "roles", "user", "ttl"];

    pub(super) fn read(parameters: &mut Parameters<'_>) -> Option<Self> {
        let host = parameters.required("host", "host=NAME.webpubsub.azure.com");
        let host = host.and_then(|text| {
            let corrected = Some(host_in(text)).filter(|host| is_dns_name(host));
            parameters.valid(
                "host",
                Some(text).filter(|text| is_dns_name(text)),
                HOST_FORM,
                corrected,
            )
        });
        let hub = parameters.required("hub", "hub=NAME");
        let hub = hub.and_then(|text| parameters.valid("hub", Some(text).filter(|text| is_hub(text)), HUB_FORM, None));
        let roles = match parameters.get("roles") {
            Some(text) => parameters.valid("roles", parse_roles(text), ROLES_FORM, None),
            None => Some(Vec::new()),
        };
        let names_the_caller = match parameters.get("user") {
            Some(text) => parameters.valid("user", (text == "none").then_some(false), USER_FORM, None),
            None => Some(true),
        };
        let ttl = parameters.ttl(DEFAULT_TTL_SECONDS);
        Some(Self {
            audience: format!("https://{}/client/hubs/{}", host?, hub?),
            roles: roles?,
            names_the_caller: names_the_caller?,
            ttl: ttl?,
        })
    }

    /// Whether a token needs a caller whose `oid` is known.
    pub(super) fn names_the_caller(&self) -> bool {
        self.names_the_caller
    }

    /// The roles that hold for every group of the hub.
    pub(super) fn roles_for_every_group(&self) -> impl Iterator<Item = &'static str> {
        let has = |role: &&str| self.roles.iter().any(|given| given == role);
        [SEND, JOIN].into_iter().filter(has).collect::<Vec<_>>().into_iter()
    }

    /// The token for `caller` at `now`, which does not outlive the key's own end.
    pub(super) fn make(
        &self,
        key: &str,
        caller: Option<&str>,
        now: i64,
        key_ends: Option<i64>,
    ) -> Result<Credential, Unfit> {
        const NOT_A_KEY: Unfit = Unfit("the secret is not a Web PubSub access key");
        // White space around it is often there when a key was set from a file; a connection string has semicolons.
        let key = key.trim_ascii();
        let has_form = key.bytes().all(|b| b.is_ascii_graphic() && b != b';');
        if !has_form || !KEY_CHARACTERS.contains(&key.len()) {
            return Err(NOT_A_KEY);
        }
        let in_full = now.saturating_add(self.ttl);
        let ends = key_ends.map_or(in_full, |key_ends| in_full.min(key_ends));
        let claims = Claims {
            role: &self.roles,
            iat: now,
            exp: ends,
            aud: &self.audience,
            sub: caller.filter(|_| self.names_the_caller),
        };
        // The service takes the key as text, though it looks like base64.
        let key = EncodingKey::from_secret(key.as_bytes());
        let value = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key).map_err(|_| NOT_A_KEY)?;
        Ok(Credential {
            value: Zeroizing::new(value),
            ends,
        })
    }
}

fn is_hub(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

fn parse_roles(text: &str) -> Option<Vec<String>> {
    let mut roles: Vec<String> = Vec::new();
    for role in text.split('+') {
        let group = role.strip_prefix(SEND).or_else(|| role.strip_prefix(JOIN))?;
        let has_form = group.is_empty() || group.strip_prefix('.').is_some_and(|group| !group.is_empty());
        if !has_form || roles.iter().any(|known| known == role) {
            return None;
        }
        roles.push(role.to_owned());
    }
    Some(roles)
}

#[cfg(test)]
mod tests {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use jsonwebtoken::{DecodingKey, Validation};
    use serde_json::{Value, json};

    use super::*;
    use crate::deliver::give::Give;

    const KEY: &str = "QWVyeSBsb25nIGFjY2VzcyBrZXkgb2Ygd2ViIHB1YnN1Yg==";
    const NOW: i64 = 1_800_000_000;

    fn token(text: &str) -> PubSubToken {
        match Give::parse(&format!("pubsub-token {text}")) {
            Ok(Give::PubSubToken(token)) => token,
            other => panic!("{text}: {other:?}"),
        }
    }

    fn claims(credential: &Credential) -> Value {
        let payload = credential.value.split('.').nth(1).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
    }

    #[test]
    fn a_token_has_these_claims_and_no_others() {
        let given = token("host=contoso.webpubsub.azure.com hub=chat");
        let credential = given.make(KEY, Some("oid-1"), NOW, None).unwrap();
        assert_eq!(credential.ends, NOW + 600);
        assert_eq!(
            claims(&credential),
            json!({
                "aud": "https://contoso.webpubsub.azure.com/client/hubs/chat",
                "sub": "oid-1", "iat": NOW, "exp": NOW + 600,
            })
        );
        let roles = "roles=webpubsub.sendToGroup.news+webpubsub.joinLeaveGroup.news";
        let given = token(&format!(
            "host=contoso.webpubsub.azure.com hub=chat user=none ttl=60 {roles}"
        ));
        let credential = given.make(KEY, Some("oid-1"), NOW, Some(NOW + 5)).unwrap();
        assert_eq!(
            claims(&credential),
            json!({
                "aud": "https://contoso.webpubsub.azure.com/client/hubs/chat", "iat": NOW, "exp": NOW + 5,
                "role": ["webpubsub.sendToGroup.news", "webpubsub.joinLeaveGroup.news"],
            })
        );
    }

    #[test]
    fn the_key_signs_as_text() {
        let credential = token("host=h.example hub=chat user=none").make(&format!("{KEY}\n"), None, NOW, None);
        let mut validation = Validation::new(Algorithm::HS256);
        validation.validate_exp = false;
        validation.set_audience(&["https://h.example/client/hubs/chat"]);
        let key = DecodingKey::from_secret(KEY.as_bytes());
        let token = jsonwebtoken::decode::<Value>(credential.unwrap().value.as_str(), &key, &validation);
        assert_eq!(token.unwrap().header, Header::new(Algorithm::HS256));
    }

    #[test]
    fn what_is_no_access_key_signs_nothing() {
        let given = token("host=h.example hub=chat user=none");
        let connection = format!("Endpoint=https://h.example;AccessKey={KEY};Version=1.0;");
        for key in [
            "",
            "changeme",
            &connection,
            &format!("{KEY} {KEY}"),
            &"é".repeat(40),
            &"x".repeat(513),
        ] {
            assert!(given.make(key, None, NOW, None).is_err(), "{key}");
        }
    }
}
