//! When the vault, the identity endpoint or the way to them fails: the code, the deadline, and the way back.

use std::time::Duration;

use testkit::{Emulator, Fault, Secret, Target, Times};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::cache::assert_recovers;
use crate::support::client::Request;
use crate::support::expect::Headers;
use crate::support::handler::{Environment, Handler, ReservedPort};
use crate::support::row::{DENIED, DISABLED, NOT_FOUND, Row, THROTTLED, UNAVAILABLE, assert_is};
use crate::support::{ORIGIN, PATH, Rig, SECRET, VALUE, until};

/// `UPSTREAM_TIMEOUT_SECONDS` is 1 in this file, and half a second more is what answering may cost.
const DEADLINE: Duration = Duration::from_millis(1500);

/// What no vault should answer: a value with the word that it must not be used.
const DISABLED_BUNDLE: &str =
    r#"{"value":"v","id":"https://vault.example/secrets/maps-key/0123","attributes":{"enabled":false}}"#;

async fn rig() -> Rig {
    Rig::with(&[("UPSTREAM_TIMEOUT_SECONDS", "1")]).await
}

fn status(status: u16, code: &'static str) -> Fault {
    Fault::Status {
        status,
        code,
        inner: None,
        retry_after: None,
    }
}

fn body(status: u16, body: &str) -> Fault {
    Fault::Body {
        status,
        body: body.to_owned(),
    }
}

/// Asks while a fault lasts, and again when it is over.
async fn assert_fails(rig: &Rig, target: Target, fault: Fault, row: Row) {
    let label = format!("{target:?} {fault:?}");
    rig.emulator.script(target, fault, Times::Always);
    let begun = Instant::now();
    let answer = rig.get(PATH).await;
    let elapsed = begun.elapsed();
    assert_is(&label, &answer, row);
    assert!(elapsed < DEADLINE, "{label}: {elapsed:?}");
    for hidden in [rig.emulator.tenant(), rig.emulator.principal(), VALUE] {
        assert!(!answer.text().contains(hidden), "{label}: {}", answer.text());
    }

    rig.emulator.clear_faults();
    assert_recovers(&format!("after {label}"), rig.handler.port(), row, VALUE).await;
}

#[tokio::test]
async fn what_the_vault_answers_becomes_the_contracts_code() {
    let rig = rig().await;

    for (fault, row) in [
        (Fault::throttled(), THROTTLED),
        (Fault::throttled_for("7"), THROTTLED),
        (Fault::forbidden("AccessDenied"), DENIED),
        (Fault::forbidden("ForbiddenByRbac"), DENIED),
        (Fault::forbidden("ForbiddenByPolicy"), DENIED),
        (Fault::forbidden("ForbiddenByFirewall"), DENIED),
        (Fault::forbidden("ForbiddenByConnection"), DENIED),
        (status(403, "Forbidden"), DENIED),
        (Fault::unauthorized(), DENIED),
        (Fault::forbidden("SecretDisabled"), DISABLED),
        (status(404, "SecretNotFound"), NOT_FOUND),
        (Fault::unavailable(), UNAVAILABLE),
        (status(500, "InternalServerError"), UNAVAILABLE),
        (status(502, "BadGateway"), UNAVAILABLE),
        (status(504, "GatewayTimeout"), UNAVAILABLE),
    ] {
        assert_fails(&rig, Target::Vault, fault, row).await;
    }
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_is_an_unavailable_vault() {
    let rig = rig().await;

    for fault in [
        Fault::Garbage,
        Fault::Truncated,
        body(200, ""),
        body(200, "null"),
        body(200, "[]"),
        body(200, "{}"),
        body(200, "{\"value\":7}"),
        body(200, "{\"value\":null,\"id\":\"x\"}"),
        body(500, "<html>"),
        body(503, ""),
    ] {
        assert_fails(&rig, Target::Vault, fault, UNAVAILABLE).await;
    }
    for (fault, row) in [
        (body(403, "<html>a proxy"), DENIED),
        (body(403, ""), DENIED),
        (body(429, "not json"), THROTTLED),
        // Readable, and the vault did not keep its own rule.
        (body(200, DISABLED_BUNDLE), DISABLED),
    ] {
        assert_fails(&rig, Target::Vault, fault, row).await;
    }
}

#[tokio::test]
async fn a_vault_that_does_not_answer_in_time_is_unavailable() {
    let rig = rig().await;

    for fault in [Fault::Hang, Fault::Reset, Fault::Latency(Duration::from_secs(3))] {
        assert_fails(&rig, Target::Vault, fault, UNAVAILABLE).await;
    }
}

#[tokio::test]
async fn a_failing_identity_endpoint_is_an_unavailable_vault() {
    for fault in [
        status(400, "invalid_request"),
        status(403, "Forbidden"),
        status(429, "TooManyRequests"),
        status(500, "InternalServerError"),
        status(503, "ServiceUnavailable"),
        Fault::Reset,
        Fault::Garbage,
        Fault::Truncated,
        body(200, "{}"),
        body(200, "{\"access_token\":\"x\"}"),
    ] {
        // A handler that already has a token would not ask for another.
        let rig = rig().await;
        assert_fails(&rig, Target::Token, fault, UNAVAILABLE).await;
    }
}

#[tokio::test]
async fn an_identity_endpoint_that_does_not_answer_in_time_is_an_unavailable_vault() {
    let rig = rig().await;
    let slow = Fault::Latency(Duration::from_secs(3));
    assert_fails(&rig, Target::Token, slow, UNAVAILABLE).await;
}

#[tokio::test]
async fn without_a_token_no_secret_is_asked_for() {
    let rig = rig().await;
    rig.emulator
        .script(Target::Token, status(400, "invalid_request"), Times::Always);

    assert_is("no token", &rig.get(PATH).await, UNAVAILABLE);

    let counters = rig.emulator.counters();
    assert_eq!((counters.gets, counters.others), (0, 0), "{counters:?}");
    assert!(counters.tokens >= 1, "{counters:?}");
}

#[tokio::test]
async fn a_throttling_vaults_own_delay_is_not_undercut() {
    let rig = rig().await;
    rig.emulator
        .script(Target::Vault, Fault::throttled_for("7"), Times::Always);

    let answer = rig.get(PATH).await;

    assert_is("throttled", &answer, THROTTLED);
    let seconds: u32 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!(seconds >= 7, "{seconds}");
}

#[tokio::test]
async fn a_head_fails_as_its_get_does() {
    let rig = rig().await;
    rig.emulator.script(Target::Vault, Fault::throttled(), Times::Always);
    let answer = rig.head(PATH).await;
    answer.must_be("throttled", 429, &Headers::json().readable_by(ORIGIN).retry_after());
}

#[tokio::test]
async fn nothing_of_the_browsers_request_reaches_the_vault() {
    let rig = Rig::start().await;
    let canary = "canary-7c1d";

    let request = Request::get(&format!("{PATH}?code={canary}&api-version={canary}"))
        .origin(ORIGIN)
        .header("authorization", format!("Bearer {canary}"))
        .header("cookie", format!("session={canary}"))
        .header("user-agent", canary)
        .header("x-functions-key", canary)
        .header("x-ms-client-request-id", canary)
        .header("x-forwarded-for", canary)
        .header("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
    assert_eq!(rig.send(request).await.status, 200);

    for seen in [
        rig.emulator.last_vault_request().unwrap(),
        rig.emulator.last_token_request().unwrap(),
    ] {
        assert_eq!(seen.method, "GET");
        assert!(!format!("{seen:?}").contains(canary), "{seen:?}");
        assert!(!format!("{seen:?}").contains("contoso"), "{seen:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_reached_or_trusted_is_unavailable() {
    let closed = ReservedPort::new();
    let nowhere = format!("https://localhost:{}", closed.number());
    let no_identity = format!("http://127.0.0.1:{}/msi/token", closed.number());

    for (label, name, value) in [
        ("a certificate that nobody vouches for", "SSL_CERT_FILE", None),
        ("a vault that does not listen", "KEY_VAULT_URL", Some(nowhere.as_str())),
        (
            "an identity endpoint that does not listen",
            "IDENTITY_ENDPOINT",
            Some(no_identity.as_str()),
        ),
    ] {
        let emulator = Emulator::start().await.unwrap();
        emulator.put(SECRET, Secret::new(VALUE));
        let environment = Environment::of(&emulator).with("UPSTREAM_TIMEOUT_SECONDS", "1");
        let environment = match value {
            Some(value) => environment.with(name, value),
            None => environment.without(name),
        };
        let handler = Handler::start(environment).await;
        for attempt in ["first", "second"] {
            let begun = Instant::now();
            let answer = Request::get(PATH).origin(ORIGIN).send(handler.port()).await;
            assert_is(&format!("{label}, {attempt}"), &answer, UNAVAILABLE);
            assert!(begun.elapsed() < DEADLINE, "{label}, {attempt}: {:?}", begun.elapsed());
        }
        assert_eq!(emulator.counters().gets, 0, "{label}");
    }
}

#[tokio::test]
async fn at_most_32_reads_are_under_way_at_once_and_the_others_wait() {
    let rig = Rig::with(&[("UPSTREAM_TIMEOUT_SECONDS", "10")]).await;
    assert_eq!(rig.get(PATH).await.status, 200);
    rig.emulator.reset_counters();
    rig.emulator
        .script(Target::Vault, Fault::Latency(Duration::from_millis(300)), Times::Always);
    let mut requests = JoinSet::new();

    for number in 0..48 {
        let name = format!("geo-{number}");
        rig.emulator.put(&name, Secret::new(VALUE));
        requests.spawn(
            Request::get(&format!("/api/secrets/{name}"))
                .origin(ORIGIN)
                .send(rig.handler.port()),
        );
    }

    for answer in requests.join_all().await {
        answer.must_be("one of 48", 200, &Headers::json().readable_by(ORIGIN));
    }
    let most = rig.emulator.counters().max_concurrent;
    assert!((2..=32).contains(&most), "{most} at once");
}

#[tokio::test]
async fn a_caller_who_leaves_hurts_nobody() {
    let rig = Rig::start().await;
    rig.emulator
        .script(Target::Vault, Fault::Latency(Duration::from_millis(300)), Times::Once);

    let request = tokio::spawn(Request::get(PATH).origin(ORIGIN).send(rig.handler.port()));
    until("the vault is being asked", || rig.emulator.counters().gets > 0).await;
    request.abort();

    rig.get(PATH)
        .await
        .must_be("the next caller", 200, &Headers::json().readable_by(ORIGIN));
    rig.handler.stop().await;
}

#[tokio::test]
async fn an_answer_that_is_too_large_for_any_bundle_is_unreadable() {
    let rig = rig().await;
    // Valid in every other respect, so that only its size can be what is wrong with it.
    let value = "v".repeat(2 * 1024 * 1024);
    let bundle = format!(r#"{{"value":"{value}","id":"https://vault.example/secrets/maps-key/0123"}}"#);
    rig.emulator.script(Target::Vault, body(200, &bundle), Times::Once);
    assert_is("2 MiB", &rig.get(PATH).await, UNAVAILABLE);
}
