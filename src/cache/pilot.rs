//! One fetch under way.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::{Outcome, Shared};
use crate::secret::SecretKey;
use crate::vault::{Vault, VaultError};

/// Flies one fetch, and takes it off the board when it ends, even in a panic:
/// a key must not wait for ever for a fetch that is gone.
pub(super) struct Pilot<V, T>
where
    V: Vault,
    T: Send + Sync + 'static,
{
    shared: Arc<Shared<V, T>>,
    key: SecretKey,
}

impl<V, T> Pilot<V, T>
where
    V: Vault,
    T: Send + Sync + 'static,
{
    pub(super) fn new(shared: Arc<Shared<V, T>>, key: SecretKey) -> Self {
        Self { shared, key }
    }

    /// Fetches within `timeout` of `began`, and takes in the outcome.
    pub(super) async fn fly(self, timeout: Duration, mut began: Instant) -> Outcome<T> {
        let mut again = true;
        loop {
            let fetched = self.shared.vault.fetch(&self.key, began + timeout).await;
            let outcome = fetched.map(|bundle| Arc::new((self.shared.prepare)(&self.key, bundle)));
            let mut flights = self.shared.flights();
            let outdated = flights
                .by_key
                .get_mut(&self.key)
                .is_some_and(|flight| std::mem::take(&mut flight.outdated));
            let outcome = match outcome {
                // What a fetch from before a withdrawal brought may be what
                // was withdrawn: only one that begins after it can tell.
                Ok(_) if outdated && again => {
                    drop(flights);
                    again = false;
                    began = Instant::now();
                    continue;
                }
                Ok(_) if outdated => Err(VaultError::Unavailable { retry_after: None }),
                outcome => outcome,
            };
            self.shared.land(&mut flights, &self.key, &outcome, began);
            self.shared.sweep(&mut flights);
            flights.by_key.remove(&self.key);
            return outcome;
        }
    }
}

impl<V, T> Drop for Pilot<V, T>
where
    V: Vault,
    T: Send + Sync + 'static,
{
    fn drop(&mut self) {
        // After a landing there is nothing to remove, unless the next fetch
        // for the key has begun since: that one is not ours.
        if std::thread::panicking() {
            self.shared.flights().by_key.remove(&self.key);
        }
    }
}
