//! What holds for every request, whoever made it up: shared by the fuzz
//! targets and the property tests.

use super::cors::{Actual, AllowedOrigins, Decision, Options, Origin, Pattern, Policy, Unmet};
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, ORIGIN};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use url::Url;

/// What the policy of [`decision`] allows.
pub(crate) const PATTERNS: [&str; 6] = [
    "https://contoso.com",
    "https://*.contoso.com",
    "https://fabrikam.com:8443",
    "http://localhost:*",
    "http://127.0.0.1:3000",
    "http://[::1]:3000",
];
/// The request headers that it allows.
pub(crate) const HEADERS: [&str; 3] = ["authorization", "x-functions-key", "traceparent"];

/// An origin that is accepted is one that a browser could have serialised: it
/// reads back as itself, and the URL standard's parser agrees.
pub(crate) fn origin(bytes: &[u8]) {
    let Ok(origin) = Origin::parse(bytes) else {
        return;
    };
    let text = std::str::from_utf8(bytes).expect("an accepted origin is ASCII");
    let port = origin.port.map_or(String::new(), |port| format!(":{port}"));
    assert_eq!(format!("{}://{}{port}", origin.scheme, origin.host_text), text);
    let url = Url::parse(text).expect("an accepted origin is a URL");
    assert_eq!(url.origin().ascii_serialization(), text);
}

/// A request in lines, decided on.
pub(crate) fn decision(bytes: &[u8]) {
    let mut lines = bytes.split(|&b| b == b'\n');
    let Some(Ok(method)) = lines.next().map(Method::from_bytes) else {
        return;
    };
    let headers = lines.filter_map(header).collect();
    decide(&method, &headers);
}

/// `name: value`, if both can be a header's.
fn header(line: &[u8]) -> Option<(HeaderName, HeaderValue)> {
    let colon = line.iter().position(|&b| b == b':')?;
    let (name, value) = line.split_at(colon);
    let value = value.strip_prefix(b":")?.trim_ascii();
    Some((HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(value).ok()?))
}

/// The policy's answer to a request gives away nothing that it did not earn.
pub(crate) fn decide(method: &Method, headers: &HeaderMap) {
    let patterns: Vec<_> = PATTERNS
        .iter()
        .map(|text| Pattern::parse(text).expect("a pattern"))
        .collect();
    let names: Vec<HeaderName> = HEADERS.iter().map(|name| name.parse().expect("a name")).collect();
    let origins = AllowedOrigins::Listed {
        patterns: patterns.clone(),
        credentials: true,
    };
    let policy = Policy::new(Options {
        origins,
        request_headers: names,
        exposed_headers: Vec::new(),
        max_age: Some(600),
    });
    let decision = policy.decide(method, headers);
    let mut answer = HeaderMap::new();
    policy.apply(decision.earned(), &mut answer);
    answer.extend(
        policy
            .allow_origin(&decision)
            .map(|origin| (ACCESS_CONTROL_ALLOW_ORIGIN, origin)),
    );

    let mut lines = headers.get_all(ORIGIN).iter();
    let only = lines.next().filter(|_| lines.next().is_none());
    let is_allowed = only.is_some_and(|line| {
        Origin::parse(line.as_bytes()).is_ok_and(|origin| patterns.iter().any(|pattern| pattern.matches(&origin)))
    });
    let granted = match &decision {
        Decision::Preflight(verdict) => verdict.is_ok(),
        Decision::Actual(verdict) => matches!(verdict, Actual::Allowed(_)),
    };
    assert_eq!(granted, is_allowed, "an allowed origin is always granted, and no other");

    // `Vary` always, and nothing else unless granted: the request's own bytes as the origin, and one answer to every
    // preflight.
    assert!(
        answer
            .get_all("vary")
            .iter()
            .any(|vary| vary.as_bytes().starts_with(b"Origin"))
    );
    assert_eq!(answer.keys_len() > 1, granted);
    assert_eq!(answer.get("access-control-allow-origin"), only.filter(|_| granted));
    if let Decision::Preflight(Ok(_)) = decision {
        assert_eq!(answer["access-control-allow-methods"], "GET,HEAD");
        assert_eq!(
            answer["access-control-allow-headers"],
            "authorization,traceparent,x-functions-key"
        );
    }
    // What is told of it is a part of the request, and never a name that is allowed.
    if let Some(Unmet::Headers(names)) = policy.unmet(headers) {
        assert!(names.len() <= 8);
        assert!(
            names
                .iter()
                .all(|name| !HEADERS.contains(&name.to_ascii_lowercase().as_str()))
        );
    }
}
