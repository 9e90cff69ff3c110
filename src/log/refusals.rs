//! A limit on lines about refused requests: whoever is refused can send
//! hundreds of thousands of requests, and fill the disk or the bill with lines.

use std::collections::BTreeMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tracing::info;

/// Refused requests of one second that have a line of their own.
const LINES: u32 = 100;
const SECOND: Duration = Duration::from_secs(1);

/// Decides which refused requests have a line of their own. Those beyond 100 a
/// second are counted, and one line a second gives the counts by verdict.
#[derive(Debug, Default)]
pub struct RefusalLimiter {
    second: Mutex<Second>,
    begun: Condvar,
}

/// The refused requests of one second, which begins with the first of them.
#[derive(Debug, Default)]
struct Second {
    lines: u32,
    counted: BTreeMap<&'static str, u64>,
}

impl RefusalLimiter {
    /// Whether an answer has a line of its own; if not, it is counted. Only 401,
    /// 403, 404 and 405 are ever counted.
    pub fn admits(&self, verdict: &'static str, status: u16) -> bool {
        if !matches!(status, 401 | 403 | 404 | 405) {
            return true;
        }
        let mut second = self.lock();
        if second.lines == LINES {
            *second.counted.entry(verdict).or_default() += 1;
            return false;
        }
        second.lines += 1;
        if second.lines == 1 {
            drop(second);
            self.begun.notify_all();
        }
        true
    }

    /// Ends the second: logs what was counted, if anything was.
    pub(super) fn report(&self) {
        let Second { counted, .. } = std::mem::take(&mut *self.lock());
        if counted.is_empty() {
            return;
        }
        let counts: Vec<_> = counted
            .iter()
            .map(|(verdict, count)| format!("{verdict}={count}"))
            .collect();
        info!("more requests refused in this second: {}", counts.join(" "));
    }

    /// Reports at the end of each second in which something was refused.
    pub(super) fn report_every_second(&self) {
        loop {
            let second = self.begun.wait_while(self.lock(), |second| second.lines == 0);
            drop(second);
            thread::sleep(SECOND);
            self.report();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Second> {
        self.second.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_refusals_have_their_line_and_the_rest_is_counted_by_verdict() {
        let limiter = RefusalLimiter::default();
        let mut lines = 0;
        for _ in 0..150 {
            lines += u32::from(limiter.admits("OriginNotAllowed", 403));
            lines += u32::from(limiter.admits("SecretNotFound", 404));
        }
        assert_eq!(lines, 100);
        let counted = &limiter.lock().counted;
        assert_eq!(
            *counted,
            BTreeMap::from([("OriginNotAllowed", 100), ("SecretNotFound", 100)])
        );
    }

    #[test]
    fn what_is_no_refusal_always_has_its_line() {
        let limiter = RefusalLimiter::default();
        for _ in 0..=LINES {
            limiter.admits("OriginNotAllowed", 403);
        }
        for status in [200, 204, 400, 429, 500, 502, 503] {
            assert!(limiter.admits("x", status), "{status}");
        }
        for status in [401, 403, 404, 405] {
            assert!(!limiter.admits("x", status), "{status}");
        }
    }

    #[test]
    fn the_next_second_begins_anew() {
        let limiter = RefusalLimiter::default();
        for _ in 0..=LINES {
            limiter.admits("OriginNotAllowed", 403);
        }
        limiter.report();
        assert!(limiter.admits("OriginNotAllowed", 403));
        assert!(limiter.lock().counted.is_empty());
    }
}
