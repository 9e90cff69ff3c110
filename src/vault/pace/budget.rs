//! A budget of tries: so many a second, with a burst.

use std::time::Duration;

use tokio::time::Instant;

/// Tries a second.
const RATE: u32 = 50;
/// Tries that may be saved up.
const BURST: u32 = 100;
/// What one try costs in time.
const COST: Duration = Duration::from_nanos(1_000_000_000 / RATE as u64);

/// A token bucket. One that is full has not been used for 2 s.
#[derive(Debug)]
pub(super) struct Budget {
    /// When the bucket would be full again if nothing more were taken.
    full_at: Instant,
}

impl Budget {
    pub(super) fn new(now: Instant) -> Self {
        Self { full_at: now }
    }

    /// Takes one try, if one is left.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        self.reserve(now, now).is_some()
    }

    /// Takes one try that may be made by `deadline`, and says when.
    pub(super) fn reserve(&mut self, now: Instant, deadline: Instant) -> Option<Instant> {
        let full_at = self.full_at.max(now) + COST;
        // How far the bucket is overdrawn by this try.
        let debt = (full_at - now).saturating_sub(COST * BURST);
        let at = now + debt;
        if at > deadline {
            return None;
        }
        self.full_at = full_at;
        Some(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_of_100_and_then_50_a_second() {
        let start = Instant::now();
        let mut budget = Budget::new(start);
        let mut take = |at: Duration| (0..1000).filter(|_| budget.take(start + at)).count();
        assert_eq!(take(Duration::ZERO), 100);
        assert_eq!(take(Duration::from_millis(19)), 0);
        assert_eq!(take(Duration::from_secs(1)), 50);
        assert_eq!(take(Duration::from_mins(1)), 100);
    }

    #[test]
    fn what_is_reserved_has_its_turn_before_what_would_be_taken() {
        let start = Instant::now();
        let mut budget = Budget::new(start);
        assert_eq!((0..1000).filter(|_| budget.take(start)).count(), 100);
        let soon = start + Duration::from_millis(40);
        assert_eq!(budget.reserve(start, soon), Some(start + COST));
        assert_eq!(budget.reserve(start, soon), Some(soon));
        assert_eq!(budget.reserve(start, soon), None);
        assert!(!budget.take(soon));
        assert!(budget.take(soon + COST));
    }
}
