//! The one line that every request leaves in the log.
//!
//! Untrusted text is logged only after it was parsed, and only in part: never a whole header, a token, a value or the
//! query string.

use http::header::ORIGIN;
use http::{HeaderMap, HeaderName, Method, StatusCode};
use tracing::info;

use super::route::Route;
use super::{Answer, Outcome, Request};
use crate::cors::{Actual, Decision, OriginError, OriginRefusal, Unmet};
use crate::secret::{SecretName, SecretVersion};
use crate::token::Caller;

const INVOCATION_ID: HeaderName = HeaderName::from_static("x-azure-functions-invocationid");
const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");

/// Longest identifier that is taken over from a header.
pub(super) const MAX_ID: usize = 128;

/// Writes the line of a request that got an answer.
pub(super) fn answered(request: &Request<'_>, decision: &Decision<'_>, outcome: &Outcome<'_>, status: StatusCode) {
    // A request that was refused before its name was read leaves the name in the log all the same, if it is one.
    let refused_name = match (&outcome.key, request.route) {
        (None, Route::Secret { name, .. }) => SecretName::parse(name).ok(),
        _ => None,
    };
    let name = outcome.key.as_ref().map(|key| &key.name).or(refused_name.as_ref());
    let version = outcome.key.as_ref().and_then(|key| key.version.as_ref());
    let refused = match &outcome.unmet {
        Some(Unmet::Headers(names)) => Some(names.join(",")),
        Some(Unmet::Method(method)) => method.map(str::to_owned),
        None => None,
    };
    let caller = outcome.caller.as_ref();
    let given = match &outcome.answer {
        Answer::Credential(given) => Some(given),
        _ => None,
    };
    info!(
        function = function(request),
        method = method(request.method),
        secret = name.map(SecretName::as_str),
        version = version.map(SecretVersion::as_str),
        origin = origin(decision, request.headers),
        oid = caller.and_then(|caller| caller.oid.as_deref()),
        tid = caller.map(|caller: &Caller| &*caller.tid),
        client = caller.and_then(|caller| caller.client.as_deref()),
        rule = outcome.rule,
        give = given.map(|given| given.kind),
        ends = given.map(|given| given.ends),
        reason = outcome.reason(),
        refused,
        verdict = outcome.verdict(),
        status = status.as_u16(),
        cache = outcome.source.as_str(),
        duration_ms = duration_ms(request),
        request_id = %request.id,
        invocation_id = invocation_id(request.headers),
        trace_id = trace_id(request.headers),
        "request"
    );
}

/// Writes the line of a request that was dropped before there was an answer: its client went away, or the end of the
/// process cut it off.
pub(super) struct Abandoned<'a> {
    request: Option<Request<'a>>,
    origin: Option<&'a str>,
}

impl<'a> Abandoned<'a> {
    pub(super) fn until_answered(request: Request<'a>, decision: &Decision<'a>) -> Self {
        Self {
            request: Some(request),
            origin: origin(decision, request.headers),
        }
    }

    /// There is an answer, which writes its own line.
    pub(super) fn disarm(mut self) {
        self.request = None;
    }
}

impl Drop for Abandoned<'_> {
    fn drop(&mut self) {
        let Some(request) = &self.request else {
            return;
        };
        let name = match request.route {
            Route::Secret { name, .. } => SecretName::parse(name).ok(),
            Route::Readiness | Route::Unknown => None,
        };
        info!(
            function = function(request),
            method = method(request.method),
            secret = name.as_ref().map(SecretName::as_str),
            origin = self.origin,
            verdict = "Abandoned",
            cache = "none",
            duration_ms = duration_ms(request),
            request_id = %request.id,
            invocation_id = invocation_id(request.headers),
            trace_id = trace_id(request.headers),
            "request"
        );
    }
}

/// The function that the Functions host routes such a request to; none for what it does not route.
fn function(request: &Request<'_>) -> Option<&'static str> {
    match (request.route, request.method) {
        (Route::Secret { .. }, &Method::OPTIONS) => Some("Preflight"),
        (Route::Secret { .. }, &(Method::GET | Method::HEAD)) => Some("GetSecret"),
        _ => None,
    }
}

/// Milliseconds since the request began, to the microsecond.
fn duration_ms(request: &Request<'_>) -> f64 {
    let milliseconds = request.started.elapsed().as_secs_f64() * 1000.0;
    (milliseconds * 1000.0).round() / 1000.0
}

/// The method, if it is one that HTTP knows: an extension method is text that
/// a client made up.
fn method(method: &Method) -> &str {
    match method.as_str() {
        known @ ("GET" | "HEAD" | "OPTIONS" | "POST" | "PUT" | "DELETE" | "PATCH" | "TRACE" | "CONNECT") => known,
        _ => "(other)",
    }
}

/// The origin, or a word for what stands in its place.
fn origin<'a>(decision: &Decision<'_>, headers: &'a HeaderMap) -> Option<&'a str> {
    let refusal = match decision {
        Decision::Actual(Actual::Refused(refusal)) | Decision::Preflight(Err(refusal)) => Some(refusal),
        Decision::Actual(_) | Decision::Preflight(_) => None,
    };
    match refusal {
        Some(OriginRefusal::Repeated) => Some("(repeated)"),
        Some(OriginRefusal::Malformed(OriginError::Null)) => Some("null"),
        Some(OriginRefusal::Malformed(_)) => Some("(malformed)"),
        Some(OriginRefusal::NotListed) | None => headers.get(ORIGIN)?.to_str().ok(),
    }
}

/// The last one: the Functions host appends it, and a client can send lines of
/// its own in front.
fn invocation_id(headers: &HeaderMap) -> Option<&str> {
    let line = headers.get_all(&INVOCATION_ID).iter().next_back()?.to_str().ok()?;
    let id = line.rsplit(',').next().unwrap_or(line).trim();
    is_id(id).then_some(id)
}

/// The trace id of a version 00 `traceparent` (W3C Trace Context §3.2.2).
fn trace_id(headers: &HeaderMap) -> Option<&str> {
    let mut lines = headers.get_all(&TRACE_PARENT).iter();
    let (parent, None) = (lines.next()?.to_str().ok()?, lines.next()) else {
        return None;
    };
    let (trace_id, _) = parent.strip_prefix("00-")?.split_once('-')?;
    let of_form = trace_id.len() == 32 && trace_id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    (of_form && trace_id.bytes().any(|b| b != b'0')).then_some(trace_id)
}

fn is_id(text: &str) -> bool {
    let of_form = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    !text.is_empty() && text.len() <= MAX_ID && of_form
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::cors::{AllowedOrigins, Options, Pattern, Policy};

    fn map(name: &'static str, lines: &[&str]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for line in lines {
            map.append(name, HeaderValue::from_str(line).unwrap());
        }
        map
    }

    #[test]
    fn an_origin_is_logged_only_when_it_is_one() {
        let origins = AllowedOrigins::Listed {
            patterns: vec![Pattern::parse("https://allowed.example").unwrap()],
            credentials: false,
        };
        let policy = Policy::new(Options {
            origins,
            request_headers: Vec::new(),
            exposed_headers: Vec::new(),
            max_age: None,
        });
        for (lines, logged) in [
            (&[][..], None),
            (&["https://allowed.example"], Some("https://allowed.example")),
            (&["https://contoso.com"], Some("https://contoso.com")),
            (&["null"], Some("null")),
            (&["https://user:canary@contoso.com"], Some("(malformed)")),
            (&["https://contoso.com", "https://contoso.com"], Some("(repeated)")),
        ] {
            let headers = map("origin", lines);
            let decision = Decision::Actual(policy.actual(&headers));
            assert_eq!(origin(&decision, &headers), logged, "{lines:?}");
        }
    }

    #[test]
    fn the_hosts_invocation_id_is_the_last_one() {
        let name = "x-azure-functions-invocationid";
        for (lines, id) in [
            (&["a"][..], Some("a")),
            (&["spoofed", "b"], Some("b")),
            (&["spoofed, c"], Some("c")),
            (&["a b"], None),
            (&["a\tb"], None),
            (&[""], None),
        ] {
            assert_eq!(invocation_id(&map(name, lines)), id, "{lines:?}");
        }
    }

    #[test]
    fn a_trace_id_is_32_hexadecimal_digits() {
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        for (parent, expected) in [
            (format!("00-{id}-00f067aa0ba902b7-01"), Some(id)),
            (format!("00-{}-00f067aa0ba902b7-01", id.to_uppercase()), None),
            (format!("01-{id}-00f067aa0ba902b7-01"), None),
            (format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)), None),
            ("00-abc-def-01".to_owned(), None),
            ("nonsense".to_owned(), None),
        ] {
            assert_eq!(trace_id(&map("traceparent", &[&parent])), expected, "{parent}");
        }
    }
}
