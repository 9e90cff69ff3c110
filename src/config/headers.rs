//! `ALLOWED_HEADERS`, `EXPOSED_HEADERS` and `PREFLIGHT_MAX_AGE_SECONDS`.

use http::HeaderName;

use super::reader::{Reader, elements};
use super::settings::{ALLOWED_HEADERS, EXPOSED_HEADERS, PREFLIGHT_MAX_AGE, Setting};

const ALLOWED: &str = ALLOWED_HEADERS.name;
const EXPOSED: &str = EXPOSED_HEADERS.name;

/// Chromium keeps a preflight's answer no longer than this, in seconds (Safari: 600, Firefox: 86400).
const CHROMIUM_MAX_AGE: u32 = 7200;

/// Request headers that a script cannot set (Fetch §2.2.2, "forbidden request-header"), besides those that begin
/// `proxy-` or `sec-`.
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
/// Request headers that need no preflight while their values are of certain forms (Fetch §2.2.2, "CORS-safelisted
/// request-header").
const SAFELISTED_BY_VALUE: [&str; 4] = ["accept", "accept-language", "content-language", "content-type"];
/// Request headers by which some servers replace the method.
const METHOD_OVERRIDES: [&str; 3] = ["x-http-method", "x-http-method-override", "x-method-override"];
/// Request headers that proxies, gateways and Azure's front ends set, and that the servers behind them believe.
const GATEWAY: [&str; 17] = [
    "cf-connecting-ip",
    "client-ip",
    "disguised-host",
    "fastly-client-ip",
    "forwarded",
    "max-forwards",
    "true-client-ip",
    "was-default-hostname",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-host",
    "x-http-host-override",
    "x-ms-invocation-id",
    "x-real-ip",
    "x-rewrite-url",
    "x-site-deployment-id",
    "x-waws-unencoded-url",
];
/// How more of them begin: proxies', App Service authentication's, Front Door's, App Service's and the Functions host's.
const GATEWAY_PREFIXES: [&str; 9] = [
    "x-appgw-",
    "x-appservice-",
    "x-arr-",
    "x-azure-",
    "x-envoy-",
    "x-forwarded",
    "x-ms-client-principal",
    "x-ms-token-",
    "x-original-",
];
/// Response headers that a script may always read (Fetch §2.2.2, "CORS-safelisted response-header name").
const SAFELISTED_RESPONSE: [&str; 7] = [
    "cache-control",
    "content-language",
    "content-length",
    "content-type",
    "expires",
    "last-modified",
    "pragma",
];
/// Response headers that a script can never read (Fetch §2.2.2, "forbidden response-header name").
const FORBIDDEN_RESPONSE: [&str; 2] = ["set-cookie", "set-cookie2"];

/// The request headers that scripts may send.
pub(super) fn read_allowed(reader: &mut Reader<'_>) -> Vec<HeaderName> {
    let names = read(reader, &ALLOWED_HEADERS);
    for name in &names {
        let name = name.as_str();
        if let Some(fault) = allowed_fault(name) {
            reader.fault(ALLOWED, fault);
        } else if let Some(warning) = allowed_warning(name) {
            reader.warn(ALLOWED, warning);
        }
    }
    names
}

fn allowed_fault(name: &str) -> Option<String> {
    if name == "*" {
        Some("`*` is refused: it would not stand for authorization; list the names".into())
    } else if FORBIDDEN.contains(&name) || name.starts_with("proxy-") || name.starts_with("sec-") {
        Some(format!(
            "{name} is a header that no script can set, so no preflight asks for it; remove it"
        ))
    } else if name.starts_with("access-control-") {
        Some(format!("{name} is a header of answers, not of requests; remove it"))
    } else {
        None
    }
}

fn allowed_warning(name: &str) -> Option<String> {
    let is_a_gateways = GATEWAY.contains(&name) || GATEWAY_PREFIXES.iter().any(|prefix| name.starts_with(prefix));
    if SAFELISTED_BY_VALUE.contains(&name) {
        Some(format!(
            "{name} is safelisted by its value: a browser asks for it only when the value is outside the safelisted \
             forms (Fetch, CORS-safelisted request-header), such as content-type: application/json; keep it only if \
             your page sends such a value"
        ))
    } else if METHOD_OVERRIDES.contains(&name) {
        Some(format!(
            "{name} replaces the method on some servers, by one that no preflight checked; remove it"
        ))
    } else if is_a_gateways {
        Some(format!(
            "{name} is set by proxies and gateways, and servers behind them trust it: with it a page could pretend to \
             be another user or another host; remove it"
        ))
    } else {
        None
    }
}

/// The response headers that scripts may read.
pub(super) fn read_exposed(reader: &mut Reader<'_>, credentials: bool) -> Vec<HeaderName> {
    let names = read(reader, &EXPOSED_HEADERS);
    for name in &names {
        let name = name.as_str();
        if name == "*" && credentials {
            reader.warn(
                EXPOSED,
                "with credentials browsers take `*` for the name of a header, so it exposes nothing; list the names",
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

/// Seconds for which browsers may keep a preflight's answer; `None` leaves the header out.
pub(super) fn read_max_age(reader: &mut Reader<'_>) -> Option<u32> {
    let value = reader.text(&PREFLIGHT_MAX_AGE).filter(|value| !value.is_empty())?;
    let seconds = reader.number(&PREFLIGHT_MAX_AGE, value)?;
    if seconds == 0 {
        reader.warn(
            PREFLIGHT_MAX_AGE.name,
            "0 makes browsers ask before every request; 600 suits every browser",
        );
    } else if seconds > CHROMIUM_MAX_AGE {
        reader.warn(
            PREFLIGHT_MAX_AGE.name,
            format!(
                "browsers cap it (Chromium at {CHROMIUM_MAX_AGE}, Safari at 600); a change of policy takes that long to \
                 arrive"
            ),
        );
    }
    Some(seconds)
}

fn read(reader: &mut Reader<'_>, setting: &Setting) -> Vec<HeaderName> {
    let mut names: Vec<HeaderName> = Vec::new();
    let Some(list) = reader.text(setting).filter(|list| !list.is_empty()) else {
        return names;
    };
    for (place, element) in elements(list) {
        match HeaderName::from_bytes(element.as_bytes()) {
            Ok(name) if names.contains(&name) => {
                reader.warn(
                    setting.name,
                    format!("element {place}: {name} is there already; remove one"),
                );
            }
            Ok(name) => names.push(name),
            Err(_) => reader.fault(
                setting.name,
                format!("element {place}: it is not the name of a header; names are separated by commas"),
            ),
        }
    }
    names
}
