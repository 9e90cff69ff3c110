//! Who can call at all: the functions' own `authLevel`.

use std::io;

use serde_json::{Map, Value};

use super::reader::Reader;

/// Reads a file of the app, by its path below the app's root.
pub(super) type ReadFile<'a> = &'a dyn Fn(&str) -> io::Result<Vec<u8>>;

const ANONYMOUS: &str = "DANGEROUSLY_ALLOW_ANONYMOUS";
const GET_SECRET: &str = "GetSecret/function.json";
const PREFLIGHT: &str = "Preflight/function.json";

/// Who passes the Functions host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AuthLevel {
    /// Everybody.
    Anonymous,
    /// Whoever has a function key, or the app's admin key.
    Key,
}

/// Refuses a set-up in which nothing but CORS stands before the secrets: CORS
/// stops browsers, not curl.
pub(super) fn check(reader: &mut Reader<'_>, read: ReadFile<'_>, under_host: bool, entra: bool) {
    let allow_anonymous = reader.boolean(ANONYMOUS, false);
    let level = auth_level(read, GET_SECRET);
    let open = level == Ok(AuthLevel::Anonymous) && !entra;
    if open && !allow_anonymous {
        reader.fault(
            GET_SECRET,
            format!(
                "its authLevel is anonymous, so anybody who knows the URL can read the secrets: CORS stops browsers, \
                 not curl. Set authLevel to function, or set {ANONYMOUS}=true if that is really meant"
            ),
        );
    } else if open {
        reader.warn(
            ANONYMOUS,
            "anybody who knows the URL can read the secrets; CORS stops browsers, not curl",
        );
    } else if allow_anonymous {
        reader.warn(
            ANONYMOUS,
            "it has no effect now, and would let a later change to anonymous pass unnoticed; remove it",
        );
    }
    if let Err(what) = level {
        report(reader, under_host, GET_SECRET, what);
    }
    match auth_level(read, PREFLIGHT) {
        Ok(AuthLevel::Anonymous) => {}
        Ok(AuthLevel::Key) => report(
            reader,
            under_host,
            PREFLIGHT,
            Unreadable::Content(
                "its authLevel is not anonymous, so every preflight would be refused: a preflight carries no key. \
                 Set authLevel to anonymous"
                    .into(),
            ),
        ),
        Err(what) => report(reader, under_host, PREFLIGHT, what),
    }
}

/// Why a function's level is not known, or not what it must be.
#[derive(Debug, PartialEq, Eq)]
enum Unreadable {
    /// There is no such file.
    Missing,
    /// There is one, and this is wrong with it.
    Content(String),
}

/// A fault under the host. Elsewhere a development machine may have no such
/// file, and a wrong one is a warning of what the host will refuse.
fn report(reader: &mut Reader<'_>, under_host: bool, file: &str, what: Unreadable) {
    match what {
        Unreadable::Missing if !under_host => {}
        Unreadable::Missing => reader.fault(file, "it is missing; publish it beside the binary"),
        Unreadable::Content(what) if under_host => reader.fault(file, what),
        Unreadable::Content(what) => reader.warn(file, what),
    }
}

/// The `authLevel` of a function's HTTP trigger. The host reads names and
/// levels in any case, so this does too: what it takes for anonymous must not
/// be taken for something else here.
fn auth_level(read: ReadFile<'_>, path: &str) -> Result<AuthLevel, Unreadable> {
    let content = |what: &str| Unreadable::Content(what.to_owned());
    let bytes = read(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Unreadable::Missing,
        kind => Unreadable::Content(format!("it cannot be read ({kind})")),
    })?;
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let function: Value =
        serde_json::from_slice(text).map_err(|_| content("it is not JSON; comments are not read here"))?;
    let triggers = values(function.as_object(), "bindings")
        .filter_map(Value::as_array)
        .flatten()
        .filter_map(Value::as_object)
        .filter(|binding| values(Some(binding), "type").any(|kind| is(kind, "httpTrigger")));
    let mut level = None;
    for trigger in triggers {
        level.get_or_insert(AuthLevel::Key);
        for value in values(Some(trigger), "authLevel") {
            if is(value, "anonymous") {
                level = Some(AuthLevel::Anonymous);
            } else if !["function", "admin", "system", "user"]
                .iter()
                .any(|word| is(value, word))
            {
                return Err(content("its authLevel is neither anonymous, function nor admin"));
            }
        }
    }
    level.ok_or_else(|| content("it has no httpTrigger binding"))
}

/// The values of an object under `name` in any case.
fn values<'a>(object: Option<&'a Map<String, Value>>, name: &'static str) -> impl Iterator<Item = &'a Value> {
    object
        .into_iter()
        .flatten()
        .filter(move |(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}

fn is(value: &Value, word: &str) -> bool {
    value.as_str().is_some_and(|text| text.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn level(json: &str) -> Result<AuthLevel, Unreadable> {
        auth_level(&|_| Ok(json.as_bytes().to_vec()), GET_SECRET)
    }

    #[test]
    fn the_level_is_read_as_the_host_reads_it() {
        let of = |trigger: &str| format!(r#"{{"bindings":[{{"type":"http"}},{{"type":"httpTrigger"{trigger}}}]}}"#);
        assert_eq!(level(&of(r#","authLevel":"function""#)), Ok(AuthLevel::Key));
        assert_eq!(level(&of(r#","authLevel":"admin""#)), Ok(AuthLevel::Key));
        assert_eq!(level(&of("")), Ok(AuthLevel::Key));
        assert_eq!(level(&of(r#","authLevel":"anonymous""#)), Ok(AuthLevel::Anonymous));
        assert_eq!(level(&of(r#","AUTHLEVEL":"Anonymous""#)), Ok(AuthLevel::Anonymous));
        assert_eq!(
            level(&of(r#","authLevel":"function","authlevel":"anonymous""#)),
            Ok(AuthLevel::Anonymous)
        );
        assert_eq!(level(&format!("\u{feff}{}", of(""))), Ok(AuthLevel::Key));
        for json in [
            of(r#","authLevel":"nobody""#),
            of(r#","authLevel":1"#),
            r#"{"bindings":[]}"#.to_owned(),
            "{}".to_owned(),
            "[]".to_owned(),
            "nonsense".to_owned(),
        ] {
            assert!(level(&json).is_err(), "{json}");
        }
    }
}
