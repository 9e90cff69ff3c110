//! What happens before the first request: the exact names are read, nobody waits for it, and it may fail.

use std::time::Duration;

use testkit::{Emulator, Fault, Secret, Target, Times};
use tokio::time::{Instant, sleep};

use crate::cache::{Sources, assert_asked_nothing, assert_recovers, assert_serves};
use crate::support::client::Request;
use crate::support::handler::{Environment, Handler, Output};
use crate::support::row::{DENIED, Row, UNAVAILABLE, assert_is};
use crate::support::{PATH, Rig, SECRET, until};

const NAMES: [&str; 8] = [
    "maps-key", "web-1", "web-2", "web-3", "web-4", "web-5", "web-6", "web-7",
];

async fn emulator() -> Emulator {
    let emulator = Emulator::start().await.unwrap();
    for name in NAMES.into_iter().chain(["geo-1", "geo-2"]) {
        emulator.put(name, Secret::new(name));
    }
    emulator
}

/// A handler in front of it that prefetches, if a setting does not say otherwise.
async fn start(emulator: Emulator, settings: &[(&str, &str)]) -> Rig {
    let environment = Environment::of(&emulator)
        .with("ALLOWED_SECRETS", format!("{},geo-*", NAMES.join(",")))
        .without("CACHE_TTL_SECONDS")
        .with("UPSTREAM_TIMEOUT_SECONDS", "1")
        .with("LOG_FORMAT", "json");
    let environment = settings
        .iter()
        .fold(environment, |environment, (name, value)| environment.with(name, value));
    let handler = Handler::start(environment).await;
    Rig { emulator, handler }
}

/// Whether one of the lines is a warning about the prefetch.
fn warns(output: &Output) -> bool {
    let mut lines = output.stderr.lines();
    lines.any(|line| line.contains("\"WARN\"") && line.contains("prefetch"))
}

#[tokio::test]
async fn first_requests_for_exact_names_are_answered_from_memory() {
    let rig = start(emulator().await, &[]).await;
    until("all names are read", || rig.emulator.counters().served == 8).await;
    // A read that begins after those and has its answer: theirs have been taken in as well. No pattern is prefetched,
    // so it is the first for its name.
    let by_pattern = rig.get("/api/secrets/geo-1").await;
    let counters = rig.emulator.counters();
    assert_eq!(
        (counters.challenges, counters.tokens, counters.gets, counters.others),
        (1, 1, 9, 0),
        "{counters:?}"
    );

    rig.emulator.reset_counters();
    let mut answers = Vec::new();
    for name in NAMES {
        let answer = rig.get(&format!("/api/secrets/{name}")).await;
        assert_serves(name, &answer, name);
        answers.push(answer);
    }

    assert_asked_nothing("prefetched", &rig.emulator);
    let output = rig.handler.stop().await;
    let sources = Sources::of(&output);
    assert_eq!(sources.source(&by_pattern), "miss");
    for answer in &answers {
        assert_eq!(sources.source(answer), "hit", "{}", answer.text());
    }
    assert!(!warns(&output), "{}", output.stderr);
}

#[tokio::test]
async fn nothing_is_prefetched_when_that_is_off_or_nothing_is_kept_or_no_name_is_exact() {
    tokio::join!(
        assert_fetches_nothing(("PREFETCH", "false")),
        assert_fetches_nothing(("CACHE_TTL_SECONDS", "0")),
        assert_fetches_nothing(("ALLOWED_SECRETS", "web-*,geo-*")),
    );
}

async fn assert_fetches_nothing(setting: (&str, &str)) {
    let rig = start(emulator().await, &[setting]).await;
    // Nothing tells that nothing is going to happen.
    sleep(Duration::from_millis(500)).await;
    rig.assert_untouched(&format!("{setting:?}"));
    assert_serves("asked for", &rig.get("/api/secrets/web-1").await, "web-1");
    assert_eq!(rig.emulator.counters().gets, 1, "{setting:?}");
}

#[tokio::test]
async fn readiness_does_not_wait_for_a_prefetch_that_hangs() {
    for target in [Target::Vault, Target::Token] {
        let emulator = emulator().await;
        emulator.script(target, Fault::Hang, Times::Always);
        let rig = start(emulator, &[]).await;
        let counters = || rig.emulator.counters();
        until("the prefetch is under way", || {
            counters().tokens > 0 || (target == Target::Vault && counters().challenges > 0)
        })
        .await;

        assert_eq!(Request::get("/").send(rig.handler.port()).await.status, 200);

        assert_eq!(counters().served, 0, "{target:?}");
    }
}

#[tokio::test]
async fn a_prefetch_that_hangs_delays_neither_its_own_secret_nor_others() {
    let emulator = emulator().await;
    emulator.script(Target::Vault, Fault::Hang, Times::Always);
    let rig = start(emulator, &[("ALLOWED_SECRETS", "web-1,maps-*")]).await;
    until("the prefetch is under way", || rig.emulator.counters().challenges > 0).await;

    let asked = Instant::now();
    assert_is("its own", &rig.get("/api/secrets/web-1").await, UNAVAILABLE);
    assert!(asked.elapsed() < Duration::from_millis(1500), "{:?}", asked.elapsed());

    rig.emulator.clear_faults();
    assert_recovers("another", rig.handler.port(), UNAVAILABLE, SECRET).await;
    assert_eq!(rig.emulator.counters().served, 1, "the prefetch has not hung");
}

/// Starts in front of a vault that fails, and fails unless that is a warning and passes.
async fn assert_survives(fault: Fault, row: Row) {
    let label = format!("{fault:?}");
    let emulator = emulator().await;
    emulator.script(Target::Vault, fault, Times::Always);
    // One exact name, so that a request for it waits for the prefetch and knows that it has failed.
    let rig = start(emulator, &[("ALLOWED_SECRETS", "maps-key,geo-*")]).await;
    until("the prefetch is under way", || rig.emulator.counters().challenges > 0).await;
    assert_eq!(rig.get(PATH).await.status, row.0, "{label}");

    rig.emulator.clear_faults();
    assert_recovers(&label, rig.handler.port(), row, SECRET).await;
    let output = rig.handler.stop().await;
    assert!(warns(&output), "{label}: {}", output.stderr);
}

#[tokio::test]
async fn a_prefetch_that_fails_is_a_warning_and_secrets_are_served_later() {
    tokio::join!(
        assert_survives(Fault::unavailable(), UNAVAILABLE),
        assert_survives(Fault::forbidden("ForbiddenByRbac"), DENIED),
        assert_survives(Fault::Reset, UNAVAILABLE),
    );
}

#[tokio::test]
async fn a_prefetch_waits_for_a_token_that_comes_late() {
    let emulator = emulator().await;
    let no_identity = Fault::Status {
        status: 400,
        code: "invalid_request",
        inner: None,
        retry_after: None,
    };
    emulator.script(Target::Token, no_identity, Times::Exactly(2));
    let rig = start(emulator, &[]).await;
    until("all names are read", || rig.emulator.counters().served == 8).await;
    assert_eq!(rig.emulator.counters().tokens, 3);
}

#[tokio::test]
async fn names_that_the_vault_has_not_do_not_keep_another_from_being_prefetched() {
    for present in [NAMES[0], NAMES[4]] {
        let emulator = emulator().await;
        for absent in NAMES.into_iter().filter(|name| *name != present) {
            emulator.remove(absent);
        }
        let rig = start(emulator, &[]).await;
        until("all names are asked for", || rig.emulator.counters().gets == 8).await;
        assert_serves("by pattern", &rig.get("/api/secrets/geo-1").await, "geo-1");

        rig.emulator.reset_counters();
        assert_serves(present, &rig.get(&format!("/api/secrets/{present}")).await, present);

        assert_asked_nothing(present, &rig.emulator);
        let output = rig.handler.stop().await;
        assert!(warns(&output), "{present}: {}", output.stderr);
    }
}
