//! The threads that write the queues to the standard streams.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, write};
use tracing::warn;

use super::queue::Queue;

/// How long the end of the process waits for its last lines.
const END: Duration = Duration::from_secs(1);

/// The running writers.
#[derive(Debug)]
pub(super) struct Writers(Arc<Running>);

/// How many threads still write.
#[derive(Debug)]
struct Running {
    count: Mutex<usize>,
    ended: Condvar,
}

impl Writers {
    /// Starts a thread for each stream. Ending `stdout` ends `stderr` after it:
    /// the last of stdout may be a warning about lines that were dropped.
    pub(super) fn start(stdout: &Arc<Queue>, stderr: &Arc<Queue>) -> io::Result<Self> {
        let running = Arc::new(Running {
            count: Mutex::new(2),
            ended: Condvar::new(),
        });
        let after = Arc::clone(stderr);
        running.spawn("log-stdout", stdout, io::stdout(), move || after.end())?;
        running.spawn("log-stderr", stderr, io::stderr(), || ())?;
        Ok(Self(running))
    }

    /// Waits until both have ended, for at most 1 s.
    pub(super) fn wait(&self) {
        let count = self.0.count.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.0.ended.wait_timeout_while(count, END, |count| *count > 0));
    }
}

impl Running {
    fn spawn(
        self: &Arc<Self>,
        name: &str,
        queue: &Arc<Queue>,
        stream: impl AsFd,
        after: impl FnOnce() + Send + 'static,
    ) -> io::Result<()> {
        // A descriptor of its own: std's handle would hold its lock while a
        // write blocks.
        let stream = stream.as_fd().try_clone_to_owned()?;
        let (running, queue) = (Arc::clone(self), Arc::clone(queue));
        let write = move || {
            write_queue(&queue, &stream);
            after();
            *running.count.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
            running.ended.notify_all();
        };
        thread::Builder::new().name(name.to_owned()).spawn(write)?;
        Ok(())
    }
}

/// Writes lines until the queue ends or the stream's reader has gone.
fn write_queue(queue: &Queue, stream: &OwnedFd) {
    while let Some(chunk) = queue.take() {
        match write_all(stream, &chunk) {
            Ok(()) => {
                if let Some(lines) = queue.written(chunk) {
                    warn!(log_lines_dropped = lines, "a standard stream was not read");
                }
            }
            Err(Errno::PIPE | Errno::CONNRESET) => queue.close(),
            // A full disk may have room later.
            Err(_) => queue.lost(chunk),
        }
    }
}

/// Writes all bytes, and waits while the stream takes none: whoever made the
/// pipe may have made it non-blocking.
fn write_all(stream: &OwnedFd, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match write(stream, bytes) {
            Ok(count) => bytes = bytes.get(count..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                poll(&mut [PollFd::new(stream, PollFlags::OUT)], None)?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
