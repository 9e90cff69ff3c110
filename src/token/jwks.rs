//! What an authority publishes about itself: its metadata (`OpenID` Connect Discovery 1.0) and its signing keys (RFC 7517).

use std::collections::HashMap;
use std::sync::Arc;

use jsonwebtoken::DecodingKey;
use serde::Deserialize;
use serde_json::Value;

/// Characters of a modulus of 2,048 bits in base64url, less the leading zeros that none has: shorter keys are not used.
const MIN_MODULUS: usize = 342;

/// An `OpenID` provider's metadata, as far as it is needed.
#[derive(Deserialize)]
pub(super) struct Metadata {
    pub(super) issuer: String,
    pub(super) jwks_uri: String,
}

/// A JSON Web Key Set. Its keys stay unread until each is read by itself: one that cannot be read is ignored (RFC 7517
/// §5), and does not spoil the set.
#[derive(Deserialize)]
pub(super) struct KeyDocument {
    keys: Vec<Value>,
}

/// A key of the set; other kinds of keys have other members.
#[derive(Deserialize)]
struct PublishedKey {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    alg: Option<String>,
    n: Option<String>,
    e: Option<String>,
    /// Entra's own member: for which issuer's tokens the key is.
    issuer: Option<String>,
}

/// Keys by their id; two keys may have the same.
pub(super) type KeysById = HashMap<String, Vec<Arc<DecodingKey>>>;

/// A key that is not used.
#[derive(Debug)]
pub(super) struct Skipped {
    /// Its id, where it can be read.
    pub(super) kid: Option<String>,
    /// Why not.
    pub(super) cause: &'static str,
}

impl KeyDocument {
    /// The keys that can verify RS256 signatures of `issuer`'s v2 tokens, and for each other RSA signing key why it is
    /// not used.
    pub(super) fn usable(self, tenant: &str, issuer: &str) -> (KeysById, Vec<Skipped>) {
        let mut keys = KeysById::new();
        let mut skipped = Vec::new();
        for key in self.keys {
            match serde_json::from_value::<PublishedKey>(key) {
                Ok(key) if !key.is_for_signatures() => {}
                Ok(key) => {
                    let kid = key.kid.clone();
                    match key.usable(tenant, issuer) {
                        Ok((kid, key)) => keys.entry(kid).or_default().push(Arc::new(key)),
                        Err(cause) => skipped.push(Skipped { kid, cause }),
                    }
                }
                Err(_) => skipped.push(Skipped {
                    kid: None,
                    cause: "it is not a JSON Web Key",
                }),
            }
        }
        (keys, skipped)
    }
}

impl PublishedKey {
    /// Whether it is an RSA key for RS256 signatures: the only kind that is needed.
    fn is_for_signatures(&self) -> bool {
        self.kty == "RSA"
            && self.usage.as_deref().is_none_or(|usage| usage == "sig")
            && self.alg.as_deref().is_none_or(|alg| alg == "RS256")
    }

    fn usable(self, tenant: &str, issuer: &str) -> Result<(String, DecodingKey), &'static str> {
        if self
            .issuer
            .is_some_and(|template| template.replace("{tenantid}", tenant) != issuer)
        {
            return Err("it is for another issuer's tokens");
        }
        let kid = self.kid.ok_or("it has no kid")?;
        let (n, e) = self.n.zip(self.e).ok_or("it has no modulus or exponent")?;
        let key = DecodingKey::from_rsa_components(&n, &e).map_err(|_| "its modulus or exponent is not base64url")?;
        if n.len() < MIN_MODULUS {
            return Err("it is shorter than 2,048 bits");
        }
        Ok((kid, key))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const TENANT: &str = "t";
    const ISSUER: &str = "https://login.example/t/v2.0";

    /// How many keys a set of this one key has, and why it was skipped.
    fn read(key: &Value) -> (usize, Vec<&'static str>) {
        let document: KeyDocument = serde_json::from_value(json!({ "keys": [key] })).unwrap();
        let (keys, skipped) = document.usable(TENANT, ISSUER);
        let causes = skipped.into_iter().map(|skipped| skipped.cause).collect();
        (keys.values().map(Vec::len).sum(), causes)
    }

    fn key(change: impl FnOnce(&mut Value)) -> Value {
        let n = format!("{}w", "v".repeat(341));
        let mut key = json!({ "kty": "RSA", "use": "sig", "alg": "RS256", "kid": "1", "n": n, "e": "AQAB" });
        change(&mut key);
        key
    }

    #[test]
    fn an_rsa_signing_key_of_this_issuer_is_used() {
        let without = |member: &'static str| key(|key| drop(key.as_object_mut().unwrap().remove(member)));
        for usable in [
            key(|_| {}),
            without("use"),
            without("alg"),
            key(|key| key["issuer"] = "https://login.example/{tenantid}/v2.0".into()),
            key(|key| key["issuer"] = ISSUER.into()),
            key(|key| key["x5c"] = json!(["…"])),
        ] {
            assert_eq!(read(&usable), (1, vec![]), "{usable}");
        }
        // Keys of other kinds belong into a set, and are nobody's fault.
        for other in [
            key(|key| key["kty"] = "EC".into()),
            key(|key| key["use"] = "enc".into()),
            key(|key| key["alg"] = "PS256".into()),
        ] {
            assert_eq!(read(&other), (0, vec![]), "{other}");
        }
    }

    #[test]
    fn a_key_that_cannot_be_used_is_skipped_with_its_cause() {
        let without = |member: &'static str| key(|key| drop(key.as_object_mut().unwrap().remove(member)));
        for (skipped, cause) in [
            (without("kid"), "kid"),
            (without("n"), "modulus"),
            (without("e"), "modulus"),
            (without("kty"), "JSON Web Key"),
            (key(|key| key["n"] = 1.into()), "JSON Web Key"),
            (json!("text"), "JSON Web Key"),
            (key(|key| key["n"] = "v".repeat(340).into()), "2,048"),
            (key(|key| key["n"] = "+".repeat(342).into()), "base64url"),
            (
                key(|key| key["issuer"] = "https://login.example/other/v2.0".into()),
                "another issuer",
            ),
            (
                key(|key| key["issuer"] = "https://sts.example/t/".into()),
                "another issuer",
            ),
        ] {
            let (keys, causes) = read(&skipped);
            assert_eq!((keys, causes.len()), (0, 1), "{skipped}");
            assert!(causes[0].contains(cause), "{skipped}: {causes:?}");
        }
    }

    #[test]
    fn keys_of_one_id_are_all_kept_and_a_bad_one_spoils_no_other() {
        let document: KeyDocument =
            serde_json::from_value(json!({ "keys": [key(|_| {}), "bad", key(|_| {})] })).unwrap();
        let (keys, skipped) = document.usable(TENANT, ISSUER);
        assert_eq!(keys["1"].len(), 2);
        assert_eq!(skipped.len(), 1);
    }
}
