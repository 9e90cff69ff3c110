//! The one line that every request leaves in the log.

use http::header::ORIGIN;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use tokio::time::Instant;
use tracing::info;
use uuid::Uuid;

use crate::cache::Source;
use crate::caller::{Caller, CallerError};
use crate::cors::{Actual, Decision, OriginError, OriginRefusal, PreflightRefusal};
use crate::secret::{SecretName, SecretVersion};

const INVOCATION_ID: HeaderName = HeaderName::from_static("x-azure-functions-invocationid");
const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");

/// Longest identifier that is taken over from a header.
const MAX_ID: usize = 128;

/// What the line says. Untrusted text is here as what it was found to be, or
/// not at all: never a whole header, a token, a value or the query string.
///
/// The line is written when the entry is dropped, so a request that its client
/// gave up leaves one too.
#[derive(Debug)]
pub(super) struct Entry<'a> {
    method: &'a Method,
    headers: &'a HeaderMap,
    request_id: Uuid,
    started: Instant,
    origin: Option<&'a str>,
    pub(super) name: Option<&'a SecretName>,
    pub(super) version: Option<&'a SecretVersion>,
    pub(super) source: Source,
    pub(super) caller: Option<Caller>,
    /// What a caller was refused for, or why a secret is absent.
    pub(super) reason: Option<&'static str>,
    /// `None` until there is an answer.
    answer: Option<(&'static str, StatusCode)>,
}

impl<'a> Entry<'a> {
    pub(super) fn begin(method: &'a Method, headers: &'a HeaderMap, decision: &Decision, request_id: Uuid) -> Self {
        Self {
            method,
            headers,
            request_id,
            started: Instant::now(),
            origin: origin(decision, headers),
            name: None,
            version: None,
            source: Source::None,
            caller: None,
            reason: None,
            answer: None,
        }
    }

    /// Remembers why a caller is refused, and who it is if that is known.
    pub(super) fn refuse(&mut self, error: CallerError) {
        match error {
            CallerError::Unauthorized(reason) => self.reason = Some(reason),
            CallerError::NotAllowed(caller) => self.caller = Some(*caller),
            CallerError::AuthorityUnavailable => {}
        }
    }

    /// Writes the line of a request that got an answer.
    pub(super) fn end(mut self, verdict: &'static str, status: StatusCode) {
        self.answer = Some((verdict, status));
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        let function = if self.method == Method::OPTIONS {
            "Preflight"
        } else {
            "GetSecret"
        };
        let duration_ms = self.started.elapsed().as_secs_f64() * 1000.0;
        let duration_ms = (duration_ms * 1000.0).round() / 1000.0;
        info!(
            function,
            method = method(self.method),
            secret = self.name.map(SecretName::as_str),
            version = self.version.map(SecretVersion::as_str),
            origin = self.origin,
            oid = self.caller.as_ref().and_then(|caller| caller.oid.as_deref()),
            tid = self.caller.as_ref().map(|caller| &*caller.tid),
            client = self.caller.as_ref().and_then(|caller| caller.client.as_deref()),
            reason = self.reason,
            verdict = self.answer.map_or("Abandoned", |(verdict, _)| verdict),
            status = self.answer.map(|(_, status)| status.as_u16()),
            cache = self.source.as_str(),
            duration_ms,
            request_id = %self.request_id,
            invocation_id = invocation_id(self.headers),
            trace_id = trace_id(self.headers),
            "request"
        );
    }
}

/// The method, if it is one that HTTP knows: an extension method is text that
/// a client made up.
fn method(method: &Method) -> &str {
    match method.as_str() {
        known @ ("GET" | "HEAD" | "OPTIONS" | "POST" | "PUT" | "DELETE" | "PATCH" | "TRACE" | "CONNECT") => known,
        _ => "(other)",
    }
}

/// The origin, if it is one.
fn origin<'a>(decision: &Decision, headers: &'a HeaderMap) -> Option<&'a str> {
    let refusal = match decision {
        Decision::Actual(Actual::Refused(refusal)) | Decision::Preflight(Err(PreflightRefusal::Origin(refusal))) => {
            Some(refusal)
        }
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

/// `x-ms-client-request-id`, if it may be echoed: one line of 1 to 128 visible
/// ASCII characters.
pub(super) fn client_request_id(headers: &HeaderMap) -> Option<&HeaderValue> {
    let mut lines = headers.get_all(super::CLIENT_REQUEST_ID).iter();
    let id = lines.next()?;
    let visible = id.as_bytes().iter().all(u8::is_ascii_graphic);
    (visible && (1..=MAX_ID).contains(&id.len()) && lines.next().is_none()).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cors::{AllowedOrigins, Pattern, Policy, RequestHeaders};

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
        let policy = Policy::new(origins, RequestHeaders::default(), &[], None);
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

    #[test]
    fn a_client_request_id_is_echoed_whole_or_not_at_all() {
        let name = "x-ms-client-request-id";
        let (longest, longer) = ("x".repeat(128), "x".repeat(129));
        for (lines, echoed) in [
            (&["a"][..], true),
            (&["~!{}"], true),
            (&[&longest], true),
            (&[&longer], false),
            (&[""], false),
            (&["a b"], false),
            (&["é"], false),
            (&["a", "b"], false),
        ] {
            assert_eq!(client_request_id(&map(name, lines)).is_some(), echoed, "{lines:?}");
        }
    }
}
