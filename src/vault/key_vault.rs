//! Azure Key Vault: a read as a few tries, each at its pace and with a token.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use azure_security_keyvault_secrets::SecretClient;
use tokio::sync::{OnceCell, Semaphore, SemaphorePermit, watch};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until, timeout_at};
use tracing::{debug, info, warn};

use super::client::{self, Attempt};
use super::failure::{Cause, Failure, Verdict};
use super::pace::{Charge, Pace, Try};
use super::token::{AzureSource, NoToken, Supplier, Token, TokenError};
use super::{Absence, Options, Read, Vault, VaultError, bundle};
use crate::secret::{Bundle, SecretKey, SecretVersion};

/// Tries of one read: the first and two more.
const MAX_TRIES: u32 = 3;
/// Wait before the second try; it doubles for the third, and jitter takes up
/// to half of it away.
const FIRST_BACKOFF: Duration = Duration::from_millis(200);

/// How long a try waits for another one to elicit the vault's challenge.
const CHALLENGE_PATIENCE: Duration = Duration::from_secs(1);

/// An Azure Key Vault, read through the official client.
pub struct KeyVault {
    options: Options,
    client: OnceCell<SecretClient>,
    supplier: Arc<Supplier>,
    pace: Pace,
    /// Whether the vault has told the client what tokens are to be for.
    is_challenged: watch::Sender<bool>,
    /// Held by the one try that elicits the challenge.
    challenge: Semaphore,
}

impl fmt::Debug for KeyVault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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
        let source = Arc::new(AzureSource::new(options.identity.clone()));
        let supplier = Arc::new(Supplier::new(source, &client::likely_scope(&options)));
        Self {
            pace: Pace::new(options.has_exact_names),
            supplier,
            client: OnceCell::new(),
            is_challenged: watch::Sender::new(false),
            challenge: Semaphore::new(1),
            options,
        }
    }

    /// Reads within the deadline, with retries.
    async fn read(&self, key: &SecretKey, read: Read) -> Result<Bundle, Failure> {
        let mut backoff = FIRST_BACKOFF;
        let mut tries = 1;
        let mut has_replaced_token = false;
        let mut last: Option<Failure> = None;
        loop {
            let request = Self::request(key, read, last.is_some() || has_replaced_token);
            let failure = match self.try_once(key, read.deadline, request).await {
                Ok(bundle) => return Ok(bundle),
                Err(Failed::RefusedToken(token)) => {
                    if has_replaced_token || !self.supplier.refuse(&token) {
                        return Err(Failure::new(Cause::RefusedToken));
                    }
                    has_replaced_token = true;
                    continue;
                }
                Err(Failed::Other(failure)) => failure,
            };
            let failure = match last.take() {
                // The retry was not made, so the try before it is the answer.
                Some(earlier) if failure.is_refusal() => earlier.with_wait_of(&failure),
                _ => failure,
            };
            let next = Instant::now() + failure.retry_after().unwrap_or_else(|| jittered(backoff));
            if !failure.is_retryable() || tries == MAX_TRIES || next >= read.deadline {
                // The wait that the next caller would be told, if there is one.
                return Err(match self.pace.refusal() {
                    Some(refusal) if failure.is_retryable() => failure.with_wait_of(&refusal),
                    _ => failure,
                });
            }
            sleep_until(next).await;
            backoff *= 2;
            tries += 1;
            last = Some(failure);
        }
    }

    /// How a try for `key` is paced.
    fn request(key: &SecretKey, read: Read, is_retry: bool) -> Try {
        let is_configured = read.exact && key.version.is_none();
        Try {
            deadline: read.deadline,
            budget: match (read.known_good, is_configured) {
                (true, _) => Charge::Free,
                (false, true) => Charge::OrWait,
                (false, false) => Charge::OrRefuse,
            },
            // A version is as easily made up as a name.
            is_guess: !read.exact || (key.version.is_some() && !read.known_good),
            is_retry,
        }
    }

    /// Makes one try when it is its turn.
    async fn try_once(&self, key: &SecretKey, deadline: Instant, request: Try) -> Result<Bundle, Failed> {
        // First, so that the token is on its way while the client is built.
        self.supplier.prepare();
        let client = self.client(deadline).await?;
        let turn = self.challenge(deadline).await?;
        // Once the challenge is known, the token is waited for without a
        // permit; before that, the two go side by side.
        let token = match turn {
            Challenge::Known => Some(self.token(deadline).await?),
            Challenge::Elicit(_) => None,
        };
        let permit = self.pace.admit(request).await?;
        let attempt = Arc::new(Attempt::new(token, deadline));
        let began = Instant::now();
        let answer = timeout_at(deadline, client::get(client, key, &attempt)).await;
        drop(turn);
        let outcome = match answer {
            Ok(Ok(body)) => bundle::read(body, self.options.required_tag.as_ref()),
            Ok(Err(failure)) => Err(failure),
            Err(_) => Err(self.timed_out()),
        };
        if let Some(token) = attempt.refused_token() {
            permit.settle(Verdict::Answers);
            return Err(Failed::RefusedToken(token.clone()));
        }
        permit.settle(self.verdict(&outcome, began));
        Ok(outcome?)
    }

    /// The client, built when first needed.
    async fn client(&self, deadline: Instant) -> Result<&SecretClient, Failure> {
        let build = || async {
            let (options, supplier) = (self.options.clone(), Arc::clone(&self.supplier));
            let is_challenged = self.is_challenged.clone();
            let built = spawn_blocking(move || client::build(&options, supplier, is_challenged)).await;
            built.unwrap_or_else(|_| Err(Failure::new(Cause::Client("building the client panicked"))))
        };
        let client = timeout_at(deadline, self.client.get_or_try_init(build)).await;
        client.unwrap_or_else(|_| Err(Failure::new(Cause::Busy)))
    }

    /// Whether this try has to elicit the vault's challenge. One does it for
    /// all, since each request without a token costs one more; but who has
    /// waited for that one long enough does it as well.
    async fn challenge(&self, deadline: Instant) -> Result<Challenge<'_>, Failure> {
        let mut is_challenged = self.is_challenged.subscribe();
        let patience = Instant::now() + CHALLENGE_PATIENCE;
        let turn = async {
            tokio::select! {
                biased;
                // The sender lives as long as `self`.
                _ = is_challenged.wait_for(|is_challenged| *is_challenged) => Challenge::Known,
                turn = self.challenge.acquire() => Challenge::Elicit(turn.ok()),
                () = sleep_until(patience) => Challenge::Elicit(None),
            }
        };
        timeout_at(deadline, turn).await.map_err(|_| Failure::new(Cause::Busy))
    }

    async fn token(&self, deadline: Instant) -> Result<Token, Failure> {
        let token = self.supplier.token(&self.supplier.scope(), deadline).await;
        token.map_err(Failure::from)
    }

    /// What a try met that had no answer by its deadline.
    fn timed_out(&self) -> Failure {
        // The vault had answered with its challenge; what is missing is the token.
        if *self.is_challenged.borrow() && !self.supplier.has_token() {
            return Failure::new(Cause::Token(TokenError::Timeout));
        }
        Failure::new(Cause::Timeout)
    }

    /// What a try that began at `began` says about the vault.
    fn verdict(&self, outcome: &Result<Bundle, Failure>, began: Instant) -> Verdict {
        match outcome {
            Ok(_) => Verdict::Answers,
            // Most of its time went by before the try was made.
            Err(failure) if *failure.cause() == Cause::Timeout && began.elapsed() < self.options.timeout / 2 => {
                Verdict::Unknown
            }
            Err(failure) => failure.verdict(),
        }
    }

    /// The error for whoever asked. Of a disabled secret the vault does not
    /// tell the tags, so it counts as one without the tag.
    fn error(&self, failure: &Failure) -> VaultError {
        match failure.error() {
            VaultError::Disabled if self.options.required_tag.is_some() => VaultError::NotFound(Absence::MissingTag),
            error => error,
        }
    }
}

#[async_trait::async_trait]
impl Vault for KeyVault {
    async fn fetch(&self, key: &SecretKey, read: Read) -> Result<Bundle, VaultError> {
        let started = Instant::now();
        let failure = match self.read(key, read).await {
            Ok(bundle) => return Ok(bundle),
            Err(failure) => failure,
        };
        log(key, &failure, started.elapsed());
        Err(self.error(&failure))
    }

    fn refusal(&self) -> Option<VaultError> {
        let no_token = || self.supplier.refusal(self.options.timeout).map(Failure::from);
        let refusal = self.pace.refusal().or_else(no_token)?;
        Some(refusal.error())
    }
}

/// What a try does about the vault's challenge.
enum Challenge<'a> {
    /// It is known.
    Known,
    /// The try elicits it, as the only one when it holds the permit.
    Elicit(#[expect(dead_code, reason = "held until the try ends")] Option<SemaphorePermit<'a>>),
}

/// Why a try did not bring a secret.
enum Failed {
    /// The vault refused this token, which had not expired.
    RefusedToken(Token),
    /// Anything else.
    Other(Failure),
}

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Self {
        Self::Other(failure)
    }
}

impl From<NoToken> for Failure {
    fn from(NoToken { cause, retry_after }: NoToken) -> Self {
        let failure = Self::new(Cause::Token(cause));
        match retry_after {
            Some(wait) => failure.with_retry_after(wait),
            None => failure,
        }
    }
}

fn log(key: &SecretKey, failure: &Failure, elapsed: Duration) {
    let duration_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    let secret = key.name.as_str();
    let version = key.version.as_ref().map(SecretVersion::as_str);
    let (kind, code, innererror) = (failure.kind(), failure.code(), failure.inner_code());
    if failure.is_refusal() {
        // The vault was not asked, and why is said once.
        debug!(secret, version, kind, cause = %failure, "not read from the vault");
    } else if failure.is_definitive() {
        info!(secret, version, kind, code, innererror, cause = %failure, duration_ms, "the vault has nothing to serve");
    } else {
        warn!(secret, version, kind, code, innererror, cause = %failure, duration_ms, "reading from the vault failed");
    }
}

/// Between half of `backoff` and all of it, so that callers that failed
/// together do not come back together.
fn jittered(backoff: Duration) -> Duration {
    backoff.mul_f64(0.5 + fastrand::f64() / 2.0)
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;
    use crate::vault::{Identity, RequiredTag};

    fn vault(required_tag: Option<RequiredTag>) -> KeyVault {
        KeyVault::new(Options {
            url: "https://kv.vault.azure.net/".to_owned(),
            loopback: false,
            identity: Identity::DeveloperTools,
            timeout: Duration::from_secs(5),
            required_tag,
            has_exact_names: true,
        })
    }

    #[test]
    fn jitter_takes_at_most_half_of_a_wait_away() {
        let backoff = Duration::from_millis(200);
        for _ in 0..1000 {
            let wait = jittered(backoff);
            assert!(wait >= backoff / 2 && wait <= backoff, "{wait:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_try_that_was_given_little_time_says_nothing_about_the_vault() {
        let vault = vault(None);
        let began = Instant::now();
        let timeout = Err(Failure::new(Cause::Timeout));
        advance(Duration::from_millis(2499)).await;
        assert_eq!(vault.verdict(&timeout, began), Verdict::Unknown);
        let broken = Err(Failure::new(Cause::Connection));
        assert_eq!(vault.verdict(&broken, began), Verdict::Fails);
        advance(Duration::from_millis(1)).await;
        assert_eq!(vault.verdict(&timeout, began), Verdict::Fails);
    }

    #[tokio::test]
    async fn a_try_without_a_token_is_not_the_vaults_fault() {
        let vault = vault(None);
        assert_eq!(*vault.timed_out().cause(), Cause::Timeout);
        vault.is_challenged.send_replace(true);
        assert_eq!(*vault.timed_out().cause(), Cause::Token(TokenError::Timeout));
    }

    #[tokio::test]
    async fn with_a_required_tag_a_disabled_secret_is_absent() {
        let tag = RequiredTag {
            name: "web".to_owned(),
            value: None,
        };
        let disabled = Failure::new(Cause::Disabled);
        assert_eq!(vault(None).error(&disabled), VaultError::Disabled);
        let missing = VaultError::NotFound(Absence::MissingTag);
        assert_eq!(vault(Some(tag)).error(&disabled), missing);
    }

    #[tokio::test]
    async fn only_what_may_be_made_up_is_refused_when_the_budget_is_spent() {
        let unversioned = SecretKey::parse("a", None).unwrap();
        let versioned = SecretKey::parse("a", Some(&"0".repeat(32))).unwrap();
        for (key, exact, known_good, budget, is_guess) in [
            (&unversioned, true, false, Charge::OrWait, false),
            (&unversioned, true, true, Charge::Free, false),
            (&unversioned, false, false, Charge::OrRefuse, true),
            (&unversioned, false, true, Charge::Free, true),
            (&versioned, true, false, Charge::OrRefuse, true),
            (&versioned, true, true, Charge::Free, false),
            (&versioned, false, true, Charge::Free, true),
        ] {
            let read = Read {
                deadline: Instant::now(),
                known_good,
                exact,
            };
            let request = KeyVault::request(key, read, false);
            assert_eq!(
                (request.budget, request.is_guess),
                (budget, is_guess),
                "{key:?} {read:?}"
            );
        }
    }
}
