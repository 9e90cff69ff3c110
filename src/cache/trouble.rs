//! What is remembered of a key that the vault did not serve: its answer, and
//! when to ask again.

use std::time::Duration;

use tokio::time::Instant;

use crate::vault::VaultError;

/// Longest time for which a 404 is remembered; a shorter TTL shortens it.
const NOT_FOUND: Duration = Duration::from_secs(10);
/// Wait after the second failure in a row; it doubles with each one more.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
/// Longest time between two probes of a failing vault.
const MAX_BACKOFF: Duration = Duration::from_secs(16);

/// The last answer for a key, when it was no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    error: VaultError,
    /// Failures in a row; 0 for a 404, which is an answer and no failure.
    failures: u32,
    /// Until when the vault is not asked again.
    until: Instant,
}

impl Trouble {
    /// What to remember after `error`, given what was remembered before it.
    ///
    /// One failure may be a hiccup, and the next request asks again; from the
    /// second on the vault is asked after 1, 2, 4, 8, 16 s (Key Vault's advice
    /// for throttled clients), or when it said, whichever is later.
    pub(super) fn after(error: VaultError, earlier: Option<&Self>, ttl: Duration, now: Instant) -> Self {
        let (failures, wait) = if error == VaultError::NotFound {
            (0, ttl.min(NOT_FOUND))
        } else {
            let failures = earlier.map_or(0, |earlier| earlier.failures).saturating_add(1);
            let asked = error.retry_after().unwrap_or_default();
            (failures, backoff(failures).max(asked).min(MAX_BACKOFF))
        };
        Self {
            error,
            failures,
            until: now + wait,
        }
    }

    /// The answer while the vault is not asked, with the time that is left as
    /// its `Retry-After`; `None` when it is time to ask.
    pub(super) fn answer(&self, now: Instant) -> Option<VaultError> {
        (now < self.until).then(|| self.error.with_retry_after(self.until - now))
    }

    /// The answer to everybody but the one request that probes.
    pub(super) fn while_probing(&self) -> VaultError {
        self.error.with_retry_after(FIRST_BACKOFF)
    }

    /// Whether the vault failed the last time it was asked.
    pub(super) fn is_failure(&self) -> bool {
        self.failures > 0
    }

    /// Whether it failed more than once in a row.
    pub(super) fn is_repeated(&self) -> bool {
        self.failures > 1
    }
}

/// The wait after `failures` in a row, less up to a quarter of it, so that
/// instances that failed together do not come back together.
fn backoff(failures: u32) -> Duration {
    if failures < 2 {
        return Duration::ZERO;
    }
    let doublings = (failures - 2).min(4);
    let wait = FIRST_BACKOFF * (1 << doublings);
    wait.mul_f64(1.0 - fastrand::f64() / 4.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNAVAILABLE: VaultError = VaultError::Unavailable { retry_after: None };
    const TTL: Duration = Duration::from_mins(5);

    #[test]
    fn the_second_failure_in_a_row_begins_to_back_off() {
        let now = Instant::now();
        let mut trouble = Trouble::after(UNAVAILABLE, None, TTL, now);
        assert_eq!(trouble.until, now);
        for seconds in [1, 2, 4, 8, 16, 16, 16] {
            trouble = Trouble::after(UNAVAILABLE, Some(&trouble), TTL, now);
            let wait = trouble.until - now;
            let longest = Duration::from_secs(seconds);
            assert!(wait <= longest && wait >= longest.mul_f64(0.75), "{wait:?}");
        }
    }

    #[test]
    fn a_time_that_the_vault_named_is_kept_up_to_the_bound() {
        let now = Instant::now();
        for (asked, kept) in [(7, 7), (60, 16)] {
            let error = VaultError::Throttled {
                retry_after: Some(Duration::from_secs(asked)),
            };
            let trouble = Trouble::after(error, None, TTL, now);
            assert_eq!(trouble.until - now, Duration::from_secs(kept));
            let half = now + Duration::from_secs(kept) / 2;
            let left = Some(Duration::from_secs(kept) / 2);
            assert_eq!(trouble.answer(half), Some(VaultError::Throttled { retry_after: left }));
        }
    }

    #[test]
    fn a_404_is_remembered_for_ten_seconds_or_the_ttl() {
        let now = Instant::now();
        for (ttl, kept) in [(Duration::from_secs(3), 3), (TTL, 10)] {
            let trouble = Trouble::after(VaultError::NotFound, None, ttl, now);
            assert_eq!(trouble.until - now, Duration::from_secs(kept));
            assert!(!trouble.is_failure());
        }
    }
}
