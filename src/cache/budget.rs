//! A budget of reads: so many a second, with a burst.

use std::time::Duration;

use tokio::time::Instant;

/// Reads a second.
const RATE: u32 = 50;
/// Reads that may be saved up.
const BURST: u32 = 100;

/// A token bucket. One that is full has never been used, or not for 2 s.
#[derive(Debug)]
pub(super) struct Budget {
    /// When the bucket would be full again if nothing more were taken.
    full_at: Instant,
}

impl Budget {
    pub(super) fn new(now: Instant) -> Self {
        Self { full_at: now }
    }

    /// Takes one read, if one is left.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let cost = Duration::from_secs(1) / RATE;
        let full_at = self.full_at.max(now) + cost;
        let taken = full_at - now <= cost * BURST;
        if taken {
            self.full_at = full_at;
        }
        taken
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
}
