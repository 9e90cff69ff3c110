//! The issuer's signing keys: fetched from the authority's own metadata, kept by key id, refreshed in the background and
//! when a token names an unknown key.
//!
//! Nothing in a token chooses where keys come from: that is the configured authority, and what its metadata says over
//! TLS. A fetch is a task of its own, with its own deadline: a caller that gives up does not end it for the others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jsonwebtoken::DecodingKey;
use serde::de::DeserializeOwned;
use tokio::sync::{OnceCell, watch};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout};
use tracing::{info, warn};
use url::Url;

use super::Format;
use super::jwks::{KeyDocument, KeysById, Metadata, Skipped};
use crate::host;
use crate::outbound::{self, OutboundError};

/// Age at which keys are refreshed in the background.
const REFRESH_AFTER: Duration = Duration::from_hours(1);
/// Age from which keys are not used any more.
const MAX_AGE: Duration = Duration::from_hours(24);
/// Shortest time between two refreshes that unknown key ids cause.
const BETWEEN_REFRESHES: Duration = Duration::from_mins(5);
/// Shortest time between two refreshes of old keys, while the authority does not answer.
const BETWEEN_BACKGROUND_TRIES: Duration = Duration::from_mins(1);
/// Shortest time between two tries while there are no keys at all.
const BETWEEN_FIRST_TRIES: Duration = Duration::from_secs(1);
/// Bound on fetching one document: longer than callers wait by default, so that a slow authority is slow once and not
/// for ever.
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of a document, at most.
const MAX_DOCUMENT: usize = 256 * 1024;

impl Format {
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
    keys: KeysById,
    loaded: Instant,
}

impl KeySet {
    fn is_usable(&self, now: Instant) -> bool {
        now - self.loaded < MAX_AGE
    }
}

#[derive(Default)]
struct State {
    /// `None` for a format of which the authority says that it has no metadata.
    sets: HashMap<Format, Option<KeySet>>,
    /// When a fetch was last begun.
    tried: Option<Instant>,
    /// Whether the last fetch was a refresh; the initial load does not count.
    refreshed: bool,
    /// Closed when the last fetch has ended.
    fetch: Option<watch::Receiver<()>>,
}

impl State {
    fn find(&self, format: Format, kid: &str, now: Instant) -> Vec<SigningKey> {
        let set = self.sets.get(&format).and_then(Option::as_ref);
        let Some(set) = set.filter(|set| set.is_usable(now)) else {
            return Vec::new();
        };
        let signing_key = |key: &Arc<DecodingKey>| SigningKey {
            issuer: Arc::clone(&set.issuer),
            key: Arc::clone(key),
        };
        set.keys.get(kid).into_iter().flatten().map(signing_key).collect()
    }

    /// Whether the authority has said something about a format that still holds.
    fn has_loaded(&self, format: Format, now: Instant) -> bool {
        let usable = |set: &Option<KeySet>| set.as_ref().is_some_and(|set| set.is_usable(now));
        // A format without metadata has an answer as soon as the other one has keys.
        match self.sets.get(&format) {
            Some(Some(set)) => set.is_usable(now),
            Some(None) => self.sets.values().any(usable),
            None => false,
        }
    }

    /// Whether the issuer may be asked for a key that is missed.
    fn may_fetch(&self, format: Format, now: Instant) -> bool {
        match self.tried.map(|tried| now - tried) {
            None => true,
            Some(since) if !self.has_loaded(format, now) => since >= BETWEEN_FIRST_TRIES,
            Some(since) => !self.refreshed || since >= BETWEEN_REFRESHES,
        }
    }

    /// Whether keys are old enough to be refreshed, and were not tried for just now.
    fn is_due(&self, now: Instant) -> bool {
        let is_old = self
            .sets
            .values()
            .flatten()
            .any(|set| now - set.loaded >= REFRESH_AFTER);
        is_old && self.tried.is_none_or(|tried| now - tried >= BETWEEN_BACKGROUND_TRIES)
    }

    /// The fetch that is under way.
    fn in_flight(&self) -> Option<watch::Receiver<()>> {
        self.fetch.clone().filter(|fetch| fetch.has_changed().is_ok())
    }
}

/// The keys of one tenant.
pub(super) struct Keys {
    /// `AUTHORITY/TENANT/`.
    base: Url,
    tenant: String,
    /// The longest that a caller waits.
    timeout: Duration,
    client: OnceCell<reqwest::Client>,
    state: Mutex<State>,
}

impl Keys {
    pub(super) fn new(base: Url, tenant: String, timeout: Duration) -> Self {
        Self {
            base,
            tenant,
            timeout,
            client: OnceCell::new(),
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Sets are replaced whole, so the state is never half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins the first load.
    pub(super) fn warm(self: &Arc<Self>) {
        let mut state = self.state();
        if state.in_flight().is_none() {
            self.begin(&mut state, false);
        }
    }

    /// The keys with the id `kid` for a token format, at least one.
    pub(super) async fn find(self: &Arc<Self>, format: Format, kid: &str) -> Result<Vec<SigningKey>, NoKey> {
        let under_way = {
            let now = Instant::now();
            let mut state = self.state();
            let found = state.find(format, kid, now);
            if !found.is_empty() {
                if state.is_due(now) && state.in_flight().is_none() {
                    self.begin(&mut state, true);
                }
                return Ok(found);
            }
            match state.in_flight() {
                Some(fetch) => Some(fetch),
                None if state.may_fetch(format, now) => {
                    let is_refresh = state.has_loaded(format, now);
                    Some(self.begin(&mut state, is_refresh))
                }
                None => None,
            }
        };
        if let Some(mut fetch) = under_way {
            // It ends by being closed, after a panic too.
            drop(timeout(self.timeout, fetch.changed()).await);
        }
        let now = Instant::now();
        let state = self.state();
        let found = state.find(format, kid, now);
        match found.is_empty() {
            false => Ok(found),
            true if state.has_loaded(format, now) => Err(NoKey::Unknown),
            true => Err(NoKey::Unavailable),
        }
    }

    /// Begins a fetch of both formats' keys.
    fn begin(self: &Arc<Self>, state: &mut State, is_refresh: bool) -> watch::Receiver<()> {
        let (ended, fetch) = watch::channel(());
        state.refreshed |= is_refresh;
        state.tried = Some(Instant::now());
        state.fetch = Some(fetch.clone());
        let keys = Arc::clone(self);
        tokio::spawn(async move {
            keys.fetch().await;
            drop(ended);
        });
        fetch
    }

    async fn fetch(&self) {
        let (v1, v2) = tokio::join!(self.metadata(Format::V1), self.metadata(Format::V2));
        // Where v2's metadata could not be had, its issuer is what Entra's is.
        let v2_issuer = match &v2 {
            Ok(Some(metadata)) => self.filled(&metadata.issuer),
            Ok(None) | Err(_) => format!("{}v2.0", self.base),
        };
        let (v1, v2) = tokio::join!(self.key_set(v1, &v2_issuer), self.key_set(v2, &v2_issuer));
        let mut state = self.state();
        for (format, loaded) in Format::ALL.into_iter().zip([v1, v2]) {
            match loaded {
                Ok(Some(set)) => {
                    state.sets.insert(format, Some(set));
                }
                Ok(None) => {
                    state.sets.entry(format).or_insert(None);
                }
                // The last good set stays, for as long as it may be used.
                Err(cause) => warn!(format = ?format, cause, "the issuer's keys could not be fetched"),
            }
        }
        let keys: usize = state
            .sets
            .values()
            .flatten()
            .flat_map(|set| set.keys.values())
            .map(Vec::len)
            .sum();
        info!(keys, "signing keys");
    }

    async fn metadata(&self, format: Format) -> Result<Option<Metadata>, &'static str> {
        let url = self.base.join(format.path()).map_err(|_| "its metadata has no URL")?;
        self.get(url).await
    }

    async fn key_set(
        &self,
        metadata: Result<Option<Metadata>, &'static str>,
        v2_issuer: &str,
    ) -> Result<Option<KeySet>, &'static str> {
        let Some(metadata) = metadata? else {
            return Ok(None);
        };
        let url = Url::parse(&metadata.jwks_uri).map_err(|_| "jwks_uri is not a URL")?;
        if !may_have_keys(&url, &self.base) {
            return Err("jwks_uri is neither https nor on the authority's own loopback host");
        }
        let document: KeyDocument = self.get(url).await?.ok_or("there is nothing at jwks_uri")?;
        let (keys, skipped) = document.usable(&self.tenant, v2_issuer);
        for Skipped { kid, cause } in skipped {
            warn!(kid, cause, "a signing key is skipped");
        }
        if keys.is_empty() {
            return Err("there is no usable key in its key set");
        }
        Ok(Some(KeySet {
            issuer: self.filled(&metadata.issuer).into(),
            keys,
            loaded: Instant::now(),
        }))
    }

    /// An issuer with this tenant's id where the metadata has a placeholder.
    fn filled(&self, issuer: &str) -> String {
        issuer.replace("{tenantid}", &self.tenant)
    }

    /// A JSON document; `None` when the authority says that there is none.
    async fn get<T: DeserializeOwned>(&self, url: Url) -> Result<Option<T>, &'static str> {
        let getting = async {
            let client = self.client().await?;
            let response = client.get(url).send().await;
            let response = response.map_err(|_| "it cannot be reached, or its certificate is not trusted")?;
            if response.status() == reqwest::StatusCode::NOT_FOUND {
                return Ok(None);
            }
            if response.status() != reqwest::StatusCode::OK {
                return Err("it answered with another status than 200");
            }
            let document = outbound::read_body(response, MAX_DOCUMENT)
                .await
                .map_err(|error| match error {
                    OutboundError::TooLarge => "its answer is too large",
                    OutboundError::Broken | OutboundError::Client => "its answer ended before it was complete",
                })?;
            serde_json::from_slice(&document)
                .map(Some)
                .map_err(|_| "its answer is not the document asked for")
        };
        timeout(FETCH_TIMEOUT, getting)
            .await
            .unwrap_or(Err("it did not answer in time"))
    }

    /// The HTTP client, built at its first use, on a thread where loading certificates may block.
    async fn client(&self) -> Result<&reqwest::Client, &'static str> {
        let options = outbound::Options {
            connect_timeout: FETCH_TIMEOUT,
            proxy: !is_loopback(&self.base),
        };
        let building = async move {
            let built = spawn_blocking(move || outbound::client(options)).await;
            built.ok().and_then(Result::ok).ok_or(outbound::NO_CLIENT)
        };
        self.client.get_or_try_init(|| building).await
    }
}

/// Whether keys may be fetched from `jwks`: over TLS, or from the same loopback host as an authority that is on this
/// machine.
fn may_have_keys(jwks: &Url, authority: &Url) -> bool {
    match jwks.scheme() {
        "https" => true,
        "http" => is_loopback(authority) && jwks.host() == authority.host(),
        _ => false,
    }
}

fn is_loopback(url: &Url) -> bool {
    url.host().is_some_and(|host| host::is_loopback(&host))
}

#[cfg(test)]
mod tests;
