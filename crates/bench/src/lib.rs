//! What `scripts/bench` and `scripts/instructions` have in common: the requests, the handler's answers to them, and how
//! the peers are told to give the same.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a benchmark stops at the first surprise"
)]

pub mod nginx;
pub mod process;
pub mod scenario;
