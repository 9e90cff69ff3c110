//! The issuer's signing keys: fetched from the authority's own metadata,
//! kept by key id, refreshed on schedule and when a token names an unknown key.
//!
//! Nothing in a token chooses where keys come from: that is the configured
//! authority, and what its metadata says over TLS.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jsonwebtoken::DecodingKey;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::OnceCell;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout};
use tracing::{info, warn};
use url::Url;

use crate::host;
use crate::outbound::{self, OutboundError};

/// Age at which keys are refreshed in the background.
const REFRESH_AFTER: Duration = Duration::from_hours(1);
/// Shortest time between two refreshes that unknown key ids cause.
const BETWEEN_REFRESHES: Duration = Duration::from_mins(5);
/// Shortest time between two tries while there are no keys at all.
const BETWEEN_FIRST_TRIES: Duration = Duration::from_secs(1);
/// Bytes of a document, at most.
const MAX_DOCUMENT: usize = 256 * 1024;
/// Characters of a modulus of 2,048 bits in base64url, less the leading zeros
/// that none has: shorter keys are not taken.
const MIN_MODULUS: usize = 342;

/// Which of Entra's two token formats a token has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Version {
    V1,
    V2,
}

impl Version {
    const ALL: [Self; 2] = [Self::V1, Self::V2];

    /// Where its metadata is, below `AUTHORITY/TENANT`.
    fn path(self) -> &'static str {
        match self {
            Self::V1 => ".well-known/openid-configuration",
            Self::V2 => "v2.0/.well-known/openid-configuration",
        }
    }
}

/// A key that a token may have been signed with, and whose it is.
#[derive(Clone)]
pub(super) struct SigningKey {
    pub(super) issuer: Arc<str>,
    pub(super) key: Arc<DecodingKey>,
}

/// Why there is no key for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoKey {
    /// The issuer does not publish such a key.
    Unknown,
    /// No keys could be had at all.
    Unavailable,
}

/// The keys of one token format.
struct KeySet {
    issuer: Arc<str>,
    keys: HashMap<String, Arc<DecodingKey>>,
}

#[derive(Default)]
struct State {
    /// `None` for a format of which the authority says that it has no metadata.
    sets: HashMap<Version, Option<KeySet>>,
    /// When the sets were last fetched.
    fetched: Option<Instant>,
    /// When a fetch was last begun.
    tried: Option<Instant>,
    /// When a fetch last ended, whatever it brought.
    done: Option<Instant>,
    /// Whether that was a refresh: the first load is none.
    refreshed: bool,
}

impl State {
    fn find(&self, version: Version, kid: &str) -> Option<SigningKey> {
        let set = self.sets.get(&version)?.as_ref()?;
        set.keys.get(kid).map(|key| SigningKey {
            issuer: Arc::clone(&set.issuer),
            key: Arc::clone(key),
        })
    }

    /// Whether the issuer may be asked again, given why.
    fn may_fetch(&self, now: Instant, version: Option<Version>) -> bool {
        let since = self.tried.map(|tried| now - tried);
        match since {
            None => true,
            Some(since) if !self.has_loaded(version) => since >= BETWEEN_FIRST_TRIES,
            Some(since) => !self.refreshed || since >= BETWEEN_REFRESHES,
        }
    }

    /// Whether the authority has said something about a format, or about both.
    fn has_loaded(&self, version: Option<Version>) -> bool {
        if self.sets.values().all(Option::is_none) {
            return false;
        }
        match version {
            Some(version) => self.sets.contains_key(&version),
            None => Version::ALL.iter().all(|version| self.sets.contains_key(version)),
        }
    }
}

/// The keys of one tenant.
pub(super) struct Keys {
    /// `AUTHORITY/TENANT/`.
    base: Url,
    tenant: String,
    timeout: Duration,
    client: OnceCell<reqwest::Client>,
    state: Mutex<State>,
    /// Held by the one fetch that is under way.
    fetching: tokio::sync::Mutex<()>,
}

impl Keys {
    pub(super) fn new(base: Url, tenant: String, timeout: Duration) -> Self {
        Self {
            base,
            tenant,
            timeout,
            client: OnceCell::new(),
            state: Mutex::default(),
            fetching: tokio::sync::Mutex::new(()),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // The state is replaced whole, so it is never half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The key `kid` of a token format.
    pub(super) async fn find(self: &Arc<Self>, version: Version, kid: &str) -> Result<SigningKey, NoKey> {
        let (found, is_old) = {
            let state = self.state();
            let age = state.fetched.map(|fetched| fetched.elapsed());
            (state.find(version, kid), age.is_some_and(|age| age >= REFRESH_AFTER))
        };
        if let Some(key) = found {
            if is_old {
                let keys = Arc::clone(self);
                tokio::spawn(async move { keys.fetch(None).await });
            }
            return Ok(key);
        }
        // A fetch in a task of its own: a caller that goes away does not cancel
        // it for the others.
        let keys = Arc::clone(self);
        let fetched = tokio::spawn(async move { keys.fetch(Some(version)).await });
        // A panic there leaves the state as it was.
        drop(timeout(self.timeout, fetched).await);
        let state = self.state();
        match state.find(version, kid) {
            Some(key) => Ok(key),
            None if !state.has_loaded(Some(version)) => Err(NoKey::Unavailable),
            None => Err(NoKey::Unknown),
        }
    }

    /// Fetches the keys of both formats, unless that was done too recently for
    /// the format that is missed; one at a time.
    pub(super) async fn fetch(&self, version: Option<Version>) {
        let asked = Instant::now();
        let _only = self.fetching.lock().await;
        {
            let mut state = self.state();
            let now = Instant::now();
            // Somebody else's fetch has ended meanwhile: this one has its result.
            if state.done.is_some_and(|done| done >= asked) || !state.may_fetch(now, version) {
                return;
            }
            state.refreshed |= state.has_loaded(version);
            state.tried = Some(now);
        }
        let (v1, v2) = tokio::join!(self.load(Version::V1), self.load(Version::V2));
        let mut state = self.state();
        state.done = Some(Instant::now());
        for (version, loaded) in Version::ALL.into_iter().zip([v1, v2]) {
            match loaded {
                Ok(Some(set)) => {
                    state.fetched = Some(Instant::now());
                    state.sets.insert(version, Some(set));
                }
                Ok(None) => {
                    state.sets.entry(version).or_insert(None);
                }
                // The last good set stays.
                Err(cause) => warn!(version = ?version, cause, "the issuer's keys could not be fetched"),
            }
        }
        let keys: usize = state.sets.values().flatten().map(|set| set.keys.len()).sum();
        info!(keys, "signing keys");
    }

    async fn load(&self, version: Version) -> Result<Option<KeySet>, &'static str> {
        let loading = async {
            let metadata = self.base.join(version.path()).map_err(|_| "its metadata has no URL")?;
            let Some(metadata) = self.get::<Metadata>(metadata).await? else {
                return Ok(None);
            };
            let jwks = Url::parse(&metadata.jwks_uri).map_err(|_| "jwks_uri is not a URL")?;
            if !may_have_keys(&jwks, &self.base) {
                return Err("jwks_uri is neither https nor on the authority's own loopback");
            }
            let document: KeyDocument = self.get(jwks).await?.ok_or("there is nothing at jwks_uri")?;
            let keys: HashMap<_, _> = document.keys.into_iter().filter_map(PublishedKey::usable).collect();
            if keys.is_empty() {
                return Err("there is no usable key in its key set");
            }
            Ok(Some(KeySet {
                issuer: metadata.issuer.replace("{tenantid}", &self.tenant).into(),
                keys,
            }))
        };
        timeout(self.timeout, loading)
            .await
            .unwrap_or(Err("no answer within UPSTREAM_TIMEOUT_SECONDS"))
    }

    /// The HTTP client, built at its first use on a thread where loading certificates may block.
    async fn client(&self) -> Result<&reqwest::Client, &'static str> {
        let options = outbound::Options {
            connect_timeout: self.timeout,
            proxy: self.base.host().is_none_or(|host| !host::is_loopback(&host)),
        };
        let building = async move {
            let built = spawn_blocking(move || outbound::client(options)).await;
            built
                .ok()
                .and_then(Result::ok)
                .ok_or("the TLS client could not be built")
        };
        self.client.get_or_try_init(|| building).await
    }

    async fn get<T: DeserializeOwned>(&self, url: Url) -> Result<Option<T>, &'static str> {
        let client = self.client().await?;
        let answer = client.get(url).send().await;
        let answer = answer.map_err(|_| "it cannot be reached, or its certificate is not trusted")?;
        if answer.status() == reqwest::StatusCode::NOT_FOUND {
            return Ok(None);
        }
        if answer.status() != reqwest::StatusCode::OK {
            return Err("it answered with another status than 200");
        }
        let document = outbound::read_body(answer, MAX_DOCUMENT)
            .await
            .map_err(|error| match error {
                OutboundError::TooLarge => "its answer is too large",
                OutboundError::Broken | OutboundError::Client => "its answer broke off",
            })?;
        serde_json::from_slice(&document)
            .map(Some)
            .map_err(|_| "its answer is not the document asked for")
    }
}

/// Whether keys may be fetched from `jwks`: over TLS, or from the same loopback
/// host as an authority that is on this machine.
fn may_have_keys(jwks: &Url, authority: &Url) -> bool {
    match jwks.scheme() {
        "https" => true,
        "http" => authority.host().is_some_and(|host| host::is_loopback(&host)) && jwks.host() == authority.host(),
        _ => false,
    }
}

/// An `OpenID` provider's metadata, as far as it is needed.
#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    jwks_uri: String,
}

/// A JSON Web Key Set (RFC 7517 §5).
#[derive(Deserialize)]
struct KeyDocument {
    keys: Vec<PublishedKey>,
}

/// A key of it; other kinds of keys have other members.
#[derive(Deserialize)]
struct PublishedKey {
    kty: String,
    kid: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    alg: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

impl PublishedKey {
    /// An RSA key of 2,048 bits or more for RS256 signatures, with its id.
    fn usable(self) -> Option<(String, Arc<DecodingKey>)> {
        let for_signatures = self.usage.is_none_or(|usage| usage == "sig");
        let for_rs256 = self.alg.is_none_or(|alg| alg == "RS256");
        let (n, e) = (self.n?, self.e?);
        if self.kty != "RSA" || !for_signatures || !for_rs256 || n.len() < MIN_MODULUS {
            return None;
        }
        let key = DecodingKey::from_rsa_components(&n, &e).ok()?;
        Some((self.kid?, Arc::new(key)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_over_tls_or_from_the_authoritys_own_loopback() {
        let url = |text| Url::parse(text).unwrap();
        for (jwks, authority, allowed) in [
            (
                "https://login.microsoftonline.com/k",
                "https://login.microsoftonline.com/t/",
                true,
            ),
            (
                "https://elsewhere.example/k",
                "https://login.microsoftonline.com/t/",
                true,
            ),
            (
                "http://login.microsoftonline.com/k",
                "https://login.microsoftonline.com/t/",
                false,
            ),
            ("http://127.0.0.1:9/k", "https://login.microsoftonline.com/t/", false),
            ("http://127.0.0.1:9/k", "http://127.0.0.1:8/t/", true),
            ("http://localhost:9/k", "http://127.0.0.1:8/t/", false),
            ("http://evil.example/k", "http://127.0.0.1:8/t/", false),
            ("file:///etc/passwd", "http://127.0.0.1:8/t/", false),
        ] {
            assert_eq!(
                may_have_keys(&url(jwks), &url(authority)),
                allowed,
                "{jwks} {authority}"
            );
        }
    }

    #[test]
    fn only_rsa_keys_for_signatures_are_taken() {
        let n = format!("{}w", "v".repeat(341));
        let short = format!("{}w", "v".repeat(340));
        let key = |kty: &str, usage: Option<&str>, alg: Option<&str>, n: &str, kid: Option<&str>| PublishedKey {
            kty: kty.into(),
            kid: kid.map(str::to_owned),
            usage: usage.map(str::to_owned),
            alg: alg.map(str::to_owned),
            n: Some(n.into()),
            e: Some("AQAB".into()),
        };
        for (usable, key) in [
            (true, key("RSA", None, None, &n, Some("1"))),
            (true, key("RSA", Some("sig"), Some("RS256"), &n, Some("1"))),
            (false, key("EC", None, None, &n, Some("1"))),
            (false, key("RSA", Some("enc"), None, &n, Some("1"))),
            (false, key("RSA", None, Some("PS256"), &n, Some("1"))),
            (false, key("RSA", None, None, &short, Some("1"))),
            (false, key("RSA", None, None, &n, None)),
        ] {
            let label = format!("{} {:?} {:?} {:?}", key.kty, key.usage, key.alg, key.kid);
            assert_eq!(key.usable().is_some(), usable, "{label}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn unknown_key_ids_refresh_at_most_every_five_minutes_and_the_first_load_does_not_count() {
        let mut state = State::default();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let v2 = Some(Version::V2);
        assert!(state.may_fetch(at(0), v2));
        state.tried = Some(at(0));
        assert!(!state.may_fetch(at(0), v2));
        assert!(state.may_fetch(at(1), v2), "there are no keys at all");
        let set = KeySet {
            issuer: "i".into(),
            keys: HashMap::new(),
        };
        state.sets.insert(Version::V2, Some(set));
        assert!(state.may_fetch(at(1), v2), "the first load was no refresh");
        state.tried = Some(at(1));
        state.refreshed = true;
        assert!(!state.may_fetch(at(300), v2));
        assert!(state.may_fetch(at(301), v2));
        // The other format has not been loaded, or does not exist.
        assert!(state.may_fetch(at(2), Some(Version::V1)));
        state.sets.insert(Version::V1, None);
        assert!(!state.may_fetch(at(2), Some(Version::V1)));
    }
}
