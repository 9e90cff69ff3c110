//! Logging: the subscriber, and how its lines reach the standard streams.
//!
//! Warnings and errors go to stderr, everything else to stdout. The Functions
//! host maps stdout to Information, and stderr to Error, or to Warning when the
//! line contains "warn".
//!
//! Logging never delays a request: each stream has a bounded queue and a thread
//! that writes it. When a stream is not read, its queue fills, and further lines
//! are dropped and counted; a warning tells their number once it is read again.

mod queue;
mod refusals;
mod text;
mod writer;

use std::io::{self, Write};
use std::panic::PanicHookInfo;
use std::sync::Arc;
use std::thread;

use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata, error};
use tracing_subscriber::filter::{Targets, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use self::queue::{Queue, begin_batch};
pub use self::refusals::RefusalLimiter;
pub use self::text::Text;
use self::writer::Writers;

/// How the targets of this package's events begin.
const OWN_TARGETS: &str = "keyvault_cors";

/// How to log.
#[derive(Clone, Debug)]
pub struct Options {
    /// The form of a line.
    pub format: Format,
    /// Which events are logged. Those of dependencies are capped at warn.
    pub filter: Targets,
}

/// The form of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Time, level, message, `name=value`.
    Text,
    /// One JSON object.
    Json,
}

/// The running log. Dropping it writes what the queues hold, for at most 1 s.
#[derive(Debug)]
#[must_use = "dropping it ends the log"]
pub struct Guard {
    stdout: Arc<Queue>,
    refusals: Arc<RefusalLimiter>,
    writers: Writers,
}

/// Installs the subscriber and starts the threads that write.
///
/// From here on a panic is an event too: the standard hook writes to stderr
/// itself, and would block there when nobody reads it.
///
/// # Errors
///
/// When a subscriber is installed already, or the system refuses a thread or a
/// descriptor.
pub fn init(options: Options) -> io::Result<Guard> {
    let (stdout, stderr) = (Arc::new(Queue::default()), Arc::new(Queue::default()));
    let writers = Writers::start(&stdout, &stderr)?;
    let refusals = Arc::new(RefusalLimiter::default());
    let ticking = Arc::clone(&refusals);
    thread::Builder::new()
        .name("log-refusals".to_owned())
        .spawn(move || ticking.report_every_second())?;
    subscribe(
        options,
        Streams {
            stdout: Arc::clone(&stdout),
            stderr,
        },
    )?;
    std::panic::set_hook(Box::new(log_panic));
    Ok(Guard {
        stdout,
        refusals,
        writers,
    })
}

impl Guard {
    /// For a runtime's `on_thread_park`. What its workers log is collected, and
    /// handed to the writer when the worker has nothing else to do: waking the
    /// writer for each line would cost more than answering from memory.
    pub fn before_park(&self) -> impl Fn() + Send + Sync + 'static {
        let stdout = Arc::clone(&self.stdout);
        move || {
            begin_batch();
            stdout.announce();
        }
    }

    /// The limit on lines about refused requests.
    pub fn refusals(&self) -> Arc<RefusalLimiter> {
        Arc::clone(&self.refusals)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.refusals.report();
        self.stdout.end();
        self.writers.wait();
    }
}

fn subscribe(options: Options, streams: Streams) -> io::Result<()> {
    // The SDK logs the vault's URLs at info and below, whatever was asked for.
    let capped = filter_fn(|event| *event.level() <= Level::WARN || event.target().starts_with(OWN_TARGETS));
    let registry = tracing_subscriber::registry().with(options.filter).with(capped);
    match options.format {
        Format::Text => registry.with(Text::new(streams)).try_init(),
        Format::Json => registry
            .with(
                tracing_subscriber::fmt::layer()
                    .with_writer(streams)
                    .with_ansi(false)
                    // It would write to stderr itself.
                    .log_internal_errors(false)
                    .with_target(false)
                    .json()
                    .flatten_event(true)
                    .with_current_span(false)
                    .with_span_list(false),
            )
            .try_init(),
    }
    .map_err(io::Error::other)
}

/// Logs where a panic happened. Not its message: a slice out of range quotes
/// the text that it was to cut, which can be a secret.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let location = panic.location().map(ToString::to_string);
    error!(location, "panicked");
}

/// Where the lines of the subscriber go.
#[derive(Debug)]
struct Streams {
    stdout: Arc<Queue>,
    stderr: Arc<Queue>,
}

impl<'a> MakeWriter<'a> for Streams {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line::Later(&self.stdout)
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Line<'a> {
        if *metadata.level() <= LevelFilter::WARN {
            Line::Now(&self.stderr)
        } else {
            self.make_writer()
        }
    }
}

/// One line on its way.
#[derive(Clone, Copy, Debug)]
enum Line<'a> {
    /// With others, when the worker parks.
    Later(&'a Queue),
    /// At once.
    Now(&'a Queue),
}

impl Write for Line<'_> {
    /// Takes all of it: the subscriber hands over a whole line.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match self {
            Self::Later(queue) => queue.push(line),
            Self::Now(queue) => {
                queue.push(line);
                queue.announce();
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
