//! The vault's token: fetched by a task of its own, for all reads together.
//!
//! Callers wait for it within their own deadlines, and none of them cancels it.
//! It is renewed before its end while the old one still serves, and replaced
//! when the vault refuses it.

mod error;
mod source;

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use azure_core::credentials::Secret;
use tokio::sync::{Notify, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tracing::{info, warn};

pub(super) use self::error::TokenError;
pub(super) use self::source::{AzureSource, Source};

/// A token is renewed so long before its end.
const RENEW_BEFORE_END: Duration = Duration::from_mins(5);
/// One that lives shorter is renewed at half its life.
const SHORT_LIFE: Duration = Duration::from_mins(10);
/// Shortest time between two renewals in the background.
const MIN_RENEWAL: Duration = Duration::from_secs(1);
/// Wait after a failed try; it doubles with each one more.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
/// Longest wait after a failed try.
const MAX_BACKOFF: Duration = Duration::from_secs(30);
/// At most one refused token is replaced in this time.
const REPLACEMENT: Duration = Duration::from_secs(30);

/// A token, as reads use it.
#[derive(Clone)]
pub(super) struct Token {
    /// What it is for.
    pub(super) scope: Arc<str>,
    /// As it travels after `Bearer `.
    pub(super) bearer: Secret,
    /// How many tokens were fetched up to this one.
    generation: u64,
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("scope", &self.scope)
            .field("generation", &self.generation)
            .finish_non_exhaustive()
    }
}

/// No token by the deadline, or none that is worth waiting for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NoToken {
    pub(super) cause: TokenError,
    /// How long until the next try, if it is not under way.
    pub(super) retry_after: Option<Duration>,
}

/// Fetches, keeps and renews the token.
pub(super) struct Supplier {
    shared: Arc<Shared>,
    /// The task, once somebody has asked.
    task: Mutex<Option<AbortHandle>>,
}

struct Shared {
    source: Arc<dyn Source>,
    state: watch::Sender<State>,
    demand: Notify,
}

#[derive(Debug)]
struct State {
    scope: Arc<str>,
    held: Option<Held>,
    generation: u64,
    /// Whether somebody has asked since the last token.
    is_wanted: bool,
    failed: Option<Failed>,
    /// When a refused token was last replaced.
    replaced_at: Option<Instant>,
}

/// The token that serves.
#[derive(Clone, Debug)]
struct Held {
    token: Token,
    expires_at: Instant,
    /// `None` when it is renewed only on demand.
    renew_at: Option<Instant>,
}

/// The last try failed.
#[derive(Clone, Debug)]
struct Failed {
    cause: TokenError,
    next_try: Instant,
    backoff: Duration,
}

impl fmt::Debug for Supplier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supplier").finish_non_exhaustive()
    }
}

impl Supplier {
    /// Costs nothing until somebody asks. `scope` is what a token is likely to
    /// be asked for.
    pub(super) fn new(source: Arc<dyn Source>, scope: &str) -> Self {
        let state = State {
            scope: scope.into(),
            held: None,
            generation: 0,
            is_wanted: false,
            failed: None,
            replaced_at: None,
        };
        Self {
            shared: Arc::new(Shared {
                source,
                state: watch::Sender::new(state),
                demand: Notify::new(),
            }),
            task: Mutex::new(None),
        }
    }

    /// Makes sure that a token is there or on its way, and waits for nothing.
    pub(super) fn prepare(&self) {
        let scope = Arc::clone(&self.shared.state.borrow().scope);
        self.demand(&scope);
    }

    /// What a token is asked for, unless a challenge says otherwise.
    pub(super) fn scope(&self) -> Arc<str> {
        Arc::clone(&self.shared.state.borrow().scope)
    }

    /// Whether there is an unexpired token.
    pub(super) fn has_token(&self) -> bool {
        self.shared.state.borrow().valid(Instant::now()).is_some()
    }

    /// Why a caller that waits for less than `patience` would get no token now.
    pub(super) fn refusal(&self, patience: Duration) -> Option<NoToken> {
        let now = Instant::now();
        let state = self.shared.state.borrow();
        match state.valid(now) {
            Some(_) => None,
            None => state.no_try_before(now + patience, now),
        }
    }

    /// The token for `scope`.
    ///
    /// # Errors
    /// [`NoToken`] at the deadline, or before it when no try would begin by
    /// then.
    pub(super) async fn token(&self, scope: &str, deadline: Instant) -> Result<Token, NoToken> {
        let mut changes = self.shared.state.subscribe();
        let seen = changes.borrow().generation;
        self.demand(scope);
        loop {
            if let Some(answer) = changes
                .borrow_and_update()
                .answer(scope, seen, deadline, Instant::now())
            {
                return answer;
            }
            // The sender lives as long as `self`.
            if timeout_at(deadline, changes.changed()).await.is_err() {
                let failed = self.shared.state.borrow().failed.clone();
                return Err(NoToken {
                    cause: failed.map_or(TokenError::Timeout, |failed| failed.cause),
                    retry_after: None,
                });
            }
        }
    }

    /// Records that the vault refused `token`. True if another one is there or
    /// on its way.
    pub(super) fn refuse(&self, token: &Token) -> bool {
        let now = Instant::now();
        let mut is_replaced = true;
        let is_dropped = self.shared.state.send_if_modified(|state| {
            let is_current = state
                .held
                .as_ref()
                .is_some_and(|held| held.token.generation == token.generation);
            if !is_current {
                return false;
            }
            let is_expired = state.valid(now).is_none();
            let is_early = state.replaced_at.is_some_and(|at| now < at + REPLACEMENT);
            if is_early && !is_expired {
                is_replaced = false;
                return false;
            }
            state.held = None;
            state.is_wanted = true;
            state.replaced_at = Some(now);
            true
        });
        if is_dropped {
            warn!("the vault refused a token that has not expired: it is replaced");
            self.shared.demand.notify_one();
        }
        is_replaced
    }

    fn demand(&self, scope: &str) {
        let now = Instant::now();
        let is_new = self.shared.state.send_if_modified(|state| state.demand(scope, now));
        if is_new {
            self.start();
            self.shared.demand.notify_one();
        }
    }

    /// Starts the task, once.
    fn start(&self) {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if task.is_none() {
            let shared = Arc::clone(&self.shared);
            *task = Some(tokio::spawn(async move { shared.supply().await }).abort_handle());
        }
    }
}

impl Drop for Supplier {
    fn drop(&mut self) {
        let mut task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = task.take() {
            task.abort();
        }
    }
}

impl State {
    /// The token, while it has not expired.
    fn valid(&self, now: Instant) -> Option<&Held> {
        self.held.as_ref().filter(|held| now < held.expires_at)
    }

    /// What somebody who has seen the token of a generation gets, if anything
    /// yet.
    fn answer(&self, scope: &str, seen: u64, deadline: Instant, now: Instant) -> Option<Result<Token, NoToken>> {
        if *self.scope != *scope {
            return None;
        }
        if let Some(held) = &self.held
            // One that has come meanwhile serves whoever waited for it, even if
            // by this machine's clock it has expired: the vault decides.
            && (now < held.expires_at || held.token.generation > seen)
        {
            return Some(Ok(held.token.clone()));
        }
        self.no_try_before(deadline, now).map(Err)
    }

    /// Why it is of no use to wait until `deadline`.
    fn no_try_before(&self, deadline: Instant, now: Instant) -> Option<NoToken> {
        let failed = self.failed.as_ref().filter(|failed| failed.next_try >= deadline)?;
        Some(NoToken {
            cause: failed.cause.clone(),
            retry_after: Some(failed.next_try.saturating_duration_since(now)),
        })
    }

    /// Asks for a token of `scope`; says whether that changes anything.
    fn demand(&mut self, scope: &str, now: Instant) -> bool {
        if *self.scope != *scope {
            self.scope = scope.into();
            self.held = None;
            self.failed = None;
            self.is_wanted = true;
            return true;
        }
        let is_new = !self.is_wanted && self.valid(now).is_none();
        self.is_wanted |= is_new;
        is_new
    }

    /// When to make the next try; `None` while nobody needs one.
    fn next_try(&self, now: Instant) -> Option<Instant> {
        if let Some(failed) = &self.failed {
            return Some(failed.next_try);
        }
        match self.valid(now) {
            Some(held) => held.renew_at,
            None => self.is_wanted.then_some(now),
        }
    }

    fn succeed(&mut self, scope: &Arc<str>, fetched: source::Fetched, now: Instant) {
        self.generation += 1;
        if self.failed.take().is_some() {
            info!("there is a token for the vault again");
        }
        self.is_wanted = false;
        let life = fetched.life;
        let renew_after = match fetched.refresh_in {
            Some(refresh_in) if refresh_in < life => refresh_in,
            _ if life < SHORT_LIFE => life / 2,
            _ => life.saturating_sub(RENEW_BEFORE_END),
        };
        self.held = Some(Held {
            token: Token {
                scope: Arc::clone(scope),
                bearer: fetched.bearer,
                generation: self.generation,
            },
            expires_at: now + life,
            renew_at: (!life.is_zero()).then(|| now + renew_after.max(MIN_RENEWAL)),
        });
    }

    fn fail(&mut self, cause: TokenError, now: Instant) {
        let earlier = self.failed.as_ref().map(|failed| failed.backoff);
        let backoff = earlier.map_or(FIRST_BACKOFF, |backoff| (backoff * 2).min(MAX_BACKOFF));
        warn!(%cause, retry_in_seconds = backoff.as_secs(), "no token for the vault");
        self.failed = Some(Failed {
            cause,
            next_try: now + backoff,
            backoff,
        });
    }
}

impl Shared {
    /// Supplies tokens until it is aborted.
    async fn supply(&self) {
        loop {
            let next_try = self.state.borrow().next_try(Instant::now());
            match next_try {
                Some(at) if at <= Instant::now() => self.attempt().await,
                Some(at) => tokio::select! {
                    () = sleep_until(at) => {}
                    () = self.demand.notified() => {}
                },
                None => self.demand.notified().await,
            }
        }
    }

    /// Makes one try, in a task of its own: a defect in it must not end the
    /// supply.
    async fn attempt(&self) {
        let scope = Arc::clone(&self.state.borrow().scope);
        let (source, asked) = (Arc::clone(&self.source), Arc::clone(&scope));
        let mut attempt = JoinSet::new();
        attempt.spawn(async move {
            let fetched = timeout(source.limit(), source.fetch(&asked)).await;
            fetched.unwrap_or(Err(TokenError::Timeout))
        });
        let outcome = match attempt.join_next().await {
            Some(Ok(outcome)) => outcome,
            Some(Err(_)) | None => Err(TokenError::Defect),
        };
        let now = Instant::now();
        self.state.send_modify(|state| {
            // What was asked for before the scope changed is of no use.
            if state.scope != scope {
                return;
            }
            match outcome {
                Ok(fetched) => state.succeed(&scope, fetched, now),
                Err(cause) => state.fail(cause, now),
            }
        });
    }
}

#[cfg(test)]
mod tests;
