//! The process as the system sees it: core dumps, the clock, signals, its
//! parent, its exit code.

use std::future::Future;
use std::io;
use std::os::unix::process::parent_id;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rlimit::Resource;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::sleep;
use tracing::{info, warn};

/// How often the parent is looked for. With 5 s to drain and 1 s for the log the
/// process is gone well within 10 s of its parent.
const PARENT_CHECK: Duration = Duration::from_secs(2);

/// Why the process stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// SIGTERM.
    Terminated,
    /// SIGINT.
    Interrupted,
    /// The process that started this one is gone.
    Orphaned,
}

impl Stop {
    /// The exit code after a drain. The Functions host reads 0 as "do not
    /// restart", for good, so under it a signal shows as a shell would show it.
    pub fn exit_code(self, under_functions_host: bool) -> u8 {
        match self {
            _ if !under_functions_host => 0,
            Self::Terminated | Self::Orphaned => 128 + 15,
            Self::Interrupted => 128 + 2,
        }
    }
}

/// Keeps secrets out of core dumps: sets the soft limit on their size to 0.
///
/// # Errors
///
/// When the system refuses.
pub fn forbid_core_dumps() -> io::Result<()> {
    let hard = Resource::CORE.get_hard()?;
    Resource::CORE.set(0, hard)
}

/// Refuses a clock before 1970: neither a certificate nor a token can be checked
/// by it, and the `Date` of an answer could not be written.
///
/// # Errors
///
/// When `now` is before 1970.
pub fn check_clock(now: SystemTime) -> io::Result<()> {
    if now < UNIX_EPOCH {
        return Err(io::Error::other("the system's clock is before 1970"));
    }
    Ok(())
}

/// Takes over SIGTERM and SIGINT, and completes when the process is to stop.
///
/// The parent is known by its id: the parent-death signal of Linux is sent when
/// the *thread* that started this process ends, and the Functions host starts it
/// from a pool of threads.
///
/// # Errors
///
/// When a signal cannot be taken over.
pub fn stop() -> io::Result<impl Future<Output = Stop>> {
    let parent = parent_id();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {
                info!("SIGTERM: stopping");
                Stop::Terminated
            }
            _ = interrupt.recv() => {
                info!("SIGINT: stopping");
                Stop::Interrupted
            }
            () = orphaned(parent) => {
                warn!(parent, "the process that started this one is gone: stopping");
                Stop::Orphaned
            }
        }
    })
}

/// Completes when the parent has ended: another process, init as a rule, has
/// adopted this one then.
async fn orphaned(parent: u32) {
    while parent_id() == parent {
        sleep(PARENT_CHECK).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_never_reads_do_not_restart() {
        for (stop, under_host) in [(Stop::Terminated, 143), (Stop::Interrupted, 130), (Stop::Orphaned, 143)] {
            assert_eq!((stop.exit_code(true), stop.exit_code(false)), (under_host, 0));
        }
    }

    #[test]
    fn a_clock_before_1970_is_refused() {
        assert!(check_clock(UNIX_EPOCH - Duration::from_secs(1)).is_err());
        assert!(check_clock(UNIX_EPOCH).is_ok());
    }
}
