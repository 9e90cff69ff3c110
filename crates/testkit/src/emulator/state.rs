//! What the listeners and the [`Emulator`](crate::Emulator) share.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::HeaderValue;
use http::request::Parts;

use super::fault::{Fault, Script, Target};
use super::keys::KeySet;
use super::names::Names;
use super::record::{Counters, Recorded, Timeline};
use super::store::Store;

/// A bearer token that was issued.
pub(crate) struct Token {
    /// As it travels after `Bearer `.
    pub(crate) bearer: String,
    /// The resource it is good for, without a trailing slash.
    pub(crate) resource: String,
    /// Unix seconds.
    pub(crate) expires: i64,
}

/// What tests change about the issuer.
#[derive(Default)]
pub(crate) struct Issuer {
    pub(crate) keys: KeySet,
    pub(crate) is_v1_missing: bool,
    pub(crate) jwks_uri: Option<String>,
    pub(crate) are_keys_withheld: bool,
}

/// Everything that changes.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) store: Store,
    pub(crate) counters: Counters,
    pub(crate) timeline: Timeline,
    pub(crate) tokens: Vec<Token>,
    pub(crate) last_vault_request: Option<Recorded>,
    pub(crate) last_token_request: Option<Recorded>,
    pub(crate) last_authority_request: Option<Recorded>,
    pub(crate) issuer: Issuer,
    /// Whether new connections to the vault are offered HTTP/2.
    pub(crate) offers_http2: bool,
    /// How long tokens live from now on; `None` is as long as a managed identity's.
    pub(crate) token_life: Option<Duration>,
    vault_faults: Script,
    challenge_faults: Script,
    token_faults: Script,
    authority_faults: Script,
    in_flight: u64,
}

impl State {
    /// The faults scripted for a target.
    pub(crate) fn faults(&mut self, target: Target) -> &mut Script {
        match target {
            Target::Vault => &mut self.vault_faults,
            Target::Challenge => &mut self.challenge_faults,
            Target::Token => &mut self.token_faults,
            Target::Authority => &mut self.authority_faults,
        }
    }

    /// Takes the fault that applies to this request, if there is one.
    pub(crate) fn take_fault(&mut self, target: Target, is_authorised_get: bool) -> Option<Fault> {
        self.faults(target).take(is_authorised_get)
    }

    /// Starts counting again; what is in flight is still in flight.
    pub(crate) fn reset_counters(&mut self) {
        self.timeline = Timeline::default();
        self.counters = Counters {
            max_concurrent: self.in_flight,
            ..Counters::default()
        };
    }
}

/// The names and, behind a lock that is never held across an await, the state.
pub(crate) struct Shared {
    pub(crate) names: Names,
    state: Mutex<State>,
}

impl Shared {
    pub(crate) fn new(names: Names) -> Arc<Self> {
        Arc::new(Self {
            names,
            state: Mutex::new(State::default()),
        })
    }

    /// The state. A panic elsewhere does not make it unusable: a failing test should show its own failure.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a vault request as in flight until the guard is dropped, which a lost connection does too.
    pub(crate) fn enter(self: &Arc<Self>) -> InFlight {
        let mut state = self.lock();
        state.in_flight += 1;
        state.counters.max_concurrent = state.counters.max_concurrent.max(state.in_flight);
        drop(state);
        InFlight(Arc::clone(self))
    }
}

/// Shows where it listens; the identity header and the secrets stay out of test output.
impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("vault_url", &self.names.vault_url)
            .field("identity_endpoint", &self.names.identity_endpoint)
            .finish_non_exhaustive()
    }
}

/// A vault request in flight.
pub(crate) struct InFlight(Arc<Shared>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.lock().in_flight -= 1;
    }
}

/// A request's head, kept for the tests.
pub(crate) fn record(head: &Parts) -> Recorded {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Recorded {
        method: head.method.to_string(),
        path_and_query: head.uri.path_and_query().map_or_else(String::new, ToString::to_string),
        headers: head
            .headers
            .iter()
            .map(|(name, value)| (name.to_string(), text(value)))
            .collect(),
    }
}
