//! A token that its service makes for a key: fetched once for all callers, kept until it ends.
//!
//! A fetch is a task of its own with its own deadline: a caller that goes away does not end it for the others. Failures
//! are remembered for a while, so that a page cannot make this app hammer the service.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use reqwest::Client;
use tokio::sync::{OnceCell, watch};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout};
use tracing::warn;

use super::parameters::Credential;
use super::speech_token::{IssueError, SpeechToken};
use super::{Delivery, GiveError};
use crate::outbound;

/// How long the first failure is remembered; each further one twice as long.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// How long a failure is remembered, at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// The longest time that the service's `Retry-After` holds.
const LONGEST_RETRY_AFTER: Duration = Duration::from_mins(1);

const NO_CLIENT: &str = "the TLS client could not be built";
const TOO_LATE: &str = "the service did not answer in time";
const BROKE_OFF: &str = "the fetch ended without a result";
const REFUSED: &str = "the service refuses the key";
const REFUSED_TWICE: &str = "the service refuses the key, read from the vault once more";
const THROTTLED: &str = "the service throttles";
const ENDED: &str = "the token has ended already";

/// A token for one version of a key.
pub(super) struct Token {
    pub(super) credential: Credential,
    /// The `id` of the key that it was made for.
    pub(super) key_id: String,
    /// When the next one is fetched, in Unix seconds: at half its life.
    renew_at: i64,
}

type Outcome = Result<Arc<Token>, GiveError>;

/// The tokens of one key.
pub(super) struct Exchange {
    timeout: Duration,
    client: OnceCell<Client>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The key that all of this is about.
    key_id: String,
    token: Option<Arc<Token>>,
    /// The fetch under way; closed when it has ended, in whatever way.
    fetch: Option<watch::Receiver<Option<Outcome>>>,
    failure: Option<Failure>,
}

/// The last failure, until there is a token again.
#[derive(Clone, Copy)]
struct Failure {
    error: GiveError,
    pause: Duration,
    until: Instant,
}

/// What a request for a token leads to.
enum NextStep {
    Answer(Outcome),
    Wait(watch::Receiver<Option<Outcome>>),
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exchange").finish_non_exhaustive()
    }
}

impl Exchange {
    pub(super) fn new(timeout: Duration) -> Self {
        Self {
            timeout,
            client: OnceCell::new(),
            state: Mutex::default(),
        }
    }

    /// The token for the key in `delivery` at `now` (Unix seconds).
    pub(super) async fn token<F, R>(
        self: &Arc<Self>,
        service: &SpeechToken,
        delivery: &Arc<Delivery>,
        now: i64,
        read_again: F,
    ) -> Outcome
    where
        F: FnOnce() -> R + Send + 'static,
        R: Future<Output = Option<Arc<Delivery>>> + Send,
    {
        let start = || {
            let (sender, receiver) = watch::channel(None);
            let (exchange, service, delivery) = (Arc::clone(self), service.clone(), Arc::clone(delivery));
            tokio::spawn(async move { exchange.fetch(&service, delivery, now, read_again, sender).await });
            receiver
        };
        let mut fetch = match self.state().next_step(delivery, now, start) {
            NextStep::Answer(outcome) => return outcome,
            NextStep::Wait(fetch) => fetch,
        };
        // The fetch has a deadline. Without an outcome it ended in a panic.
        let outcome = fetch.wait_for(Option::is_some).await.ok();
        let outcome = outcome.and_then(|outcome| outcome.clone());
        outcome.unwrap_or(Err(unavailable(BROKE_OFF, FIRST_PAUSE)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No critical section leaves the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Fetches a token, stores the outcome and tells who waits for it.
    async fn fetch<F, R>(
        &self,
        service: &SpeechToken,
        delivery: Arc<Delivery>,
        now: i64,
        read_again: F,
        sender: watch::Sender<Option<Outcome>>,
    ) where
        F: FnOnce() -> R + Send,
        R: Future<Output = Option<Arc<Delivery>>> + Send,
    {
        let began = Instant::now();
        let mut key = Arc::clone(&delivery);
        let issuing = self.issue(service, &mut key, now, read_again);
        let issued = timeout(self.timeout, issuing).await;
        let issued = issued.unwrap_or(Err(unavailable(TOO_LATE, FIRST_PAUSE)));
        let now = now.saturating_add(i64::try_from(began.elapsed().as_secs()).unwrap_or(i64::MAX));
        let outcome = issued.and_then(|credential| Token::new(credential, &key, now));
        if let Err(error) = &outcome {
            let id = delivery.key_id();
            warn!(give = SpeechToken::KIND, id, reason = %error, "no credential could be fetched");
        }
        let mut state = self.state();
        // Otherwise another version of the key is asked for by now, which has a fetch of its own.
        let outcome = if Some(state.key_id.as_str()) == delivery.key_id() {
            state.key_id.clear();
            state.key_id.push_str(key.key_id().unwrap_or_default());
            state.store(outcome, Instant::now())
        } else {
            outcome
        };
        sender.send_replace(Some(outcome));
    }

    /// Asks the service, and once more with the key as the vault has it now when the service does not know the key: it
    /// may have been replaced since it was read, and `key` becomes the one that was sent last.
    async fn issue<F, R>(
        &self,
        service: &SpeechToken,
        key: &mut Arc<Delivery>,
        now: i64,
        read_again: F,
    ) -> Result<Credential, GiveError>
    where
        F: FnOnce() -> R + Send,
        R: Future<Output = Option<Arc<Delivery>>> + Send,
    {
        let client = self.client().await?;
        let first = service.issue(client, key.key().unwrap_or_default()).await;
        if !matches!(first, Err(IssueError::Unauthorized)) {
            return first.map_err(|error| give_error(error, REFUSED));
        }
        let current = read_again().await;
        let usable = current.filter(|delivery| delivery.attributes().usable_at(now).is_ok());
        *key = usable.ok_or(GiveError::Refused(REFUSED))?;
        let second = service.issue(client, key.key().unwrap_or_default()).await;
        second.map_err(|error| give_error(error, REFUSED_TWICE))
    }

    /// The HTTP client, built at its first use, on a thread where loading certificates may block.
    async fn client(&self) -> Result<&Client, GiveError> {
        let options = outbound::Options {
            connect_timeout: self.timeout,
            proxy: true,
        };
        let building = async move {
            let built = spawn_blocking(move || outbound::client(options)).await;
            built
                .ok()
                .and_then(Result::ok)
                .ok_or(unavailable(NO_CLIENT, FIRST_PAUSE))
        };
        self.client.get_or_try_init(|| building).await
    }
}

impl Token {
    fn new(mut credential: Credential, key: &Delivery, now: i64) -> Outcome {
        let key_ends = key.attributes().expires;
        // Half of what the service gives, also where the key ends before that: a renewed token ends no later.
        let half = credential.ends.saturating_sub(now) / 2;
        credential.ends = key_ends.map_or(credential.ends, |key_ends| credential.ends.min(key_ends));
        if credential.ends <= now {
            return Err(unavailable(ENDED, FIRST_PAUSE));
        }
        Ok(Arc::new(Self {
            credential,
            key_id: key.key_id().unwrap_or_default().to_owned(),
            renew_at: now.saturating_add(half.max(1)),
        }))
    }
}

impl State {
    /// What a request at `now` (Unix seconds) gets; `start` begins a fetch.
    fn next_step(
        &mut self,
        delivery: &Delivery,
        now: i64,
        start: impl FnOnce() -> watch::Receiver<Option<Outcome>>,
    ) -> NextStep {
        let key_id = delivery.key_id().unwrap_or_default();
        if self.key_id != key_id {
            *self = Self {
                key_id: key_id.to_owned(),
                ..Self::default()
            };
        }
        let token = self.token.clone().filter(|token| now < token.credential.ends);
        if let Some(token) = &token
            && now < token.renew_at
        {
            return NextStep::Answer(Ok(Arc::clone(token)));
        }
        let is_under_way = self.fetch.as_ref().is_some_and(|fetch| fetch.has_changed().is_ok());
        let failure = self.failure.and_then(|failure| failure.at(Instant::now()));
        if !is_under_way {
            self.fetch = failure.is_none().then(start);
        }
        match (token, &self.fetch, failure) {
            (Some(token), _, _) => NextStep::Answer(Ok(token)),
            (None, Some(fetch), _) => NextStep::Wait(fetch.clone()),
            (None, None, error) => NextStep::Answer(Err(error.unwrap_or(unavailable(BROKE_OFF, FIRST_PAUSE)))),
        }
    }

    /// Stores the outcome of a fetch that ends at `now`, and returns it with the time of the next try.
    fn store(&mut self, outcome: Outcome, now: Instant) -> Outcome {
        self.fetch = None;
        match outcome {
            Ok(token) => {
                self.failure = None;
                self.token = Some(Arc::clone(&token));
                Ok(token)
            }
            Err(error) => {
                let doubled = self
                    .failure
                    .map_or(FIRST_PAUSE, |last| (2 * last.pause).min(LONGEST_PAUSE));
                let asked_for = match error {
                    GiveError::Unavailable { retry_after, .. } => retry_after.min(LONGEST_RETRY_AFTER),
                    GiveError::Refused(_) | GiveError::NoUser => Duration::ZERO,
                };
                let failure = Failure {
                    error,
                    pause: doubled,
                    until: now + doubled.max(asked_for),
                };
                self.failure = Some(failure);
                Err(failure.at(now).unwrap_or(error))
            }
        }
    }
}

impl Failure {
    /// The error at `now`, with the time that is left; `None` when the service may be asked again.
    fn at(self, now: Instant) -> Option<GiveError> {
        let left = self.until.checked_duration_since(now).filter(|left| !left.is_zero())?;
        Some(match self.error {
            GiveError::Unavailable { reason, .. } => unavailable(reason, left),
            error @ (GiveError::Refused(_) | GiveError::NoUser) => error,
        })
    }
}

fn unavailable(reason: &'static str, retry_after: Duration) -> GiveError {
    GiveError::Unavailable { retry_after, reason }
}

fn give_error(error: IssueError, refused: &'static str) -> GiveError {
    match error {
        IssueError::Unfit(unfit) => unfit.into(),
        IssueError::Unauthorized | IssueError::Forbidden => GiveError::Refused(refused),
        IssueError::Throttled { retry_after } => unavailable(THROTTLED, retry_after.unwrap_or(FIRST_PAUSE)),
        IssueError::Unavailable(reason) => unavailable(reason, FIRST_PAUSE),
    }
}

#[cfg(test)]
mod tests;
