//! Secrets in memory before anybody asks.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use super::{Cache, Plan, Purpose, Shared};
use crate::secret::{SecretKey, SecretName};
use crate::vault::{Vault, VaultError};

/// Bound on one prefetch: nobody waits for it.
pub(super) const PREFETCH_TIMEOUT: Duration = Duration::from_secs(10);
/// Prefetches under way at once, after the first.
pub(super) const PREFETCHES: usize = 4;
/// Longest wait before the first prefetch, so that instances that start
/// together do not ask together.
pub(super) const PREFETCH_JITTER: Duration = Duration::from_millis(100);

impl<V, T> Cache<V, T>
where
    V: Vault,
    T: Send + Sync + 'static,
{
    /// Fetches these secrets in the background: the first alone, so that all
    /// of them together cost one challenge and one token. Failures are
    /// warnings; the secrets are fetched again when they are asked for.
    pub async fn prefetch(&self, names: Vec<SecretName>) {
        if !self.shared.keeps() {
            return;
        }
        sleep(PREFETCH_JITTER.mul_f64(fastrand::f64())).await;
        let total = names.len();
        let mut names = names.into_iter();
        let mut failed = 0;
        if let Some(first) = names.next()
            && let Err(error) = self.shared.prefetch(first).await
        {
            failed += 1;
            if error != VaultError::NotFound && error != VaultError::Disabled {
                warn!(names = total, %error, "prefetch stopped at the first secret");
                return;
            }
        }
        let mut fetches = JoinSet::new();
        loop {
            while fetches.len() < PREFETCHES
                && let Some(name) = names.next()
            {
                let shared = Arc::clone(&self.shared);
                fetches.spawn(async move { shared.prefetch(name).await });
            }
            match fetches.join_next().await {
                Some(Ok(Ok(()))) => {}
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

impl<V, T> Shared<V, T>
where
    V: Vault,
    T: Send + Sync + 'static,
{
    async fn prefetch(self: &Arc<Self>, name: SecretName) -> Result<(), VaultError> {
        let key = SecretKey { name, version: None };
        match self.plan(&key, Purpose::Prefetch, false, Instant::now()) {
            Plan::Known(error) | Plan::Shed(error) => Err(error),
            Plan::Wait(mut landing) => {
                let outcome = landing.wait_for(Option::is_some).await;
                let outcome = outcome.ok().and_then(|outcome| outcome.clone());
                outcome
                    .unwrap_or(Err(VaultError::Unavailable { retry_after: None }))
                    .map(drop)
            }
        }
    }
}
