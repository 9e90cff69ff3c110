//! The text format.

use std::cell::RefCell;
use std::fmt::{self, Debug};
use std::time::{SystemTime, UNIX_EPOCH};

use time::UtcDateTime;
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// One event a line: time, level, message, `name=value`. The same as tracing's
/// own format without a target, but text that needs no escapes is copied as it
/// is. There are no spans.
#[derive(Clone, Copy, Debug)]
pub struct Text;

impl<S, N> FormatEvent<S, N> for Text
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut line: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        write_time(&mut line)?;
        write!(line, " {:>5}", event.metadata().level().as_str())?;
        let mut fields = Fields { line, written: Ok(()) };
        event.record(&mut fields);
        fields.written?;
        fields.line.write_char('\n')
    }
}

thread_local! {
    /// The last second that this thread wrote, and its text: formatting a date
    /// costs more than all the rest of a line.
    static SECOND: RefCell<(u64, String)> = const { RefCell::new((0, String::new())) };
}

/// Writes the time, in RFC 3339 with microseconds.
fn write_time(line: &mut Writer<'_>) -> fmt::Result {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = now.as_secs();
    SECOND.with_borrow_mut(|(second, text)| {
        if *second != seconds || text.is_empty() {
            *second = seconds;
            *text = second_text(seconds).ok_or(fmt::Error)?;
        }
        line.write_str(text)
    })?;
    write!(line, ".{:06}Z", now.subsec_micros())
}

/// `2026-01-31T23:59:59`.
fn second_text(seconds: u64) -> Option<String> {
    let time = UtcDateTime::from_unix_timestamp(i64::try_from(seconds).ok()?).ok()?;
    let (year, month, day) = time.to_calendar_date();
    let (hour, minute, second) = time.as_hms();
    let month = u8::from(month);
    Some(format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"
    ))
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

    /// `Debug` and `Display` output may hold anything.
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
    use std::io::{self, Write};
    use std::sync::{Arc, Mutex};

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
    fn a_second_is_its_date_and_time_in_utc() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00"),
            (951_782_399, "2000-02-28T23:59:59"),
            (951_782_400, "2000-02-29T00:00:00"),
            (4_102_444_800, "2100-01-01T00:00:00"),
        ] {
            assert_eq!(second_text(seconds).as_deref(), Some(text));
        }
        assert_eq!(second_text(u64::MAX), None);
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
