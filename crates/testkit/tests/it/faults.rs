//! What can be made to go wrong does go wrong, and as often as scripted.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use testkit::client::{Error, Request};
use testkit::{Fault, Secret, Target, Times};

use crate::support::{Caller, RESOURCE, error, token_response};

const PATH: &str = "/secrets/a?api-version=2025-07-01";

async fn start() -> Caller {
    let caller = Caller::start().await;
    caller.emulator.put("a", Secret::new("1"));
    caller
}

/// The kind of the I/O error at the bottom of a failed request.
fn io_kind(error: &Error) -> Option<io::ErrorKind> {
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
    let caller = start().await;
    let emulator = &caller.emulator;
    emulator.script(Target::Vault, Fault::throttled(), Times::Exactly(2));
    emulator.script(Target::Vault, Fault::unavailable(), Times::Exactly(0));
    emulator.script(Target::Vault, Fault::forbidden("ForbiddenByRbac"), Times::Once);
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(caller.get(PATH).await.status);
    }
    assert_eq!(statuses, [429, 429, 403, 200]);
    emulator.script(Target::Vault, Fault::unavailable(), Times::Always);
    for _ in 0..3 {
        assert_eq!(caller.get(PATH).await.status, 503);
    }
    emulator.clear_faults();
    assert_eq!(caller.get(PATH).await.status, 200);
    let counters = emulator.counters();
    assert_eq!((counters.gets, counters.served), (8, 2));
}

#[tokio::test]
async fn the_challenge_and_other_operations_are_spared() {
    let caller = start().await;
    let emulator = &caller.emulator;
    emulator.script(Target::Vault, Fault::unavailable(), Times::Once);
    let challenge = Request::get(PATH).try_send_to_vault(emulator).await.unwrap();
    assert_eq!(challenge.status, 401);
    assert_eq!(caller.try_send("PUT", PATH).await.unwrap().status, 405);
    assert_eq!(caller.get(PATH).await.status, 503);
}

#[tokio::test]
async fn scripted_errors_name_what_must_not_be_passed_on() {
    let caller = start().await;
    let emulator = &caller.emulator;
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
        let body = caller.get(PATH).await.json();
        let message = body["error"]["message"].as_str().unwrap();
        for name in [emulator.tenant(), emulator.principal(), testkit::EMULATED_VAULT] {
            assert!(message.contains(name), "{fault:?}: {message}");
        }
    }
}

#[tokio::test]
async fn retry_after_is_sent_only_when_scripted() {
    let caller = start().await;
    let emulator = &caller.emulator;
    emulator.script(Target::Vault, Fault::throttled(), Times::Once);
    emulator.script(Target::Vault, Fault::throttled_for("7"), Times::Once);
    let response = caller.get(PATH).await;
    assert_eq!(response.header("retry-after"), None);
    assert_eq!(error(&response), (429, "Throttled".to_owned(), None));
    assert_eq!(caller.get(PATH).await.header("retry-after"), Some("7"));
}

#[tokio::test]
async fn a_401_with_a_good_token_carries_the_challenge() {
    let caller = start().await;
    let emulator = &caller.emulator;
    emulator.script(Target::Vault, Fault::unauthorized(), Times::Once);
    let response = caller.get(PATH).await;
    assert_eq!(response.status, 401);
    assert!(response.header("www-authenticate").is_some());
}

#[tokio::test]
async fn a_reset_is_a_reset_for_any_request() {
    let caller = start().await;
    let emulator = &caller.emulator;
    emulator.script(Target::Vault, Fault::Reset, Times::Exactly(2));
    let error = caller.try_send("GET", PATH).await.unwrap_err();
    assert_eq!(io_kind(&error), Some(io::ErrorKind::ConnectionReset), "{error:?}");
    let error = Request::get(PATH).try_send_to_vault(emulator).await.unwrap_err();
    assert_eq!(io_kind(&error), Some(io::ErrorKind::ConnectionReset), "{error:?}");
    assert_eq!(caller.get(PATH).await.status, 200);
}

#[tokio::test]
async fn a_hanging_request_counts_as_in_flight_until_its_client_leaves() {
    let caller = Arc::new(start().await);
    let emulator = &caller.emulator;
    emulator.script(Target::Vault, Fault::Hang, Times::Once);
    let hanging = tokio::spawn({
        let caller = Arc::clone(&caller);
        async move { caller.try_send("GET", PATH).await }
    });
    while emulator.counters().gets == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(caller.get(PATH).await.status, 200);
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
    let caller = start().await;
    let emulator = &caller.emulator;
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
    assert_eq!(garbage.status, 200);
    assert!(serde_json::from_slice::<Value>(&garbage.body).is_err(), "{garbage:?}");
    let body = caller.get(PATH).await;
    assert_eq!((body.status, body.text().as_str()), (203, "[]"));
    assert_eq!(emulator.counters().served, 0);
}

#[tokio::test]
async fn a_truncated_body_ends_before_its_length() {
    let caller = start().await;
    let emulator = &caller.emulator;
    emulator.script(Target::Vault, Fault::Truncated, Times::Once);
    let error = caller.try_send("GET", PATH).await.unwrap_err();
    assert_eq!(io_kind(&error), Some(io::ErrorKind::UnexpectedEof), "{error:?}");
}

#[tokio::test]
async fn latency_delays_the_normal_answer() {
    let caller = start().await;
    let emulator = &caller.emulator;
    emulator.script(Target::Vault, Fault::Latency(Duration::from_millis(50)), Times::Once);
    let before = tokio::time::Instant::now();
    assert_eq!(caller.get(PATH).await.json()["value"], "1");
    assert!(before.elapsed() >= Duration::from_millis(50));
}

#[tokio::test]
async fn the_identity_endpoint_has_its_own_faults() {
    let caller = start().await;
    let emulator = &caller.emulator;
    let query = format!("api-version=2019-08-01&resource={RESOURCE}");
    emulator.script(Target::Token, Fault::throttled_for("3"), Times::Once);
    emulator.script(Target::Token, Fault::Garbage, Times::Once);
    assert_eq!(caller.get(PATH).await.status, 200);
    let ask = async || token_response(emulator, &query, emulator.identity_header()).await;
    let response = ask().await;
    assert_eq!((response.status, response.header("retry-after")), (429, Some("3")));
    let message = response.json()["message"].to_string();
    assert!(
        message.contains(emulator.tenant()) && message.contains(emulator.principal()),
        "{message}"
    );
    let garbage = ask().await;
    assert!(serde_json::from_slice::<Value>(&garbage.body).is_err(), "{garbage:?}");
    assert_eq!(ask().await.status, 200);
}
