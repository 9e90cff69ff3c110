//! Where secrets come from: the trait [`Vault`], and Azure Key Vault behind it.
//!
//! The only module that names an `azure_*` crate. It promises an answer within
//! its deadline, whatever the vault or the identity endpoint does, and an error
//! named for what the caller does next. What the vault said in an error never
//! leaves: its messages name tenants, principals and vaults, so the log gets
//! its codes alone.

mod bundle;
mod client;
mod error;

use std::time::Duration;

use azure_security_keyvault_secrets::SecretClient;
use azure_security_keyvault_secrets::models::SecretClientGetSecretOptions;
use once_cell::sync::OnceCell;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until, timeout_at};
use tracing::{info, warn};

pub use self::client::{Identity, Options};
pub use self::error::VaultError;
use self::error::{Cause, Failure};
use crate::secret::{Bundle, SecretKey};

/// Fetches under way at once, to all secrets together.
const MAX_FETCHES: usize = 32;
/// Tries of one fetch: the first and two more.
const MAX_TRIES: u32 = 3;
/// Wait before the second try; it doubles for the third, and jitter takes up
/// to half of it away.
const FIRST_BACKOFF: Duration = Duration::from_millis(200);

/// Something that secrets can be read from.
pub trait Vault: Send + Sync + 'static {
    /// Reads one secret, or its current version when the key has none.
    ///
    /// # Errors
    /// [`VaultError`], at `deadline` at the latest.
    fn fetch(&self, key: &SecretKey, deadline: Instant) -> impl Future<Output = Result<Bundle, VaultError>> + Send;
}

/// An Azure Key Vault, read through the official client.
pub struct KeyVault {
    options: Options,
    client: OnceCell<SecretClient>,
    permits: Semaphore,
}

impl std::fmt::Debug for KeyVault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyVault")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

impl KeyVault {
    /// Costs nothing: the client is built at the first fetch, because it loads
    /// the system's certificates, which takes longer than a readiness probe
    /// should wait.
    pub fn new(options: Options) -> Self {
        Self {
            options,
            client: OnceCell::new(),
            permits: Semaphore::new(MAX_FETCHES),
        }
    }

    async fn fetch_until(&self, key: &SecretKey, deadline: Instant) -> Result<Bundle, Failure> {
        let permit = timeout_at(deadline, self.permits.acquire()).await;
        // The semaphore is never closed, so the inner result is a permit.
        let _permit = permit.map_err(|_| Failure::new(Cause::Busy))?;
        let mut backoff = FIRST_BACKOFF;
        let mut tries = 1;
        loop {
            let answer = timeout_at(deadline, self.fetch_once(key)).await;
            let failure = match answer.unwrap_or_else(|_| Err(Failure::new(Cause::Timeout))) {
                Ok(bundle) => return Ok(bundle),
                Err(failure) => failure,
            };
            let wait = failure.retry_after().unwrap_or_else(|| jittered(backoff));
            let next = Instant::now() + wait;
            if !failure.may_pass() || tries == MAX_TRIES || next >= deadline {
                return Err(failure);
            }
            sleep_until(next).await;
            backoff *= 2;
            tries += 1;
        }
    }

    async fn fetch_once(&self, key: &SecretKey) -> Result<Bundle, Failure> {
        let client = self.client.get_or_try_init(|| client::build(&self.options))?;
        let options = SecretClientGetSecretOptions {
            secret_version: key.version.as_ref().map(|version| version.as_str().to_owned()),
            ..SecretClientGetSecretOptions::default()
        };
        match client.get_secret(key.name.as_str(), Some(options)).await {
            // The bytes are read here rather than into the SDK's model, whose
            // copies nobody zeroes.
            Ok(response) => bundle::read(response.into_body().into()),
            Err(error) => Err(Failure::from_sdk(&error, key.version.is_some())),
        }
    }
}

impl Vault for KeyVault {
    async fn fetch(&self, key: &SecretKey, deadline: Instant) -> Result<Bundle, VaultError> {
        let started = Instant::now();
        self.fetch_until(key, deadline).await.map_err(|failure| {
            let duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
            let secret = key.name.as_str();
            if failure.is_the_vaults_verdict() {
                info!(
                    secret,
                    cause = failure.to_string(),
                    duration_ms,
                    "the vault has nothing to serve"
                );
            } else {
                warn!(
                    secret,
                    cause = failure.to_string(),
                    duration_ms,
                    "reading from the vault failed"
                );
            }
            failure.error()
        })
    }
}

/// Between half of `backoff` and all of it, so that callers that failed
/// together do not come back together.
fn jittered(backoff: Duration) -> Duration {
    backoff.mul_f64(0.5 + fastrand::f64() / 2.0)
}

#[cfg(test)]
mod tests;
