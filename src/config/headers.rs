//! `ALLOWED_HEADERS`, `EXPOSED_HEADERS` and `PREFLIGHT_MAX_AGE_SECONDS`.

use http::HeaderName;

use super::reader::{Reader, elements};

const ALLOWED: &str = "ALLOWED_HEADERS";
const EXPOSED: &str = "EXPOSED_HEADERS";
const MAX_AGE: &str = "PREFLIGHT_MAX_AGE_SECONDS";

const DEFAULT_ALLOWED: &str =
    "authorization,x-functions-key,x-ms-client-request-id,x-ms-useragent,traceparent,tracestate";
const DEFAULT_EXPOSED: &str = "retry-after,www-authenticate,x-ms-client-request-id,x-ms-request-id";
const DEFAULT_MAX_AGE: u32 = 600;

/// Chromium keeps a preflight's answer no longer than this, in seconds
/// (Safari: 600, Firefox: 86400).
const CHROMIUM_MAX_AGE: u32 = 7200;

/// Request headers that a script cannot set (Fetch §2.2.2, "forbidden
/// request-header"), besides those that begin `proxy-` or `sec-`.
const FORBIDDEN: [&str; 21] = [
    "accept-charset",
    "accept-encoding",
    "access-control-request-headers",
    "access-control-request-method",
    "connection",
    "content-length",
    "cookie",
    "cookie2",
    "date",
    "dnt",
    "expect",
    "host",
    "keep-alive",
    "origin",
    "referer",
    "set-cookie",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
];
/// Request headers that need no preflight on a GET (Fetch §2.2.2,
/// "CORS-safelisted request-header").
const SAFELISTED_REQUEST: [&str; 4] = ["accept", "accept-language", "content-language", "content-type"];
/// Request headers by which some servers replace the method.
const METHOD_OVERRIDES: [&str; 3] = ["x-http-method", "x-http-method-override", "x-method-override"];
/// Response headers that a script may always read (Fetch §2.2.2,
/// "CORS-safelisted response-header name").
const SAFELISTED_RESPONSE: [&str; 7] = [
    "cache-control",
    "content-language",
    "content-length",
    "content-type",
    "expires",
    "last-modified",
    "pragma",
];
/// Response headers that a script can never read (Fetch §2.2.2, "forbidden
/// response-header name").
const FORBIDDEN_RESPONSE: [&str; 2] = ["set-cookie", "set-cookie2"];

/// The request headers that a preflight may ask for.
pub(super) fn read_allowed(reader: &mut Reader<'_>) -> Vec<HeaderName> {
    let names = read(reader, ALLOWED, DEFAULT_ALLOWED);
    for name in &names {
        let name = name.as_str();
        let forbidden = FORBIDDEN.contains(&name) || name.starts_with("proxy-") || name.starts_with("sec-");
        if name == "*" {
            reader.fault(
                ALLOWED,
                "`*` is refused: it would not stand for authorization; list the names",
            );
        } else if forbidden {
            reader.fault(
                ALLOWED,
                format!("{name} is a header that no script can set, so no preflight asks for it; remove it"),
            );
        } else if name.starts_with("access-control-") {
            reader.fault(
                ALLOWED,
                format!("{name} is a header of answers, not of requests; remove it"),
            );
        } else if SAFELISTED_REQUEST.contains(&name) {
            reader.warn(ALLOWED, format!("{name} needs no preflight on a GET; remove it"));
        } else if METHOD_OVERRIDES.contains(&name) {
            reader.warn(
                ALLOWED,
                format!("{name} replaces the method on some servers, past what a preflight checked; remove it"),
            );
        }
    }
    names
}

/// The response headers that scripts may read.
pub(super) fn read_exposed(reader: &mut Reader<'_>, credentials: bool) -> Vec<HeaderName> {
    let names = read(reader, EXPOSED, DEFAULT_EXPOSED);
    for name in &names {
        let name = name.as_str();
        if name == "*" && credentials {
            reader.warn(
                EXPOSED,
                "with credentials `*` is a header of that name, and exposes nothing; list the names",
            );
        } else if name == "*" {
            reader.warn(
                EXPOSED,
                "`*` exposes every header, also those that the platform adds; list the names",
            );
        } else if FORBIDDEN_RESPONSE.contains(&name) {
            reader.fault(EXPOSED, format!("{name} can never be read by a script; remove it"));
        } else if name.starts_with("access-control-") || name == "origin" {
            reader.fault(
                EXPOSED,
                format!("{name} is read by the browser, and means nothing to a script; remove it"),
            );
        } else if SAFELISTED_RESPONSE.contains(&name) {
            reader.warn(EXPOSED, format!("{name} can be read by every script anyway; remove it"));
        }
    }
    names
}

/// Seconds for which browsers may keep a preflight's answer.
pub(super) fn read_max_age(reader: &mut Reader<'_>) -> Option<u32> {
    let seconds = match reader.text_or_empty(MAX_AGE) {
        None => Some(DEFAULT_MAX_AGE),
        Some(value) if value.is_empty() => None,
        Some(value) => reader.number(MAX_AGE, &value, 0..=86_400),
    };
    match seconds {
        Some(0) => reader.warn(MAX_AGE, "0 makes browsers ask before every request; 600 suits every browser"),
        Some(seconds) if seconds > CHROMIUM_MAX_AGE => reader.warn(
            MAX_AGE,
            format!("browsers cap it (Chromium at {CHROMIUM_MAX_AGE}, Safari at 600); a change of policy takes that long to arrive"),
        ),
        _ => {}
    }
    seconds
}

fn read(reader: &mut Reader<'_>, setting: &str, default: &str) -> Vec<HeaderName> {
    let list = reader.text_or_empty(setting).unwrap_or_else(|| default.to_owned());
    let mut names: Vec<HeaderName> = Vec::new();
    if list.is_empty() {
        return names;
    }
    for (place, element) in elements(&list) {
        match HeaderName::from_bytes(element.as_bytes()) {
            Ok(name) if names.contains(&name) => {
                reader.warn(setting, format!("element {place}: {name} is there already; remove one"));
            }
            Ok(name) => names.push(name),
            Err(_) => reader.fault(
                setting,
                format!("element {place}: it is not the name of a header; names are separated by commas"),
            ),
        }
    }
    names
}
