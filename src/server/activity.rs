//! What one connection is doing: its stream and its service write it, the table
//! of connections reads it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};

use tokio::sync::Notify;
use tokio::time::Instant;

/// Connections that keep their buffers while they are idle. Setting those up takes
/// a fifth of the instructions of an answer from memory, so a few do not pay it;
/// many would hold much more memory than they use.
const KEEP_BUFFERS: usize = 64;
/// Value of `idle_since` while a connection is not idle.
const NOT_IDLE: u64 = u64::MAX;

/// The state of one connection.
#[derive(Debug)]
pub(super) struct Activity {
    /// Where `idle_since` counts from.
    origin: Instant,
    /// How many connections are open.
    open: Arc<AtomicUsize>,
    /// Requests that are being answered: 0 or 1.
    running: AtomicU32,
    /// Requests that have been answered.
    answered: AtomicU64,
    /// Microseconds from `origin` to when the last answer was made, or the
    /// connection opened.
    idle_since: AtomicU64,
    /// Whether an answer, or the end of the connection, waits for the peer.
    is_writing: AtomicBool,
    /// Whether a request body was answered before it was read to its end.
    has_unread_body: AtomicBool,
    close: Notify,
}

impl Activity {
    /// The state of a new connection, which is idle. `origin` is one for all
    /// that are compared, and `open` their number.
    pub(super) fn new(origin: Instant, open: Arc<AtomicUsize>) -> Self {
        let activity = Self {
            origin,
            open,
            running: AtomicU32::new(0),
            answered: AtomicU64::new(0),
            idle_since: AtomicU64::new(NOT_IDLE),
            is_writing: AtomicBool::new(false),
            has_unread_body: AtomicBool::new(false),
            close: Notify::new(),
        };
        activity.mark_idle();
        activity
    }

    /// Marks a request as begun; dropping the result marks it as answered.
    pub(super) fn begin(self: &Arc<Self>) -> Running {
        self.mark_not_idle();
        self.running.fetch_add(1, Ordering::Relaxed);
        Running(Arc::clone(self))
    }

    pub(super) fn is_running(&self) -> bool {
        self.running.load(Ordering::Relaxed) > 0
    }

    pub(super) fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    fn mark_idle(&self) {
        let micros = u64::try_from(self.origin.elapsed().as_micros()).unwrap_or(NOT_IDLE - 1);
        self.idle_since.store(micros, Ordering::Relaxed);
    }

    /// The next request has begun to arrive.
    pub(super) fn mark_not_idle(&self) {
        self.idle_since.store(NOT_IDLE, Ordering::Relaxed);
    }

    /// When the connection became idle, in microseconds from the origin; `None`
    /// while it is not.
    pub(super) fn idle_since(&self) -> Option<u64> {
        let micros = self.idle_since.load(Ordering::Relaxed);
        (micros != NOT_IDLE).then_some(micros)
    }

    pub(super) fn mark_writing(&self, is_writing: bool) {
        self.is_writing.store(is_writing, Ordering::Relaxed);
    }

    /// Whether there are many connections, and nothing goes on in this one: no
    /// request has begun, and what was answered is written.
    pub(super) fn may_rest(&self) -> bool {
        let is_writing = self.is_writing.load(Ordering::Relaxed);
        !is_writing && self.idle_since().is_some() && self.open.load(Ordering::Relaxed) > KEEP_BUFFERS
    }

    pub(super) fn mark_unread_body(&self) {
        self.has_unread_body.store(true, Ordering::Relaxed);
    }

    pub(super) fn has_unread_body(&self) -> bool {
        self.has_unread_body.load(Ordering::Relaxed)
    }

    /// Asks the connection to end: at once when it is idle, otherwise after the
    /// answer in progress.
    pub(super) fn close(&self) {
        self.close.notify_one();
    }

    /// Completes when the connection is to end.
    pub(super) async fn closing(&self) {
        self.close.notified().await;
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub(super) struct Running(Arc<Activity>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::Relaxed);
        self.0.answered.fetch_add(1, Ordering::Relaxed);
        self.0.mark_idle();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_one_of_many_connections_rests_and_only_while_nothing_goes_on() {
        let open = Arc::new(AtomicUsize::new(KEEP_BUFFERS));
        let activity = Arc::new(Activity::new(Instant::now(), Arc::clone(&open)));
        assert!(!activity.may_rest(), "one of a few");
        open.store(KEEP_BUFFERS + 1, Ordering::Relaxed);
        assert!(activity.may_rest());
        let running = activity.begin();
        assert!(!activity.may_rest(), "a request is being answered");
        activity.mark_writing(true);
        drop(running);
        assert!(!activity.may_rest(), "its answer is not written");
        activity.mark_writing(false);
        assert!(activity.may_rest());
        activity.mark_not_idle();
        assert!(!activity.may_rest(), "a head has begun");
    }
}
