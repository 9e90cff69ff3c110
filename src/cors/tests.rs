//! The decision tables. Every row states the exact set of headers: one too
//! many fails like one too few.

use http::{HeaderMap, HeaderName, HeaderValue, Method};

use super::*;

const ORIGIN_HEADERS: [&str; 2] = ["authorization", "x-functions-key"];
const VARY_3: &str = "Origin, Access-Control-Request-Method, Access-Control-Request-Headers";

fn names(list: &[&str]) -> Vec<HeaderName> {
    list.iter().map(|name| name.parse().expect("a header name")).collect()
}

fn listed(patterns: &[&str], credentials: bool) -> Policy {
    Policy::new(
        AllowedOrigins::Listed {
            patterns: patterns.iter().map(|text| Pattern::parse(text).expect(text)).collect(),
            credentials,
        },
        RequestHeaders::new(names(&ORIGIN_HEADERS)),
        &names(&["retry-after", "x-ms-request-id"]),
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
    let decision = policy.decide(method, &map(headers));
    let mut answer = HeaderMap::new();
    policy.apply(&decision, &mut answer);
    let mut lines: Vec<_> = answer
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().expect("ASCII")))
        .collect();
    lines.sort();
    lines
}

fn preflight(policy: &Policy, headers: &[(&str, &str)]) -> Result<Option<String>, PreflightRefusal> {
    match policy.decide(&Method::OPTIONS, &map(headers)) {
        Decision::Preflight(verdict) => {
            verdict.map(|grant| grant.headers.map(|value| value.to_str().expect("ASCII").to_owned()))
        }
        Decision::Actual(actual) => panic!("not a preflight: {actual:?}"),
    }
}

/// A preflight of an allowed origin that asks for these header lines.
fn asking(lines: &[&str]) -> Result<Option<String>, PreflightRefusal> {
    let mut headers = vec![
        ("origin", "https://contoso.com"),
        ("access-control-request-method", "GET"),
    ];
    headers.extend(lines.iter().map(|line| ("access-control-request-headers", *line)));
    preflight(&contoso(), &headers)
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
    let policy = Policy::new(
        AllowedOrigins::Any,
        RequestHeaders::new(names(&ORIGIN_HEADERS)),
        &[],
        None,
    );
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
            "access-control-allow-methods: HEAD".to_owned(),
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
        let decision = policy.decide(&verb, &map(headers));
        assert_eq!(
            matches!(decision, Decision::Preflight(_)),
            is_preflight,
            "{verb} {headers:?}"
        );
    }
}

#[test]
fn an_allowed_preflight_names_one_method_and_the_headers_asked_for() {
    assert_eq!(
        answer(
            &contoso(),
            &Method::OPTIONS,
            &[
                ("origin", "https://contoso.com"),
                ("access-control-request-method", "GET"),
                ("access-control-request-headers", "X-Functions-Key"),
            ]
        ),
        [
            "access-control-allow-headers: x-functions-key".to_owned(),
            "access-control-allow-methods: GET".to_owned(),
            "access-control-allow-origin: https://contoso.com".to_owned(),
            "access-control-max-age: 600".to_owned(),
            format!("vary: {VARY_3}"),
        ]
    );
    let with_credentials = listed(&["https://contoso.com"], true);
    assert_eq!(
        answer(
            &with_credentials,
            &Method::OPTIONS,
            &[
                ("origin", "https://contoso.com"),
                ("access-control-request-method", "HEAD"),
            ]
        ),
        [
            "access-control-allow-credentials: true".to_owned(),
            "access-control-allow-methods: HEAD".to_owned(),
            "access-control-allow-origin: https://contoso.com".to_owned(),
            "access-control-max-age: 600".to_owned(),
            format!("vary: {VARY_3}"),
        ]
    );
}

#[test]
fn a_refused_preflight_carries_vary_alone_and_the_first_reason() {
    use PreflightRefusal as R;
    let origin = ("origin", "https://contoso.com");
    let get = ("access-control-request-method", "GET");
    let bad_header = ("access-control-request-headers", "x-evil");
    let cases: &[(&[(&str, &str)], R)] = &[
        (
            &[
                ("origin", "https://evil.example"),
                ("access-control-request-method", "PUT"),
                bad_header,
            ],
            R::Origin(OriginRefusal::NotListed),
        ),
        (
            &[("origin", "https://contoso.com/"), get],
            R::Origin(OriginRefusal::Malformed(OriginError::Path)),
        ),
        (&[origin, origin, get], R::Origin(OriginRefusal::Repeated)),
        (
            &[origin, ("access-control-request-method", "PUT"), bad_header],
            R::Method,
        ),
        (&[origin, ("access-control-request-method", "get")], R::Method),
        (&[origin, ("access-control-request-method", "OPTIONS")], R::Method),
        (&[origin, ("access-control-request-method", "")], R::Method),
        (&[origin, ("access-control-request-method", "GET, HEAD")], R::Method),
        (&[origin, get, get], R::Method),
        (&[origin, get, bad_header], R::Headers),
    ];
    for (headers, refusal) in cases {
        assert_eq!(preflight(&contoso(), headers), Err(*refusal), "{headers:?}");
        assert_eq!(
            answer(&contoso(), &Method::OPTIONS, headers),
            [format!("vary: {VARY_3}")],
            "{headers:?}"
        );
    }
}

#[test]
fn header_names_come_back_lower_case_in_order_and_once() {
    let granted = |value: &str| Ok(Some(value.to_owned()));
    assert_eq!(asking(&[]), Ok(None));
    assert_eq!(asking(&[""]), Ok(None));
    assert_eq!(asking(&[" , ,\t"]), Ok(None));
    assert_eq!(asking(&["authorization"]), granted("authorization"));
    assert_eq!(
        asking(&["X-Functions-Key, AUTHORIZATION"]),
        granted("x-functions-key,authorization")
    );
    assert_eq!(
        asking(&[
            "x-functions-key,,authorization , ",
            "",
            "\tAuthorization,x-functions-key"
        ]),
        granted("x-functions-key,authorization")
    );
    for refused in [
        "authorization,x-evil",
        "*",
        "author ization",
        "authorization;q=1",
        "authorizatio",
        "authorizationn",
    ] {
        assert_eq!(asking(&[refused]), Err(PreflightRefusal::Headers), "{refused}");
    }
}

#[test]
fn each_limit_on_header_names_holds_at_its_bound() {
    let refused = Err(PreflightRefusal::Headers);

    let lines = vec!["authorization"; 32];
    assert!(asking(&lines).is_ok());
    assert_eq!(asking(&[lines, vec![""]].concat()), refused);

    let list = |count| vec!["authorization"; count].join(",");
    assert!(asking(&[&list(64)]).is_ok());
    assert_eq!(asking(&[&list(65)]), refused);

    let commas = |count: usize| format!("authorization{}", ",".repeat(count));
    assert!(asking(&[&commas(32)]).is_ok());
    assert_eq!(asking(&[&commas(33)]), refused);

    let padded = |length: usize| format!("{:<length$}", "authorization");
    assert!(asking(&[&padded(4096)]).is_ok());
    assert_eq!(asking(&[&padded(4097)]), refused);
    assert_eq!(asking(&[&padded(4096), "a"]), refused);
}
