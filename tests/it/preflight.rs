//! Preflights: what they grant, for which reason they are refused, and how little they look at.

use crate::support::client::{Answer, Request};
use crate::support::expect::Headers;
use crate::support::{ORIGIN, PATH, Rig};

const DEFAULT_HEADERS: [&str; 6] = [
    "authorization",
    "x-functions-key",
    "x-ms-client-request-id",
    "x-ms-useragent",
    "traceparent",
    "tracestate",
];

/// A preflight from the allowed origin with these lines of `Access-Control-Request-Headers`.
async fn ask(rig: &Rig, lines: &[impl AsRef<[u8]>]) -> Answer {
    let preflight = Request::preflight(PATH, ORIGIN, "GET");
    let add = |request: Request, line| request.header("access-control-request-headers", line);
    rig.send(lines.iter().fold(preflight, add)).await
}

async fn assert_granted(rig: &Rig, label: &str, lines: &[impl AsRef<[u8]>], granted: &str) {
    let headers = Headers::granting(ORIGIN, "GET");
    let headers = if granted.is_empty() {
        headers
    } else {
        headers.with("access-control-allow-headers", granted)
    };
    ask(rig, lines).await.must_be(label, 204, &headers);
}

async fn assert_headers_refused(rig: &Rig, label: &str, lines: &[impl AsRef<[u8]>]) {
    let error = ("Forbidden", Some("HeadersNotAllowed"));
    ask(rig, lines)
        .await
        .must_refuse(label, 403, error, &Headers::json().for_preflight());
}

#[tokio::test]
async fn an_allowed_preflight_grants_what_was_asked_and_no_more() {
    let rig = Rig::start().await;

    for method in ["GET", "HEAD"] {
        for path in [
            PATH,
            "/api/secrets/maps-key/",
            "/API/Secrets/maps-key/0123",
            "/api/secrets/maps-key/0123/",
        ] {
            let answer = rig.send(Request::preflight(path, ORIGIN, method)).await;
            answer.must_be(&format!("{method} {path}"), 204, &Headers::granting(ORIGIN, method));
            assert!(answer.body.is_empty());
        }
    }
    rig.assert_untouched("preflights");
}

#[tokio::test]
async fn a_preflight_looks_neither_at_the_name_nor_at_the_allow_list() {
    let rig = Rig::start().await;

    for name in ["other", "a_b", "maps%2Dkey", "..", &"n".repeat(128), "maps-key/v_1"] {
        let answer = rig
            .send(Request::preflight(&format!("/api/secrets/{name}"), ORIGIN, "GET"))
            .await;
        answer.must_be(name, 204, &Headers::granting(ORIGIN, "GET"));
    }
    let request = Request::preflight(PATH, ORIGIN, "GET").header("authorization", "Bearer nonsense");
    rig.send(request)
        .await
        .must_be("a token", 204, &Headers::granting(ORIGIN, "GET"));
    let request = Request::preflight(PATH, ORIGIN, "GET").header("access-control-request-private-network", "true");
    rig.send(request)
        .await
        .must_be("a private network", 204, &Headers::granting(ORIGIN, "GET"));
    rig.assert_untouched("preflights");
}

#[tokio::test]
async fn off_the_secrets_route_there_is_no_preflight() {
    let rig = Rig::start().await;

    for path in [
        "/api",
        "/api/secrets",
        "/api/secrets/",
        "/api/secrets/a/b/c",
        "/api/keys/a",
    ] {
        let answer = rig.send(Request::preflight(path, ORIGIN, "GET")).await;
        answer.must_refuse(path, 404, ("NotFound", None), &Headers::json().readable_by(ORIGIN));
        let answer = rig.send(Request::preflight(path, "https://evil.example", "GET")).await;
        answer.must_refuse(path, 404, ("NotFound", None), &Headers::json());
    }
}

#[tokio::test]
async fn an_options_that_is_no_preflight_is_never_refused() {
    let rig = Rig::start().await;
    let plain = Headers::bare().with("allow", "GET, HEAD, OPTIONS");

    for (lines, headers) in [
        (&[][..], plain.clone()),
        (&[("origin", ORIGIN)], plain.clone().readable_by(ORIGIN)),
        (&[("origin", "https://evil.example")], plain.clone()),
        (&[("origin", "null")], plain.clone()),
        (&[("origin", "")], plain.clone()),
        (&[("origin", ORIGIN), ("origin", ORIGIN)], plain.clone()),
        (&[("access-control-request-method", "GET")], plain.clone()),
        (&[("access-control-request-method", "POST")], plain.clone()),
        (
            &[("origin", ORIGIN), ("access-control-request-headers", "x-evil")],
            plain.clone().readable_by(ORIGIN),
        ),
        (
            &[("sec-fetch-mode", "navigate"), ("sec-fetch-dest", "document")],
            plain.clone(),
        ),
    ] {
        for path in [PATH, "/api/secrets/other", "/api/secrets/a_b"] {
            let answer = rig.send(Request::options(path).headers(lines)).await;
            answer.must_be(&format!("{lines:?} {path}"), 204, &headers);
        }
    }
    rig.assert_untouched("plain OPTIONS");
}

#[tokio::test]
async fn another_method_is_refused() {
    let rig = Rig::start().await;
    let error = ("Forbidden", Some("MethodNotAllowed"));
    let headers = Headers::json().for_preflight();

    for method in [
        "POST",
        "PUT",
        "DELETE",
        "OPTIONS",
        "PATCH",
        "get",
        "Get",
        "head",
        "",
        "*",
        "GET, HEAD",
        "GET,",
        "G ET",
    ] {
        let answer = rig.send(Request::preflight(PATH, ORIGIN, method)).await;
        answer.must_refuse(method, 403, error, &headers);
    }
    for (first, second) in [
        ("GET", "GET"),
        ("GET", "HEAD"),
        ("GET", "POST"),
        ("POST", "GET"),
        ("GET", ""),
    ] {
        let request = Request::preflight(PATH, ORIGIN, first).header("access-control-request-method", second);
        rig.send(request)
            .await
            .must_refuse(&format!("{first}, then {second}"), 403, error, &headers);
    }
}

#[tokio::test]
async fn of_several_reasons_the_origin_is_named_first_and_the_headers_last() {
    let rig = Rig::start().await;
    let headers = Headers::json().for_preflight();

    for (origin, method, name, inner) in [
        ("https://evil.example", "POST", "x-evil", "OriginNotAllowed"),
        ("https://evil.example", "GET", "x-evil", "OriginNotAllowed"),
        ("null", "POST", "authorization", "OriginNotAllowed"),
        (ORIGIN, "POST", "x-evil", "MethodNotAllowed"),
        (ORIGIN, "POST", "authorization", "MethodNotAllowed"),
        (ORIGIN, "GET", "x-evil", "HeadersNotAllowed"),
    ] {
        let request = Request::preflight(PATH, origin, method).header("access-control-request-headers", name);
        let label = format!("{origin} {method} {name}");
        rig.send(request)
            .await
            .must_refuse(&label, 403, ("Forbidden", Some(inner)), &headers);
    }
}

#[tokio::test]
async fn header_names_come_back_lower_case_in_order_once_and_in_one_line() {
    let rig = Rig::start().await;
    let none: [&str; 0] = [];
    let all = DEFAULT_HEADERS.join(",");
    let reversed = DEFAULT_HEADERS.iter().rev().copied().collect::<Vec<_>>().join(",");

    assert_granted(&rig, "none", &none, "").await;
    assert_granted(&rig, "each of the default ones", &[all.as_str()], &all).await;
    assert_granted(&rig, "in any order", &[reversed.as_str()], &reversed).await;
    assert_granted(
        &rig,
        "in any case",
        &["X-Functions-KEY,Authorization"],
        "x-functions-key,authorization",
    )
    .await;
    assert_granted(
        &rig,
        "spaced",
        &["x-functions-key, authorization"],
        "x-functions-key,authorization",
    )
    .await;
    assert_granted(
        &rig,
        "tabbed",
        &["x-functions-key\t,\tauthorization"],
        "x-functions-key,authorization",
    )
    .await;
    let repeated = ["traceparent,authorization,TraceParent,authorization"];
    assert_granted(&rig, "repeated", &repeated, "traceparent,authorization").await;
    let lines = ["tracestate", "authorization, traceparent", "tracestate"];
    assert_granted(
        &rig,
        "over several lines",
        &lines,
        "tracestate,authorization,traceparent",
    )
    .await;
    assert_granted(
        &rig,
        "with empty elements",
        &[",authorization,, ,traceparent,"],
        "authorization,traceparent",
    )
    .await;
    assert_granted(&rig, "an empty line", &[""], "").await;
    assert_granted(&rig, "empty elements only", &[",", "", " , "], "").await;
    assert_granted(
        &rig,
        "an empty line among others",
        &["", "authorization", ""],
        "authorization",
    )
    .await;
}

#[tokio::test]
async fn a_header_name_that_is_not_allowed_is_refused() {
    let rig = Rig::start().await;

    for names in [
        "x-evil",
        "authorization,x-evil",
        "x-evil,authorization",
        "AUTHORIZATION, X-Evil",
        "*",
        "author",
        "authorizationx",
        "authorization;traceparent",
        "authorization traceparent",
        "\"authorization\"",
        "x-http-method-override",
        "content-type",
        "cookie",
    ] {
        assert_headers_refused(&rig, names, &[names]).await;
    }
    assert_headers_refused(&rig, "on another line", &["authorization", "x-evil"]).await;
    assert_headers_refused(&rig, "not ASCII", &[&b"authorization,\xc3\xa4"[..]]).await;
    assert_headers_refused(&rig, "not UTF-8", &[&b"\xff"[..]]).await;
    // Unicode, unlike ASCII, lower-cases the Kelvin sign to a `k`.
    assert_headers_refused(&rig, "a Kelvin sign", &["x-functions-\u{212a}ey"]).await;
}

#[tokio::test]
async fn up_to_32_lines_and_no_more() {
    let rig = Rig::start().await;

    assert_granted(&rig, "32 lines", &["authorization"; 32], "authorization").await;
    assert_headers_refused(&rig, "33 lines", &["authorization"; 33]).await;
}

#[tokio::test]
async fn up_to_32_empty_elements_and_no_more() {
    let rig = Rig::start().await;
    let empties = |count: usize| [format!("{}authorization", ",".repeat(count))];

    assert_granted(&rig, "32 empty elements", &empties(32), "authorization").await;
    assert_headers_refused(&rig, "33 empty elements", &empties(33)).await;
    let over_lines = |count: usize| [",".repeat(count), ",".repeat(14), "authorization".to_owned()];
    assert_granted(&rig, "32 over two lines", &over_lines(16), "authorization").await;
    assert_headers_refused(&rig, "33 over two lines", &over_lines(17)).await;
}

#[tokio::test]
async fn up_to_64_names_and_no_more() {
    let allowed: Vec<_> = (0..70).map(|number| format!("x-header-{number}")).collect();
    let rig = Rig::with(&[("ALLOWED_HEADERS", &allowed.join(","))]).await;
    let one_line = |count: usize| [allowed[..count].join(",")];
    let two_lines = |count: usize| [allowed[..40].join(","), allowed[40..count].join(",")];

    assert_granted(&rig, "64 names", &one_line(64), &one_line(64)[0]).await;
    assert_headers_refused(&rig, "65 names", &one_line(65)).await;
    assert_granted(&rig, "64 names over two lines", &two_lines(64), &one_line(64)[0]).await;
    assert_headers_refused(&rig, "65 names over two lines", &two_lines(65)).await;
}

#[tokio::test]
async fn up_to_4_kib_and_no_more() {
    // 64 names of 63 characters with their commas are one byte short of 4 KiB; the last name makes up for it.
    let name = |number: usize, length: usize| format!("x-{number:0width$}", width = length - 2);
    let mut names: Vec<_> = (0..63).map(|number| name(number, 63)).collect();
    let allowed = [names.clone(), vec![name(99, 64), name(99, 65)]].concat();
    let rig = Rig::with(&[("ALLOWED_HEADERS", &allowed.join(","))]).await;

    names.push(name(99, 64));
    let at_bound = names.join(",");
    assert_eq!(at_bound.len(), 4096);
    assert_granted(&rig, "4,096 bytes", &[&at_bound], &at_bound).await;
    names[63] = name(99, 65);
    assert_headers_refused(&rig, "4,097 bytes", &[names.join(",")]).await;
    // Each line is short enough, and so is the number of names.
    let lines = [names[..32].join(","), names[32..].join(","), names[..2].join(",")];
    assert_headers_refused(&rig, "4 KiB over several lines", &lines).await;
}

#[tokio::test]
async fn the_headers_of_the_setting_replace_the_default_ones() {
    let rig = Rig::with(&[("ALLOWED_HEADERS", " X-Api-Key , authorization")]).await;
    assert_granted(&rig, "both", &["x-api-key,authorization"], "x-api-key,authorization").await;
    assert_headers_refused(&rig, "a default one", &["x-functions-key"]).await;

    let rig = Rig::with(&[("ALLOWED_HEADERS", "")]).await;
    let none: [&str; 0] = [];
    assert_granted(&rig, "none", &none, "").await;
    assert_granted(&rig, "an empty line", &[""], "").await;
    assert_headers_refused(&rig, "authorization", &["authorization"]).await;
}

#[tokio::test]
async fn the_max_age_is_that_of_the_setting_and_can_be_left_to_the_browser() {
    let headers = || Headers::granting(ORIGIN, "GET").without("access-control-max-age");

    for (setting, sent) in [("0", "0"), ("5", "5"), ("86400", "86400")] {
        let rig = Rig::with(&[("PREFLIGHT_MAX_AGE_SECONDS", setting)]).await;
        let answer = rig.send(Request::preflight(PATH, ORIGIN, "GET")).await;
        answer.must_be(setting, 204, &headers().with("access-control-max-age", sent));
    }
    let rig = Rig::with(&[("PREFLIGHT_MAX_AGE_SECONDS", "")]).await;
    rig.send(Request::preflight(PATH, ORIGIN, "GET"))
        .await
        .must_be("empty", 204, &headers());
}

#[tokio::test]
async fn a_missing_origin_that_may_be_missing_makes_no_preflight() {
    let rig = Rig::with(&[("REQUIRE_ORIGIN", "false")]).await;

    let answer = rig
        .send(Request::options(PATH).header("access-control-request-method", "GET"))
        .await;

    answer.must_be("plain", 204, &Headers::bare().with("allow", "GET, HEAD, OPTIONS"));
}
