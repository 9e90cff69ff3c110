//! Tokens: the claims that Entra puts in, and any others that a test wants, signed in any way.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use uuid::Uuid;

use super::keys::{PublicKey, SigningKey, hmac_sha256};
use crate::Emulator;
use crate::state::now;

/// The client id of the single-page app that user tokens are issued to.
pub const EMULATED_SPA: &str = "2c1f6a4d-3f0b-4a57-8a76-0f1de4c59b21";

/// The client id of the daemon that app tokens are issued to.
pub const EMULATED_DAEMON: &str = "b94e7a0c-61d2-4f7e-9c39-d5a8e20f7c63";

/// How long a token lives: Entra gives user tokens 60 to 90 minutes.
const TOKEN_LIFE_SECONDS: i64 = 60 * 60;

impl Emulator {
    /// A token with these claims, signed with the current key: `{"typ":"JWT","alg":"RS256","kid":…}`.
    pub fn mint(&self, claims: &Value) -> String {
        let key = self.current_key();
        signed(&key, &header(&key), claims)
    }

    /// A token with any header, signed with the current key as the header's `alg` says.
    ///
    /// `none`, in any case, has an empty signature; `HS256` is an HMAC with the public key's PEM, the classic confusion
    /// ([`Self::sign_hmac`] takes other secrets); RS and PS algorithms are what they say, and any other name, or none,
    /// hides RS256.
    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        signed(&self.current_key(), header, claims)
    }

    /// A token with any header, signed with HMAC-SHA-256 and this secret.
    pub fn sign_hmac(&self, header: &Value, claims: &Value, secret: &[u8]) -> String {
        let message = message(header, claims);
        let signature = hmac_sha256(secret, message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// A token with any bytes for its header and claims, signed with the current key as RS256.
    pub fn sign_raw(&self, header: impl AsRef<[u8]>, claims: impl AsRef<[u8]>) -> String {
        let message = encoded(header.as_ref(), claims.as_ref());
        let signature = self.current_key().sign("RS256", message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    /// A token signed by a key that nobody publishes, whose header names the current key.
    pub fn foreign_token(&self, claims: &Value) -> String {
        signed(&SigningKey::foreign(), &header(&self.current_key()), claims)
    }

    /// The key that [`Self::foreign_token`] signs with, for headers that try to bring their own.
    pub fn foreign_key(&self) -> PublicKey {
        SigningKey::foreign().public.clone()
    }

    /// A token with any header, signed by the key that nobody publishes.
    pub fn sign_foreign(&self, header: &Value, claims: &Value) -> String {
        signed(&SigningKey::foreign(), header, claims)
    }

    /// The id of the key that signs.
    pub fn kid(&self) -> String {
        self.current_key().kid.clone()
    }

    /// The public half of the key that signs.
    pub fn public_key(&self) -> PublicKey {
        self.current_key().public.clone()
    }

    /// The claims of a v2 access token for a user who signed in to [`EMULATED_SPA`]; `scopes` is separated by spaces.
    pub fn user_claims(&self, audience: &str, scopes: &str) -> Value {
        let mut claims = self.common_claims(audience, &self.issuer_v2(), "2.0");
        extend(
            &mut claims,
            json!({
                "azp": EMULATED_SPA, "azpacr": "0", "scp": scopes,
                "oid": self.user(), "sub": pairwise(audience, self.user()),
                "name": "Adele Vance", "preferred_username": "adele@contoso.example",
            }),
        );
        claims
    }

    /// The claims of a v2 access token for [`EMULATED_DAEMON`], which acts for no user.
    pub fn app_claims(&self, audience: &str, role: &str) -> Value {
        let mut claims = self.common_claims(audience, &self.issuer_v2(), "2.0");
        extend(
            &mut claims,
            json!({
                "azp": EMULATED_DAEMON, "azpacr": "1", "idtyp": "app", "roles": [role],
                "oid": self.daemon(), "sub": self.daemon(),
            }),
        );
        claims
    }

    /// The claims of a v1 access token for the same user.
    pub fn v1_user_claims(&self, audience: &str, scopes: &str) -> Value {
        let mut claims = self.common_claims(audience, &self.issuer_v1(), "1.0");
        extend(
            &mut claims,
            json!({
                "appid": EMULATED_SPA, "appidacr": "0", "scp": scopes, "acr": "1", "amr": ["pwd"],
                "oid": self.user(), "sub": pairwise(audience, self.user()),
                "name": "Adele Vance", "unique_name": "adele@contoso.example", "upn": "adele@contoso.example",
            }),
        );
        claims
    }

    /// The claims of a v1 access token for the same daemon.
    pub fn v1_app_claims(&self, audience: &str, role: &str) -> Value {
        let mut claims = self.common_claims(audience, &self.issuer_v1(), "1.0");
        extend(
            &mut claims,
            json!({
                "appid": EMULATED_DAEMON, "appidacr": "1", "idtyp": "app", "roles": [role],
                "idp": self.issuer_v1(), "oid": self.daemon(), "sub": self.daemon(),
            }),
        );
        claims
    }

    fn common_claims(&self, audience: &str, issuer: &str, version: &str) -> Value {
        let issued_at = now();
        json!({
            "aud": audience, "iss": issuer, "iat": issued_at, "nbf": issued_at, "exp": issued_at + TOKEN_LIFE_SECONDS,
            "aio": unique(), "rh": unique(), "tid": self.tenant(), "uti": unique(), "ver": version,
        })
    }
}

fn header(key: &SigningKey) -> Value {
    json!({"typ": "JWT", "alg": "RS256", "kid": key.kid})
}

fn message(header: &Value, claims: &Value) -> String {
    encoded(header.to_string().as_bytes(), claims.to_string().as_bytes())
}

fn encoded(header: &[u8], claims: &[u8]) -> String {
    let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part));
    format!("{header}.{claims}")
}

fn signed(key: &SigningKey, header: &Value, claims: &Value) -> String {
    let message = message(header, claims);
    let algorithm = header.get("alg").and_then(Value::as_str).unwrap_or_default();
    let signature = URL_SAFE_NO_PAD.encode(key.sign(algorithm, message.as_bytes()));
    format!("{message}.{signature}")
}

fn extend(claims: &mut Value, more: Value) {
    if let (Value::Object(claims), Value::Object(more)) = (claims, more) {
        claims.extend(more);
    }
}

/// What differs from token to token and means nothing to a resource.
fn unique() -> String {
    URL_SAFE_NO_PAD.encode(Uuid::new_v4().into_bytes())
}

/// A `sub` that differs between audiences, as Entra's does.
fn pairwise(audience: &str, user: &str) -> String {
    let digest = digest::digest(&digest::SHA256, format!("{audience} {user}").as_bytes());
    URL_SAFE_NO_PAD.encode(digest)
}
