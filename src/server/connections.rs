//! The table of open connections and its limit.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::task::Id;
use tokio::time::Instant;

use super::activity::Activity;

/// The open connections, but for those that were asked to end.
#[derive(Debug)]
pub(super) struct Connections {
    limit: usize,
    origin: Instant,
    open: HashMap<Id, Arc<Activity>>,
    /// How many those are, for each of them to read.
    count: Arc<AtomicUsize>,
}

impl Connections {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            origin: Instant::now(),
            open: HashMap::new(),
            count: Arc::default(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// Makes room for one connection, if need be by ending the one that has been
    /// idle longest. `None` when all are busy.
    pub(super) fn make_room(&mut self) -> Option<Arc<Activity>> {
        if self.open.len() >= self.limit && !self.end_longest_idle() {
            return None;
        }
        Some(Arc::new(Activity::new(self.origin, Arc::clone(&self.count))))
    }

    pub(super) fn insert(&mut self, task: Id, activity: Arc<Activity>) {
        self.open.insert(task, activity);
        self.count.store(self.open.len(), Ordering::Relaxed);
    }

    pub(super) fn remove(&mut self, task: Id) {
        self.open.remove(&task);
        self.count.store(self.open.len(), Ordering::Relaxed);
    }

    /// Ends the connection that has been idle longest; false when none is idle.
    pub(super) fn end_longest_idle(&mut self) -> bool {
        let idle = self
            .open
            .iter()
            .filter_map(|(task, activity)| Some((activity.idle_since()?, *task)));
        let Some((_, task)) = idle.min_by_key(|(since, _)| *since) else {
            return false;
        };
        if let Some(activity) = self.open.remove(&task) {
            activity.close();
        }
        true
    }

    /// Asks all of them to end.
    pub(super) fn close_all(&mut self) {
        for (_, activity) in self.open.drain() {
            activity.close();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::{advance, timeout};

    use super::*;

    /// A task's id, for a connection that nobody drives.
    fn id() -> Id {
        tokio::spawn(async {}).id()
    }

    async fn is_closed(activity: &Activity) -> bool {
        timeout(Duration::ZERO, activity.closing()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn the_longest_idle_connection_makes_room() {
        let mut connections = Connections::new(3);
        let mut open = Vec::new();
        for _ in 0..3 {
            let activity = connections.make_room().unwrap();
            connections.insert(id(), Arc::clone(&activity));
            open.push(activity);
            advance(Duration::from_secs(1)).await;
        }
        // The oldest is busy, so the second is the one that waits longest.
        let running = open[0].begin();
        assert!(connections.make_room().is_some());
        assert!(is_closed(&open[1]).await);
        assert!(!is_closed(&open[0]).await && !is_closed(&open[2]).await);
        drop(running);
    }

    #[tokio::test(start_paused = true)]
    async fn with_none_idle_there_is_no_room() {
        let mut connections = Connections::new(1);
        let activity = connections.make_room().unwrap();
        connections.insert(id(), Arc::clone(&activity));
        let running = activity.begin();
        assert!(connections.make_room().is_none());
        assert!(!is_closed(&activity).await);
        drop(running);
        assert!(connections.make_room().is_some());
    }
}
