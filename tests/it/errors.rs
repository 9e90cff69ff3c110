//! The error rows that a secret and a request id can cause, and the one 404 that tells nothing.

use std::collections::HashSet;

use testkit::Secret;
use uuid::Uuid;

use crate::support::client::{Answer, Request};
use crate::support::expect::Headers;
use crate::support::raw;
use crate::support::{ORIGIN, PATH, Rig, VALUE, now};

fn names(answer: &Answer) -> Vec<String> {
    answer.lines().into_iter().map(|(name, _)| name).collect()
}

#[tokio::test]
async fn not_allowed_absent_and_a_certificates_are_one_and_the_same_404() {
    let rig = Rig::start().await;
    let kid = format!("{}/keys/geo-certificate/0123", rig.emulator.vault_url());
    rig.emulator.put("other", Secret::new(VALUE));
    rig.emulator.put(
        "geo-certificate",
        Secret::new("-----BEGIN PRIVATE KEY-----").certificate(&kid),
    );
    rig.emulator
        .put("geo-managed", Secret::new("-----BEGIN PRIVATE KEY-----").managed(true));
    rig.emulator
        .put("geo-kid", Secret::new("-----BEGIN PRIVATE KEY-----").kid(&kid));
    rig.emulator.put("geo-removed", Secret::new(VALUE));
    rig.emulator.remove("geo-removed");
    let version = rig.emulator.put(
        "geo-versioned",
        Secret::new("-----BEGIN PRIVATE KEY-----").certificate(&kid),
    );

    let reference = rig.get("/api/secrets/other").await;
    let headers = Headers::json().readable_by(ORIGIN);
    reference.must_refuse("not allowed", 404, ("SecretNotFound", None), &headers);

    for path in [
        "/api/secrets/other/0123456789abcdef0123456789abcdef".to_owned(),
        "/api/secrets/maps-ke".to_owned(),
        "/api/secrets/maps-key-".to_owned(),
        "/api/secrets/geo".to_owned(),
        "/api/secrets/geo-absent".to_owned(),
        "/api/secrets/geo-removed".to_owned(),
        "/api/secrets/maps-key/0123456789abcdef0123456789abcdef".to_owned(),
        "/api/secrets/geo-certificate".to_owned(),
        "/api/secrets/GEO-Certificate/".to_owned(),
        "/api/secrets/geo-managed".to_owned(),
        "/api/secrets/geo-kid".to_owned(),
        format!("/api/secrets/geo-versioned/{version}"),
    ] {
        let answer = rig.get(&path).await;
        answer.must_refuse(&path, 404, ("SecretNotFound", None), &headers);
        assert_eq!(answer.body, reference.body, "{path}");
        assert_eq!(names(&answer), names(&reference), "{path}");
        let head = rig.head(&path).await;
        head.must_be(&path, 404, &headers);
        assert_eq!(names(&head), names(&reference), "{path}");
    }
}

#[tokio::test]
async fn a_name_that_is_not_allowed_never_reaches_the_vault() {
    let rig = Rig::start().await;
    rig.emulator.put("other", Secret::new(VALUE));

    for name in [
        "other",
        "OTHER",
        "maps-ke",
        "maps-keys",
        "maps-key-",
        "geo",
        "xgeo-a",
        "a",
        "0",
    ] {
        let version = "0".repeat(32);
        for path in [
            format!("/api/secrets/{name}"),
            format!("/api/secrets/{name}/{version}/"),
        ] {
            assert_eq!(rig.get(&path).await.status, 404, "{path}");
            assert_eq!(rig.head(&path).await.status, 404, "{path}");
        }
    }
    rig.assert_untouched("names that are not allowed");
}

#[tokio::test]
async fn a_disabled_expired_or_not_yet_valid_secret_is_403_with_its_reason() {
    let rig = Rig::start().await;

    for (label, secret, inner) in [
        ("disabled", Secret::new(VALUE).disabled(), "SecretDisabled"),
        ("expired long ago", Secret::new(VALUE).expires(1), "SecretExpired"),
        (
            "expired just now",
            Secret::new(VALUE).expires(now() - 2),
            "SecretExpired",
        ),
        (
            "expired and open-ended before",
            Secret::new(VALUE).not_before(1).expires(2),
            "SecretExpired",
        ),
        (
            "not yet valid",
            Secret::new(VALUE).not_before(now() + 600),
            "SecretNotYetValid",
        ),
        (
            "valid one day",
            Secret::new(VALUE).not_before(now() + 600).expires(now() + 900),
            "SecretNotYetValid",
        ),
    ] {
        let version = rig.emulator.put("geo-timed", secret);
        for path in [
            "/api/secrets/geo-timed".to_owned(),
            format!("/api/secrets/geo-timed/{version}"),
        ] {
            let headers = Headers::json().readable_by(ORIGIN);
            let answer = rig.get(&path).await;
            answer.must_refuse(label, 403, ("Forbidden", Some(inner)), &headers);
            assert!(!answer.text().contains(VALUE), "{label}");
            rig.head(&path).await.must_be(label, 403, &headers);
        }
    }
}

#[tokio::test]
async fn a_secret_within_its_times_is_served() {
    let rig = Rig::start().await;

    for secret in [
        Secret::new(VALUE).not_before(now() - 60),
        Secret::new(VALUE).expires(now() + 600),
        Secret::new(VALUE).not_before(0).expires(253_402_300_799),
    ] {
        let (nbf, exp) = (secret.not_before, secret.expires);
        rig.emulator.put("geo-timed", secret);
        let answer = rig.get("/api/secrets/geo-timed").await;
        answer.must_be(&format!("{nbf:?} {exp:?}"), 200, &Headers::json().readable_by(ORIGIN));
        let attributes = answer.json()["attributes"].clone();
        assert_eq!((attributes["nbf"].as_i64(), attributes["exp"].as_i64()), (nbf, exp));
    }
}

#[tokio::test]
async fn an_old_version_is_judged_by_its_own_attributes() {
    let rig = Rig::start().await;
    let good = rig.emulator.put("geo-timed", Secret::new("good"));
    let bad = rig.emulator.put("geo-timed", Secret::new("bad").expires(1));

    assert_eq!(rig.get(&format!("/api/secrets/geo-timed/{good}")).await.status, 200);
    assert_eq!(rig.get(&format!("/api/secrets/geo-timed/{bad}")).await.status, 403);
    assert!(rig.emulator.update("geo-timed", &bad, |secret| secret.expires = None));
    assert!(rig.emulator.update("geo-timed", &good, |secret| secret.enabled = false));
    assert_eq!(rig.get(&format!("/api/secrets/geo-timed/{good}")).await.status, 403);
    assert_eq!(rig.get(&format!("/api/secrets/geo-timed/{bad}")).await.status, 200);
}

#[tokio::test]
async fn every_answer_has_a_request_id_of_its_own() {
    let rig = Rig::start().await;
    let mut seen = HashSet::new();

    for _ in 0..5 {
        for request in [
            Request::get(PATH).origin(ORIGIN),
            Request::head(PATH).origin(ORIGIN),
            Request::get(PATH),
            Request::get("/api/secrets/other").origin(ORIGIN),
            Request::get("/api/secrets/a_b").origin(ORIGIN),
            Request::get("/nothing"),
            Request::new("PUT", PATH),
            Request::options(PATH),
            Request::preflight(PATH, ORIGIN, "GET"),
            Request::preflight(PATH, "null", "GET"),
            // The client's idea of a request id is not ours.
            Request::get(PATH)
                .origin(ORIGIN)
                .header("x-ms-request-id", "00000000-0000-4000-8000-000000000000"),
        ] {
            let label = format!("{request:?}");
            let answer = rig.send(request).await;
            let id = Uuid::try_parse(answer.header("x-ms-request-id").unwrap()).unwrap();
            assert!(seen.insert(id), "{label}: {id} was used before");
        }
    }
    assert!(!seen.contains(&Uuid::parse_str("00000000-0000-4000-8000-000000000000").unwrap()));
}

#[tokio::test]
async fn a_client_request_id_is_echoed_when_it_is_1_to_128_visible_characters() {
    let rig = Rig::start().await;
    let visible: String = ('!'..='~').collect();

    for id in [
        "1",
        "3f1c1e8e-7a2b-4f5d-9c6e-0a1b2c3d4e5f",
        &visible,
        &"x".repeat(128),
        "\"quoted\\",
        "%0d%0a<script>",
    ] {
        let headers = Headers::json().readable_by(ORIGIN).with("x-ms-client-request-id", id);
        for path in [PATH, "/api/secrets/other", "/api/secrets/a_b", "/api/nothing"] {
            let answer = rig
                .send(Request::get(path).origin(ORIGIN).header("x-ms-client-request-id", id))
                .await;
            answer.must_be(&format!("{id:?} {path}"), answer.status, &headers);
        }
        let answer = rig
            .send(Request::preflight(PATH, ORIGIN, "GET").header("x-ms-client-request-id", id))
            .await;
        let headers = Headers::granting(ORIGIN).with("x-ms-client-request-id", id);
        answer.must_be(&format!("{id:?} preflight"), 204, &headers);
        let answer = rig
            .send(Request::get(PATH).origin("null").header("x-ms-client-request-id", id))
            .await;
        answer.must_be(
            &format!("{id:?} refused"),
            403,
            &Headers::json().with("x-ms-client-request-id", id),
        );
    }
}

#[tokio::test]
async fn a_client_request_id_of_another_form_is_left_out_and_not_cut() {
    let rig = Rig::start().await;
    let long = "x".repeat(129);

    for id in [
        &b""[..],
        b"two words",
        b"a\tb",
        b"caf\xc3\xa9",
        b"caf\xe9",
        b"\x80",
        long.as_bytes(),
    ] {
        let answer = rig
            .send(Request::get(PATH).origin(ORIGIN).header("x-ms-client-request-id", id))
            .await;
        let label = String::from_utf8_lossy(id).into_owned();
        answer.must_be(&label, 200, &Headers::json().readable_by(ORIGIN));
    }
    let twice = [("x-ms-client-request-id", "one"), ("x-ms-client-request-id", "two")];
    let answer = rig.send(Request::get(PATH).origin(ORIGIN).headers(&twice)).await;
    answer.must_be("repeated", 200, &Headers::json().readable_by(ORIGIN));
}

#[tokio::test]
async fn a_client_request_id_is_trimmed_as_any_header_value_is() {
    let rig = Rig::start().await;

    let bytes = format!(
        "GET {PATH} HTTP/1.1\r\nHost: x\r\nOrigin: {ORIGIN}\r\nx-ms-client-request-id: \t abc \t\r\n\
         Connection: close\r\n\r\n"
    );
    let raw = raw::exchange(rig.handler.port(), bytes.as_bytes()).await;

    assert_eq!(raw.statuses(), [200], "{}", raw.text());
    assert!(raw.text().contains("x-ms-client-request-id: abc\r\n"), "{}", raw.text());
}

#[tokio::test]
async fn the_gates_refuse_in_their_order() {
    let rig = Rig::start().await;
    let headers = Headers::json().readable_by(ORIGIN);
    let bad_name = "/api/secrets/a_b";

    let request = Request::get(bad_name)
        .origin("https://evil.example")
        .header("sec-fetch-mode", "navigate");
    rig.send(request).await.must_refuse(
        "origin first",
        403,
        ("Forbidden", Some("OriginNotAllowed")),
        &Headers::json(),
    );
    let request = Request::get(bad_name)
        .origin(ORIGIN)
        .header("sec-fetch-mode", "navigate");
    rig.send(request).await.must_refuse(
        "then fetch metadata",
        403,
        ("Forbidden", Some("FetchMetadata")),
        &headers,
    );
    let request = Request::get(bad_name).origin(ORIGIN).header("sec-fetch-mode", "cors");
    rig.send(request)
        .await
        .must_refuse("then the name", 400, ("BadParameter", None), &headers);
    let request = Request::get("/api/secrets/other").origin(ORIGIN);
    rig.send(request)
        .await
        .must_refuse("then the allow-list", 404, ("SecretNotFound", None), &headers);
    rig.assert_untouched("gates");
}
