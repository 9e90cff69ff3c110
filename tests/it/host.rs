//! Through the Functions host, in both of the ways in which it passes a request on.

use std::path::Path;

use testkit::functions_host::App;
use testkit::{Emulator, Secret};

use crate::support::client::{Answer, Request};
use crate::support::expect::Headers;
use crate::support::handler::{EXECUTABLE, Environment, ROOT};
use crate::support::host::{EXECUTABLE_OVERRIDE, FunctionsHost, KEY, Mode, PUBLIC_NAME};
use crate::support::{ORIGIN, PATH, SECRET, VALUE};

const MODES: [Mode; 2] = [Mode::Forwarding, Mode::Proxying];

async fn start(mode: Mode, platform_cors: Option<&[&str]>) -> (Emulator, FunctionsHost) {
    let emulator = Emulator::start().await.unwrap();
    emulator.put(SECRET, Secret::new(VALUE));
    let host = FunctionsHost::start(mode, Environment::of(&emulator), platform_cors).await;
    (emulator, host)
}

fn with_key(request: Request) -> Request {
    request.origin(ORIGIN).header("x-functions-key", KEY)
}

/// The answer as a list-joining client sees it: the older way of the host splits `Vary` and `Allow` into lines, and ends
/// the connection after a 204.
fn joined(mut answer: Answer) -> Answer {
    for name in ["vary", "allow"] {
        let lines = answer.headers.get_all(name).iter();
        let lines: Vec<_> = lines.map(|value| value.to_str().unwrap().to_owned()).collect();
        if !lines.is_empty() {
            answer.headers.insert(name, lines.join(", ").parse().unwrap());
        }
    }
    if answer.status == 204 {
        answer.headers.remove("connection");
    }
    answer
}

/// Fails unless the host itself answered, with nothing of the handler in it.
fn assert_hosts_own(label: &str, answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{label}");
    assert!(answer.body.is_empty(), "{label}: {}", answer.text());
    assert_eq!(answer.header("x-ms-request-id"), None, "{label}");
}

#[tokio::test]
async fn with_its_key_a_secret_reaches_the_browser() {
    for mode in MODES {
        let (emulator, host) = start(mode, None).await;
        let version = emulator.put(SECRET, Secret::new(VALUE));
        let with_version = format!("{PATH}/{version}");

        for request in [
            with_key(Request::get(PATH)),
            with_key(Request::get("/api/secrets/maps-key/")),
            with_key(Request::get(&with_version)),
            with_key(Request::get("/API/Secrets/MAPS-KEY?api-version=2025-07-01&x=1&x=2")),
            Request::get(&format!("{PATH}?code={KEY}")).origin(ORIGIN),
        ] {
            let label = format!("{mode:?} {}", request.target);
            let answer = joined(host.send(request).await);
            answer.must_be(&label, 200, &Headers::json().readable_by(ORIGIN));
            assert_eq!(answer.json()["value"], VALUE, "{label}");
            assert_eq!(
                answer.json()["id"],
                format!("https://{PUBLIC_NAME}/secrets/maps-key/{version}"),
                "{label}"
            );
        }
        let answer = joined(host.send(with_key(Request::head(PATH))).await);
        answer.must_be(&format!("{mode:?} HEAD"), 200, &Headers::json().readable_by(ORIGIN));
        host.stop().await;
    }
}

#[tokio::test]
async fn without_its_key_the_host_refuses_and_the_vault_is_not_touched() {
    for mode in MODES {
        let (emulator, host) = start(mode, None).await;

        for request in [
            Request::get(PATH).origin(ORIGIN),
            Request::head(PATH).origin(ORIGIN),
            Request::get(PATH).origin(ORIGIN).header("x-functions-key", "another"),
            Request::get(&format!("{PATH}?code=another")).origin(ORIGIN),
        ] {
            let label = format!("{mode:?} {request:?}");
            assert_hosts_own(&label, &host.send(request).await, 401);
        }
        assert_eq!(emulator.counters().connections, 0, "{mode:?}");
    }
}

#[tokio::test]
async fn a_preflight_needs_no_key() {
    for mode in MODES {
        let (_emulator, host) = start(mode, None).await;

        for path in [PATH, "/api/secrets/maps-key/0123/"] {
            let request = Request::preflight(path, ORIGIN, "GET")
                .header("access-control-request-headers", "authorization,x-functions-key");
            let answer = joined(host.send(request).await);
            answer.must_be(&format!("{mode:?} {path}"), 204, &Headers::granting(ORIGIN));
        }
        let answer = joined(host.send(Request::preflight(PATH, "https://evil.example", "GET")).await);
        let headers = Headers::json().for_preflight();
        answer.must_refuse("evil", 403, ("Forbidden", Some("OriginNotAllowed")), &headers);
        let answer = joined(host.send(Request::options(PATH)).await);
        answer.must_be("plain", 204, &Headers::bare().with("allow", "GET, HEAD, OPTIONS"));
    }
}

#[tokio::test]
async fn a_refusal_of_the_handler_passes_through_with_its_body() {
    for mode in MODES {
        let (_emulator, host) = start(mode, None).await;
        let readable = Headers::json().readable_by(ORIGIN);

        let request = Request::get(PATH)
            .origin("https://evil.example")
            .header("x-functions-key", KEY);
        let answer = joined(host.send(request).await);
        answer.must_refuse("origin", 403, ("Forbidden", Some("OriginNotAllowed")), &Headers::json());
        let answer = joined(host.send(with_key(Request::get("/api/secrets/other"))).await);
        answer.must_refuse("name", 404, ("SecretNotFound", None), &readable);
        let answer = joined(host.send(with_key(Request::get("/api/secrets/a_b"))).await);
        answer.must_refuse("form", 400, ("BadParameter", None), &readable);
    }
}

#[tokio::test]
async fn what_no_function_lists_is_the_hosts_own_404() {
    for mode in MODES {
        let (_emulator, host) = start(mode, None).await;

        for request in [
            Request::new("POST", PATH),
            Request::new("PUT", PATH),
            Request::new("DELETE", PATH),
            Request::get("/api/secrets"),
            Request::get("/api/secrets/"),
            Request::get("/api/secrets/a/b/c"),
            Request::get("/api/keys/a"),
            Request::get("/secrets/a"),
        ] {
            let label = format!("{mode:?} {} {}", request.method, request.target);
            assert_hosts_own(&label, &host.send(with_key(request)).await, 404);
        }
    }
}

#[tokio::test]
async fn an_encoded_name_is_never_taken_for_another() {
    // Proxying decodes and encodes again. What is still encoded then is a bad parameter, never a cut name.
    let (emulator, host) = start(Mode::Proxying, None).await;
    for path in [
        "/api/secrets/maps-key%3Fx",
        "/api/secrets/maps-key%23x",
        "/api/secrets/maps-key%20",
        "/api/secrets/other%2Fmaps-key",
        "/api/secrets/%252e%252e",
        "/api/secrets/maps-key%ff",
    ] {
        let answer = joined(host.send(with_key(Request::get(path))).await);
        answer.must_refuse(path, 400, ("BadParameter", None), &Headers::json().readable_by(ORIGIN));
    }
    assert_eq!(emulator.counters().gets, 0);
    for path in ["/api/secrets/maps%2Dkey", "/api/secrets/other/%2e%2e/maps-key"] {
        let answer = joined(host.send(with_key(Request::get(path))).await);
        answer.must_be(path, 200, &Headers::json().readable_by(ORIGIN));
    }

    // Forwarding decodes first. A cut path names an allowed secret or it does not; it opens nothing else.
    let (_emulator, host) = start(Mode::Forwarding, None).await;
    for (path, status) in [
        ("/api/secrets/maps-key%3Fx", 200),
        ("/api/secrets/maps-key%23x", 200),
        ("/api/secrets/maps-key%20", 200),
        ("/api/secrets/maps%2Dkey", 200),
        ("/api/secrets/other%3F/maps-key", 404),
        ("/api/secrets/a%20b", 400),
        ("/api/secrets/maps-key%C3%A4", 400),
    ] {
        let answer = joined(host.send(with_key(Request::get(path))).await);
        answer.must_be(path, status, &Headers::json().readable_by(ORIGIN));
    }
}

#[tokio::test]
async fn with_platform_cors_the_host_answers_every_preflight() {
    for mode in MODES {
        let (emulator, host) = start(mode, Some(&[ORIGIN])).await;

        for path in [PATH, "/api/nothing"] {
            let request =
                Request::preflight(path, ORIGIN, "GET").header("access-control-request-headers", "x-anything");
            let answer = host.send(request).await;
            assert_hosts_own(path, &answer, 204);
            assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN));
            let answer = host.send(Request::preflight(path, "https://evil.example", "GET")).await;
            assert_hosts_own(path, &answer, 204);
            assert_eq!(answer.header("access-control-allow-origin"), None);
        }

        let answer = joined(host.send(with_key(Request::get(PATH))).await);
        answer.must_be("listed", 200, &Headers::json().readable_by(ORIGIN));
        emulator.reset_counters();
        let request = Request::get(PATH)
            .origin("https://evil.example")
            .header("x-functions-key", KEY);
        let answer = joined(host.send(request).await);
        answer.must_refuse(
            "unlisted",
            403,
            ("Forbidden", Some("OriginNotAllowed")),
            &Headers::json(),
        );
        assert_eq!(emulator.counters().gets, 0, "{mode:?}");
    }
}

#[tokio::test]
async fn an_origin_that_only_the_platform_lists_still_gets_no_secret() {
    for mode in MODES {
        let (emulator, host) = start(mode, Some(&["https://evil.example"])).await;

        let request = Request::get(PATH)
            .origin("https://evil.example")
            .header("x-functions-key", KEY);
        let answer = host.send(request).await;

        assert_eq!(answer.status, 403, "{mode:?}");
        // The middleware adds the header to the handler's refusal: the page can read why.
        assert_eq!(
            answer.header("access-control-allow-origin"),
            Some("https://evil.example")
        );
        assert!(!answer.text().contains(VALUE), "{mode:?}");
        assert_eq!(emulator.counters().connections, 0, "{mode:?}");
    }
}

#[tokio::test]
async fn a_handler_that_is_gone_is_an_empty_500() {
    for mode in MODES {
        let (_emulator, mut host) = start(mode, None).await;
        assert_eq!(host.send(with_key(Request::get(PATH))).await.status, 200);

        host.kill_handler().await;

        assert_hosts_own("GET", &host.send(with_key(Request::get(PATH))).await, 500);
        assert_hosts_own(
            "preflight",
            &host.send(Request::preflight(PATH, ORIGIN, "GET")).await,
            500,
        );
    }
}

#[tokio::test]
async fn the_hosts_invocation_id_wins_over_a_clients() {
    for mode in MODES {
        let (_emulator, host) = start(mode, None).await;
        let request = with_key(Request::get(PATH)).header("x-azure-functions-invocationid", "made-up-by-the-client");

        let answer = host.send(request).await;

        assert_eq!(answer.status, 200, "{mode:?}");
        let output = host.stop().await;
        assert!(
            !output.all().contains("made-up-by-the-client"),
            "{mode:?}: {}",
            output.all()
        );
    }
}

#[tokio::test]
async fn an_app_setting_can_name_another_executable() {
    let emulator = Emulator::start().await.unwrap();
    emulator.put(SECRET, Secret::new(VALUE));
    let environment = Environment::of(&emulator).with(EXECUTABLE_OVERRIDE, EXECUTABLE);

    let host = FunctionsHost::start(Mode::Proxying, environment, None).await;

    assert_eq!(host.send(with_key(Request::get(PATH))).await.status, 200);
}

#[test]
fn the_two_functions_share_the_route_and_only_the_preflight_is_anonymous() {
    let app = App::read(Path::new(ROOT)).unwrap();

    for (method, name, anonymous) in [
        ("GET", "GetSecret", false),
        ("HEAD", "GetSecret", false),
        ("OPTIONS", "Preflight", true),
    ] {
        for path in [
            "/api/secrets/a",
            "/api/secrets/a/",
            "/api/secrets/a/b",
            "/api/secrets/a/b/",
            "/API/SECRETS/a",
        ] {
            let function = app.find(method, path).unwrap_or_else(|| panic!("{method} {path}"));
            assert_eq!(
                (function.name(), function.is_anonymous()),
                (name, anonymous),
                "{method} {path}"
            );
        }
    }
    for method in ["POST", "PUT", "DELETE", "PATCH", "TRACE"] {
        assert!(app.find(method, "/api/secrets/a").is_none(), "{method}");
    }
}
