//! The cache from outside: what is asked of the vault and when, and what is never served again.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::Value;
use testkit::{Emulator, Fault, Secret, Target, Times};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::support::client::{Answer, Request};
use crate::support::expect::Headers;
use crate::support::handler::Output;
use crate::support::row::{DENIED, DISABLED, NOT_FOUND, Row, UNAVAILABLE, assert_is};
use crate::support::{ORIGIN, PATH, Rig, SECRET, VALUE, now, until};

const EXPIRED: Row = (403, "Forbidden", Some("SecretExpired"));
const NOT_YET_VALID: Row = (403, "Forbidden", Some("SecretNotYetValid"));

/// Probes of a failing vault are at most 16 s apart, and then one has to succeed.
pub(crate) const RECOVERY: Duration = Duration::from_secs(20);

/// Between two questions of a test that asks until something changes.
const PACE: Duration = Duration::from_millis(20);

/// A rig that keeps what it reads, reads nothing before it is asked, and logs in JSON.
pub(crate) async fn rig(settings: &[(&str, &str)]) -> Rig {
    let usual = [
        ("CACHE_TTL_SECONDS", "300"),
        ("PREFETCH", "false"),
        ("LOG_FORMAT", "json"),
    ];
    Rig::with(&[&usual[..], settings].concat()).await
}

/// Fails unless this is a secret with this value.
pub(crate) fn assert_serves(label: &str, answer: &Answer, value: &str) {
    answer.must_be(label, 200, &Headers::json().readable_by(ORIGIN));
    assert_eq!(answer.json()["value"], value, "{label}");
}

/// Fails when a secret has been asked for. A connection may come late: it is begun beside one that becomes free.
pub(crate) fn assert_asked_nothing(label: &str, emulator: &Emulator) {
    let counters = emulator.counters();
    let asked = (counters.challenges, counters.gets, counters.others, counters.tokens);
    assert_eq!(asked, (0, 0, 0, 0), "{label}: {counters:?}");
}

/// Asks until the answer is this value, for as long as recovery may take; until then it must be that error.
pub(crate) async fn assert_recovers(label: &str, port: u16, error: Row, value: &str) {
    let begun = Instant::now();
    loop {
        let answer = Request::get(PATH).origin(ORIGIN).send(port).await;
        if answer.status == 200 {
            return assert_serves(label, &answer, value);
        }
        assert_is(label, &answer, error);
        assert!(begun.elapsed() < RECOVERY, "{label}: not within {RECOVERY:?}");
        sleep(PACE).await;
    }
}

/// What a log in JSON says of the cache's part in each answer.
#[derive(Debug)]
pub(crate) struct Sources(HashMap<String, String>);

impl Sources {
    pub(crate) fn of(output: &Output) -> Self {
        let events = output.stdout.lines().map(|line| {
            serde_json::from_str::<HashMap<String, Value>>(line).unwrap_or_else(|error| panic!("{error}: {line}"))
        });
        let sources = events.filter_map(|event| {
            let id = event.get("request_id")?.as_str()?.to_owned();
            Some((id, event.get("cache")?.as_str()?.to_owned()))
        });
        Self(sources.collect())
    }

    /// Where this answer came from: `hit`, `miss`, `stale` or `none`.
    pub(crate) fn source(&self, answer: &Answer) -> &str {
        let id = answer.header("x-ms-request-id").unwrap();
        self.0.get(id).unwrap_or_else(|| panic!("{id} is not in the log"))
    }
}

#[tokio::test]
async fn a_hit_asks_the_vault_nothing_whatever_the_request_says() {
    let rig = rig(&[]).await;
    let first = rig.get(PATH).await;
    assert_serves("first", &first, VALUE);
    // A copy is a copy: what happens in the vault within its time does not show.
    rig.emulator.put(SECRET, Secret::new("another"));
    rig.emulator.reset_counters();

    let mut hits = vec![rig.head(PATH).await];
    for path in [
        PATH,
        "/api/secrets/maps-key/",
        "/API/Secrets/MAPS-Key",
        "/api/secrets/maps-key?api-version=7.5",
    ] {
        hits.push(rig.get(path).await);
    }
    for directives in [
        &[("cache-control", "no-cache"), ("pragma", "no-cache")][..],
        &[("cache-control", "no-store")],
        &[("cache-control", "max-age=0, must-revalidate")],
        &[("if-none-match", "*")],
        &[("if-modified-since", "Thu, 01 Jan 1970 00:00:00 GMT")],
    ] {
        hits.push(rig.send(Request::get(PATH).origin(ORIGIN).headers(directives)).await);
    }

    assert_asked_nothing("hits", &rig.emulator);
    let sources = Sources::of(&rig.handler.stop().await);
    assert_eq!(sources.source(&first), "miss");
    for hit in &hits {
        assert_eq!(hit.status, 200);
        assert!(hit.method == "HEAD" || hit.body == first.body, "{}", hit.text());
        assert_eq!(sources.source(hit), "hit");
    }
}

#[tokio::test]
async fn a_version_is_kept_apart_from_the_current_one_and_from_other_versions() {
    let rig = rig(&[]).await;
    let versions = ["one", "two"].map(|value| (rig.emulator.put(SECRET, Secret::new(value)), value));
    for expected_reads in [3, 3] {
        assert_serves("current", &rig.get(PATH).await, "two");
        for (version, value) in &versions {
            assert_serves(value, &rig.get(&format!("{PATH}/{version}")).await, value);
        }
        assert_eq!(rig.emulator.counters().gets, expected_reads);
    }
}

#[tokio::test]
async fn an_expired_copy_is_read_again_and_a_new_version_appears() {
    let rig = rig(&[("CACHE_TTL_SECONDS", "1")]).await;
    assert_serves("first", &rig.get(PATH).await, VALUE);
    rig.emulator.put(SECRET, Secret::new("another"));
    // The rule is about this second, and nobody is to ask meanwhile.
    sleep(Duration::from_millis(1050)).await;

    let second = rig.get(PATH).await;

    assert_serves("second", &second, "another");
    assert_eq!(rig.emulator.counters().gets, 2);
    let sources = Sources::of(&rig.handler.stop().await);
    assert_eq!(sources.source(&second), "miss");
}

#[tokio::test]
async fn a_steadily_asked_secret_never_makes_a_caller_wait_again() {
    let latency = Duration::from_millis(400);
    let rig = rig(&[("CACHE_TTL_SECONDS", "4")]).await;
    rig.emulator
        .script(Target::Vault, Fault::Latency(latency), Times::Always);
    assert_serves("first", &rig.get(PATH).await, VALUE);
    let mut later = Vec::new();
    let begun = Instant::now();

    // Two refreshes, which is well into the third TTL's time.
    while rig.emulator.counters().served < 3 {
        let asked = Instant::now();
        later.push(rig.get(PATH).await);
        assert!(asked.elapsed() < latency, "{:?}", asked.elapsed());
        assert!(begun.elapsed() < Duration::from_secs(12), "nothing is refreshed");
        sleep(PACE).await;
    }

    assert!(begun.elapsed() > Duration::from_secs(4), "{:?}", begun.elapsed());
    let sources = Sources::of(&rig.handler.stop().await);
    for answer in &later {
        assert_serves("later", answer, VALUE);
        assert_eq!(sources.source(answer), "hit");
    }
}

#[tokio::test]
async fn a_name_that_the_vault_has_not_is_asked_for_once_and_again_after_its_time() {
    let rig = rig(&[("CACHE_TTL_SECONDS", "2")]).await;
    let path = "/api/secrets/geo-new";
    let first = Instant::now();
    for attempt in ["first", "second", "third"] {
        assert_is(attempt, &rig.get(path).await, NOT_FOUND);
    }
    assert_eq!(rig.head(path).await.status, 404);
    assert!(
        first.elapsed() > Duration::from_secs(2) || rig.emulator.counters().gets == 1,
        "{:?}",
        rig.emulator.counters()
    );

    rig.emulator.put("geo-new", Secret::new("new"));
    let created = Instant::now();
    loop {
        let answer = rig.get(path).await;
        if answer.status == 200 {
            break assert_serves("created", &answer, "new");
        }
        assert_is("remembered", &answer, NOT_FOUND);
        assert!(
            created.elapsed() < Duration::from_millis(2500),
            "remembered for too long"
        );
        sleep(PACE).await;
    }
}

#[tokio::test]
async fn a_caller_who_leaves_does_not_cancel_the_read_that_others_wait_for() {
    let rig = rig(&[]).await;
    rig.emulator
        .script(Target::Vault, Fault::Latency(Duration::from_secs(1)), Times::Once);
    let port = rig.handler.port();

    let leaving = tokio::spawn(Request::get(PATH).origin(ORIGIN).send(port));
    until("the vault is being asked", || rig.emulator.counters().gets > 0).await;
    let staying = tokio::spawn(Request::get(PATH).origin(ORIGIN).send(port));
    // Its answer comes after the handler has had the request above.
    assert_eq!(Request::get("/").send(port).await.status, 200);
    leaving.abort();

    assert_serves("staying", &staying.await.unwrap(), VALUE);
    assert_serves("later", &rig.get(PATH).await, VALUE);
    assert_eq!(rig.emulator.counters().gets, 1);
}

#[tokio::test]
async fn a_read_that_nobody_waits_for_any_more_is_kept_all_the_same() {
    let rig = rig(&[]).await;
    rig.emulator
        .script(Target::Vault, Fault::Latency(Duration::from_millis(300)), Times::Once);

    let leaving = tokio::spawn(Request::get(PATH).origin(ORIGIN).send(rig.handler.port()));
    until("the vault is being asked", || rig.emulator.counters().gets > 0).await;
    leaving.abort();
    until("the vault has answered", || rig.emulator.counters().served > 0).await;

    assert_serves("later", &rig.get(PATH).await, VALUE);
    assert_eq!(rig.emulator.counters().gets, 1);
}

#[tokio::test]
async fn without_a_ttl_every_request_asks_and_nothing_is_kept() {
    let rig = rig(&[("CACHE_TTL_SECONDS", "0")]).await;
    let mut answers = Vec::new();
    for number in 1..=3 {
        answers.push(rig.get(PATH).await);
        assert_eq!(rig.emulator.counters().gets, number);
    }
    for _ in 0..2 {
        assert_is("absent", &rig.get("/api/secrets/geo-absent").await, NOT_FOUND);
    }
    assert_eq!(rig.emulator.counters().gets, 5);

    // One read serves those who ask while it is under way.
    rig.emulator
        .script(Target::Vault, Fault::Latency(Duration::from_secs(1)), Times::Once);
    let mut together = JoinSet::new();
    for _ in 0..20 {
        together.spawn(Request::get(PATH).origin(ORIGIN).send(rig.handler.port()));
    }
    answers.extend(together.join_all().await);
    assert_eq!(rig.emulator.counters().gets, 6);

    rig.emulator.script(Target::Vault, Fault::unavailable(), Times::Always);
    for _ in 0..3 {
        assert_is("down", &rig.get(PATH).await, UNAVAILABLE);
    }
    rig.emulator.clear_faults();
    assert_recovers("up again", rig.handler.port(), UNAVAILABLE, VALUE).await;
    answers.push(rig.get(PATH).await);
    let sources = Sources::of(&rig.handler.stop().await);
    for answer in &answers {
        assert_serves("served", answer, VALUE);
        assert_eq!(sources.source(answer), "none");
    }
}

/// Serves a secret, lets something happen to it, and fails unless that becomes known within the TTL and no failure of
/// the vault brings the copy back.
async fn assert_withdraws(label: &'static str, happen: impl FnOnce(&Rig, &str), row: Row) {
    let rig = rig(&[("CACHE_TTL_SECONDS", "1")]).await;
    let version = rig.emulator.put(SECRET, Secret::new("withdrawn"));
    assert_serves(label, &rig.get(PATH).await, "withdrawn");
    happen(&rig, &version);

    let begun = Instant::now();
    let refusal = loop {
        let asked = begun.elapsed();
        let answer = rig.get(PATH).await;
        if answer.status != 200 {
            break answer;
        }
        assert!(asked < Duration::from_secs(1), "{label}: served {asked:?} later");
        sleep(PACE).await;
    };
    assert_is(label, &refusal, row);

    rig.emulator.clear_faults();
    rig.emulator.script(Target::Vault, Fault::unavailable(), Times::Always);
    let begun = Instant::now();
    loop {
        let answer = rig.get(PATH).await;
        if answer.status == 503 {
            break;
        }
        assert_is(label, &answer, row);
        assert!(begun.elapsed() < RECOVERY, "{label}: the vault is not asked again");
        sleep(PACE).await;
    }
    for _ in 0..10 {
        assert_is(label, &rig.get(PATH).await, UNAVAILABLE);
    }

    rig.emulator.clear_faults();
    rig.emulator.put(SECRET, Secret::new("another"));
    assert_recovers(label, rig.handler.port(), UNAVAILABLE, "another").await;
}

#[tokio::test]
async fn what_the_vault_has_withdrawn_is_not_served_again() {
    let always = |fault: Fault| move |rig: &Rig, _: &str| rig.emulator.script(Target::Vault, fault, Times::Always);
    tokio::join!(
        assert_withdraws("removed", |rig, _| rig.emulator.remove(SECRET), NOT_FOUND),
        assert_withdraws(
            "disabled",
            |rig, version| assert!(rig.emulator.update(SECRET, version, |secret| secret.enabled = false)),
            DISABLED
        ),
        assert_withdraws("forbidden", always(Fault::forbidden("ForbiddenByRbac")), DENIED),
        assert_withdraws("unauthorized", always(Fault::unauthorized()), DENIED),
    );
}

#[tokio::test]
async fn a_404_of_the_name_ends_the_copies_of_its_versions() {
    let rig = rig(&[("CACHE_TTL_SECONDS", "1")]).await;
    let path = format!("{PATH}/{}", rig.emulator.put(SECRET, Secret::new("one")));
    assert_serves("version", &rig.get(&path).await, "one");
    assert_serves("current", &rig.get(PATH).await, "one");

    rig.emulator.remove(SECRET);
    sleep(Duration::from_millis(1050)).await;
    assert_is("current", &rig.get(PATH).await, NOT_FOUND);
    rig.emulator.script(Target::Vault, Fault::unavailable(), Times::Always);

    assert_is("version", &rig.get(&path).await, UNAVAILABLE);
}

#[tokio::test]
async fn a_disabled_version_ends_its_own_copy_alone() {
    let rig = rig(&[("CACHE_TTL_SECONDS", "1")]).await;
    let old = rig.emulator.put(SECRET, Secret::new("old"));
    let path = format!("{PATH}/{old}");
    rig.emulator.put(SECRET, Secret::new("new"));
    assert_serves("old", &rig.get(&path).await, "old");
    assert_serves("new", &rig.get(PATH).await, "new");

    assert!(rig.emulator.update(SECRET, &old, |secret| secret.enabled = false));
    sleep(Duration::from_millis(1050)).await;
    assert_is("old", &rig.get(&path).await, DISABLED);
    rig.emulator.script(Target::Vault, Fault::unavailable(), Times::Always);

    assert_is("old", &rig.get(&path).await, UNAVAILABLE);
    let new = rig.get(PATH).await;
    assert_serves("new", &new, "new");
    let sources = Sources::of(&rig.handler.stop().await);
    assert_eq!(sources.source(&new), "stale");
}

#[tokio::test]
async fn a_refused_identity_ends_every_copy_of_the_name_and_of_no_other() {
    for fault in [Fault::forbidden("AccessDenied"), Fault::unauthorized()] {
        let label = format!("{fault:?}");
        let rig = rig(&[]).await;
        rig.emulator.put("geo-1", Secret::new("other"));
        let [one, two] = ["one", "two"].map(|value| format!("{PATH}/{}", rig.emulator.put(SECRET, Secret::new(value))));
        assert_serves(&label, &rig.get(PATH).await, "two");
        assert_serves(&label, &rig.get(&one).await, "one");
        assert_serves(&label, &rig.get("/api/secrets/geo-1").await, "other");

        rig.emulator.script(Target::Vault, fault, Times::Always);
        assert_is(&label, &rig.get(&two).await, DENIED);
        rig.emulator.clear_faults();
        rig.emulator.script(Target::Vault, Fault::unavailable(), Times::Always);

        assert_is(&label, &rig.get(PATH).await, UNAVAILABLE);
        assert_is(&label, &rig.get(&one).await, UNAVAILABLE);
        assert_serves(&label, &rig.get("/api/secrets/geo-1").await, "other");
    }
}

#[tokio::test]
async fn a_copy_is_served_neither_before_nor_after_the_times_of_its_secret() {
    let rig = rig(&[]).await;
    let change = now() + 2;
    rig.emulator.put("geo-ends", Secret::new("v").expires(change));
    rig.emulator.put("geo-begins", Secret::new("v").not_before(change));
    let [ends, begins] = ["/api/secrets/geo-ends", "/api/secrets/geo-begins"];
    assert_serves("before", &rig.get(ends).await, "v");
    assert_is("before", &rig.get(begins).await, NOT_YET_VALID);
    // Nothing that the vault does now can bring the one back or delay the other.
    rig.emulator.script(Target::Vault, Fault::unavailable(), Times::Always);

    while now() < change {
        sleep(PACE).await;
    }

    assert_is("after", &rig.get(ends).await, EXPIRED);
    assert_serves("after", &rig.get(begins).await, "v");
    assert_eq!(rig.emulator.counters().gets, 2);
}
