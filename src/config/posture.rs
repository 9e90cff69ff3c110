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
    // Without the host a development machine may have no such files.
    if !under_host {
        return;
    }
    if let Err(what) = level {
        reader.fault(GET_SECRET, what);
    }
    match auth_level(read, PREFLIGHT) {
        Ok(AuthLevel::Anonymous) => {}
        Ok(AuthLevel::Key) => reader.fault(
            PREFLIGHT,
            "its authLevel is not anonymous, so every preflight would be refused: a preflight carries no key. Set \
             authLevel to anonymous",
        ),
        Err(what) => reader.fault(PREFLIGHT, what),
    }
}

/// The `authLevel` of a function's HTTP trigger. The host reads names and
/// levels in any case, so this does too: what it takes for anonymous must not
/// be taken for something else here.
fn auth_level(read: ReadFile<'_>, path: &str) -> Result<AuthLevel, String> {
    let bytes =
        read(path).map_err(|error| format!("it cannot be read ({}); publish it beside the binary", error.kind()))?;
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let function: Value = serde_json::from_slice(text).map_err(|_| "it is not JSON".to_owned())?;
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
                return Err("its authLevel is neither anonymous, function nor admin".to_owned());
            }
        }
    }
    level.ok_or_else(|| "it has no httpTrigger binding".to_owned())
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

    fn level(json: &str) -> Result<AuthLevel, String> {
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
