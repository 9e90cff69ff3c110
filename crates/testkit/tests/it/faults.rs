//! What can be made to go wrong does go wrong, and as often as scripted.

use std::error::Error as _;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Method;
use testkit::{Emulator, Fault, Secret, Target, Times};

use crate::support::{Caller, RESOURCE, client, error, json, token_response};

const PATH: &str = "/secrets/a?api-version=2025-07-01";

async fn emulator() -> (Emulator, Caller) {
    let emulator = Emulator::start().await.unwrap();
    emulator.put("a", Secret::new("1"));
    let caller = Caller::new(&emulator).await;
    (emulator, caller)
}

/// The kind of the I/O error at the bottom of a failed request.
fn io_kind(error: &reqwest::Error) -> Option<io::ErrorKind> {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return Some(error.kind());
        }
        cause = error.source();
    }
    None
}

#[tokio::test]
async fn entries_apply_in_order_and_as_often_as_they_say() {
    let (emulator, caller) = emulator().await;
    emulator.script(Target::Vault, Fault::throttled(), Times::Exactly(2));
    emulator.script(Target::Vault, Fault::unavailable(), Times::Exactly(0));
    emulator.script(Target::Vault, Fault::forbidden("ForbiddenByRbac"), Times::Once);
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(caller.get(PATH).await.status().as_u16());
    }
    assert_eq!(statuses, [429, 429, 403, 200]);
    emulator.script(Target::Vault, Fault::unavailable(), Times::Always);
    for _ in 0..3 {
        assert_eq!(caller.get(PATH).await.status(), 503);
    }
    emulator.clear_faults();
    assert_eq!(caller.get(PATH).await.status(), 200);
    let counters = emulator.counters();
    assert_eq!((counters.gets, counters.served), (8, 2));
}

#[tokio::test]
async fn the_challenge_and_other_operations_are_spared() {
    let (emulator, caller) = emulator().await;
    emulator.script(Target::Vault, Fault::unavailable(), Times::Once);
    let url = format!("{}{PATH}", emulator.vault_url());
    assert_eq!(client(&emulator).get(url).send().await.unwrap().status(), 401);
    let body = serde_json::json!({"value": "2"});
    assert_eq!(caller.send(Method::PUT, PATH, Some(body)).await.unwrap().status(), 200);
    assert_eq!(caller.get(PATH).await.status(), 503);
}

#[tokio::test]
async fn scripted_errors_name_what_must_not_be_passed_on() {
    let (emulator, caller) = emulator().await;
    let inners = [
        "AccessDenied",
        "ForbiddenByRbac",
        "ForbiddenByPolicy",
        "ForbiddenByFirewall",
        "ForbiddenByConnection",
    ];
    let mut faults: Vec<_> = inners.into_iter().map(Fault::forbidden).collect();
    faults.extend([Fault::unauthorized(), Fault::throttled(), Fault::unavailable()]);
    for fault in faults {
        emulator.script(Target::Vault, fault.clone(), Times::Once);
        let body = json(caller.get(PATH).await).await;
        let message = body["error"]["message"].as_str().unwrap();
        for name in [emulator.tenant(), emulator.principal(), testkit::EMULATED_VAULT] {
            assert!(message.contains(name), "{fault:?}: {message}");
        }
    }
}

#[tokio::test]
async fn retry_after_is_sent_only_when_scripted() {
    let (emulator, caller) = emulator().await;
    emulator.script(Target::Vault, Fault::throttled(), Times::Once);
    emulator.script(Target::Vault, Fault::throttled_for("7"), Times::Once);
    let response = caller.get(PATH).await;
    assert_eq!(response.headers().get("retry-after"), None);
    assert_eq!(error(response).await, (429, "Throttled".to_owned(), None));
    assert_eq!(caller.get(PATH).await.headers()["retry-after"], "7");
}

#[tokio::test]
async fn a_401_with_a_good_token_carries_the_challenge() {
    let (emulator, caller) = emulator().await;
    emulator.script(Target::Vault, Fault::unauthorized(), Times::Once);
    let response = caller.get(PATH).await;
    assert_eq!(response.status(), 401);
    assert!(response.headers().contains_key("www-authenticate"));
}

#[tokio::test]
async fn a_reset_is_a_reset_for_any_request() {
    let (emulator, caller) = emulator().await;
    emulator.script(Target::Vault, Fault::Reset, Times::Exactly(2));
    let error = caller.send(Method::GET, PATH, None).await.unwrap_err();
    assert_eq!(io_kind(&error), Some(io::ErrorKind::ConnectionReset), "{error:?}");
    let url = format!("{}{PATH}", emulator.vault_url());
    let error = client(&emulator).get(url).send().await.unwrap_err();
    assert_eq!(io_kind(&error), Some(io::ErrorKind::ConnectionReset), "{error:?}");
    assert_eq!(caller.get(PATH).await.status(), 200);
}

#[tokio::test]
async fn a_hanging_request_counts_as_in_flight_until_its_client_leaves() {
    let (emulator, caller) = emulator().await;
    let (emulator, caller) = (Arc::new(emulator), Arc::new(caller));
    emulator.script(Target::Vault, Fault::Hang, Times::Once);
    let hanging = tokio::spawn({
        let caller = Arc::clone(&caller);
        async move { caller.send(Method::GET, PATH, None).await }
    });
    while emulator.counters().gets == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(caller.get(PATH).await.status(), 200);
    assert_eq!(emulator.counters().max_concurrent, 2);
    assert!(!hanging.is_finished());
    hanging.abort();
    assert!(hanging.await.unwrap_err().is_cancelled());
    loop {
        emulator.reset_counters();
        if emulator.counters().max_concurrent == 0 {
            break;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn bodies_can_be_anything() {
    let (emulator, caller) = emulator().await;
    emulator.script(Target::Vault, Fault::Garbage, Times::Once);
    emulator.script(
        Target::Vault,
        Fault::Body {
            status: 203,
            body: "[]".to_owned(),
        },
        Times::Once,
    );
    let garbage = caller.get(PATH).await;
    assert_eq!(garbage.status(), 200);
    let garbage = garbage.text().await.unwrap();
    assert!(
        serde_json::from_str::<serde_json::Value>(&garbage).is_err(),
        "{garbage}"
    );
    let body = caller.get(PATH).await;
    assert_eq!(body.status(), 203);
    assert_eq!(body.text().await.unwrap(), "[]");
    assert_eq!(emulator.counters().served, 0);
}

#[tokio::test]
async fn a_truncated_body_ends_before_its_length() {
    let (emulator, caller) = emulator().await;
    emulator.script(Target::Vault, Fault::Truncated, Times::Once);
    let response = caller.get(PATH).await;
    assert_eq!(response.status(), 200);
    assert!(response.content_length().unwrap() > 100);
    let error = response.bytes().await.unwrap_err();
    assert!(error.is_body() || error.is_decode(), "{error:?}");
}

#[tokio::test]
async fn latency_delays_the_normal_answer() {
    let (emulator, caller) = emulator().await;
    emulator.script(Target::Vault, Fault::Latency(Duration::from_millis(50)), Times::Once);
    let before = tokio::time::Instant::now();
    assert_eq!(json(caller.get(PATH).await).await["value"], "1");
    assert!(before.elapsed() >= Duration::from_millis(50));
}

#[tokio::test]
async fn the_identity_endpoint_has_its_own_faults() {
    let (emulator, caller) = emulator().await;
    let query = format!("api-version=2019-08-01&resource={RESOURCE}");
    emulator.script(Target::Token, Fault::throttled_for("3"), Times::Once);
    emulator.script(Target::Token, Fault::Garbage, Times::Once);
    assert_eq!(caller.get(PATH).await.status(), 200);
    let response = token_response(&emulator, &query, emulator.identity_header()).await;
    assert_eq!(
        (response.status().as_u16(), &response.headers()["retry-after"]),
        (429, &"3".parse().unwrap())
    );
    let message = json(response).await["message"].to_string();
    assert!(
        message.contains(emulator.tenant()) && message.contains(emulator.principal()),
        "{message}"
    );
    let garbage = token_response(&emulator, &query, emulator.identity_header())
        .await
        .text()
        .await
        .unwrap();
    assert!(
        serde_json::from_str::<serde_json::Value>(&garbage).is_err(),
        "{garbage}"
    );
    assert_eq!(
        token_response(&emulator, &query, emulator.identity_header())
            .await
            .status(),
        200
    );
}
