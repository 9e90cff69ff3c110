//! Secrets in memory, in front of a [`Vault`].
//!
//! What it promises: however many callers ask, the vault is asked once at a
//! time for a key; a steadily used secret is refreshed before it expires, so
//! that nobody waits for it; nobody waits longer than the deadline; and what
//! the vault has withdrawn is not served once that is known. While the vault
//! is away, copies are served up to their bound, and it is probed rather than
//! asked for every request. It never sees HTTP or the configuration.
//!
//! A fresh hit takes no lock: it reads `Shared::copies`. Everything else, a
//! hit that is due for a refresh included, happens under `Shared::flights`, so
//! that the end of a fetch and a withdrawal have an order.

mod budget;
mod pilot;
mod prefetch;
mod trouble;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use moka::sync::Cache as Bounded;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use self::budget::Budget;
use self::pilot::Pilot;
use self::prefetch::PREFETCH_TIMEOUT;
use self::trouble::Trouble;
use crate::secret::{Bundle, SecretKey, SecretName};
use crate::vault::{Vault, VaultError};

/// Keys with a copy; as many with a remembered error, and as many known to
/// have been good.
const MAX_KEYS: u64 = 1000;
/// A copy is refreshed when this much of its TTL has gone, and up to a tenth
/// of it later, so that instances that started together do not ask together.
const REFRESH_AFTER: f64 = 0.75;
/// How often copies that nobody may be served any more are looked for.
const SWEEP: Duration = Duration::from_mins(1);
/// `Retry-After` of a read that is over the budget.
const OVER_BUDGET: Duration = Duration::from_secs(1);

/// How long copies are good for, and how long callers wait.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How long a copy is fresh; zero keeps nothing.
    pub ttl: Duration,
    /// How long past its TTL a copy may be served while the vault is away.
    pub stale: Duration,
    /// The longest that a caller waits.
    pub timeout: Duration,
}

/// Where an answer came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// From memory, within its time.
    Hit,
    /// From the vault, just now.
    Miss,
    /// From memory, past its time, because the vault is away.
    Stale,
    /// Nothing is kept.
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

/// What the cache has to say to a request.
#[derive(Debug)]
pub struct Answer<T> {
    /// The secret as it was prepared, shared by everybody that it is served to.
    pub result: Result<Arc<T>, VaultError>,
    /// Where it came from.
    pub source: Source,
}

/// Secrets in memory; `T` is what they are prepared to once, when fetched.
pub struct Cache<V, T> {
    shared: Arc<Shared<V, T>>,
}

impl<V, T> Clone for Cache<V, T> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<V, T> fmt::Debug for Cache<V, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("settings", &self.shared.settings)
            .finish_non_exhaustive()
    }
}

struct Shared<V, T> {
    vault: V,
    settings: Settings,
    prepare: Box<Prepare<T>>,
    /// Copies of secrets. Their times are tokio's; moka bounds their number.
    copies: Bounded<SecretKey, Arc<Copy<T>>>,
    /// Answers that were no secrets. Apart from the copies, so that made-up
    /// names cannot push those out.
    troubles: Bounded<SecretKey, Trouble>,
    /// Keys that were good once: reads for them are outside the budget.
    good: Bounded<SecretKey, ()>,
    flights: Mutex<Flights<T>>,
}

/// Makes of a fetched secret what is kept of it.
type Prepare<T> = dyn Fn(&SecretKey, Bundle) -> T + Send + Sync;

/// A secret in memory.
struct Copy<T> {
    /// Emptied when it is withdrawn: moka drops what it forgot when it comes
    /// to it, and a secret's bytes must go at once.
    prepared: ArcSwapOption<T>,
    refresh_at: Instant,
    fresh_until: Instant,
    stale_until: Instant,
}

/// What is under way.
struct Flights<T> {
    by_key: HashMap<SecretKey, Flight<T>>,
    budget: Budget,
    next_sweep: Instant,
}

type Outcome<T> = Result<Arc<T>, VaultError>;
type Landing<T> = watch::Receiver<Option<Outcome<T>>>;

/// A fetch under way.
struct Flight<T> {
    landing: Landing<T>,
    /// The vault withdrew this secret after the fetch began, so a value that
    /// it brings may be from before.
    outdated: bool,
}

/// Why a fetch is begun.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// A caller waits for it.
    Caller,
    /// A copy is about to expire.
    Refresh,
    /// The process has just started.
    Prefetch,
}

/// What a caller without a fresh copy does.
enum Plan<T> {
    /// Takes this answer, or a copy that may stand in for it.
    Known(VaultError),
    /// The same, but nothing is known: the read was not begun.
    Shed(VaultError),
    /// Waits.
    Wait(Landing<T>),
}

impl<V, T> Cache<V, T>
where
    V: Vault,
    T: Send + Sync + 'static,
{
    /// A cache without copies. `prepare` runs once for each secret that the
    /// vault returns.
    pub fn new(
        vault: V,
        settings: Settings,
        prepare: impl Fn(&SecretKey, Bundle) -> T + Send + Sync + 'static,
    ) -> Self {
        let now = Instant::now();
        Self {
            shared: Arc::new(Shared {
                vault,
                settings,
                prepare: Box::new(prepare),
                copies: Bounded::new(MAX_KEYS),
                troubles: Bounded::new(MAX_KEYS),
                good: Bounded::new(MAX_KEYS),
                flights: Mutex::new(Flights {
                    by_key: HashMap::new(),
                    budget: Budget::new(now),
                    next_sweep: now + SWEEP,
                }),
            }),
        }
    }

    /// The secret, within [`Settings::timeout`].
    pub async fn get(&self, key: &SecretKey) -> Answer<T> {
        let shared = &self.shared;
        let now = Instant::now();
        let copy = shared.copies.get(key);
        let has_copy = copy.as_ref().is_some_and(|copy| now < copy.stale_until);
        if let Some(copy) = copy
            && now < copy.fresh_until
            && let Some(prepared) = copy.prepared.load_full()
        {
            if now >= copy.refresh_at {
                drop(shared.plan(key, Purpose::Refresh, false, now));
            }
            return Answer {
                result: Ok(prepared),
                source: Source::Hit,
            };
        }
        match shared.plan(key, Purpose::Caller, has_copy, now) {
            Plan::Known(error) => shared.stand_in(key, error, Source::Hit),
            Plan::Shed(error) => shared.stand_in(key, error, Source::None),
            Plan::Wait(mut landing) => {
                let landed = timeout_at(now + shared.settings.timeout, landing.wait_for(Option::is_some)).await;
                let outcome = match landed {
                    Ok(Ok(outcome)) => outcome.clone(),
                    // The deadline came first, or the fetch ended in a panic.
                    Ok(Err(_)) | Err(_) => None,
                };
                let source = if shared.keeps() { Source::Miss } else { Source::None };
                match outcome.unwrap_or(Err(VaultError::Unavailable { retry_after: None })) {
                    Ok(prepared) => Answer {
                        result: Ok(prepared),
                        source,
                    },
                    Err(error) => shared.stand_in(key, error, source),
                }
            }
        }
    }
}

impl<V, T> Shared<V, T>
where
    V: Vault,
    T: Send + Sync + 'static,
{
    /// Whether anything outlives its fetch.
    fn keeps(&self) -> bool {
        !self.settings.ttl.is_zero()
    }

    fn flights(&self) -> MutexGuard<'_, Flights<T>> {
        // Nothing in a critical section leaves the map half changed.
        self.flights.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What to do about `key`, which may begin a fetch. `has_copy` says
    /// whether a copy could stand in for a failure.
    fn plan(self: &Arc<Self>, key: &SecretKey, purpose: Purpose, has_copy: bool, now: Instant) -> Plan<T> {
        let mut flights = self.flights();
        let trouble = self.troubles.get(key);
        if let Some(known) = trouble.and_then(|trouble| trouble.answer(now)) {
            return Plan::Known(known);
        }
        // Only the request that probes a failing vault waits for it, and not
        // even that one when there is a copy.
        let failing = trouble.filter(|trouble| trouble.is_repeated() || (has_copy && trouble.is_failure()));
        if let Some(flight) = flights.by_key.get(key) {
            return match failing {
                Some(trouble) => Plan::Known(trouble.while_probing()),
                None => Plan::Wait(flight.landing.clone()),
            };
        }
        if purpose == Purpose::Caller && !self.good.contains_key(key) && !flights.budget.take(now) {
            return Plan::Shed(VaultError::Unavailable {
                retry_after: Some(OVER_BUDGET),
            });
        }
        let landing = self.begin(&mut flights, key, purpose, now);
        match failing {
            Some(trouble) if has_copy => Plan::Known(trouble.while_probing()),
            _ => Plan::Wait(landing),
        }
    }

    /// Begins a fetch in a task of its own: a caller that goes away does not
    /// cancel it for the others.
    fn begin(
        self: &Arc<Self>,
        flights: &mut Flights<T>,
        key: &SecretKey,
        purpose: Purpose,
        now: Instant,
    ) -> Landing<T> {
        let (sender, landing) = watch::channel(None);
        flights.by_key.insert(
            key.clone(),
            Flight {
                landing: landing.clone(),
                outdated: false,
            },
        );
        let timeout = match purpose {
            Purpose::Caller | Purpose::Refresh => self.settings.timeout,
            Purpose::Prefetch => PREFETCH_TIMEOUT,
        };
        let pilot = Pilot::new(Arc::clone(self), key.clone());
        tokio::spawn(async move {
            let outcome = pilot.fly(timeout, now).await;
            sender.send_replace(Some(outcome));
        });
        landing
    }

    /// The copy that may be served in place of `error`, or the error. The copy
    /// is looked up again: it may have been withdrawn while a caller waited.
    fn stand_in(&self, key: &SecretKey, error: VaultError, source: Source) -> Answer<T> {
        let now = Instant::now();
        let copy = self.copies.get(key).filter(|copy| now < copy.stale_until);
        match copy.and_then(|copy| Some((copy.prepared.load_full()?, copy))) {
            Some((prepared, copy)) if error.is_transient() => Answer {
                result: Ok(prepared),
                source: if now < copy.fresh_until {
                    Source::Hit
                } else {
                    Source::Stale
                },
            },
            _ => Answer {
                result: Err(error),
                source: if self.keeps() { source } else { Source::None },
            },
        }
    }

    /// Takes in what a fetch that began at `began` brought.
    fn land(&self, flights: &mut Flights<T>, key: &SecretKey, outcome: &Outcome<T>, began: Instant) {
        match outcome {
            Ok(prepared) => {
                self.good.insert(key.clone(), ());
                self.troubles.invalidate(key);
                if self.keeps() {
                    // From the beginning of the fetch: the vault may have read
                    // the value just then.
                    let fresh_until = began + self.settings.ttl;
                    let share = REFRESH_AFTER + fastrand::f64() / 10.0;
                    let copy = Copy {
                        prepared: ArcSwapOption::from(Some(Arc::clone(prepared))),
                        refresh_at: began + self.settings.ttl.mul_f64(share),
                        fresh_until,
                        stale_until: fresh_until + self.settings.stale,
                    };
                    self.copies.insert(key.clone(), Arc::new(copy));
                }
            }
            Err(error) => {
                match error {
                    VaultError::AccessDenied => self.withdraw(flights, &key.name, None),
                    VaultError::NotFound | VaultError::Disabled => {
                        let only = key.version.is_some().then_some(key);
                        self.withdraw(flights, &key.name, only);
                    }
                    VaultError::Throttled { .. } | VaultError::Unavailable { .. } => {}
                }
                if self.keeps() {
                    let earlier = self.troubles.get(key);
                    let trouble = Trouble::after(*error, earlier.as_ref(), self.settings.ttl, Instant::now());
                    self.troubles.insert(key.clone(), trouble);
                }
            }
        }
    }

    /// Forgets the copies of `name`, or of one key of it, and marks fetches
    /// that are under way for them as outdated.
    fn withdraw(&self, flights: &mut Flights<T>, name: &SecretName, only: Option<&SecretKey>) {
        let concerned = |key: &SecretKey| match only {
            Some(only) => key == only,
            None => key.name == *name,
        };
        for (key, flight) in &mut flights.by_key {
            flight.outdated |= concerned(key);
        }
        self.forget(|key, _| concerned(key));
    }

    /// Drops the copies that `which` picks, which zeroes them.
    fn forget(&self, which: impl Fn(&SecretKey, &Copy<T>) -> bool) {
        for (key, copy) in &self.copies {
            if which(&key, &copy) {
                copy.prepared.store(None);
                self.copies.invalidate(&*key);
            }
        }
    }

    fn sweep(&self, flights: &mut Flights<T>) {
        let now = Instant::now();
        if now >= flights.next_sweep {
            flights.next_sweep = now + SWEEP;
            self.forget(|_, copy| now >= copy.stale_until);
        }
    }
}

#[cfg(test)]
mod tests;
