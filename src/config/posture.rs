//! Who can call at all: the functions' own triggers, and the routes that the Functions host gives them.

use std::collections::BTreeMap;
use std::io;

use super::json::Json;
use super::reader::Reader;
use super::settings::ALLOW_ANONYMOUS;

/// The files of the app that matter here, by their path below its root: `host.json`, and `function.json` of every folder
/// that has one. A file that is there and cannot be read is an error.
pub type AppFiles = BTreeMap<String, io::Result<Vec<u8>>>;

const GET_SECRET: &str = "GetSecret/function.json";
const PREFLIGHT: &str = "Preflight/function.json";
const FUNCTION: &str = "/function.json";
const HOST: &str = "host.json";
/// The prefix of the routes that this handler answers.
const ROUTE_PREFIX: &str = "api";
/// Setting by which the host replaces the prefix of host.json.
const ROUTE_PREFIX_OVERRIDE: &str = "AzureFunctionsJobHost__extensions__http__routePrefix";

/// An HTTP trigger.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Trigger {
    /// Whether everybody passes the Functions host, not only whoever has a key.
    is_anonymous: bool,
    /// Its methods in lower case; `None` is every method.
    methods: Option<Vec<String>>,
}

impl Trigger {
    fn has_method(&self, method: &str) -> bool {
        match &self.methods {
            None => true,
            Some(methods) => methods.iter().any(|own| own == method),
        }
    }
}

/// Why a function's trigger is not known.
#[derive(Debug, PartialEq, Eq)]
enum Unreadable {
    /// There is no such file.
    Missing,
    /// There is one, and this is wrong with it.
    Content(String),
}

/// Refuses a configuration in which only CORS protects the secrets: CORS stops browsers, not curl. Returns whether it
/// is one that the operator has allowed nevertheless.
pub(super) fn check(reader: &mut Reader<'_>, files: &AppFiles, under_host: bool, entra: bool) -> bool {
    let is_open = check_get_secret(reader, files, under_host, entra);
    check_preflight(reader, files, under_host);
    check_other_functions(reader, files);
    check_route_prefix(reader, files);
    is_open
}

fn check_get_secret(reader: &mut Reader<'_>, files: &AppFiles, under_host: bool, entra: bool) -> bool {
    const ANONYMOUS: &str = ALLOW_ANONYMOUS.name;
    let allow_anonymous = reader.boolean(&ALLOW_ANONYMOUS);
    let triggers = triggers(files, GET_SECRET);
    let is_open = !entra && triggers.iter().flatten().any(|trigger| trigger.is_anonymous);
    if is_open && !allow_anonymous {
        reader.fault(
            GET_SECRET,
            format!(
                "its authLevel is anonymous, so anybody who knows the URL can read the secrets: CORS stops browsers, \
                 not curl. Set authLevel to function, or set {ANONYMOUS}=true if that is really meant"
            ),
        );
    } else if is_open {
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
    if let Err(what) = triggers {
        report(reader, under_host, GET_SECRET, what);
    }
    is_open
}

fn check_preflight(reader: &mut Reader<'_>, files: &AppFiles, under_host: bool) {
    let triggers = match triggers(files, PREFLIGHT) {
        Ok(triggers) => triggers,
        Err(what) => return report(reader, under_host, PREFLIGHT, what),
    };
    if !triggers.iter().any(|trigger| trigger.is_anonymous) {
        let what = "its authLevel is not anonymous, so every preflight would be refused: a preflight carries no key. Set \
                    authLevel to anonymous";
        report(reader, under_host, PREFLIGHT, Unreadable::Content(what.into()));
    }
    let has_options_alone = |trigger: &Trigger| match &trigger.methods {
        Some(methods) => !methods.is_empty() && methods.iter().all(|method| method == "options"),
        None => false,
    };
    if !triggers.iter().all(has_options_alone) {
        reader.fault(
            PREFLIGHT,
            "its methods are not exactly [\"options\"], and it is the function that needs no key: with get, or without \
             methods, anybody who knows the URL can read the secrets through it. Set methods to [\"options\"]",
        );
    }
}

/// Any other function whose trigger hands requests to this handler without a key.
fn check_other_functions(reader: &mut Reader<'_>, files: &AppFiles) {
    let others = files
        .keys()
        .filter(|path| path.ends_with(FUNCTION) && *path != GET_SECRET && *path != PREFLIGHT);
    for path in others {
        let is_open =
            |trigger: &Trigger| trigger.is_anonymous && (trigger.has_method("get") || trigger.has_method("head"));
        // What the host cannot read is no function to it either.
        if triggers(files, path).iter().flatten().any(is_open) {
            reader.fault(
                path,
                "its trigger is anonymous and takes get or head, so anybody can send this handler a request without a \
                 function key. Remove the folder, or set its authLevel to function",
            );
        }
    }
}

fn check_route_prefix(reader: &mut Reader<'_>, files: &AppFiles) {
    let replacing = reader
        .names()
        .find(|name| name.eq_ignore_ascii_case(ROUTE_PREFIX_OVERRIDE));
    let (file, prefixes) = match replacing {
        Some(name) => (name, vec![reader.platform(name).unwrap_or_default().to_owned()]),
        None => (HOST, route_prefixes(files)),
    };
    if prefixes
        .iter()
        .any(|prefix| !prefix.trim_matches('/').eq_ignore_ascii_case(ROUTE_PREFIX))
    {
        reader.fault(
            file,
            format!(
                "extensions.http.routePrefix is not {ROUTE_PREFIX}, so no route of this handler would match; set it to \
                 \"{ROUTE_PREFIX}\" or remove it"
            ),
        );
    }
}

/// The route prefixes that host.json sets; none where it leaves the host's own, `api`.
fn route_prefixes(files: &AppFiles) -> Vec<String> {
    let Some(Ok(bytes)) = files.get(HOST) else {
        return Vec::new();
    };
    let Ok(host) = Json::parse(bytes) else {
        return Vec::new();
    };
    host.members("extensions")
        .flat_map(|extensions| extensions.members("http"))
        .flat_map(|http| http.members("routePrefix"))
        .filter_map(|prefix| match prefix {
            Json::Text(text) => Some(text.clone()),
            _ => None,
        })
        .collect()
}

/// A fault under the host. Elsewhere a development machine may have no such file, and a wrong one is a warning of what
/// the host will refuse.
fn report(reader: &mut Reader<'_>, under_host: bool, file: &str, what: Unreadable) {
    match what {
        Unreadable::Missing if !under_host => {}
        Unreadable::Missing => reader.fault(file, "it is missing; publish it beside the binary"),
        Unreadable::Content(what) if under_host => reader.fault(file, what),
        Unreadable::Content(what) => reader.warn(file, what),
    }
}

/// The HTTP triggers of a function: one at least. The host reads names and words in any case, so this does too: what it
/// takes for anonymous must not be taken for something else here.
fn triggers(files: &AppFiles, path: &str) -> Result<Vec<Trigger>, Unreadable> {
    let content = |what: String| Unreadable::Content(what);
    let bytes = match files.get(path) {
        None => return Err(Unreadable::Missing),
        Some(Err(error)) => return Err(content(format!("it cannot be read ({})", error.kind()))),
        Some(Ok(bytes)) => bytes,
    };
    let function =
        Json::parse(bytes).map_err(|at| content(format!("it is not JSON: line {}, column {}", at.line, at.column)))?;
    let triggers: Result<Vec<_>, _> = function
        .members("bindings")
        .flat_map(Json::elements)
        .filter(|binding| binding.members("type").any(|kind| kind.is_text("httpTrigger")))
        .map(trigger)
        .collect();
    match triggers {
        Ok(triggers) if triggers.is_empty() => Err(content("it has no httpTrigger binding".into())),
        Ok(triggers) => Ok(triggers),
        Err(what) => Err(content(what.into())),
    }
}

fn trigger(binding: &Json) -> Result<Trigger, &'static str> {
    const KEYED: [&str; 4] = ["function", "admin", "system", "user"];
    let levels: Vec<_> = binding.members("authLevel").collect();
    let is_known = |level: &&Json| level.is_text("anonymous") || KEYED.iter().any(|word| level.is_text(word));
    if !levels.iter().all(is_known) {
        return Err("its authLevel is neither anonymous, function nor admin");
    }
    let mut methods = None;
    for member in binding.members("methods") {
        // What is no text is no method, and keeps the list from being exactly what it should be.
        let words = member.elements().iter().map(|word| match word {
            Json::Text(word) => word.to_ascii_lowercase(),
            _ => String::new(),
        });
        methods.get_or_insert_with(Vec::new).extend(words);
    }
    Ok(Trigger {
        is_anonymous: levels.iter().any(|level| level.is_text("anonymous")),
        // An empty list is every method to the host, like none at all.
        methods: methods.filter(|methods| !methods.is_empty()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Vec<Trigger>, Unreadable> {
        let files = AppFiles::from([(GET_SECRET.to_owned(), Ok(json.as_bytes().to_vec()))]);
        triggers(&files, GET_SECRET)
    }

    #[test]
    fn a_trigger_is_read_as_the_host_reads_it() {
        let of = |trigger: &str| format!(r#"{{"bindings":[{{"type":"http"}},{{"type":"httpTrigger"{trigger}}}]}}"#);
        for (trigger, is_anonymous, methods) in [
            (r#","authLevel":"function""#, false, None),
            (
                r#","authLevel":"admin","methods":["get","HEAD"]"#,
                false,
                Some("get,head"),
            ),
            ("", false, None),
            (r#","authLevel":"anonymous","methods":[]"#, true, None),
            (
                r#","AUTHLEVEL":"Anonymous","METHODS":["Options"]"#,
                true,
                Some("options"),
            ),
            (
                r#","authLevel":"function","authlevel":"anonymous","methods":null"#,
                true,
                None,
            ),
        ] {
            let methods = methods.map(|list| list.split(',').map(str::to_owned).collect());
            let expected = Trigger { is_anonymous, methods };
            assert_eq!(read(&of(trigger)), Ok(vec![expected]), "{trigger}");
        }
        assert!(read(&format!("\u{feff}// a comment\n{}", of(""))).is_ok());
        for json in [
            of(r#","authLevel":"nobody""#),
            of(r#","authLevel":1"#),
            r#"{"bindings":[]}"#.to_owned(),
            "{}".to_owned(),
            "[]".to_owned(),
            "nonsense".to_owned(),
        ] {
            assert!(read(&json).is_err(), "{json}");
        }
    }
}
