//! The text format.

use std::cell::{Cell, RefCell};
use std::fmt::{self, Debug, Write as _};
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
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        // Taken, so that an event that a value's `Debug` writes meanwhile finds another.
        let mut line = LINE.take();
        line.clear();
        write_time(&mut line)?;
        write!(line, " {:>5}", event.metadata().level().as_str())?;
        let mut fields = Fields { line, written: Ok(()) };
        event.record(&mut fields);
        fields.written?;
        fields.line.push('\n');
        let written = writer.write_str(&fields.line);
        LINE.set(fields.line);
        written
    }
}

thread_local! {
    /// The last second that this thread wrote, and its text: formatting a date
    /// costs more than all the rest of a line.
    static SECOND: RefCell<(u64, String)> = const { RefCell::new((0, String::new())) };
    /// Where this thread's lines are put together: the subscriber's writer takes each piece through two virtual calls.
    static LINE: Cell<String> = const { Cell::new(String::new()) };
}

/// Writes the time, in RFC 3339 with microseconds.
fn write_time(line: &mut String) -> fmt::Result {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = now.as_secs();
    SECOND.with_borrow_mut(|(second, text)| {
        if *second != seconds || text.is_empty() {
            *second = seconds;
            *text = second_text(seconds).ok_or(fmt::Error)?;
        }
        line.push_str(text);
        Ok(())
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
struct Fields {
    line: String,
    written: fmt::Result,
}

impl Fields {
    fn name(&mut self, field: &Field) {
        self.line.push(' ');
        if field.name() != "message" {
            self.line.push_str(field.name());
            self.line.push('=');
        }
    }

    fn write(&mut self, text: fmt::Arguments<'_>) {
        self.written = self.written.and(self.line.write_fmt(text));
    }
}

impl Visit for Fields {
    /// Text is quoted, and escaped if it has to be: a line stays one line.
    fn record_str(&mut self, field: &Field, value: &str) {
        self.name(field);
        let is_plain = |b: &u8| matches!(b, b' '..=b'~') && !matches!(b, b'"' | b'\\');
        if value.as_bytes().iter().all(is_plain) {
            self.line.push('"');
            self.line.push_str(value);
            self.line.push('"');
        } else {
            self.write(format_args!("{value:?}"));
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.name(field);
        self.write(format_args!("{value}"));
    }

    /// A duration has at most three decimals, which are written as an integer: the way to the shortest text of any
    /// number is a long one.
    fn record_f64(&mut self, field: &Field, value: f64) {
        match thousandths(value) {
            Some(thousandths) => {
                self.name(field);
                self.write(format_args!("{}.{:03}", thousandths / 1000, thousandths % 1000));
                while self.line.ends_with('0') && !self.line.ends_with(".0") {
                    self.line.pop();
                }
            }
            None => self.record_debug(field, &value),
        }
    }

    /// `Debug` and `Display` output may hold anything.
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.name(field);
        let written = fmt::write(&mut Escaped(&mut self.line), format_args!("{value:?}"));
        self.written = self.written.and(written);
    }
}

/// `value` in thousandths, if it is a whole number of them, and a small one.
fn thousandths(value: f64) -> Option<u32> {
    let scaled = (value * 1000.0).round();
    if value.is_sign_negative() || scaled > f64::from(u32::MAX) {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "what does not fit was sorted out, and is compared below"
    )]
    let whole = scaled as u32;
    ((f64::from(whole) / 1000.0).to_bits() == value.to_bits()).then_some(whole)
}

/// Passes text on, and escapes what would not stay on its line.
struct Escaped<'a>(&'a mut String);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if text.bytes().all(|b| matches!(b, b' '..=b'~')) {
            self.0.push_str(text);
            return Ok(());
        }
        for c in text.chars() {
            match c {
                ' '..='~' => self.0.push(c),
                other => self.0.extend(other.escape_debug()),
            }
        }
        Ok(())
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
    fn a_number_is_written_as_debug_writes_it() {
        let line = |value: f64| text(|| info!(value, "x"));
        for value in [
            0.0,
            0.001,
            0.01,
            0.12,
            0.5,
            1.0,
            10.0,
            100.1,
            12.345,
            4_294_967.295,
            4_294_967.296,
            0.0005,
            0.1 + 0.2,
            1e300,
            -0.0,
            -1.5,
            f64::NAN,
            f64::INFINITY,
        ] {
            assert!(
                line(value).ends_with(&format!(" value={value:?}\n")),
                "{value:?}: {}",
                line(value)
            );
        }
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
