//! Properties of the CORS engine, over origins and requests that are nearly
//! right: a random text would be refused for its first byte.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a broken expectation ends a test, in the shared invariants too"
)]

#[path = "../crates/fuzz/invariants.rs"]
mod invariants;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use keyvault_cors::cors;
use keyvault_cors::cors::{AllowedOrigins, Decision, Options, Origin, Pattern, Policy};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// The vectors that the engine's own table and the fuzzer's corpus use too.
const VECTORS: &str = include_str!("../crates/fuzz/seeds/origins.txt");

fn seeds() -> Vec<&'static str> {
    VECTORS
        .lines()
        .filter_map(|line| Some(line.split_once('\t')?.1))
        .collect()
}

/// A text made of the pieces that origins and attacks on them are made of.
fn nearly_an_origin() -> impl Strategy<Value = String> {
    let pieces = select(vec![
        "https://",
        "http://",
        "HTTPS://",
        "contoso",
        ".com",
        ".contoso.com",
        "fabrikam.com",
        "localhost",
        "127.0.0.1",
        "[::1]",
        "[",
        "]",
        "::",
        "1",
        "0x7f",
        ".",
        "-",
        "_",
        ":",
        ":8443",
        ":3000",
        ":443",
        ":80",
        ":0",
        "*",
        "*.",
        "@",
        "/",
        "\\",
        "?",
        "#",
        "%2e",
        "xn--",
        "xn--bcher-kva",
        "null",
        "",
        " ",
        "\t",
        "é",
        "A",
    ]);
    prop_oneof![
        vec(pieces, 0..8).prop_map(|pieces| pieces.concat()),
        // A seed with one character changed.
        (select(seeds()), any::<prop::sample::Index>(), any::<char>()).prop_map(|(seed, index, replacement)| {
            let mut characters: Vec<_> = seed.chars().collect();
            if !characters.is_empty() {
                let at = index.index(characters.len());
                characters[at] = replacement;
            }
            characters.into_iter().collect()
        }),
        select(seeds()).prop_map(str::to_owned),
    ]
}

fn a_request() -> impl Strategy<Value = (Method, HeaderMap)> {
    let origin = prop_oneof![
        select(&invariants::PATTERNS[..]).prop_map(|pattern| pattern.replace("*.", "a.b.").replace(":*", ":1")),
        nearly_an_origin(),
    ];
    let asked = vec(
        select(vec![
            "authorization",
            "X-Functions-Key",
            "traceparent",
            "x-evil",
            "",
            " ",
        ]),
        0..6,
    )
    .prop_map(|names| names.join(","));
    let methods = select(vec!["GET", "HEAD", "get", "PUT", "OPTIONS", ""]);
    (
        select(vec![Method::GET, Method::HEAD, Method::OPTIONS, Method::POST]),
        vec(origin, 0..3),
        vec(methods, 0..3),
        vec(asked, 0..3),
    )
        .prop_map(|(method, origins, methods, asked)| {
            let mut headers = HeaderMap::new();
            let lines = origins
                .iter()
                .map(|value| ("origin", value.as_str()))
                .chain(methods.iter().map(|value| ("access-control-request-method", *value)))
                .chain(
                    asked
                        .iter()
                        .map(|value| ("access-control-request-headers", value.as_str())),
                );
            for (name, value) in lines {
                if let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) {
                    headers.append(HeaderName::from_static(name), value);
                }
            }
            (method, headers)
        })
}

/// Where the table's sections `allowed` and `refused` hold.
const LIST: [&str; 5] = [
    "https://app.contoso.com",
    "https://*.contoso.com",
    "https://shop.fabrikam.com:8443",
    "http://localhost:*",
    "https://[2001:db8::1]",
];

#[test]
fn every_origin_of_the_table_is_allowed_or_refused_by_the_list() {
    let patterns = LIST.map(|text| Pattern::parse(text).expect("a pattern"));
    let origins = AllowedOrigins::Listed {
        patterns: patterns.to_vec(),
        credentials: false,
    };
    let policy = Policy::new(Options {
        origins,
        request_headers: Vec::new(),
        exposed_headers: Vec::new(),
        max_age: None,
    });
    let (mut section, mut count) = ("", 0);
    for line in VECTORS.lines() {
        section = line.strip_prefix("== ").unwrap_or(section);
        let Some((_, origin)) = line.split_once('\t') else {
            continue;
        };
        let Ok(value) = HeaderValue::from_bytes(origin.as_bytes()) else {
            continue;
        };
        let headers = HeaderMap::from_iter([(http::header::ORIGIN, value)]);
        let Decision::Actual(actual) = policy.decide(&Method::GET, &headers) else {
            unreachable!("not a preflight")
        };
        let is_allowed = matches!(actual, cors::Actual::Allowed(_));
        assert_eq!(is_allowed, section == "allowed", "{origin}");
        let matches = Origin::parse(origin.as_bytes())
            .is_ok_and(|origin| patterns.iter().any(|pattern| pattern.matches(&origin)));
        assert_eq!(matches, is_allowed, "{origin}");
        count += 1;
    }
    assert!(count > 350, "{count} origins");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_accepted_origin_is_one_that_a_browser_could_send(text in nearly_an_origin()) {
        invariants::origin(text.as_bytes());
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in vec(any::<u8>(), 0..64)) {
        invariants::origin(&bytes);
        invariants::decision(&bytes);
    }

    #[test]
    fn a_request_gets_what_it_earned((method, headers) in a_request()) {
        invariants::decide(&method, &headers);
    }

    #[test]
    fn a_pattern_that_can_be_written_is_read_back_as_itself(text in nearly_an_origin()) {
        if let Ok(pattern) = Pattern::parse(&text) {
            prop_assert_eq!(pattern.to_string(), text);
        }
    }

    #[test]
    fn an_exact_pattern_allows_its_own_text_alone(text in nearly_an_origin(), other in nearly_an_origin()) {
        if let Ok(pattern) = Pattern::parse(&text) && pattern.is_exact() {
            let matches = |text: &str| Origin::parse(text.as_bytes()).is_ok_and(|origin| pattern.matches(&origin));
            prop_assert!(matches(&text));
            prop_assert_eq!(matches(&other), text == other);
        }
    }

    #[test]
    fn a_pattern_that_covers_another_matches_whatever_that_one_does(
        outer in nearly_an_origin(), inner in nearly_an_origin(), origin in nearly_an_origin()
    ) {
        let (Ok(outer), Ok(inner)) = (Pattern::parse(&outer), Pattern::parse(&inner)) else { return Ok(()) };
        if let Ok(origin) = Origin::parse(origin.as_bytes()) && outer.covers(&inner) && inner.matches(&origin) {
            prop_assert!(outer.matches(&origin));
        }
    }

    #[test]
    fn the_listed_set_decides_as_its_patterns_do(
        texts in vec(nearly_an_origin(), 1..6), origin in nearly_an_origin()
    ) {
        let patterns: Vec<_> = texts.iter().filter_map(|text| Pattern::parse(text).ok()).collect();
        let matches = Origin::parse(origin.as_bytes())
            .is_ok_and(|origin| patterns.iter().any(|pattern| pattern.matches(&origin)));
        let origins = AllowedOrigins::Listed { patterns, credentials: false };
        let policy = Policy::new(Options { origins, request_headers: Vec::new(), exposed_headers: Vec::new(), max_age: None });
        let Ok(value) = HeaderValue::from_bytes(origin.as_bytes()) else { return Ok(()) };
        let headers = HeaderMap::from_iter([(http::header::ORIGIN, value)]);
        let Decision::Actual(actual) = policy.decide(&Method::GET, &headers) else { unreachable!("not a preflight") };
        prop_assert_eq!(matches!(actual, cors::Actual::Allowed(_)), matches);
    }
}
