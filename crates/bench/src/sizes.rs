//! How much is measured.

/// Callers that ask a fresh process at once.
pub(crate) const COLD_CALLERS: usize = 1000;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    /// Rounds under load.
    pub(crate) rounds: usize,
    /// Seconds of one peer and scenario in one round.
    pub(crate) seconds: u64,
    /// Starts of each peer.
    pub(crate) starts: usize,
    /// Requests before memory is read again.
    pub(crate) requests: u64,
}

/// For the document.
pub(crate) const FULL: Sizes = Sizes {
    rounds: 7,
    seconds: 5,
    starts: 31,
    requests: 1_000_000,
};
/// Shows that everything works; its figures say little.
pub(crate) const QUICK: Sizes = Sizes {
    rounds: 1,
    seconds: 1,
    starts: 3,
    requests: 10_000,
};
