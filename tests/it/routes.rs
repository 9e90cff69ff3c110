//! What is a route and what is not: 404, 405, `BadParameter`, and the readiness probe.

use crate::support::client::Request;
use crate::support::expect::Headers;
use crate::support::raw;
use crate::support::{ORIGIN, PATH, Rig};

#[tokio::test]
async fn the_readiness_probe_is_an_empty_200_without_the_common_headers() {
    let rig = Rig::start().await;

    for (request, label) in [
        (Request::get("/"), "GET /"),
        (Request::head("/"), "HEAD /"),
        (Request::get("/").origin(ORIGIN), "GET / with an origin"),
        (
            Request::get("/").origin("null").header("sec-fetch-mode", "navigate"),
            "GET / with a bad origin",
        ),
        (
            Request::get("/").header("host", "evil.example"),
            "GET / for another host",
        ),
    ] {
        let answer = rig.send(request).await;
        assert_eq!(answer.status, 200, "{label}");
        assert!(answer.body.is_empty(), "{label}");
        let mut lines = answer.lines();
        lines.retain(|(name, value)| name != "date" && !(name == "content-length" && value == "0"));
        assert_eq!(lines, [], "{label}");
    }
    rig.assert_untouched("readiness");
}

#[tokio::test]
async fn what_is_no_route_is_404_and_touches_nothing() {
    let rig = Rig::with(&[("ALLOWED_SECRETS", "*"), ("DANGEROUSLY_ALLOW_ANY_SECRET", "true")]).await;

    for path in [
        "/api",
        "/api/",
        "/api/secrets",
        "/api/secrets/",
        "/api/secrets?name=maps-key",
        "/secrets/maps-key",
        "/api/secret/maps-key",
        "/api/keys/maps-key",
        "/api/secretsmaps-key",
        "/api/secrets/maps-key/v1/more",
        "/api/secrets/maps-key/v1/more/",
        "/api/secrets/maps-key/../maps-key",
        "/api/secrets//maps-key",
        "/api/secrets//",
        "/api/secrets/maps-key//",
        "/api/secrets/maps-key/v1//",
        "/api/secrets/maps-key//v1",
        "/api//secrets/maps-key",
        "//api/secrets/maps-key",
        "/./api/secrets/maps-key",
        "/x/api/secrets/maps-key",
        "/%61pi/secrets/maps-key",
        "/api/%73ecrets/maps-key",
        "/api%2Fsecrets%2Fmaps-key",
        "/admin/host/status",
        "/favicon.ico",
        "/robots.txt",
    ] {
        let answer = rig.get(path).await;
        let headers = Headers::json().readable_by(ORIGIN);
        answer.must_refuse(path, 404, ("NotFound", None), &headers);
        rig.head(path).await.must_be(path, 404, &headers);
    }
    rig.assert_untouched("no route");
}

#[tokio::test]
async fn a_name_or_a_version_of_another_form_is_a_bad_parameter() {
    let rig = Rig::with(&[("ALLOWED_SECRETS", "*"), ("DANGEROUSLY_ALLOW_ANY_SECRET", "true")]).await;
    let name_128 = "n".repeat(128);
    let version_65 = "v".repeat(65);

    for segments in [
        "maps_key",
        "maps.key",
        "maps-key.",
        "..",
        ".",
        "*",
        "geo-*",
        "maps%2Dkey",
        "maps%2dkey",
        "%6Daps-key",
        "maps-key%00",
        "maps-key%2Fv1",
        "maps-key%",
        "maps-key;v=1",
        "maps-key:1",
        "maps+key",
        "maps~key",
        "$maps",
        "maps-key,other",
        "maps-key/%20",
        "maps-key/v-1",
        "maps-key/v.1",
        "maps-key/..",
        "maps-key/v%31",
        "maps-key/*",
        "maps_key/v1",
        &name_128,
        &format!("{name_128}/v1"),
        &format!("maps-key/{version_65}"),
    ] {
        for path in [format!("/api/secrets/{segments}"), format!("/api/secrets/{segments}/")] {
            let headers = Headers::json().readable_by(ORIGIN);
            rig.get(&path)
                .await
                .must_refuse(&path, 400, ("BadParameter", None), &headers);
            rig.head(&path).await.must_be(&path, 400, &headers);
        }
    }
    rig.assert_untouched("bad parameters");
}

#[tokio::test]
async fn a_bad_name_is_a_bad_parameter_even_where_it_could_never_be_allowed() {
    let rig = Rig::with(&[("ALLOWED_SECRETS", "maps-key")]).await;

    let answer = rig.get("/api/secrets/other_key").await;

    answer.must_refuse("bad", 400, ("BadParameter", None), &Headers::json().readable_by(ORIGIN));
}

#[tokio::test]
async fn another_method_is_405_and_says_which_are_allowed() {
    let rig = Rig::start().await;

    for method in [
        "POST", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND", "get", "Get", "head", "options", "X",
    ] {
        for path in [
            PATH,
            "/api/secrets/not-allowed",
            "/api/secrets/a_b",
            "/API/SECRETS/maps-key/v1/",
        ] {
            let label = format!("{method} {path}");
            let answer = rig.send(Request::new(method, path).origin(ORIGIN)).await;
            let headers = Headers::json().readable_by(ORIGIN).with("allow", "GET, HEAD, OPTIONS");
            answer.must_refuse(&label, 405, ("MethodNotAllowed", None), &headers);
        }
    }
    rig.assert_untouched("other methods");
}

#[tokio::test]
async fn a_405_does_not_read_the_body_as_a_request() {
    let rig = Rig::start().await;

    for head in ["Content-Length: 5", "Transfer-Encoding: chunked"] {
        let body = if head.starts_with('C') {
            "hello"
        } else {
            "5\r\nhello\r\n0\r\n\r\n"
        };
        let bytes = format!("POST {PATH} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{head}\r\n\r\n{body}");
        let raw = raw::exchange(rig.handler.port(), bytes.as_bytes()).await;
        assert_eq!(raw.statuses(), [405], "{head}: {}", raw.text());
    }
}

#[tokio::test]
async fn the_route_is_judged_before_the_method_and_both_before_the_gates() {
    let rig = Rig::start().await;
    let evil = |request: Request| {
        request
            .origin("https://evil.example")
            .header("sec-fetch-mode", "navigate")
    };

    let answer = rig.send(evil(Request::new("POST", "/api/nothing"))).await;
    answer.must_refuse("no route, no method", 404, ("NotFound", None), &Headers::json());
    let answer = rig.send(evil(Request::new("POST", PATH))).await;
    let headers = Headers::json().with("allow", "GET, HEAD, OPTIONS");
    answer.must_refuse("no method", 405, ("MethodNotAllowed", None), &headers);
    let answer = rig.send(evil(Request::get("/api/nothing"))).await;
    answer.must_refuse("no route", 404, ("NotFound", None), &Headers::json());
}

#[tokio::test]
async fn a_404_and_a_405_carry_cors_headers_only_for_an_allowed_origin() {
    let rig = Rig::start().await;

    for lines in [
        &[][..],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("origin", "")],
        &[("origin", ORIGIN), ("origin", ORIGIN)],
    ] {
        let answer = rig.send(Request::get("/api/nothing").headers(lines)).await;
        answer.must_refuse(&format!("404 {lines:?}"), 404, ("NotFound", None), &Headers::json());
        let answer = rig.send(Request::new("DELETE", PATH).headers(lines)).await;
        let headers = Headers::json().with("allow", "GET, HEAD, OPTIONS");
        answer.must_refuse(&format!("405 {lines:?}"), 405, ("MethodNotAllowed", None), &headers);
    }
}

#[tokio::test]
async fn an_absolute_form_target_is_read_for_its_path() {
    let rig = Rig::start().await;

    for (target, status) in [
        (format!("http://anything.example{PATH}"), 200),
        (format!("https://anything.example:8443{PATH}/?x=1"), 200),
        ("http://anything.example".to_owned(), 200),
        ("http://anything.example/nothing".to_owned(), 404),
    ] {
        let bytes = format!("GET {target} HTTP/1.1\r\nHost: x\r\nOrigin: {ORIGIN}\r\nConnection: close\r\n\r\n");
        let raw = raw::exchange(rig.handler.port(), bytes.as_bytes()).await;
        assert_eq!(raw.statuses(), [status], "{target}: {}", raw.text());
    }
}
