//! The text format.

use std::cell::{Cell, RefCell};
use std::fmt::{self, Debug, Write as _};
use std::io::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

use time::UtcDateTime;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::Context;

/// One event a line: time, level, message, `name=value`. The same as tracing's
/// own format without a target, but text that needs no escapes is copied as it
/// is. There are no spans.
///
/// A layer of its own: tracing's `fmt` puts a line together in a buffer of its
/// own first, through a chain of virtual calls for each piece.
#[derive(Clone, Copy, Debug)]
pub struct Text<W> {
    streams: W,
}

impl<W> Text<W> {
    /// The format, and where its lines go, each with one call.
    pub fn new(streams: W) -> Self {
        Self { streams }
    }
}

impl<S, W> Layer<S> for Text<W>
where
    S: Subscriber,
    W: for<'a> MakeWriter<'a> + 'static,
{
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        // Taken, so that an event that a value's `Debug` writes meanwhile finds another.
        let mut line = LINE.take();
        line.clear();
        if format(event, &mut line).is_ok() {
            // Nobody is left to tell: the log itself fails.
            drop(self.streams.make_writer_for(event.metadata()).write_all(&line));
        }
        LINE.set(line);
    }
}

/// Appends the line of an event.
fn format(event: &Event<'_>, line: &mut Vec<u8>) -> fmt::Result {
    write_time(line)?;
    line.extend_from_slice(level(*event.metadata().level()));
    let mut fields = Fields { line, written: Ok(()) };
    event.record(&mut fields);
    fields.written?;
    line.push(b'\n');
    Ok(())
}

/// The level behind the time, five characters wide.
fn level(level: Level) -> &'static [u8] {
    match level {
        Level::ERROR => b" ERROR",
        Level::WARN => b"  WARN",
        Level::INFO => b"  INFO",
        Level::DEBUG => b" DEBUG",
        Level::TRACE => b" TRACE",
    }
}

thread_local! {
    /// The last second that this thread wrote, and its text: formatting a date
    /// costs more than all the rest of a line.
    static SECOND: RefCell<(u64, String)> = const { RefCell::new((0, String::new())) };
    /// Where this thread's lines are put together.
    static LINE: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Writes the time, in RFC 3339 with microseconds.
fn write_time(line: &mut Vec<u8>) -> fmt::Result {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = now.as_secs();
    SECOND.with_borrow_mut(|(second, text)| {
        if *second != seconds || text.is_empty() {
            *second = seconds;
            *text = second_text(seconds).ok_or(fmt::Error)?;
        }
        line.extend_from_slice(text.as_bytes());
        Ok(())
    })?;
    line.push(b'.');
    push_decimal(line, now.subsec_micros().into(), 6);
    line.push(b'Z');
    Ok(())
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

/// Writes a number with at least so many digits. `write!` takes a few hundred instructions for it, several times a line.
fn push_decimal(line: &mut Vec<u8>, mut number: u64, least_digits: usize) {
    let first = line.len();
    while number > 0 || line.len() < first + least_digits {
        line.push(b'0' + (number % 10) as u8);
        number /= 10;
    }
    if let Some(digits) = line.get_mut(first..) {
        digits.reverse();
    }
}

/// Writes fields in the order in which they come.
struct Fields<'a> {
    line: &'a mut Vec<u8>,
    written: fmt::Result,
}

impl Fields<'_> {
    fn name(&mut self, field: &Field) {
        let name = field.name();
        self.line.push(b' ');
        if name != "message" {
            self.line.extend_from_slice(name.as_bytes());
            self.line.push(b'=');
        }
    }

    fn write(&mut self, text: fmt::Arguments<'_>) {
        let written = self.line.write_fmt(text).map_err(|_| fmt::Error);
        self.written = self.written.and(written);
    }
}

impl Visit for Fields<'_> {
    /// Text is quoted, and escaped if it has to be: a line stays one line.
    fn record_str(&mut self, field: &Field, value: &str) {
        self.name(field);
        if are_all(value, |byte| is_printed(byte) && byte != b'"' && byte != b'\\') {
            self.line.push(b'"');
            self.line.extend_from_slice(value.as_bytes());
            self.line.push(b'"');
        } else {
            self.write(format_args!("{value:?}"));
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.name(field);
        push_decimal(self.line, value, 1);
    }

    /// A duration has at most three decimals, which are written as an integer: the way to the shortest text of any
    /// number is a long one.
    fn record_f64(&mut self, field: &Field, value: f64) {
        match thousandths(value) {
            Some(thousandths) => {
                self.name(field);
                push_decimal(self.line, (thousandths / 1000).into(), 1);
                self.line.push(b'.');
                push_decimal(self.line, (thousandths % 1000).into(), 3);
                while self.line.ends_with(b"0") && !self.line.ends_with(b".0") {
                    self.line.pop();
                }
            }
            None => self.record_debug(field, &value),
        }
    }

    /// `Debug` and `Display` output may hold anything.
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.name(field);
        let written = write!(Escaped(self.line), "{value:?}");
        self.written = self.written.and(written);
    }
}

/// Whether a byte is a character that a line shows as it is.
fn is_printed(byte: u8) -> bool {
    matches!(byte, b' '..=b'~')
}

/// Whether all bytes of a text are as wanted, eight at a time: the loop over eight has no branch.
fn are_all(text: &str, is_wanted: impl Fn(u8) -> bool) -> bool {
    let all = |bytes: &[u8]| bytes.iter().fold(true, |wanted, byte| wanted & is_wanted(*byte));
    let (eights, rest) = text.as_bytes().as_chunks::<8>();
    eights.iter().all(|eight| all(eight)) && all(rest)
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
struct Escaped<'a>(&'a mut Vec<u8>);

impl fmt::Write for Escaped<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if are_all(text, is_printed) {
            self.0.extend_from_slice(text.as_bytes());
            return Ok(());
        }
        for c in text.chars() {
            match c {
                ' '..='~' => self.0.extend(c.encode_utf8(&mut [0; 4]).bytes()),
                other => self.0.extend(other.escape_debug().collect::<String>().bytes()),
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
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    /// What the text format makes of the events in `log`.
    fn text(log: impl FnOnce()) -> String {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let writer = Arc::clone(&lines);
        let subscriber = tracing_subscriber::registry().with(Text::new(move || Shared(Arc::clone(&writer))));
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
