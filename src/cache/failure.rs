//! The last error for a key, and when to ask the vault again.
//!
//! Only errors about a single secret are remembered here. When the vault cannot be read at all, `Vault` itself knows
//! when to ask again.

use std::time::Duration;

use tokio::time::Instant;

use crate::vault::VaultError;

/// Longest time for which a 404 is remembered; a shorter TTL shortens it.
const NOT_FOUND: Duration = Duration::from_secs(10);
/// Wait after the second refusal in a row; it doubles with each one more.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
/// Longest wait after a refusal.
const MAX_BACKOFF: Duration = Duration::from_secs(16);
/// How long after its time a refusal still counts towards the row.
const ROW_ENDS_AFTER: Duration = Duration::from_mins(1);

/// Last failure of a key, and the earliest next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    error: VaultError,
    /// Refusals in a row; 0 for a 404.
    refusals: u32,
    /// Until when the vault is not asked again.
    until: Instant,
}

impl Failure {
    /// What to remember after `error`, given what was remembered before it.
    ///
    /// A 404 is remembered for at most 10 s. A single refusal may be temporary, so the next request asks again; from
    /// the second on the vault is asked after 1, 2, 4, 8, 16 s.
    pub(super) fn after(error: VaultError, earlier: Option<&Self>, ttl: Duration, now: Instant) -> Self {
        let (refusals, wait) = if matches!(error, VaultError::NotFound(_)) {
            (0, ttl.min(NOT_FOUND))
        } else {
            let refusals = earlier.map_or(0, |earlier| earlier.refusals).saturating_add(1);
            (refusals, backoff(refusals))
        };
        Self {
            error,
            refusals,
            until: now + wait,
        }
    }

    /// The error, while the vault is not asked; `None` when it is time to ask.
    pub(super) fn error_at(&self, now: Instant) -> Option<VaultError> {
        (now < self.until).then_some(self.error)
    }

    /// Whether it has no effect any more and can be dropped.
    pub(super) fn is_forgotten_at(&self, now: Instant) -> bool {
        now >= self.until + ROW_ENDS_AFTER
    }
}

/// The wait after `refusals` in a row, less up to a quarter of it, so that
/// instances that were refused together do not come back together.
fn backoff(refusals: u32) -> Duration {
    if refusals < 2 {
        return Duration::ZERO;
    }
    let doublings = (refusals - 2).min(4);
    let wait = (FIRST_BACKOFF * (1 << doublings)).min(MAX_BACKOFF);
    wait.mul_f64(1.0 - fastrand::f64() / 4.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::Absence;

    const TTL: Duration = Duration::from_mins(5);

    #[test]
    fn the_second_refusal_in_a_row_begins_to_back_off() {
        let now = Instant::now();
        let mut failure = Failure::after(VaultError::AccessDenied, None, TTL, now);
        assert_eq!(failure.error_at(now), None);
        for seconds in [1, 2, 4, 8, 16, 16, 16] {
            failure = Failure::after(VaultError::Disabled, Some(&failure), TTL, now);
            let wait = failure.until - now;
            let longest = Duration::from_secs(seconds);
            assert!(wait <= longest && wait >= longest.mul_f64(0.75), "{wait:?}");
        }
    }

    #[test]
    fn a_404_is_remembered_for_ten_seconds_or_the_ttl() {
        let now = Instant::now();
        let absent = VaultError::NotFound(Absence::Absent);
        for (ttl, kept) in [(Duration::from_secs(3), 3), (TTL, 10)] {
            let failure = Failure::after(absent, None, ttl, now);
            let end = now + Duration::from_secs(kept);
            assert_eq!(failure.error_at(end - Duration::from_millis(1)), Some(absent));
            assert_eq!(failure.error_at(end), None);
        }
    }
}
