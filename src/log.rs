//! Log lines to the standard streams: warnings and errors to stderr, the rest
//! to stdout. The Functions host takes the second as Information, and the first
//! as Error, or as Warning when the line contains "warn".
//!
//! One system call a line would cost more than answering a request from
//! memory. So a runtime's worker collects the lines that go to stdout, and they
//! are written together before it goes to sleep, or when they have come to
//! [`BATCH`]. A worker sleeps whenever it has nothing to do: a line waits for
//! the requests that are ready at the same time, never for time to pass, and
//! none is ever dropped.

use std::cell::Cell;
use std::fmt::{self, Debug};
use std::io::{self, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::registry::LookupSpan;

/// Bytes that are written without waiting for the worker to sleep.
const BATCH: usize = 16 * 1024;

/// Lines for stdout that are not written yet.
static WAITING: Mutex<Vec<u8>> = Mutex::new(Vec::new());

thread_local! {
    /// Whether this thread writes before it sleeps, and so may collect.
    static COLLECTS: Cell<bool> = const { Cell::new(false) };
}

/// Writes what was collected; for a worker that is about to sleep, and for the
/// end of the process.
pub fn flush() {
    write_out(&mut waiting());
}

/// For a runtime's `on_thread_park`: what this thread logs from now on may
/// wait until it sleeps again.
pub fn before_sleep() {
    COLLECTS.set(true);
    flush();
}

/// Where the lines of a subscriber go.
#[derive(Clone, Copy, Debug)]
pub struct StandardStreams;

impl<'a> MakeWriter<'a> for StandardStreams {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line::Out
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Line {
        if *metadata.level() <= Level::WARN {
            Line::Err
        } else {
            Line::Out
        }
    }
}

/// One line on its way.
#[derive(Clone, Copy, Debug)]
pub enum Line {
    /// To stdout.
    Out,
    /// To stderr, at once.
    Err,
}

impl Write for Line {
    /// Takes all of it: the subscriber hands over a whole line.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match self {
            Self::Err => io::stderr().write_all(line)?,
            Self::Out => {
                let mut waiting = waiting();
                waiting.extend_from_slice(line);
                if !COLLECTS.get() || waiting.len() >= BATCH {
                    write_out(&mut waiting);
                }
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Bytes stay whole whoever panics.
fn waiting() -> MutexGuard<'static, Vec<u8>> {
    WAITING.lock().unwrap_or_else(PoisonError::into_inner)
}

fn write_out(waiting: &mut Vec<u8>) {
    if waiting.is_empty() {
        return;
    }
    let mut stdout = io::stdout().lock();
    // Whoever closed our stdout does not want the lines.
    let written = stdout.write_all(waiting).and_then(|()| stdout.flush());
    drop(written);
    waiting.clear();
}

/// The text format: time, level, message, `name=value`; what tracing's own
/// writes without a target, for half of its cost. There are no spans.
#[derive(Clone, Copy, Debug)]
pub struct Text;

impl<S, N> FormatEvent<S, N> for Text
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut line: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        SystemTime.format_time(&mut line)?;
        write!(line, " {:>5}", event.metadata().level().as_str())?;
        let mut fields = Fields { line, written: Ok(()) };
        event.record(&mut fields);
        fields.written?;
        fields.line.write_char('\n')
    }
}

/// Writes fields in the order in which they come.
struct Fields<'a> {
    line: Writer<'a>,
    written: fmt::Result,
}

impl Fields<'_> {
    fn write(&mut self, field: &Field, value: impl FnOnce(&mut Writer<'_>) -> fmt::Result) {
        let write = || {
            self.line.write_char(' ')?;
            if field.name() != "message" {
                self.line.write_str(field.name())?;
                self.line.write_char('=')?;
            }
            value(&mut self.line)
        };
        if self.written.is_ok() {
            self.written = write();
        }
    }
}

impl Visit for Fields<'_> {
    /// Text is quoted, and escaped if it has to be: a line stays one line.
    fn record_str(&mut self, field: &Field, value: &str) {
        let is_plain = |b: &u8| matches!(b, b' '..=b'~') && !matches!(b, b'"' | b'\\');
        self.write(field, |line| {
            if value.as_bytes().iter().all(is_plain) {
                line.write_char('"')?;
                line.write_str(value)?;
                line.write_char('"')
            } else {
                write!(line, "{value:?}")
            }
        });
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.write(field, |line| write!(line, "{value:?}"));
    }
}
