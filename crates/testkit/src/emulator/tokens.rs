//! Tokens: the claims that Entra puts in, and any others that a test wants, signed in any way.

use std::sync::Arc;

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use uuid::Uuid;

use super::clock::now;
use super::issuer::TokenVersion;
use super::keys::{PublicKey, SigningKey, hmac_sha256};
use super::names::{EMULATED_DAEMON, EMULATED_SPA};
use super::run::Emulator;

/// How long a token lives: Entra gives user tokens 60 to 90 minutes.
const TOKEN_LIFE_SECONDS: i64 = 60 * 60;

impl Emulator {
    /// `http://127.0.0.1:PORT`, for `ENTRA_AUTHORITY_HOST`.
    pub fn authority(&self) -> String {
        self.shared.names.authority.clone()
    }

    /// `iss` of v1 tokens.
    pub fn issuer_v1(&self) -> String {
        TokenVersion::V1.issuer(self.tenant())
    }

    /// `iss` of v2 tokens.
    pub fn issuer_v2(&self) -> String {
        TokenVersion::V2.issuer(self.tenant())
    }

    /// The object id of the user in minted tokens: a fresh GUID for each run.
    pub fn user(&self) -> &str {
        &self.shared.names.user
    }

    /// The object id of the daemon in minted tokens: a fresh GUID for each run.
    pub fn daemon(&self) -> &str {
        &self.shared.names.daemon
    }

    /// Publishes one more key, which signs from now on; tokens signed before stay good.
    pub fn rotate_keys(&self) {
        // The lock is not held for as long as a key takes. The first key is there before it has a successor.
        self.current_key();
        let key = SigningKey::generate();
        self.shared.lock().issuer.keys.push(key);
    }

    /// Publishes only the key that signs now.
    pub fn retire_old_keys(&self) {
        self.shared.lock().issuer.keys.retain_current();
    }

    /// Answers 404 where the metadata for v1 tokens would be, as authorities without v1 do.
    pub fn without_v1(&self) {
        self.shared.lock().issuer.is_v1_missing = true;
    }

    /// Names this address in both metadata documents as the one of the keys; `None`: the issuer's own again.
    pub fn announce_keys_at(&self, jwks_uri: Option<&str>) {
        self.shared.lock().issuer.jwks_uri = jwks_uri.map(str::to_owned);
    }

    /// Puts these entries before its own keys, in both key sets.
    pub fn publish_before_keys(&self, entries: Vec<Value>) {
        self.shared.lock().issuer.keys.put_before(entries);
    }

    /// Answers with key sets that are empty, or with its keys again.
    pub fn withhold_keys(&self, withheld: bool) {
        self.shared.lock().issuer.are_keys_withheld = withheld;
    }

    fn current_key(&self) -> Arc<SigningKey> {
        // Generated, where it still has to be, before the lock is taken.
        SigningKey::first();
        self.shared.lock().issuer.keys.current()
    }
}

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
