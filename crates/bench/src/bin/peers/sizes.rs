//! How much is measured.

/// Callers that ask a fresh process at once.
pub(crate) const COLD_CALLERS: usize = 1000;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    /// Rounds under load.
    pub(crate) rounds: usize,
    /// Rounds behind a forwarder.
    pub(crate) forwarded_rounds: usize,
    /// Seconds of one peer and scenario in one round.
    pub(crate) seconds: u64,
    /// Starts of each peer.
    pub(crate) starts: usize,
    /// Starts with each number of names to fetch.
    pub(crate) prefetches: usize,
    /// Requests to the handler before its memory is read again.
    pub(crate) requests: u64,
}

/// For the document. Rather more rounds than longer ones: what disturbs one of them does not move the median.
pub(crate) const FULL: Sizes = Sizes {
    rounds: 9,
    forwarded_rounds: 5,
    seconds: 3,
    starts: 21,
    prefetches: 7,
    requests: 1_000_000,
};
/// Shows that everything works; its figures say little.
pub(crate) const QUICK: Sizes = Sizes {
    rounds: 1,
    forwarded_rounds: 1,
    seconds: 1,
    starts: 3,
    prefetches: 1,
    requests: 10_000,
};
