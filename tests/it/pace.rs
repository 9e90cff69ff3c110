//! How fast the vault is asked when it throttles or fails, and what made-up names and versions can take.

use std::time::Duration;

use testkit::{Emulator, Fault, Secret, Target, Times};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::cache::{Sources, assert_asked_nothing, assert_serves, rig};
use crate::support::client::{Answer, Request};
use crate::support::handler::{Environment, Handler};
use crate::support::row::{NOT_FOUND, Row, THROTTLED, UNAVAILABLE, assert_is};
use crate::support::{ORIGIN, PATH, Rig, SECRET, VALUE, until};

const BAD_VERSION: Row = (400, "BadParameter", None);

fn seconds(answer: &Answer) -> u64 {
    answer.header("retry-after").unwrap().parse().unwrap()
}

/// Asks for this many secrets that nobody has asked for, one after another.
async fn ask_for_others(rig: &Rig, count: usize) -> Vec<Answer> {
    let mut answers = Vec::new();
    for number in 0..count {
        answers.push(rig.get(&format!("/api/secrets/geo-{number}")).await);
    }
    answers
}

/// Asks for this many secrets at once.
fn ask_at_once(rig: &Rig, count: usize) -> JoinSet<Answer> {
    let mut asking = JoinSet::new();
    for number in 0..count {
        let path = format!("/api/secrets/geo-{number}");
        asking.spawn(Request::get(&path).origin(ORIGIN).send(rig.handler.port()));
    }
    asking
}

#[tokio::test]
async fn a_failing_vault_gets_five_tries_and_then_a_probe_whatever_is_asked_for() {
    for fault in [Fault::unavailable(), Fault::Reset, Fault::Garbage] {
        let label = format!("{fault:?}");
        let rig = rig(&[]).await;
        assert_serves(&label, &rig.get(PATH).await, VALUE);
        rig.emulator.reset_counters();
        rig.emulator.script(Target::Vault, fault, Times::Always);

        let mut failed = ask_for_others(&rig, 8).await;
        let begun = Instant::now();
        for _ in 0..5 {
            failed.extend(ask_for_others(&rig, 40).await);
        }

        // The first probe comes after a second, the next ones after 2 s or more.
        let probes = begun.elapsed().as_secs() + 1;
        let gets = rig.emulator.counters().gets;
        assert!(
            (5..=5 + probes).contains(&gets),
            "{label}: {gets} in {:?}",
            begun.elapsed()
        );
        for answer in &failed {
            assert_is(&label, answer, UNAVAILABLE);
            assert!((1..=60).contains(&seconds(answer)), "{label}");
        }
        // Nothing of this ends what is held.
        assert_serves(&label, &rig.get(PATH).await, VALUE);

        rig.emulator.clear_faults();
        rig.emulator.put("geo-0", Secret::new("back"));
        let begun = Instant::now();
        while rig.get("/api/secrets/geo-0").await.status != 200 {
            assert!(begun.elapsed() < Duration::from_secs(20), "{label}: no probe");
            sleep(Duration::from_millis(20)).await;
        }
        assert_is(&label, &rig.get("/api/secrets/geo-absent").await, NOT_FOUND);
    }
}

#[tokio::test]
async fn a_429_pauses_every_name_for_its_time() {
    for (fault, longest) in [
        (Fault::throttled(), 1),
        (Fault::throttled_for("0"), 1),
        (Fault::throttled_for("20"), 20),
        (Fault::throttled_for("3600"), 60),
    ] {
        let label = format!("{fault:?}");
        let rig = rig(&[("UPSTREAM_TIMEOUT_SECONDS", "1")]).await;
        rig.emulator.script(Target::Vault, fault, Times::Always);
        assert_is(&label, &rig.get(PATH).await, THROTTLED);
        let gets = rig.emulator.counters().gets;
        assert_eq!(gets, 1, "{label}");

        let begun = Instant::now();
        let answers = ask_for_others(&rig, 50).await;

        for answer in &answers {
            assert_is(&label, answer, THROTTLED);
            assert!((1..=longest).contains(&seconds(answer)), "{label}: {}", seconds(answer));
        }
        if begun.elapsed() < Duration::from_millis(900) {
            assert_eq!(rig.emulator.counters().gets, 1, "{label}");
        }
    }
}

#[tokio::test]
async fn whoever_met_the_429_waits_for_its_end_where_the_deadline_allows() {
    let rig = rig(&[("UPSTREAM_TIMEOUT_SECONDS", "5")]).await;
    rig.emulator
        .script(Target::Vault, Fault::throttled_for("1"), Times::Once);
    let asked = Instant::now();
    assert_serves("after the pause", &rig.get(PATH).await, VALUE);
    assert!(asked.elapsed() >= Duration::from_secs(1), "{:?}", asked.elapsed());
    assert_eq!(rig.emulator.counters().gets, 2);
}

#[tokio::test]
async fn copies_are_served_at_once_while_other_names_are_throttled() {
    let rig = rig(&[("CACHE_TTL_SECONDS", "1"), ("UPSTREAM_TIMEOUT_SECONDS", "1")]).await;
    assert_serves("first", &rig.get(PATH).await, VALUE);
    rig.emulator
        .script(Target::Vault, Fault::throttled_for("30"), Times::Always);
    assert_is("another", &rig.get("/api/secrets/geo-1").await, THROTTLED);
    sleep(Duration::from_millis(1050)).await;
    rig.emulator.reset_counters();
    let asked = Instant::now();
    let stale = rig.get(PATH).await;
    assert_serves("stale", &stale, VALUE);
    assert!(asked.elapsed() < Duration::from_millis(500), "{:?}", asked.elapsed());
    assert_asked_nothing("stale", &rig.emulator);
    assert_eq!(Sources::of(&rig.handler.stop().await).source(&stale), "stale");
}

#[tokio::test]
async fn made_up_names_leave_permits_for_exact_ones() {
    let latency = Duration::from_secs(1);
    let rig = rig(&[("UPSTREAM_TIMEOUT_SECONDS", "10")]).await;
    rig.emulator
        .script(Target::Vault, Fault::Latency(latency), Times::Always);
    let crowd = ask_at_once(&rig, 60);
    until("the made-up names have their permits", || {
        rig.emulator.counters().gets >= 16
    })
    .await;

    let asked = Instant::now();
    assert_serves("exact", &rig.get(PATH).await, VALUE);

    let elapsed = asked.elapsed();
    assert!(elapsed < latency * 17 / 10, "it waited for its turn: {elapsed:?}");
    for answer in crowd.join_all().await {
        assert_is("made up", &answer, NOT_FOUND);
    }
    assert!(rig.emulator.counters().max_concurrent <= 17);
}

#[tokio::test]
async fn an_exact_name_is_read_although_made_up_ones_have_spent_the_budget() {
    let rig = rig(&[]).await;
    let answers = ask_at_once(&rig, 300).join_all().await;
    let spent = answers.iter().filter(|answer| answer.status == 503).count();
    assert!(spent > 0, "the budget is not spent");
    assert_serves("exact", &rig.get(PATH).await, VALUE);
    let output = rig.handler.stop().await;
    let told = output.stderr.matches("asked for faster than 50 a second").count();
    assert_eq!(told, 1, "{spent} refusals: {}", output.stderr);
}

#[tokio::test]
async fn a_word_that_is_no_version_never_reaches_the_vault_and_ends_no_copy() {
    let rig = rig(&[]).await;
    assert_serves("first", &rig.get(PATH).await, VALUE);
    rig.emulator.reset_counters();
    // With a policy that only allows reading, the vault would refuse to list.
    rig.emulator
        .script(Target::Vault, Fault::forbidden("ForbiddenByRbac"), Times::Always);
    for word in [
        "versions",
        "VERSIONS",
        "pending",
        "v1",
        &"a".repeat(31),
        &"a".repeat(33),
        &"g".repeat(32),
    ] {
        assert_is(word, &rig.get(&format!("{PATH}/{word}")).await, BAD_VERSION);
    }
    assert_asked_nothing("no versions", &rig.emulator);
    assert_serves("still held", &rig.get(PATH).await, VALUE);
}

#[tokio::test]
async fn a_version_is_one_whatever_its_case() {
    let rig = rig(&[]).await;
    let version = rig.emulator.put(SECRET, Secret::new("one"));
    for text in [version.to_lowercase(), version.to_uppercase()] {
        let answer = rig.get(&format!("{PATH}/{text}")).await;
        assert_serves(&text, &answer, "one");
        let id = answer.json()["id"].as_str().unwrap().to_owned();
        assert!(id.ends_with(&version.to_lowercase()), "{id}");
    }
    assert_eq!(rig.emulator.counters().gets, 1);
}

#[tokio::test]
async fn exact_names_are_prefetched_side_by_side() {
    let emulator = Emulator::start().await.unwrap();
    let names: Vec<_> = (0..16).map(|number| format!("web-{number}")).collect();
    for name in &names {
        emulator.put(name, Secret::new(VALUE));
    }
    emulator.script(Target::Vault, Fault::Latency(Duration::from_millis(500)), Times::Always);
    let environment = Environment::of(&emulator)
        .with("ALLOWED_SECRETS", names.join(","))
        .with("CACHE_TTL_SECONDS", "300");
    let handler = Handler::start(environment).await;
    until("all names are read", || emulator.counters().served == 16).await;
    let counters = emulator.counters();
    assert_eq!(
        (counters.challenges, counters.tokens, counters.max_concurrent),
        (1, 1, 16)
    );
    handler.stop().await;
}
