//! Fetches under way, and waiting for their outcome.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use crate::deliver::Delivery;
use crate::vault::VaultError;

/// The outcome of a fetch.
pub(super) type Outcome = Result<Arc<Delivery>, VaultError>;

/// A fetch under way, as the state knows it.
#[derive(Debug)]
pub(super) struct InFlight {
    outcome: watch::Receiver<Option<Outcome>>,
    /// The vault revoked this secret after the fetch started, so a value that
    /// it brings may be from before.
    pub(super) is_outdated: bool,
}

impl InFlight {
    /// A fetch that has just started, and where its outcome is to be sent.
    pub(super) fn new() -> (Self, watch::Sender<Option<Outcome>>) {
        let (sender, outcome) = watch::channel(None);
        let in_flight = Self {
            outcome,
            is_outdated: false,
        };
        (in_flight, sender)
    }

    /// One more who waits for it.
    pub(super) fn waiter(&self) -> Waiter {
        Waiter(self.outcome.clone())
    }
}

/// Waits for the outcome of a fetch.
pub(super) struct Waiter(watch::Receiver<Option<Outcome>>);

impl Waiter {
    /// The outcome, or that there is none by `deadline`.
    pub(super) async fn outcome_until(self, deadline: Instant) -> Outcome {
        let unavailable = Err(VaultError::Unavailable { retry_after: None });
        timeout_at(deadline, self.outcome()).await.unwrap_or(unavailable)
    }

    /// The outcome, whenever it comes.
    pub(super) async fn outcome(mut self) -> Outcome {
        // Without an outcome the fetch ended in a panic.
        let outcome = self
            .0
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|outcome| outcome.clone());
        outcome.unwrap_or(Err(VaultError::Unavailable { retry_after: None }))
    }
}
