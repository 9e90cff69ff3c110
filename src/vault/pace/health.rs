//! Whether the vault answers, throttles or fails, and when it may be asked.
//!
//! Pure but for the log: the time is an argument.

use std::time::Duration;

use tokio::time::Instant;
use tracing::{info, warn};

use crate::vault::failure::{Cause, Failure, MAX_RETRY_AFTER, Verdict};

/// Failures in a row that make a vault a failing one.
const MAX_FAILURES: u32 = 5;
/// First pause of a vault that throttles and names no time, and first wait
/// before a probe.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// Both double up to this.
const MAX_WAIT: Duration = Duration::from_secs(16);

/// What is known of the vault.
#[derive(Debug)]
pub(super) struct Health {
    pause: Option<Pause>,
    /// The next pause, when the vault names no time.
    next_pause: Duration,
    /// Failures in a row.
    failures: u32,
    probes: Option<Probes>,
}

/// The vault has asked for fewer requests.
#[derive(Clone, Copy, Debug)]
struct Pause {
    began: Instant,
    end: Instant,
}

/// The vault has failed too often in a row.
#[derive(Debug)]
struct Probes {
    /// When the next probe may be made.
    next: Instant,
    /// The wait before it.
    wait: Duration,
    is_under_way: bool,
}

/// A try that may be made.
#[derive(Debug)]
pub(super) struct Admission {
    began: Instant,
    is_probe: bool,
    is_settled: bool,
}

impl Admission {
    pub(super) fn is_settled(&self) -> bool {
        self.is_settled
    }
}

impl Health {
    pub(super) fn new() -> Self {
        Self {
            pause: None,
            next_pause: FIRST_WAIT,
            failures: 0,
            probes: None,
        }
    }

    /// The end of the pause, while there is one.
    pub(super) fn pause_end(&self, now: Instant) -> Option<Instant> {
        self.pause.map(|pause| pause.end).filter(|end| now < *end)
    }

    /// Why no try may be made now.
    pub(super) fn refusal(&self, now: Instant) -> Option<Failure> {
        if let Some(end) = self.pause_end(now) {
            return Some(Failure::new(Cause::Paused).with_retry_after(end - now));
        }
        let probes = self.probes.as_ref()?;
        let wait = probes.next.saturating_duration_since(now);
        if wait.is_zero() && !probes.is_under_way {
            return None;
        }
        // Nobody knows when a probe that is under way will end.
        Some(Failure::new(Cause::Failing).with_retry_after(wait.max(FIRST_WAIT)))
    }

    /// Begins a try, which is the probe when the vault is failing.
    pub(super) fn admit(&mut self, now: Instant) -> Result<Admission, Failure> {
        if let Some(refusal) = self.refusal(now) {
            return Err(refusal);
        }
        if let Some(probes) = &mut self.probes {
            probes.is_under_way = true;
        }
        Ok(Admission {
            began: now,
            is_probe: self.probes.is_some(),
            is_settled: false,
        })
    }

    /// Records what a try showed about the vault.
    pub(super) fn settle(&mut self, admission: &mut Admission, verdict: Verdict, now: Instant) {
        admission.is_settled = true;
        match verdict {
            Verdict::Answers => self.answered(admission),
            Verdict::Throttles(asked) => self.throttled(admission, asked, now),
            Verdict::Fails => self.failed(admission, now),
            Verdict::Unknown => {}
        }
        if admission.is_probe
            && let Some(probes) = &mut self.probes
        {
            probes.is_under_way = false;
        }
    }

    fn answered(&mut self, admission: &Admission) {
        self.failures = 0;
        if self.probes.take().is_some() {
            info!("the vault answers again");
        }
        // A try from before the pause does not show that it is over.
        if self.pause.is_none_or(|pause| admission.began >= pause.end) {
            self.pause = None;
            self.next_pause = FIRST_WAIT;
        }
    }

    fn throttled(&mut self, admission: &Admission, asked: Option<Duration>, now: Instant) {
        let length = match asked.filter(|asked| !asked.is_zero()) {
            Some(asked) => asked.clamp(FIRST_WAIT, MAX_RETRY_AFTER),
            // One of several tries that were under way when the pause began:
            // the pause has counted for all of them.
            None if self.pause.is_some_and(|pause| admission.began <= pause.began) => return,
            None => {
                let length = self.next_pause;
                self.next_pause = (length * 2).min(MAX_WAIT);
                length
            }
        };
        let end = now + length;
        if self.pause.is_none_or(|pause| pause.end < end) {
            warn!(seconds = length.as_secs(), "the vault throttles: reads pause");
            self.pause = Some(Pause { began: now, end });
        }
    }

    fn failed(&mut self, admission: &Admission, now: Instant) {
        self.failures = self.failures.saturating_add(1);
        match &mut self.probes {
            Some(probes) if admission.is_probe => {
                probes.wait = (probes.wait * 2).min(MAX_WAIT);
                // Up to a quarter less, so that instances that failed together
                // do not come back together.
                probes.next = now + probes.wait.mul_f64(1.0 - fastrand::f64() / 4.0);
            }
            Some(_) => {}
            None if self.failures < MAX_FAILURES => {}
            None => {
                warn!(failures = self.failures, "the vault fails: one probe at a time");
                self.probes = Some(Probes {
                    next: now + FIRST_WAIT,
                    wait: FIRST_WAIT,
                    is_under_way: false,
                });
            }
        }
    }
}
