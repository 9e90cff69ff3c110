//! A fetch: one for a key, shared by everybody who asks for it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use super::in_flight::{InFlight, Outcome, Waiter};
use super::state::State;
use super::{Shared, sweep};
use crate::secret::SecretKey;
use crate::vault::{Read, VaultError};

/// One fetch.
pub(super) struct Fetch {
    shared: Arc<Shared>,
    key: SecretKey,
    ttl: Duration,
    outcome: watch::Sender<Option<Outcome>>,
    /// Whether it is still in the in-flight map.
    is_in_flight: bool,
}

impl Fetch {
    /// A fetch for `key`, and the first who waits for it. It is in the
    /// in-flight map until [`Self::run`] ends.
    pub(super) fn new(shared: Arc<Shared>, state: &mut State, key: SecretKey, ttl: Duration) -> (Self, Waiter) {
        let (in_flight, sender) = InFlight::new();
        let waiter = in_flight.waiter();
        state.in_flight.insert(key.clone(), in_flight);
        let fetch = Self {
            shared,
            key,
            ttl,
            outcome: sender,
            is_in_flight: true,
        };
        (fetch, waiter)
    }

    /// Runs one fetch and removes it from the in-flight map, even on panic.
    pub(super) async fn run(mut self, read: Read, began: Instant) {
        let time = read.deadline - began;
        let mut outcome = self.attempt(read, began, false).await;
        if outcome.is_none() {
            // A value from a fetch that began before a revocation may be the revoked one: only a fetch that starts
            // afterwards can tell.
            let began = Instant::now();
            let deadline = began + time;
            outcome = self.attempt(Read { deadline, ..read }, began, true).await;
        }
        let outcome = outcome.unwrap_or(Err(VaultError::Unavailable { retry_after: None }));
        self.outcome.send_replace(Some(outcome));
    }

    /// Fetches once and stores the outcome. `None` when it brought a value
    /// that was revoked meanwhile: the fetch stays in flight unless this was
    /// the last attempt.
    async fn attempt(&mut self, read: Read, began: Instant, is_last: bool) -> Option<Outcome> {
        let fetched = self.shared.vault.fetch(&self.key, read).await;
        let outcome = fetched.map(|bundle| Arc::new(self.shared.renderer.render(&self.key, bundle)));
        let mut state = self.shared.state();
        let in_flight = state.in_flight.get_mut(&self.key);
        let is_outdated = in_flight.is_some_and(|in_flight| std::mem::take(&mut in_flight.is_outdated));
        let is_revoked = outcome.is_ok() && is_outdated;
        if !is_revoked {
            state.store(&self.key, &outcome, self.ttl, &self.shared.options, began);
            sweep::ensure(&self.shared, &mut state);
        }
        if !is_revoked || is_last {
            state.in_flight.remove(&self.key);
            self.is_in_flight = false;
        }
        (!is_revoked).then_some(outcome)
    }
}

impl Drop for Fetch {
    fn drop(&mut self) {
        if self.is_in_flight {
            self.shared.state().in_flight.remove(&self.key);
        }
    }
}
