//! What the cache remembers, and how the end of a fetch changes it.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use lru::LruCache;
use tokio::task::AbortHandle;
use tokio::time::Instant;

use super::failure::Failure;
use super::in_flight::{InFlight, Outcome};
use super::{Found, Options, Source};
use crate::deliver::Delivery;
use crate::secret::SecretKey;
use crate::vault::VaultError;

/// Keys with a copy; as many with a remembered error, and as many known to
/// have been good.
const MAX_KEYS: NonZeroUsize = NonZeroUsize::new(1000).unwrap();
/// A copy is refreshed when this much of its TTL has gone, and up to a tenth
/// of it later, so that instances that started together do not ask together.
const REFRESH_AFTER: f64 = 0.75;

/// Everything that changes.
#[derive(Debug)]
pub(super) struct State {
    /// Copies of secrets; one that leaves is zeroed when the last answer that
    /// shares it has been sent.
    pub(super) entries: LruCache<SecretKey, Entry>,
    /// Errors about keys, kept apart from the copies so that made-up names cannot evict those.
    pub(super) failures: LruCache<SecretKey, Failure>,
    /// Keys that were read once: reads for them are outside the vault's budget.
    pub(super) known_good: LruCache<SecretKey, ()>,
    pub(super) in_flight: HashMap<SecretKey, InFlight>,
    /// The task that drops expired copies, while there are any.
    pub(super) sweep: Option<AbortHandle>,
}

/// A secret in memory.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) delivery: Arc<Delivery>,
    pub(super) refresh_at: Instant,
    pub(super) fresh_until: Instant,
    pub(super) stale_until: Instant,
    /// Whether the last attempt to refresh it failed.
    pub(super) is_failing: bool,
}

impl Entry {
    /// Its times count from the start of the fetch: the vault may have read
    /// the value just then.
    pub(super) fn new(delivery: Arc<Delivery>, ttl: Duration, stale: Duration, began: Instant) -> Self {
        let fresh_until = began + ttl;
        let share = REFRESH_AFTER + fastrand::f64() / 10.0;
        Self {
            delivery,
            refresh_at: began + ttl.mul_f64(share),
            fresh_until,
            stale_until: fresh_until + stale,
            is_failing: false,
        }
    }
}

impl State {
    pub(super) fn new() -> Self {
        Self {
            entries: LruCache::new(MAX_KEYS),
            failures: LruCache::new(MAX_KEYS),
            known_good: LruCache::new(MAX_KEYS),
            in_flight: HashMap::new(),
            sweep: None,
        }
    }

    /// The error that the vault gave for `key` a moment ago, while it is not
    /// asked again.
    pub(super) fn remembered_error(&mut self, key: &SecretKey, now: Instant) -> Option<VaultError> {
        self.failures.get(key).and_then(|failure| failure.error_at(now))
    }

    /// The copy that may be served in place of `error`, or the error.
    pub(super) fn stale_or_error(&mut self, key: &SecretKey, error: VaultError, source: Source, now: Instant) -> Found {
        match self.entries.get(key).filter(|entry| now < entry.stale_until) {
            Some(entry) if error.is_retryable() => Found {
                result: Ok(Arc::clone(&entry.delivery)),
                source: if now < entry.fresh_until {
                    Source::Hit
                } else {
                    Source::Stale
                },
            },
            _ => Found {
                result: Err(error),
                source,
            },
        }
    }

    /// Stores the outcome of a fetch that started at `began`.
    pub(super) fn store(
        &mut self,
        key: &SecretKey,
        outcome: &Outcome,
        ttl: Duration,
        options: &Options,
        began: Instant,
    ) {
        match outcome {
            Ok(delivery) => {
                self.known_good.put(key.clone(), ());
                self.failures.pop(key);
                if !ttl.is_zero() {
                    let entry = Entry::new(Arc::clone(delivery), ttl, options.stale, began);
                    self.entries.put(key.clone(), entry);
                }
            }
            Err(error) if error.is_retryable() => {
                if let Some(entry) = self.entries.peek_mut(key) {
                    entry.is_failing = true;
                }
            }
            Err(error) => {
                self.revoke(key, *error);
                if !ttl.is_zero() {
                    let failure = Failure::after(*error, self.failures.peek(key), ttl, Instant::now());
                    self.failures.put(key.clone(), failure);
                }
            }
        }
    }

    /// Drops the copies that `error` for `key` is about, and marks fetches of
    /// them that are under way as outdated.
    ///
    /// A refused identity is about the whole name; a secret that is absent or
    /// disabled about its key, and without a version about all versions.
    fn revoke(&mut self, key: &SecretKey, error: VaultError) {
        let whole_name = error == VaultError::AccessDenied || key.version.is_none();
        let is_revoked = |other: &SecretKey| other == key || (whole_name && other.name == key.name);
        for (other, in_flight) in &mut self.in_flight {
            in_flight.is_outdated |= is_revoked(other);
        }
        self.drop_entries(|other, _| is_revoked(other));
    }

    /// Drops the copies that `which` picks.
    pub(super) fn drop_entries(&mut self, which: impl Fn(&SecretKey, &Entry) -> bool) {
        let dropped = self.entries.iter().filter(|(key, entry)| which(key, entry));
        let keys: Vec<_> = dropped.map(|(key, _)| key.clone()).collect();
        for key in keys {
            self.entries.pop(&key);
        }
    }
}
