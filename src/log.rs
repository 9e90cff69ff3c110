//! Log lines to the standard streams: warnings and errors to stderr, the rest
//! to stdout. The Functions host takes the second as Information, and the first
//! as Error, or as Warning when the line contains "warn".
//!
//! One system call a line would cost more than answering a request from
//! memory. So a runtime's worker collects the lines that go to stdout, and they
//! are written together before it parks, or when they have come to 16 KiB. A
//! worker parks whenever it has nothing to do: a line waits for the requests
//! that are ready at the same time, never for time to pass. Lines are lost when
//! stdout refuses them, and those of the last moment when the process is
//! killed.

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

/// Bytes that are written without waiting for the worker to park.
const BATCH: usize = 16 * 1024;

/// Lines for stdout that are not written yet.
static WAITING: Mutex<Vec<u8>> = Mutex::new(Vec::new());

thread_local! {
    /// Whether this thread writes before it parks, and so may collect. Never
    /// unset: `block_in_place`, which would take the worker from a thread, is
    /// not used here.
    static COLLECTS: Cell<bool> = const { Cell::new(false) };
}

/// Writes what was collected; for a worker that is about to park, and for the
/// end of the process.
pub fn flush() {
    write_out(&mut waiting());
}

/// For a runtime's `on_thread_park`: what this thread logs from now on may
/// wait until it parks again.
pub fn before_park() {
    COLLECTS.set(true);
    flush();
}

/// Where the lines of a subscriber go.
#[derive(Clone, Copy, Debug)]
pub struct StandardStreams;

impl<'a> MakeWriter<'a> for StandardStreams {
    type Writer = Line;

    fn make_writer(&'a self) -> Line {
        Line::Stdout
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Line {
        if *metadata.level() <= Level::WARN {
            Line::Stderr
        } else {
            Line::Stdout
        }
    }
}

/// One line on its way.
#[derive(Clone, Copy, Debug)]
pub enum Line {
    /// With others, later.
    Stdout,
    /// At once.
    Stderr,
}

impl Write for Line {
    /// Takes all of it: the subscriber hands over a whole line.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stderr => io::stderr().write_all(line)?,
            Self::Stdout => {
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
    // There is nobody to tell: whoever closed our stdout does not want lines.
    let written = stdout.write_all(waiting).and_then(|()| stdout.flush());
    drop(written);
    waiting.clear();
}

/// The text format: time, level, message, `name=value`. It is what tracing's
/// own writes without a target, but takes the short way for text that needs no
/// escapes. There are no spans.
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

    /// What prints itself may hold anything.
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.write(field, |line| fmt::write(&mut Escaped(line), format_args!("{value:?}")));
    }
}

/// Passes text on, and escapes what would not stay on its line.
struct Escaped<'a, 'w>(&'a mut Writer<'w>);

impl fmt::Write for Escaped<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if text.bytes().all(|b| matches!(b, b' '..=b'~')) {
            return self.0.write_str(text);
        }
        text.chars().try_for_each(|c| match c {
            ' '..='~' => self.0.write_char(c),
            other => write!(self.0, "{}", other.escape_debug()),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tracing::subscriber::with_default;
    use tracing::{info, warn};

    use super::*;

    /// What the text format makes of the events in `log`.
    fn text(log: impl FnOnce()) -> String {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let writer = Arc::clone(&lines);
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .event_format(Text)
            .with_writer(move || Shared(Arc::clone(&writer)))
            .finish();
        with_default(subscriber, log);
        let lines = lines.lock().unwrap();
        String::from_utf8(lines.clone()).unwrap()
    }

    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Write for Shared {
        fn write(&mut self, line: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(line);
            Ok(line.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_is_time_level_message_and_fields() {
        let line =
            text(|| info!(name = "maps-key", status = 200, none = None::<&str>, ms = 0.5, id = %"a-b", "request"));
        let (time, rest) = line.split_once(' ').unwrap();
        assert!(time.ends_with('Z') && time.len() == 27, "{time}");
        assert_eq!(rest, " INFO request name=\"maps-key\" status=200 ms=0.5 id=a-b\n");
    }

    #[test]
    fn whatever_is_logged_stays_on_one_line() {
        let hostile = "a\nb\r\x1b[31mc\u{9b}d\u{2028}e\"f\\g";
        let lines = text(|| {
            warn!(text = hostile, display = %hostile, debug = ?hostile, "{hostile}");
            warn!("second");
        });
        assert_eq!(lines.lines().count(), 2, "{lines:?}");
        assert!(!lines.contains(|c: char| c.is_control() && c != '\n'), "{lines:?}");
        assert!(!lines.contains('\u{2028}'), "{lines:?}");
    }
}
