//! Secrets in memory, in front of a [`Vault`].
//!
//! What it promises: however many callers ask, the vault is asked once at a
//! time for a key; a steadily used secret is refreshed before it expires, so
//! that nobody waits for it; nobody waits longer than the deadline; and what
//! the vault has withdrawn is not served once that is known. While the vault
//! is away, copies are served up to their bound, and it is probed rather than
//! asked for every request. It never sees HTTP or the configuration.
//!
//! A hit takes no lock: it reads [`Shared::copies`]. Everything else happens
//! under [`Shared::flights`], so that the end of a fetch and a withdrawal have
//! an order.

mod budget;
mod trouble;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use moka::sync::Cache as Bounded;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};
use tracing::{info, warn};

use self::budget::Budget;
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
/// Bound on one prefetch: nobody waits for it.
const PREFETCH_TIMEOUT: Duration = Duration::from_secs(10);
/// Prefetches under way at once, after the first.
const PREFETCHES: usize = 4;
/// Longest wait before the first prefetch, so that instances that start
/// together do not ask together.
const PREFETCH_JITTER: Duration = Duration::from_millis(100);
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
    prepared: Arc<T>,
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
        let is_stale = copy.as_ref().is_some_and(|copy| now < copy.stale_until);
        if let Some(copy) = copy
            && now < copy.fresh_until
        {
            if now >= copy.refresh_at {
                drop(shared.plan(key, Purpose::Refresh, false, now));
            }
            return Answer {
                result: Ok(Arc::clone(&copy.prepared)),
                source: Source::Hit,
            };
        }
        match shared.plan(key, Purpose::Caller, is_stale, now) {
            Plan::Known(error) => shared.stand_in(key, error, Source::Hit),
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
            return Plan::Known(VaultError::Unavailable {
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
        let pilot = Pilot {
            shared: Arc::clone(self),
            key: key.clone(),
        };
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
        match copy {
            Some(copy) if error.is_transient() => Answer {
                result: Ok(Arc::clone(&copy.prepared)),
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

    async fn prefetch(self: &Arc<Self>, name: SecretName) -> Result<(), VaultError> {
        let key = SecretKey { name, version: None };
        match self.plan(&key, Purpose::Prefetch, false, Instant::now()) {
            Plan::Known(error) => Err(error),
            Plan::Wait(mut landing) => {
                let outcome = landing.wait_for(Option::is_some).await;
                let outcome = outcome.ok().and_then(|outcome| outcome.clone());
                outcome
                    .unwrap_or(Err(VaultError::Unavailable { retry_after: None }))
                    .map(drop)
            }
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
                        prepared: Arc::clone(prepared),
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

    /// Drops the copies that `which` picks, now rather than when moka comes to
    /// it: dropping zeroes them.
    fn forget(&self, which: impl Fn(&SecretKey, &Copy<T>) -> bool) {
        for (key, copy) in &self.copies {
            if which(&key, &copy) {
                self.copies.invalidate(&*key);
            }
        }
        self.copies.run_pending_tasks();
    }

    fn sweep(&self, flights: &mut Flights<T>) {
        let now = Instant::now();
        if now >= flights.next_sweep {
            flights.next_sweep = now + SWEEP;
            self.forget(|_, copy| now >= copy.stale_until);
        }
    }
}

/// Flies one fetch, and takes it off the board when it ends, even in a panic:
/// a key must not wait for ever for a fetch that is gone.
struct Pilot<V, T>
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
    async fn fly(self, timeout: Duration, mut began: Instant) -> Outcome<T> {
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

#[cfg(test)]
mod tests;
