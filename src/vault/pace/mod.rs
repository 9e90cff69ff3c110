//! How fast the vault may be asked: one state for the whole vault, counting
//! tries, retries included.
//!
//! A try is admitted before it is made and settled after it. Tries for keys
//! that were never good have a budget; a vault that throttles is left alone for
//! its time; one that fails is asked by one probe at a time. What waits holds
//! no permit.

mod budget;
mod health;

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep_until, timeout_at};
use tracing::warn;

use self::budget::Budget;
use self::health::{Admission, Health};
use super::failure::{Cause, Failure, Verdict};

/// Tries under way at once, for all secrets together.
const MAX_TRIES: usize = 32;
/// As many of them may be for guesses, where exact names are allowed.
const MAX_GUESSES: usize = 16;
/// `Retry-After` of a try that is over the budget.
const OVER_BUDGET: Duration = Duration::from_secs(1);
/// How often it is told that there are such tries: whoever makes names up must not fill the log.
const TELL_EVERY: Duration = Duration::from_mins(1);

/// A try that wants to be made.
#[derive(Clone, Copy, Debug)]
pub(super) struct Try {
    /// Until when it may wait.
    pub(super) deadline: Instant,
    /// Whether it counts towards the budget, and whether it may wait for it.
    pub(super) budget: Charge,
    /// Whether it may be for a name that somebody made up: such tries leave
    /// permits for the others.
    pub(super) is_guess: bool,
    /// Whether it follows a try of the same caller. Such a one waits for the
    /// end of a pause, where others are refused.
    pub(super) is_retry: bool,
}

/// How a try is charged to the budget.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Charge {
    /// Nothing: its key was good once.
    Free,
    /// It is refused when the budget is used up.
    OrRefuse,
    /// It waits for its turn. Only for what the configuration names, so that
    /// made-up names cannot keep those out.
    OrWait,
}

/// The pace of one vault.
pub(super) struct Pace {
    tries: Semaphore,
    guesses: Semaphore,
    state: Mutex<State>,
}

struct State {
    budget: Budget,
    health: Health,
    /// When it was last told that the budget is used up.
    told: Option<Instant>,
}

/// Permission to make one try.
pub(super) struct Permit<'a> {
    pace: &'a Pace,
    admission: Admission,
    _permits: (SemaphorePermit<'a>, Option<SemaphorePermit<'a>>),
}

impl fmt::Debug for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pace").finish_non_exhaustive()
    }
}

impl Pace {
    /// `has_exact_names` says whether there is anything to keep permits for.
    pub(super) fn new(has_exact_names: bool) -> Self {
        Self {
            tries: Semaphore::new(MAX_TRIES),
            guesses: Semaphore::new(if has_exact_names { MAX_GUESSES } else { MAX_TRIES }),
            state: Mutex::new(State {
                budget: Budget::new(Instant::now()),
                health: Health::new(),
                told: None,
            }),
        }
    }

    /// Why a try would not be made now, whatever it is for.
    pub(super) fn refusal(&self) -> Option<Failure> {
        self.state().health.refusal(Instant::now())
    }

    /// Waits until the try may be made.
    ///
    /// # Errors
    /// A refusal ([`Failure::is_refusal`]) when waiting does not help, or
    /// [`Cause::Busy`] at the deadline.
    pub(super) async fn admit(&self, request: Try) -> Result<Permit<'_>, Failure> {
        if !request.is_retry
            && let Some(refusal) = self.refusal()
        {
            return Err(refusal);
        }
        self.charge(request).await?;
        loop {
            if request.is_retry {
                self.wait_for_the_end_of_a_pause(request.deadline).await?;
            }
            let permits = timeout_at(request.deadline, self.permits(request.is_guess)).await;
            let permits = permits.map_err(|_| Failure::new(Cause::Busy))?;
            let admitted = self.state().health.admit(Instant::now());
            match admitted {
                Ok(admission) => {
                    return Ok(Permit {
                        pace: self,
                        admission,
                        _permits: permits,
                    });
                }
                // The pause has begun while it waited for a permit.
                Err(refusal) if request.is_retry && *refusal.cause() == Cause::Paused => drop(permits),
                Err(refusal) => return Err(refusal),
            }
        }
    }

    async fn charge(&self, request: Try) -> Result<(), Failure> {
        let now = Instant::now();
        let over = || self.over_budget(now);
        match request.budget {
            Charge::Free => Ok(()),
            Charge::OrRefuse if self.state().budget.take(now) => Ok(()),
            Charge::OrRefuse => Err(over()),
            Charge::OrWait => {
                let at = self.state().budget.reserve(now, request.deadline);
                sleep_until(at.ok_or_else(over)?).await;
                Ok(())
            }
        }
    }

    /// The refusal of a try, whose cause is told in a while once.
    fn over_budget(&self, now: Instant) -> Failure {
        let told = &mut self.state().told;
        if told.is_none_or(|told| now.duration_since(told) >= TELL_EVERY) {
            *told = Some(now);
            warn!("names that were never read are asked for faster than 50 a second: some are refused with 503");
        }
        Failure::new(Cause::OverBudget).with_retry_after(OVER_BUDGET)
    }

    async fn wait_for_the_end_of_a_pause(&self, deadline: Instant) -> Result<(), Failure> {
        loop {
            let now = Instant::now();
            let end = {
                let state = self.state();
                match state.health.pause_end(now) {
                    None => return Ok(()),
                    Some(end) if end < deadline => end,
                    Some(end) => return Err(Failure::new(Cause::Paused).with_retry_after(end - now)),
                }
            };
            sleep_until(end).await;
        }
    }

    async fn permits(&self, is_guess: bool) -> (SemaphorePermit<'_>, Option<SemaphorePermit<'_>>) {
        let guess = if is_guess {
            Some(acquire(&self.guesses).await)
        } else {
            None
        };
        (acquire(&self.tries).await, guess)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // No critical section leaves the state half changed.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn acquire(semaphore: &Semaphore) -> SemaphorePermit<'_> {
    match semaphore.acquire().await {
        Ok(permit) => permit,
        // Nobody closes it.
        Err(_) => std::future::pending().await,
    }
}

impl Permit<'_> {
    /// Records what the try showed about the vault.
    pub(super) fn settle(mut self, verdict: Verdict) {
        let mut state = self.pace.state();
        state.health.settle(&mut self.admission, verdict, Instant::now());
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        // A try that was given up says nothing; if it was the probe, another
        // may follow.
        if !self.admission.is_settled() {
            let mut state = self.pace.state();
            state
                .health
                .settle(&mut self.admission, Verdict::Unknown, Instant::now());
        }
    }
}

#[cfg(test)]
mod tests;
