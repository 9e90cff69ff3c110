//! Drops copies that may not be served any more, in an idle process too.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Shared;
use super::state::State;

/// How often expired copies are looked for.
pub(super) const INTERVAL: Duration = Duration::from_secs(30);

/// Starts the sweep, unless it runs or there is nothing for it to do.
pub(super) fn ensure(shared: &Arc<Shared>, state: &mut State) {
    if state.sweep.is_none() && !state.is_swept() {
        let task = tokio::spawn(run(Arc::downgrade(shared)));
        state.sweep = Some(task.abort_handle());
    }
}

/// Sweeps until nothing is left. The reference is weak: the cache must not
/// live on for its sweep.
async fn run(shared: Weak<Shared>) {
    loop {
        sleep(INTERVAL).await;
        let Some(shared) = shared.upgrade() else { return };
        let mut state = shared.state();
        state.drop_expired(Instant::now());
        if state.is_swept() {
            state.sweep = None;
            return;
        }
    }
}

impl State {
    /// Whether there is nothing that could expire.
    fn is_swept(&self) -> bool {
        self.entries.is_empty() && self.failures.is_empty()
    }

    fn drop_expired(&mut self, now: Instant) {
        self.drop_entries(|_, entry| now >= entry.stale_until);
        let forgotten = self.failures.iter().filter(|(_, failure)| failure.is_forgotten_at(now));
        let keys: Vec<_> = forgotten.map(|(key, _)| key.clone()).collect();
        for key in keys {
            self.failures.pop(&key);
        }
    }

    /// Ends the sweep with the cache.
    pub(super) fn stop_sweep(&mut self) {
        if let Some(sweep) = self.sweep.take() {
            sweep.abort();
        }
    }
}
