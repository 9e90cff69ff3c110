//! The vault's token: slow, late, refused, renewed; and what the log says when there is none.

use std::time::Duration;

use serde_json::json;
use testkit::{Emulator, Fault, Secret, Target, Times};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};

use crate::cache::{assert_recovers, assert_serves, rig};
use crate::identity::token;
use crate::support::client::Request;
use crate::support::handler::{Environment, Handler, ROOT};
use crate::support::row::{DENIED, UNAVAILABLE, assert_is};
use crate::support::{ORIGIN, PATH, Rig, SECRET, VALUE, now, until};

#[tokio::test]
async fn a_refused_token_is_replaced_and_the_read_is_served() {
    let rig = rig(&[("CACHE_TTL_SECONDS", "0")]).await;
    assert_serves("first", &rig.get(PATH).await, VALUE);

    rig.emulator.revoke_tokens();
    assert_serves("with another token", &rig.get(PATH).await, VALUE);
    assert_eq!(rig.emulator.counters().tokens, 2);

    // Once in 30 s: a vault that refuses everything must not cost a token each time.
    rig.emulator.revoke_tokens();
    for _ in 0..3 {
        assert_is("refused again", &rig.get(PATH).await, DENIED);
    }
    assert_eq!(rig.emulator.counters().tokens, 2);
}

#[tokio::test]
async fn a_refused_token_ends_no_copy() {
    let rig = rig(&[]).await;
    rig.emulator.put("geo-1", Secret::new("other"));
    assert_serves("first", &rig.get(PATH).await, VALUE);
    rig.emulator.revoke_tokens();
    assert_serves("another name", &rig.get("/api/secrets/geo-1").await, "other");
    rig.emulator.script(Target::Vault, Fault::unavailable(), Times::Always);
    assert_serves("still held", &rig.get(PATH).await, VALUE);
}

#[tokio::test]
async fn a_refusal_asks_the_vault_once_for_each_token() {
    let rig = rig(&[]).await;
    rig.emulator.script(Target::Vault, Fault::unauthorized(), Times::Always);
    assert_is("refused", &rig.get(PATH).await, DENIED);
    let counters = rig.emulator.counters();
    assert_eq!((counters.gets, counters.tokens), (2, 2), "{counters:?}");
}

#[tokio::test]
async fn a_token_that_takes_longer_than_a_caller_waits_serves_later_callers() {
    let rig = rig(&[("UPSTREAM_TIMEOUT_SECONDS", "1")]).await;
    let slow = Fault::Latency(Duration::from_millis(2500));
    rig.emulator.script(Target::Token, slow, Times::Always);
    let asked = Instant::now();
    assert_is("too early", &rig.get(PATH).await, UNAVAILABLE);
    assert!(asked.elapsed() < Duration::from_millis(1500), "{:?}", asked.elapsed());
    assert_recovers("later", rig.handler.port(), UNAVAILABLE, VALUE).await;
    assert_eq!(rig.emulator.counters().tokens, 1);
}

#[tokio::test]
async fn a_developers_tool_may_take_longer_than_a_caller_waits() {
    let emulator = Emulator::start().await.unwrap();
    emulator.put(SECRET, Secret::new(VALUE));
    let login = json!({"accessToken": token(&emulator).await, "expires_on": now() + 3600, "tokenType": "Bearer"});
    let environment = Environment::of(&emulator)
        .with("PATH", format!("{ROOT}/tests/it/support/bin:/usr/bin:/bin"))
        .with("AZ_ANSWER", login.to_string())
        .with("AZ_DELAY", "2")
        .with("AZURE_TOKEN_CREDENTIALS", "dev")
        .with("UPSTREAM_TIMEOUT_SECONDS", "1");
    let handler = Handler::start(environment).await;
    let early = Request::get(PATH).origin(ORIGIN).send(handler.port()).await;
    assert_is("too early", &early, UNAVAILABLE);
    assert_recovers("later", handler.port(), UNAVAILABLE, VALUE).await;
}

#[tokio::test]
async fn a_token_is_renewed_before_its_end_while_the_old_one_serves() {
    let rig = rig(&[("CACHE_TTL_SECONDS", "0"), ("UPSTREAM_TIMEOUT_SECONDS", "1")]).await;
    rig.emulator.set_token_life(Duration::from_secs(20));
    assert_serves("first", &rig.get(PATH).await, VALUE);
    // The renewal, at half of its life, hangs: nobody notices.
    rig.emulator.script(Target::Token, Fault::Hang, Times::Always);
    let asked = Instant::now();
    while rig.emulator.counters().tokens < 2 || asked.elapsed() < Duration::from_secs(12) {
        let begun = Instant::now();
        assert_serves("meanwhile", &rig.get(PATH).await, VALUE);
        assert!(begun.elapsed() < Duration::from_millis(900), "{:?}", begun.elapsed());
        assert!(asked.elapsed() < Duration::from_secs(15), "no renewal");
        sleep(Duration::from_millis(100)).await;
    }
    assert_eq!(rig.emulator.counters().tokens, 2, "one at a time");
}

#[tokio::test]
async fn the_first_read_asks_for_token_and_challenge_side_by_side() {
    let rig = rig(&[]).await;
    let slow = || Fault::Latency(Duration::from_millis(700));
    rig.emulator.script(Target::Challenge, slow(), Times::Always);
    rig.emulator.script(Target::Token, slow(), Times::Always);
    let asked = Instant::now();
    assert_serves("first", &rig.get(PATH).await, VALUE);
    let elapsed = asked.elapsed();
    assert!(
        elapsed < Duration::from_millis(1300),
        "one after the other: {elapsed:?}"
    );
    let counters = rig.emulator.counters();
    assert_eq!((counters.challenges, counters.tokens, counters.gets), (1, 1, 1));
}

#[tokio::test]
async fn a_challenge_that_is_lost_holds_the_others_up_for_a_second_only() {
    let rig = rig(&[("UPSTREAM_TIMEOUT_SECONDS", "5")]).await;
    rig.emulator.put("geo-1", Secret::new("other"));
    rig.emulator.script(Target::Challenge, Fault::Hang, Times::Once);
    let port = rig.handler.port();
    let lost = tokio::spawn(Request::get(PATH).origin(ORIGIN).send(port));
    until("the challenge is asked for", || rig.emulator.counters().challenges > 0).await;
    let asked = Instant::now();
    assert_serves("another", &rig.get("/api/secrets/geo-1").await, "other");
    assert!(asked.elapsed() < Duration::from_secs(3), "{:?}", asked.elapsed());
    assert_is("lost", &lost.await.unwrap(), UNAVAILABLE);
}

/// Starts in an environment in which there is no token, and returns what the log says of it.
async fn log_of(environment: Environment) -> String {
    let handler = Handler::start(environment.with("UPSTREAM_TIMEOUT_SECONDS", "1")).await;
    let answer = Request::get(PATH).origin(ORIGIN).send(handler.port()).await;
    assert_is("no token", &answer, UNAVAILABLE);
    handler.stop().await.stderr
}

#[tokio::test]
async fn the_log_names_why_there_is_no_token() {
    let emulator = Emulator::start().await.unwrap();
    let usual = || Environment::of(&emulator);
    let arc = usual()
        .without("IDENTITY_HEADER")
        .with("IMDS_ENDPOINT", "http://127.0.0.1:40342");
    assert!(log_of(arc).await.contains("Azure Arc"));

    let untrusted = usual().with("SSL_CERT_FILE", "/nowhere/ca.pem").without("SSL_CERT_DIR");
    assert!(log_of(untrusted).await.contains("SSL_CERT_FILE"));

    let body = json!({"access_token": "t", "expires_on": now() + 3600, "resource": "r", "token_type": "Bearer"});
    let numeric = Fault::Body {
        status: 200,
        body: body.to_string(),
    };
    emulator.script(Target::Token, numeric, Times::Always);
    let log = log_of(usual()).await;
    assert!(log.contains("expires_on is a number"), "{log}");
}

#[tokio::test]
async fn no_proxy_is_used_for_a_vault_on_this_machine() {
    // It never answers: what goes through it does not come back.
    let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", proxy.local_addr().unwrap());
    let emulator = Emulator::start().await.unwrap();
    emulator.put(SECRET, Secret::new(VALUE));
    let names = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
    let environment = names.into_iter().fold(Environment::of(&emulator), |environment, name| {
        environment.with(name, &url)
    });
    let handler = Handler::start(environment).await;
    let rig = Rig { emulator, handler };
    assert_serves("past the proxy", &rig.get(PATH).await, VALUE);
}
