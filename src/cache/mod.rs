//! Secrets in memory, in front of a [`Vault`].
//!
//! What it promises: however many callers ask, the vault is asked once at a
//! time for a key; a steadily used secret is refreshed before it expires, so
//! that nobody waits for it; nobody waits longer than the deadline; and what
//! the vault has revoked is not served once that is known. While the vault
//! cannot be read, copies are served up to their bound. It never sees HTTP or
//! the configuration, and leaves the pace of reads to the vault.
//!
//! Everything is one `State` under one mutex, so that the end of a fetch, a
//! revocation and a lookup have an order. The mutex is never held across an
//! `.await`.

mod failure;
mod fetch;
mod in_flight;
mod prefetch;
mod state;
mod sweep;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use self::fetch::Fetch;
use self::in_flight::Waiter;
use self::state::State;
use crate::deliver::{Delivery, Renderer};
use crate::secret::SecretKey;
use crate::vault::{Read, Vault, VaultError};

/// How long copies may outlive their time, and how long callers wait.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// How long past its TTL a copy may be served while the vault cannot be
    /// read.
    pub stale: Duration,
    /// The longest that a caller waits.
    pub timeout: Duration,
}

/// What a request says about the secret that it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// How long a copy is fresh; zero keeps nothing.
    pub ttl: Duration,
    /// Whether an exact name allows this secret, not only a prefix.
    pub exact: bool,
}

/// Where an answer came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// From memory, within its time.
    Hit,
    /// From the vault, just now.
    Miss,
    /// From memory, past its time, because the vault cannot be read.
    Stale,
    /// Nothing is kept, or the vault was not asked.
    None,
}

impl Source {
    /// The word for the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Stale => "stale",
            Self::None => "none",
        }
    }
}

/// Result of a lookup.
#[derive(Debug)]
pub struct Found {
    /// The secret as answers carry it, shared by all of them.
    pub result: Result<Arc<Delivery>, VaultError>,
    /// Where it came from.
    pub source: Source,
}

/// Secrets in memory; a clone shares them.
#[derive(Clone, Debug)]
pub struct Cache {
    shared: Arc<Shared>,
}

struct Shared {
    vault: Arc<dyn Vault>,
    renderer: Renderer,
    options: Options,
    state: Mutex<State>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// Why a fetch is started.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// A caller waits for it, or gets a stale copy meanwhile.
    Caller,
    /// A copy is about to expire.
    Refresh,
    /// The process has just started.
    Prefetch,
}

/// What a lookup leads to.
enum NextStep {
    /// The answer is known.
    Answer(Found),
    /// A fetch under way will bring it.
    Wait(Waiter),
}

impl Cache {
    /// An empty cache. `renderer` runs once for each secret that the vault
    /// returns.
    pub fn new(vault: Arc<dyn Vault>, renderer: Renderer, options: Options) -> Self {
        Self {
            shared: Arc::new(Shared {
                vault,
                renderer,
                options,
                state: Mutex::new(State::new()),
            }),
        }
    }

    /// The secret, within [`Options::timeout`].
    pub async fn get(&self, key: &SecretKey, lookup: Lookup) -> Found {
        let now = Instant::now();
        let waiter = match self.shared.next_step(key, lookup, now) {
            NextStep::Answer(found) => return found,
            NextStep::Wait(waiter) => waiter,
        };
        let source = if lookup.ttl.is_zero() {
            Source::None
        } else {
            Source::Miss
        };
        // Boxed, so that a request for a copy does not have room for a wait: it is moved several times on its way.
        match Box::pin(waiter.outcome_until(now + self.shared.options.timeout)).await {
            Ok(delivery) => Found {
                result: Ok(delivery),
                source,
            },
            // Looked up again: the copy may have been revoked meanwhile.
            Err(error) => self.shared.state().stale_or_error(key, error, source, Instant::now()),
        }
    }

    /// The secret as the vault has it now, whatever the cache holds: for a copy that turned out to be outdated.
    ///
    /// # Errors
    /// [`VaultError`], within [`Options::timeout`]; at once while the vault throttles or fails.
    pub async fn read_again(&self, key: &SecretKey, lookup: Lookup) -> Result<Arc<Delivery>, VaultError> {
        let now = Instant::now();
        let waiter = self.shared.fetch_again(key, lookup, now)?;
        waiter.outcome_until(now + self.shared.options.timeout).await
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // No critical section leaves the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Decides what a caller gets, which may start a fetch.
    fn next_step(self: &Arc<Self>, key: &SecretKey, lookup: Lookup, now: Instant) -> NextStep {
        let mut state = self.state();
        let mut has_stale_copy = false;
        let mut is_failing = false;
        if let Some(entry) = state.entries.get(key)
            && now < entry.stale_until
        {
            if now < entry.fresh_until {
                let found = Found {
                    result: Ok(Arc::clone(&entry.delivery)),
                    source: Source::Hit,
                };
                if now >= entry.refresh_at {
                    self.refresh(&mut state, key, lookup, now);
                }
                return NextStep::Answer(found);
            }
            has_stale_copy = true;
            is_failing = entry.is_failing;
        }
        if let Some(error) = state.remembered_error(key, now) {
            return NextStep::Answer(state.stale_or_error(key, error, Source::Hit, now));
        }
        if let Some(error) = self.vault.refusal() {
            return NextStep::Answer(state.stale_or_error(key, error, Source::None, now));
        }
        let waiter = match state.in_flight.get(key) {
            Some(in_flight) => in_flight.waiter(),
            None => self.start(&mut state, key, Purpose::Caller, lookup, now),
        };
        if has_stale_copy && is_failing {
            // After a failure, only the first caller waits to see whether the vault answers again.
            let error = VaultError::Unavailable { retry_after: None };
            return NextStep::Answer(state.stale_or_error(key, error, Source::None, now));
        }
        NextStep::Wait(waiter)
    }

    /// A fetch for `key`, the one under way or a new one.
    fn fetch_again(self: &Arc<Self>, key: &SecretKey, lookup: Lookup, now: Instant) -> Result<Waiter, VaultError> {
        if let Some(error) = self.vault.refusal() {
            return Err(error);
        }
        let mut state = self.state();
        Ok(match state.in_flight.get(key) {
            Some(in_flight) => in_flight.waiter(),
            None => self.start(&mut state, key, Purpose::Caller, lookup, now),
        })
    }

    /// Starts a fetch for a copy that is about to expire, unless one is under
    /// way or it would be refused.
    fn refresh(self: &Arc<Self>, state: &mut State, key: &SecretKey, lookup: Lookup, now: Instant) {
        let is_due = !state.in_flight.contains_key(key)
            && state.remembered_error(key, now).is_none()
            && self.vault.refusal().is_none();
        if is_due {
            drop(self.start(state, key, Purpose::Refresh, lookup, now));
        }
    }

    /// Starts a fetch in a task of its own: a caller that goes away does not
    /// cancel it for the others.
    fn start(
        self: &Arc<Self>,
        state: &mut State,
        key: &SecretKey,
        purpose: Purpose,
        lookup: Lookup,
        now: Instant,
    ) -> Waiter {
        let timeout = match purpose {
            Purpose::Caller | Purpose::Refresh => self.options.timeout,
            Purpose::Prefetch => prefetch::TIMEOUT,
        };
        let read = Read {
            deadline: now + timeout,
            known_good: state.known_good.get(key).is_some(),
            exact: lookup.exact,
        };
        let (fetch, waiter) = Fetch::new(Arc::clone(self), state, key.clone(), lookup.ttl);
        tokio::spawn(fetch.run(read, now));
        waiter
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.state().stop_sweep();
    }
}

#[cfg(test)]
mod tests;
