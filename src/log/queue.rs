//! The lines of one stream that are not written yet.
//!
//! Pushing takes a lock and copies; it never waits for the stream. The lines
//! become the writer's when they are announced, so that it is woken for a batch
//! and not for a line.

use std::cell::Cell;
use std::collections::VecDeque;
use std::fmt::{self, Debug, Formatter};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Bytes that a queue holds, the chunk that is being written included.
pub(super) const CAPACITY: usize = 8 * 1024 * 1024;
/// Bytes that are announced without waiting for the worker to park.
const BATCH: usize = 16 * 1024;
/// Bytes of a chunk, which is what is written with one call; a longer line is
/// a chunk of its own.
const CHUNK: usize = 64 * 1024;

thread_local! {
    /// Whether this thread announces before it parks, and so may collect. Never
    /// unset: `block_in_place`, which would take the worker from a thread, is
    /// not used here.
    static COLLECTS: Cell<bool> = const { Cell::new(false) };
}

/// What this thread pushes from now on may wait until it announces.
pub(super) fn begin_batch() {
    COLLECTS.set(true);
}

/// A bounded queue of lines with one reader, the stream's writer.
#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    announced: Condvar,
}

#[derive(Default)]
struct State {
    chunks: VecDeque<Vec<u8>>,
    /// An empty chunk to fill next: a batch then needs no allocation.
    spare: Vec<u8>,
    /// Bytes in `chunks`, and in the chunk that is being written.
    held: usize,
    /// Bytes pushed since the last announcement.
    unannounced: usize,
    /// Whether the writer may take what there is.
    is_announced: bool,
    writer: Writer,
    /// Lines that were not taken in and not reported yet.
    dropped: u64,
    /// Bytes written since a line was dropped.
    written: usize,
    /// What is held is to be written, and then no more.
    is_ending: bool,
    /// The stream's reader has gone: there is nobody to write for.
    is_closed: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Writer {
    #[default]
    Awake,
    /// It has to be woken, which costs a system call.
    Asleep,
}

impl Queue {
    /// Takes a line in, or counts it when there is no room.
    pub(super) fn push(&self, line: &[u8]) {
        let mut state = self.lock();
        if state.is_closed {
            return;
        }
        if state.held + line.len() > CAPACITY {
            state.dropped += 1;
            return;
        }
        state.append(line);
        if !COLLECTS.get() || state.unannounced >= BATCH {
            self.wake(state);
        }
    }

    /// Hands what was pushed to the writer.
    pub(super) fn announce(&self) {
        let state = self.lock();
        if state.unannounced > 0 {
            self.wake(state);
        }
    }

    /// Lets the writer write what is held, and then end.
    pub(super) fn end(&self) {
        let mut state = self.lock();
        state.is_ending = true;
        self.wake(state);
    }

    /// Gives up all lines, now and later.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        *state = State {
            is_closed: true,
            is_ending: state.is_ending,
            ..State::default()
        };
    }

    /// Waits for lines; `None` when the queue has ended and all are taken.
    pub(super) fn take(&self) -> Option<Vec<u8>> {
        let mut state = self.lock();
        loop {
            if state.is_announced {
                if let Some(chunk) = state.chunks.pop_front() {
                    return Some(chunk);
                }
                state.is_announced = false;
            }
            if state.is_ending {
                return None;
            }
            state.writer = Writer::Asleep;
            state = self.announced.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.writer = Writer::Awake;
        }
    }

    /// Frees the room of a chunk that is written. The number of lines dropped
    /// before, when it is time to report it: the writer has caught up, or a
    /// reader that is always behind has taken a whole queue since.
    pub(super) fn written(&self, chunk: Vec<u8>) -> Option<u64> {
        let mut state = self.lock();
        let bytes = chunk.len();
        state.recycle(chunk);
        if state.dropped == 0 {
            return None;
        }
        state.written += bytes;
        if !state.chunks.is_empty() && state.written < CAPACITY {
            return None;
        }
        state.written = 0;
        Some(std::mem::take(&mut state.dropped))
    }

    /// Counts the lines of a chunk that could not be written.
    pub(super) fn lost(&self, chunk: Vec<u8>) {
        let lines = chunk.split_inclusive(|byte| *byte == b'\n').count();
        let mut state = self.lock();
        state.recycle(chunk);
        state.dropped += u64::try_from(lines).unwrap_or(u64::MAX);
    }

    fn wake(&self, mut state: MutexGuard<'_, State>) {
        state.unannounced = 0;
        state.is_announced = true;
        let writer = std::mem::take(&mut state.writer);
        drop(state);
        if writer == Writer::Asleep {
            self.announced.notify_one();
        }
    }

    /// Poisoning is ignored: the state always holds whole lines.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn append(&mut self, line: &[u8]) {
        self.held += line.len();
        self.unannounced += line.len();
        match self.chunks.back_mut() {
            Some(chunk) if chunk.len() + line.len() <= CHUNK => chunk.extend_from_slice(line),
            _ => {
                let mut chunk = std::mem::take(&mut self.spare);
                chunk.extend_from_slice(line);
                self.chunks.push_back(chunk);
            }
        }
    }

    fn recycle(&mut self, mut chunk: Vec<u8>) {
        self.held = self.held.saturating_sub(chunk.len());
        if chunk.capacity() <= CHUNK {
            chunk.clear();
            self.spare = chunk;
        }
    }
}

impl Debug for Queue {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A line of this many bytes.
    fn line(bytes: usize) -> Vec<u8> {
        let mut line = vec![b'x'; bytes - 1];
        line.push(b'\n');
        line
    }

    /// Everything that is announced, as the writer takes it.
    fn drain(queue: &Queue) -> (usize, Vec<u64>) {
        queue.end();
        let (mut bytes, mut reports) = (0, Vec::new());
        while let Some(chunk) = queue.take() {
            bytes += chunk.len();
            reports.extend(queue.written(chunk));
        }
        (bytes, reports)
    }

    #[test]
    fn lines_keep_their_order_and_are_written_together() {
        let queue = Queue::default();
        for line in ["a\n", "b\n", "c\n"] {
            queue.push(line.as_bytes());
        }
        assert_eq!(queue.take().unwrap(), b"a\nb\nc\n");
        queue.end();
        assert_eq!(queue.take(), None);
    }

    #[test]
    fn eight_mib_are_held_and_the_rest_is_counted_once() {
        let queue = Queue::default();
        for _ in 0..CAPACITY / 1024 + 7 {
            queue.push(&line(1024));
        }
        assert_eq!(drain(&queue), (CAPACITY, vec![7]));
    }

    #[test]
    fn a_chunk_being_written_counts_until_it_is_written() {
        let queue = Queue::default();
        queue.push(&line(CAPACITY));
        let chunk = queue.take().unwrap();
        queue.push(b"dropped\n");
        assert_eq!(queue.written(chunk), Some(1));
        queue.push(b"kept\n");
        assert_eq!(queue.take().unwrap(), b"kept\n");
    }

    #[test]
    fn a_reader_that_never_catches_up_is_told_once_a_queue() {
        let queue = Queue::default();
        let (mut reports, mut pushed) = (0, 0);
        for _ in 0..CAPACITY / CHUNK {
            queue.push(&line(CHUNK));
        }
        for _ in 0..2 * CAPACITY / CHUNK {
            queue.push(&line(CHUNK));
            pushed += 1;
            let chunk = queue.take().unwrap();
            reports += queue.written(chunk).unwrap_or_default();
            queue.push(&line(CHUNK));
        }
        assert_eq!(reports, pushed, "two reports, of a queue's worth of lines each");
    }

    #[test]
    fn lines_that_a_full_disk_refused_are_counted() {
        let queue = Queue::default();
        queue.push(b"a\nb\n");
        let chunk = queue.take().unwrap();
        queue.lost(chunk);
        queue.push(b"c\n");
        let chunk = queue.take().unwrap();
        assert_eq!(queue.written(chunk), Some(2));
    }

    #[test]
    fn a_closed_stream_holds_nothing() {
        let queue = Queue::default();
        queue.push(b"a\n");
        queue.close();
        queue.push(b"b\n");
        assert_eq!(queue.lock().held, 0);
        queue.end();
        assert_eq!(queue.take(), None);
    }

    #[test]
    fn a_batch_is_the_writers_when_it_is_announced() {
        let queue = Queue::default();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                begin_batch();
                queue.push(b"a\n");
                assert!(!queue.lock().is_announced);
                queue.announce();
                assert!(queue.lock().is_announced);
            });
        });
        assert_eq!(queue.take().unwrap(), b"a\n");
    }
}
