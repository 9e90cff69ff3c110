//! The one line that every request leaves in the log.
//!
//! Untrusted text is logged only after it was parsed, and only in part: never a whole header, a token, a value or the
//! query string.

use http::header::ORIGIN;
use http::{HeaderMap, Method, StatusCode};
use tracing::info;

use super::route::Route;
use super::{Answer, Outcome, Request};
use crate::cors::{Decision, OriginError, OriginRefusal, Unmet};
use crate::secret::{SecretName, SecretVersion};
use crate::token::Caller;

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
    let caller = outcome.caller.as_deref();
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
        invocation_id = request.fields.invocation_id(),
        trace_id = request.fields.trace_id(),
        "request"
    );
}

/// Writes the line of a request that was dropped before there was an answer: its client went away, or the end of the
/// process cut it off.
pub(super) struct Abandoned<'a>(Option<(&'a Request<'a>, &'a Decision<'a>)>);

impl<'a> Abandoned<'a> {
    pub(super) fn until_answered(request: &'a Request<'a>, decision: &'a Decision<'a>) -> Self {
        Self(Some((request, decision)))
    }

    /// There is an answer, which writes its own line.
    pub(super) fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for Abandoned<'_> {
    fn drop(&mut self) {
        let Some((request, decision)) = self.0 else {
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
            origin = origin(decision, request.headers),
            verdict = "Abandoned",
            cache = "none",
            duration_ms = duration_ms(request),
            request_id = %request.id,
            invocation_id = request.fields.invocation_id(),
            trace_id = request.fields.trace_id(),
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
fn origin<'a>(decision: &Decision<'a>, headers: &'a HeaderMap) -> Option<&'a str> {
    if let Some(allowed) = decision.allowed() {
        return Some(allowed.text);
    }
    match decision.refusal()? {
        OriginRefusal::Repeated => Some("(repeated)"),
        OriginRefusal::Malformed(OriginError::Null) => Some("null"),
        OriginRefusal::Malformed(_) => Some("(malformed)"),
        OriginRefusal::NotListed => headers.get(ORIGIN)?.to_str().ok(),
    }
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
}
