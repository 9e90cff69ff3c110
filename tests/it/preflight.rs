//! Preflights: what they grant, for which reason they are refused, and how little they look at.

use crate::support::client::Request;
use crate::support::expect::Headers;
use crate::support::{ORIGIN, PATH, Rig};

#[tokio::test]
async fn an_allowed_origin_gets_one_answer_on_every_path_of_the_route() {
    let rig = Rig::start().await;

    for method in ["GET", "HEAD"] {
        for path in [
            PATH,
            "/api/secrets/maps-key/",
            "/API/Secrets/maps-key/0123",
            "/api/secrets/maps-key/0123/",
        ] {
            let answer = rig.send(Request::preflight(path, ORIGIN, method)).await;
            answer.must_be(&format!("{method} {path}"), 204, &Headers::granting(ORIGIN));
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
        answer.must_be(name, 204, &Headers::granting(ORIGIN));
    }
    let request = Request::preflight(PATH, ORIGIN, "GET").header("authorization", "Bearer nonsense");
    rig.send(request)
        .await
        .must_be("a token", 204, &Headers::granting(ORIGIN));
    let request = Request::preflight(PATH, ORIGIN, "GET").header("access-control-request-private-network", "true");
    rig.send(request)
        .await
        .must_be("a private network", 204, &Headers::granting(ORIGIN));
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
async fn what_is_asked_for_changes_the_log_and_not_the_answer() {
    let cases = [
        ("GET", "authorization", r#"verdict="Allowed""#),
        ("POST", "authorization", r#"verdict="MethodNotAllowed""#),
        ("get", "", r#"verdict="MethodNotAllowed""#),
        (
            "GET",
            "X-Evil,authorization",
            r#"refused="X-Evil" verdict="HeadersNotAllowed""#,
        ),
        (
            "GET",
            "a,b,c,d,e,f,g,h,i,j",
            r#"refused="a,b,c,d,e,f,g,h" verdict="HeadersNotAllowed""#,
        ),
        ("GET", "x\"y,\\", r#"refused="" verdict="HeadersNotAllowed""#),
    ];
    let rig = Rig::start().await;
    for (method, names, _) in cases {
        let request = Request::preflight(PATH, ORIGIN, method).header("access-control-request-headers", names);
        rig.send(request).await.must_be(names, 204, &Headers::granting(ORIGIN));
    }
    let output = rig.handler.stop().await;
    let lines: Vec<_> = output
        .stdout
        .lines()
        .filter(|line| line.contains("function=\"Preflight\""))
        .collect();
    assert_eq!(lines.len(), cases.len(), "{lines:?}");
    for (line, (method, names, logged)) in lines.iter().zip(cases) {
        assert!(line.contains(logged), "{method} {names}: {line}");
    }
}

#[tokio::test]
async fn another_origin_is_refused_whatever_it_asks_for() {
    let rig = Rig::start().await;

    for (origin, method, name) in [
        ("https://evil.example", "GET", "authorization"),
        ("https://evil.example", "POST", "x-evil"),
        ("null", "GET", "authorization"),
    ] {
        let request = Request::preflight(PATH, origin, method).header("access-control-request-headers", name);
        let error = ("Forbidden", Some("OriginNotAllowed"));
        rig.send(request)
            .await
            .must_refuse(origin, 403, error, &Headers::json().for_preflight());
    }
}

#[tokio::test]
async fn the_headers_of_the_setting_replace_the_default_ones() {
    let headers = || Headers::granting(ORIGIN).without("access-control-allow-headers");
    for (setting, expected) in [
        (
            " X-Api-Key , authorization",
            headers().with("access-control-allow-headers", "authorization,x-api-key"),
        ),
        ("", headers()),
    ] {
        let rig = Rig::with(&[("ALLOWED_HEADERS", setting)]).await;
        let answer = rig.send(Request::preflight(PATH, ORIGIN, "GET")).await;
        answer.must_be(setting, 204, &expected);
    }
}

#[tokio::test]
async fn the_max_age_is_that_of_the_setting_and_can_be_left_to_the_browser() {
    let headers = || Headers::granting(ORIGIN).without("access-control-max-age");

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
