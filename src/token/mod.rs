//! Authentication: from an Entra access token to a verified [`Caller`].
//!
//! RS256 and nothing else, with keys that the configured tenant publishes; every claim that a decision rests on is
//! required and checked. What a caller may do is `access`'s to decide, and how an answer looks is `api`'s.

mod bearer;
mod jwks;
mod keys;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderValue};
use jsonwebtoken::dangerous::insecure_decode;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, TokenData, Validation, decode};
use serde::Deserialize;
use thiserror::Error;
use url::Url;

use self::keys::{Keys, NoKey, SigningKey};

/// How far clocks may be apart, in seconds.
const SKEW_SECONDS: u64 = 300;

/// Whose tokens are accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// `https://login.microsoftonline.com/` or another authority's root.
    pub authority: Url,
    /// The tenant's id, in lower case.
    pub tenant: String,
    /// The audiences that a token may be for, the first of them for challenges.
    pub audiences: Vec<String>,
    /// The longest that a caller waits for signing keys.
    pub timeout: Duration,
}

/// Somebody who has proved who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The user's or the app's object id.
    pub oid: Option<String>,
    /// The tenant.
    pub tid: String,
    /// The client that the token was issued to: `azp` of a v2 token, `appid` of a v1 token.
    pub client: Option<String>,
    /// Delegated permissions (`scp`), separated by spaces.
    pub scopes: String,
    /// App roles (`roles`).
    pub roles: Vec<String>,
}

/// Why a request has no caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TokenError {
    /// The token is missing or invalid; the reason is for the log.
    #[error("{0}")]
    Unauthorized(&'static str),
    /// No signing keys could be had, so nothing can be said about the token.
    #[error("the issuer's signing keys could not be fetched")]
    AuthorityUnavailable,
}

/// Verifies the tokens of one tenant.
pub struct Authenticator {
    options: Options,
    keys: Arc<Keys>,
    challenge: HeaderValue,
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticator")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// Which of Entra's two token formats a token has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
enum Format {
    #[serde(rename = "1.0")]
    V1,
    #[serde(rename = "2.0")]
    V2,
}

/// What is read of a token before it is verified: it chooses between the two formats of the same issuer, and nothing
/// else.
#[derive(Deserialize)]
struct Unverified {
    ver: Format,
}

/// The claims that decisions rest on, with their types. That `exp` and `nbf` are integers is part of it: RFC 7519
/// allows fractions, Entra writes none.
#[derive(Deserialize)]
struct Claims {
    #[expect(dead_code, reason = "its type is checked")]
    exp: u64,
    #[expect(dead_code, reason = "its type is checked")]
    nbf: u64,
    iss: String,
    tid: String,
    oid: Option<String>,
    azp: Option<String>,
    appid: Option<String>,
    scp: Option<String>,
    roles: Option<Vec<String>>,
}

impl Authenticator {
    /// Costs nothing: keys are fetched when they are first needed.
    pub fn new(options: Options) -> Self {
        let mut base = options.authority.clone();
        base.set_path(&format!("/{}/", options.tenant));
        Self {
            challenge: challenge(&base, &options),
            keys: Arc::new(Keys::new(base, options.tenant.clone(), options.timeout)),
            options,
        }
    }

    /// The value of `WWW-Authenticate` on a 401, in the form that Key Vault clients understand.
    pub fn challenge(&self) -> HeaderValue {
        self.challenge.clone()
    }

    /// Begins to fetch the keys in the background, so that the first caller need not wait for them.
    pub fn warm(&self) {
        self.keys.warm();
    }

    /// Who sent a request.
    ///
    /// # Errors
    /// [`TokenError`] when the token is missing or invalid, or cannot be verified now.
    pub async fn authenticate(&self, headers: &HeaderMap) -> Result<Caller, TokenError> {
        let token = bearer::token(headers)?;
        let TokenData { header, claims, .. } = insecure_decode::<Unverified>(token).map_err(|_| UNREADABLE)?;
        if header.alg != Algorithm::RS256 {
            return Err(TokenError::Unauthorized("the token is not signed with RS256"));
        }
        // RFC 7515 §4.1.11: what must be understood and is not, is refused.
        if header.crit.is_some() {
            return Err(TokenError::Unauthorized("the token has critical header fields"));
        }
        let kid = header.kid.ok_or(TokenError::Unauthorized("the token names no key"))?;
        let keys = self.keys.find(claims.ver, &kid).await.map_err(|error| match error {
            NoKey::Unknown => TokenError::Unauthorized("the token names a key that the issuer does not publish"),
            NoKey::Unavailable => TokenError::AuthorityUnavailable,
        })?;
        let mut verified = Err(UNREADABLE);
        for key in &keys {
            verified = self.verify(token, claims.ver, key);
            if verified != Err(WRONG_SIGNATURE) {
                break;
            }
        }
        verified
    }

    fn verify(&self, token: &str, format: Format, key: &SigningKey) -> Result<Caller, TokenError> {
        let mut validation = Validation::new(Algorithm::RS256);
        validation.leeway = SKEW_SECONDS;
        validation.validate_nbf = true;
        validation.set_audience(&self.options.audiences);
        validation.set_issuer(&[&*key.issuer]);
        validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud"]);
        let claims = decode::<Claims>(token, &key.key, &validation)
            .map_err(|error| reason(error.kind()))?
            .claims;
        // `decode` would also accept a list with the issuer in it; here the claim is one text.
        if claims.iss != *key.issuer || !claims.tid.eq_ignore_ascii_case(&self.options.tenant) {
            return Err(TokenError::Unauthorized("the token is from another tenant"));
        }
        // An ID token has the same issuer, and may have the same audience and roles; it names no client.
        if claims.azp.is_none() && claims.appid.is_none() {
            return Err(TokenError::Unauthorized(
                "the token names no client (azp, appid): it is an ID token, not an access token",
            ));
        }
        let client = match format {
            Format::V1 => claims.appid,
            Format::V2 => claims.azp,
        };
        Ok(Caller {
            oid: claims.oid,
            tid: claims.tid,
            client,
            scopes: claims.scp.unwrap_or_default(),
            roles: claims.roles.unwrap_or_default(),
        })
    }
}

const UNREADABLE: TokenError = TokenError::Unauthorized("the token cannot be read");
const WRONG_SIGNATURE: TokenError = TokenError::Unauthorized("the token's signature is not the issuer's");

/// What a token fails for, without what it says.
fn reason(kind: &ErrorKind) -> TokenError {
    TokenError::Unauthorized(match kind {
        ErrorKind::InvalidSignature => return WRONG_SIGNATURE,
        ErrorKind::ExpiredSignature => "the token has expired",
        ErrorKind::ImmatureSignature => "the token is not valid yet",
        ErrorKind::InvalidAudience => "the token is for another audience",
        ErrorKind::InvalidIssuer => "the token is from another issuer",
        ErrorKind::MissingRequiredClaim(_) => "the token lacks a required claim",
        _ => return UNREADABLE,
    })
}

fn challenge(base: &Url, options: &Options) -> HeaderValue {
    let authority = base.as_str().trim_end_matches('/');
    let audience = options.audiences.first().map_or("", String::as_str);
    let text = format!(r#"Bearer authorization="{authority}", resource="{audience}""#);
    // `config` lets visible ASCII without quotes into an audience.
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("Bearer"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_challenge_names_our_audience_and_tenant() {
        let authenticator = Authenticator::new(Options {
            authority: Url::parse("https://login.microsoftonline.com").unwrap(),
            tenant: "0f0f0f0f-1111-2222-3333-444444444444".into(),
            audiences: vec!["api://keyvault-cors".into(), "second".into()],
            timeout: Duration::from_secs(5),
        });
        assert_eq!(
            authenticator.challenge(),
            "Bearer authorization=\"https://login.microsoftonline.com/0f0f0f0f-1111-2222-3333-444444444444\", \
             resource=\"api://keyvault-cors\""
        );
    }
}
