//! Secrets in memory before anybody asks.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use super::in_flight::{Outcome, Waiter};
use super::{Cache, Lookup, Purpose, Shared};
use crate::secret::{SecretKey, SecretName};
use crate::vault::VaultError;

/// Bound on one prefetch: nobody waits for it.
pub(super) const TIMEOUT: Duration = Duration::from_secs(10);
/// Prefetches under way at once; the vault has a limit of its own, which
/// callers share.
pub(super) const AT_ONCE: usize = 24;
/// Longest wait before the first prefetch, so that instances that start
/// together do not ask together.
pub(super) const JITTER: Duration = Duration::from_millis(100);

impl Cache {
    /// Fetches the current versions of these secrets in the background, each
    /// to be kept for its TTL; one whose TTL is zero is left out. Failures are
    /// warnings; the secrets are fetched again when they are asked for.
    pub async fn prefetch(&self, secrets: Vec<(SecretName, Duration)>) {
        let secrets: Vec<_> = secrets.into_iter().filter(|(_, ttl)| !ttl.is_zero()).collect();
        if secrets.is_empty() {
            return;
        }
        sleep(JITTER.mul_f64(fastrand::f64())).await;
        let total = secrets.len();
        let mut secrets = secrets.into_iter();
        let mut fetches = JoinSet::new();
        let mut failed = 0;
        loop {
            while fetches.len() < AT_ONCE
                && let Some((name, ttl)) = secrets.next()
            {
                let shared = Arc::clone(&self.shared);
                fetches.spawn(async move { shared.prefetch(name, ttl).await });
            }
            match fetches.join_next().await {
                Some(Ok(Ok(_))) => {}
                Some(_) => failed += 1,
                None => break,
            }
        }
        if failed == 0 {
            info!(names = total, "prefetched");
        } else {
            warn!(names = total, failed, "prefetch is incomplete");
        }
    }
}

impl Shared {
    async fn prefetch(self: &Arc<Self>, name: SecretName, ttl: Duration) -> Outcome {
        let key = SecretKey { name, version: None };
        self.prefetch_waiter(&key, ttl)?.outcome().await
    }

    fn prefetch_waiter(self: &Arc<Self>, key: &SecretKey, ttl: Duration) -> Result<Waiter, VaultError> {
        let lookup = Lookup { ttl, exact: true };
        let now = Instant::now();
        let mut state = self.state();
        if let Some(error) = state.remembered_error(key, now).or_else(|| self.vault.refusal()) {
            return Err(error);
        }
        Ok(match state.in_flight.get(key) {
            Some(in_flight) => in_flight.waiter(),
            None => self.start(&mut state, key, Purpose::Prefetch, lookup, now),
        })
    }
}
