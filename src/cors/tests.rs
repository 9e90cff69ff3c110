//! The decision tables. Every row states the exact set of headers: one too
//! many fails like one too few.

use http::header::ACCESS_CONTROL_ALLOW_ORIGIN;
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::*;

const REQUEST_HEADERS: [&str; 2] = ["x-functions-key", "authorization"];
const VARY_3: &str = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers";

fn names(list: &[&str]) -> Vec<HeaderName> {
    list.iter().map(|name| name.parse().expect("a header name")).collect()
}

fn policy(origins: AllowedOrigins, request_headers: &[&str], exposed_headers: &[&str], max_age: Option<u32>) -> Policy {
    Policy::new(Options {
        origins,
        request_headers: names(request_headers),
        exposed_headers: names(exposed_headers),
        max_age,
    })
}

fn listed(patterns: &[&str], credentials: bool) -> Policy {
    let origins = AllowedOrigins::Listed {
        patterns: patterns.iter().map(|text| Pattern::parse(text).expect(text)).collect(),
        credentials,
    };
    policy(
        origins,
        &REQUEST_HEADERS,
        &["retry-after", "x-ms-request-id"],
        Some(600),
    )
}

fn contoso() -> Policy {
    listed(&["https://contoso.com", "https://*.contoso.com"], false)
}

fn map(headers: &[(&str, &str)]) -> HeaderMap {
    headers
        .iter()
        .map(|(name, value)| {
            let name: HeaderName = name.parse().expect("a header name");
            (name, HeaderValue::from_str(value).expect("a header value"))
        })
        .collect()
}

/// The headers of the answer, sorted, as text.
fn answer(policy: &Policy, method: &Method, headers: &[(&str, &str)]) -> Vec<String> {
    let headers = map(headers);
    let decision = policy.decide(method, &headers);
    let mut answer = HeaderMap::new();
    policy.apply(decision.earned(), &mut answer);
    answer.extend(
        policy
            .allow_origin(&decision)
            .map(|origin| (ACCESS_CONTROL_ALLOW_ORIGIN, origin)),
    );
    let mut lines: Vec<_> = answer
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().expect("ASCII")))
        .collect();
    lines.sort();
    lines
}

#[test]
fn an_actual_answer_carries_what_its_origin_earned_and_no_more() {
    let allowed = [("origin", "https://a.contoso.com")];
    assert_eq!(
        answer(&contoso(), &Method::GET, &allowed),
        [
            "access-control-allow-origin: https://a.contoso.com",
            "access-control-expose-headers: retry-after,x-ms-request-id",
            "vary: Origin",
        ]
    );
    let with_credentials = listed(&["https://a.contoso.com"], true);
    assert_eq!(
        answer(&with_credentials, &Method::GET, &allowed),
        [
            "access-control-allow-credentials: true",
            "access-control-allow-origin: https://a.contoso.com",
            "access-control-expose-headers: retry-after,x-ms-request-id",
            "vary: Origin",
        ]
    );
    for headers in [
        &[][..],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("origin", "https://contoso.com"), ("origin", "https://contoso.com")],
        &[("origin", "https://contoso.com, https://contoso.com")],
    ] {
        assert_eq!(
            answer(&contoso(), &Method::GET, headers),
            ["vary: Origin"],
            "{headers:?}"
        );
    }
}

#[test]
fn any_origin_is_answered_with_the_literal_wildcard() {
    let policy = policy(AllowedOrigins::Any, &[], &[], None);
    assert_eq!(
        answer(&policy, &Method::GET, &[("origin", "https://who.example")]),
        ["access-control-allow-origin: *", "vary: Origin"]
    );
    for origin in ["null", "https://who.example/", "HTTPS://who.example", "who.example"] {
        assert_eq!(
            answer(&policy, &Method::GET, &[("origin", origin)]),
            ["vary: Origin"],
            "{origin}"
        );
    }
    assert_eq!(
        answer(
            &policy,
            &Method::OPTIONS,
            &[
                ("origin", "https://who.example"),
                ("access-control-request-method", "HEAD"),
            ]
        ),
        [
            "access-control-allow-methods: GET,HEAD".to_owned(),
            "access-control-allow-origin: *".to_owned(),
            format!("vary: {VARY_3}"),
        ]
    );
}

#[test]
fn a_preflight_is_options_with_origin_and_request_method() {
    let policy = contoso();
    let origin = ("origin", "https://contoso.com");
    let method = ("access-control-request-method", "GET");
    for (is_preflight, verb, headers) in [
        (true, Method::OPTIONS, &[origin, method][..]),
        (false, Method::OPTIONS, &[origin]),
        (false, Method::OPTIONS, &[method]),
        (false, Method::OPTIONS, &[]),
        (false, Method::GET, &[origin, method]),
        (false, Method::HEAD, &[origin, method]),
    ] {
        let headers = map(headers);
        let decision = policy.decide(&verb, &headers);
        assert_eq!(
            matches!(decision, Decision::Preflight(_)),
            is_preflight,
            "{verb} {headers:?}"
        );
    }
}

#[test]
fn an_allowed_origin_gets_one_answer_whatever_its_preflight_asks_for() {
    let origin = ("origin", "https://contoso.com");
    let get = ("access-control-request-method", "GET");
    let expected = [
        "access-control-allow-headers: authorization,x-functions-key".to_owned(),
        "access-control-allow-methods: GET,HEAD".to_owned(),
        "access-control-allow-origin: https://contoso.com".to_owned(),
        "access-control-max-age: 600".to_owned(),
        format!("vary: {VARY_3}"),
    ];
    for asked in [
        &[origin, get][..],
        &[origin, ("access-control-request-method", "DELETE")],
        &[origin, ("access-control-request-method", "")],
        &[origin, get, get],
        &[origin, get, ("access-control-request-headers", "x-functions-key")],
        &[origin, get, ("access-control-request-headers", "x-evil, \"")],
    ] {
        assert_eq!(answer(&contoso(), &Method::OPTIONS, asked), expected, "{asked:?}");
    }
    let mut with_credentials = expected.to_vec();
    with_credentials.insert(0, "access-control-allow-credentials: true".to_owned());
    assert_eq!(
        answer(
            &listed(&["https://contoso.com"], true),
            &Method::OPTIONS,
            &[origin, get]
        ),
        with_credentials
    );
}

#[test]
fn no_header_names_and_no_max_age_leave_their_headers_out() {
    let origins = AllowedOrigins::Listed {
        patterns: vec![Pattern::parse("https://contoso.com").expect("a pattern")],
        credentials: false,
    };
    let preflight = [
        ("origin", "https://contoso.com"),
        ("access-control-request-method", "GET"),
    ];
    assert_eq!(
        answer(&policy(origins, &[], &[], None), &Method::OPTIONS, &preflight),
        [
            "access-control-allow-methods: GET,HEAD".to_owned(),
            "access-control-allow-origin: https://contoso.com".to_owned(),
            format!("vary: {VARY_3}"),
        ]
    );
}

#[test]
fn a_refused_preflight_carries_vary_alone() {
    let get = ("access-control-request-method", "GET");
    for headers in [
        &[("origin", "https://evil.example"), get][..],
        &[("origin", "https://contoso.com/"), get],
        &[("origin", "null"), get],
        &[
            ("origin", "https://contoso.com"),
            ("origin", "https://contoso.com"),
            get,
        ],
    ] {
        assert_eq!(
            answer(&contoso(), &Method::OPTIONS, headers),
            [format!("vary: {VARY_3}")],
            "{headers:?}"
        );
    }
}

#[test]
fn the_log_is_told_what_the_browser_will_miss() {
    let get = ("access-control-request-method", "GET");
    let asking = |lines: &[&'static str]| {
        let lines = lines.iter().map(|line| ("access-control-request-headers", *line));
        let headers: Vec<_> = [get].into_iter().chain(lines).collect();
        match contoso().unmet(&map(&headers)) {
            None => None,
            Some(Unmet::Headers(names)) => Some(names.join(" ")),
            Some(Unmet::Method(_)) => panic!("GET is allowed"),
        }
    };
    for allowed in [&[][..], &[""], &[" , ,\t"], &["X-Functions-Key,,AUTHORIZATION "]] {
        assert_eq!(asking(allowed), None, "{allowed:?}");
    }
    for (lines, told) in [
        (&["authorization,x-evil"][..], "x-evil"),
        (&["X-Evil", "content-type"], "X-Evil content-type"),
        (&["*"], "*"),
        // What is no header name is told as nothing.
        (&["author ization, \"quoted\""], ""),
        (&["a,b,c,d,e,f,g,h,i,j"], "a b c d e f g h"),
    ] {
        assert_eq!(asking(lines).as_deref(), Some(told), "{lines:?}");
    }
    for (methods, told) in [
        (&["PUT"][..], Some("PUT")),
        (&["get"], Some("get")),
        (&[""], None),
        (&["GET, HEAD"], None),
        (&["GET", "GET"], None),
    ] {
        let headers: Vec<_> = methods
            .iter()
            .map(|method| ("access-control-request-method", *method))
            .collect();
        assert_eq!(
            contoso().unmet(&map(&headers)),
            Some(Unmet::Method(told)),
            "{methods:?}"
        );
    }
}
