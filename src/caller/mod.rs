//! Who calls: from an Entra access token to a verified [`Caller`].
//!
//! RS256 and nothing else, with keys that the configured tenant publishes; every
//! claim that a decision rests on is required and checked; scopes, roles and
//! client ids are compared as whole words. This module knows neither the vault
//! nor how an answer looks.

mod keys;

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use serde::Deserialize;
use thiserror::Error;
use url::Url;

use self::keys::{Keys, NoKey, SigningKey, Version};

/// How far clocks may be apart, in seconds.
const SKEW_SECONDS: u64 = 300;
/// Longest token that is read, in characters: Entra's have 1,000 to 6,000.
const MAX_TOKEN: usize = 16 * 1024;

/// Who is let in. Built by `config`, which has checked it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    /// `https://login.microsoftonline.com/` or another authority's root.
    pub authority: Url,
    /// The tenant's id, in lower case.
    pub tenant: String,
    /// The audiences that a token may be for, the first of them for challenges.
    pub audiences: Vec<String>,
    /// Any one of these scopes lets a user in.
    pub scopes: HashSet<String>,
    /// Any one of these roles lets a user or an app in.
    pub roles: HashSet<String>,
    /// The client ids that may call, in lower case; empty allows any.
    pub clients: HashSet<String>,
    /// The longest that a caller waits for keys.
    pub timeout: Duration,
}

/// Somebody who has proved who they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The user's or the app's object id.
    pub oid: Option<String>,
    /// The tenant.
    pub tid: String,
    /// The client that the token was issued to (`azp`, `appid`).
    pub client: Option<String>,
    /// Delegated permissions (`scp`).
    pub scopes: Vec<String>,
    /// App roles (`roles`).
    pub roles: Vec<String>,
}

/// Why a request is not let in.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CallerError {
    /// There is no valid token; the reason is for the log.
    #[error("{0}")]
    Unauthorized(&'static str),
    /// The token is valid, and does not allow this.
    #[error("the caller has no required scope, role or client")]
    NotAllowed(Box<Caller>),
    /// No signing keys could be had, so nothing can be said about the token.
    #[error("the issuer's keys could not be had")]
    AuthorityUnavailable,
}

/// Checks the callers of one tenant.
pub struct Callers {
    rules: Rules,
    keys: Arc<Keys>,
    challenge: HeaderValue,
}

impl fmt::Debug for Callers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callers")
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}

/// The claims that decisions rest on, with their types. That `exp` and `nbf`
/// are integers is part of it: RFC 7519 allows fractions, Entra writes none.
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

/// What is read of a token before it is verified: it chooses between the two
/// formats of the same issuer, and nothing else.
#[derive(Deserialize)]
struct Format {
    ver: String,
}

impl Callers {
    /// Costs nothing: keys are fetched when they are first needed.
    pub fn new(rules: Rules) -> Self {
        let mut base = rules.authority.clone();
        base.set_path(&format!("/{}/", rules.tenant));
        let challenge = challenge(&base, &rules);
        Self {
            keys: Arc::new(Keys::new(base, rules.tenant.clone(), rules.timeout)),
            rules,
            challenge,
        }
    }

    /// The value of `WWW-Authenticate` on a 401, in the form that Key Vault
    /// clients understand.
    pub fn challenge(&self) -> HeaderValue {
        self.challenge.clone()
    }

    /// Fetches the keys in the background, so that the first caller need not
    /// wait for them.
    pub fn warm(&self) -> impl Future<Output = ()> + Send + use<> {
        let keys = Arc::clone(&self.keys);
        async move { keys.fetch(None).await }
    }

    /// Who sent a request.
    ///
    /// # Errors
    /// [`CallerError`] when it is nobody who is let in.
    pub async fn identify(&self, headers: &HeaderMap) -> Result<Caller, CallerError> {
        let token = bearer(headers)?;
        let header = decode_header(token).map_err(|_| UNREADABLE)?;
        if header.alg != Algorithm::RS256 {
            return Err(CallerError::Unauthorized("the token is not signed with RS256"));
        }
        // RFC 7515 §4.1.11: what must be understood and is not, is refused.
        if header.crit.is_some() {
            return Err(CallerError::Unauthorized("the token has critical header fields"));
        }
        let kid = header.kid.ok_or(CallerError::Unauthorized("the token names no key"))?;
        let version = version(token)?;
        let key = self.keys.find(version, &kid).await.map_err(|error| match error {
            NoKey::Unknown => CallerError::Unauthorized("the token names a key that the issuer does not publish"),
            NoKey::Unavailable => CallerError::AuthorityUnavailable,
        })?;
        let caller = self.verify(token, version, &key)?;
        if self.allows(&caller) {
            Ok(caller)
        } else {
            Err(CallerError::NotAllowed(Box::new(caller)))
        }
    }

    fn verify(&self, token: &str, version: Version, key: &SigningKey) -> Result<Caller, CallerError> {
        let mut validation = Validation::new(Algorithm::RS256);
        validation.leeway = SKEW_SECONDS;
        validation.validate_nbf = true;
        validation.set_audience(&self.rules.audiences);
        validation.set_issuer(&[&*key.issuer]);
        validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud"]);
        let claims = decode::<Claims>(token, &key.key, &validation)
            .map_err(|error| CallerError::Unauthorized(reason(error.kind())))?
            .claims;
        // An issuer in a list would have passed: here it is one text.
        if claims.iss != *key.issuer || !claims.tid.eq_ignore_ascii_case(&self.rules.tenant) {
            return Err(CallerError::Unauthorized("the token is of another tenant"));
        }
        let client = match version {
            Version::V1 => claims.appid,
            Version::V2 => claims.azp,
        };
        let scopes = claims.scp.unwrap_or_default();
        Ok(Caller {
            oid: claims.oid,
            tid: claims.tid,
            client,
            scopes: scopes
                .split(' ')
                .filter(|scope| !scope.is_empty())
                .map(str::to_owned)
                .collect(),
            roles: claims.roles.unwrap_or_default(),
        })
    }

    fn allows(&self, caller: &Caller) -> bool {
        let rules = &self.rules;
        let permitted = caller.scopes.iter().any(|scope| rules.scopes.contains(scope))
            || caller.roles.iter().any(|role| rules.roles.contains(role));
        let client = caller.client.as_deref().map(str::to_ascii_lowercase);
        let from_client = rules.clients.is_empty() || client.is_some_and(|client| rules.clients.contains(&client));
        permitted && from_client
    }
}

const UNREADABLE: CallerError = CallerError::Unauthorized("the token cannot be read");

/// The token of the one `Authorization` header, in RFC 6750's form.
fn bearer(headers: &HeaderMap) -> Result<&str, CallerError> {
    let mut lines = headers.get_all(AUTHORIZATION).iter();
    let line = lines.next().ok_or(CallerError::Unauthorized("there is no token"))?;
    if lines.next().is_some() {
        return Err(CallerError::Unauthorized("there is more than one Authorization header"));
    }
    let (scheme, token) = line
        .to_str()
        .ok()
        .and_then(|line| line.split_once(' '))
        .ok_or(UNREADABLE)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(CallerError::Unauthorized("the scheme is not Bearer"));
    }
    let token = token.trim_start_matches(' ');
    let of_form = token
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'));
    if token.is_empty() || token.len() > MAX_TOKEN || !of_form {
        return Err(UNREADABLE);
    }
    Ok(token)
}

/// Which format the token says it has.
fn version(token: &str) -> Result<Version, CallerError> {
    let format: Format = jsonwebtoken::dangerous::insecure_decode_claims(token).map_err(|_| UNREADABLE)?;
    match format.ver.as_str() {
        "1.0" => Ok(Version::V1),
        "2.0" => Ok(Version::V2),
        _ => Err(CallerError::Unauthorized("the token's ver is neither 1.0 nor 2.0")),
    }
}

/// For the log: what a token fails for, without what it says.
fn reason(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::ExpiredSignature => "the token has expired",
        ErrorKind::ImmatureSignature => "the token is not valid yet",
        ErrorKind::InvalidAudience => "the token is for another audience",
        ErrorKind::InvalidIssuer => "the token is of another issuer",
        ErrorKind::InvalidSignature => "the token's signature is not the issuer's",
        ErrorKind::MissingRequiredClaim(_) => "the token lacks a required claim",
        _ => "the token cannot be read",
    }
}

fn challenge(base: &Url, rules: &Rules) -> HeaderValue {
    let authority = base.as_str().trim_end_matches('/');
    let audience = rules.audiences.first().map_or("", String::as_str);
    let text = format!(r#"Bearer authorization="{authority}", resource="{audience}""#);
    // `config` lets visible ASCII without quotes into an audience.
    HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static("Bearer"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules() -> Rules {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Rules {
            authority: Url::parse("https://login.microsoftonline.com").unwrap(),
            tenant: "0f0f0f0f-1111-2222-3333-444444444444".into(),
            audiences: vec!["api://keyvault-cors".into(), "second".into()],
            scopes: words(&["secrets.read"]),
            roles: words(&["Secrets.Read.All"]),
            clients: HashSet::new(),
            timeout: Duration::from_secs(5),
        }
    }

    fn caller(scopes: &[&str], roles: &[&str], client: Option<&str>) -> Caller {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Caller {
            oid: None,
            tid: rules().tenant,
            client: client.map(str::to_owned),
            scopes: words(scopes),
            roles: words(roles),
        }
    }

    #[test]
    fn the_challenge_names_our_audience_and_tenant() {
        assert_eq!(
            Callers::new(rules()).challenge(),
            "Bearer authorization=\"https://login.microsoftonline.com/0f0f0f0f-1111-2222-3333-444444444444\", \
             resource=\"api://keyvault-cors\""
        );
    }

    #[test]
    fn any_one_scope_or_role_lets_in_and_only_as_a_whole_word() {
        let callers = Callers::new(rules());
        for (allowed, caller) in [
            (true, caller(&["secrets.read"], &[], None)),
            (true, caller(&["other", "secrets.read"], &[], None)),
            (true, caller(&[], &["Secrets.Read.All"], None)),
            (false, caller(&[], &[], None)),
            (
                false,
                caller(
                    &["secrets.read.all", "xsecrets.read", "Secrets.Read"],
                    &["secrets.read"],
                    None,
                ),
            ),
            (false, caller(&["Secrets.Read.All"], &[], None)),
        ] {
            assert_eq!(callers.allows(&caller), allowed, "{caller:?}");
        }
    }

    #[test]
    fn a_client_rule_narrows_who_has_a_scope() {
        let id = "aaaaaaaa-1111-2222-3333-444444444444";
        let callers = Callers::new(Rules {
            clients: HashSet::from([id.to_owned()]),
            ..rules()
        });
        let upper = id.to_ascii_uppercase();
        for (allowed, scope, client) in [
            (true, "secrets.read", Some(id)),
            (true, "secrets.read", Some(upper.as_str())),
            (false, "secrets.read", None),
            (false, "secrets.read", Some("bbbbbbbb-1111-2222-3333-444444444444")),
            (false, "other", Some(id)),
        ] {
            assert_eq!(
                callers.allows(&caller(&[scope], &[], client)),
                allowed,
                "{scope} {client:?}"
            );
        }
    }

    #[test]
    fn a_token_is_one_line_of_scheme_bearer() {
        let too_long = format!("Bearer {}", "a".repeat(MAX_TOKEN + 1));
        for (lines, token) in [
            (&["Bearer a.b-_.c"][..], Some("a.b-_.c")),
            (&["bearer  a.b.c"], Some("a.b.c")),
            (&[], None),
            (&["Bearer"], None),
            (&["Bearer "], None),
            (&["Bearera.b.c"], None),
            (&["Basic a"], None),
            (&["a.b.c"], None),
            (&["Bearer a.b.c d"], None),
            (&["Bearer a.b.c,Bearer a.b.c"], None),
            (&["Bearer\ta.b.c"], None),
            (&["Bearer a.b.c="], None),
            (&["Bearer a.b.c", "Bearer a.b.c"], None),
            (&[&too_long], None),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(AUTHORIZATION, HeaderValue::from_str(line).unwrap());
            }
            assert_eq!(bearer(&headers).ok(), token, "{lines:?}");
        }
    }
}
