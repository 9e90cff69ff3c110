//! Every time rule, on a paused clock.

mod fake;
mod model;
mod prefetch;
mod revocation;

use tokio::task::JoinSet;
use tokio::time::sleep;

use self::fake::{Behaviour, Fake};
use super::*;
use crate::deliver;
use crate::vault::Absence;

const TTL: Duration = Duration::from_mins(5);
const STALE: Duration = Duration::from_hours(1);
const TIMEOUT: Duration = Duration::from_secs(5);
const LATENCY: Duration = Duration::from_millis(20);
const UNAVAILABLE: VaultError = VaultError::Unavailable { retry_after: None };

const NOT_FOUND: VaultError = VaultError::NotFound(Absence::Absent);

fn cache_of(vault: &Fake, stale: Duration) -> Cache {
    let renderer = Renderer::new(deliver::Options {
        public_host: "h".to_owned(),
        gives: std::collections::HashMap::new(),
        timeout: TIMEOUT,
    });
    let options = Options {
        stale,
        timeout: TIMEOUT,
    };
    Cache::new(Arc::new(vault.clone()), renderer, options)
}

fn cache(vault: &Fake) -> Cache {
    cache_of(vault, STALE)
}

fn lookup(ttl: Duration) -> Lookup {
    Lookup { ttl, exact: false }
}

/// The number of the read that brought a secret, which is its value.
fn number(delivery: &Delivery) -> usize {
    let body: serde_json::Value = serde_json::from_slice(&delivery.body().unwrap()).unwrap();
    body["value"].as_str().unwrap().parse().unwrap()
}

fn key(name: &str) -> SecretKey {
    SecretKey::parse(name, None).unwrap()
}

fn version(name: &str, number: usize) -> SecretKey {
    SecretKey::parse(name, Some(&format!("{number:032x}"))).unwrap()
}

/// The answer, where it came from, and how long it took.
async fn ask_for(cache: &Cache, key: &SecretKey, ttl: Duration) -> (Result<usize, VaultError>, Source, Duration) {
    let started = Instant::now();
    let found = cache.get(key, lookup(ttl)).await;
    let result = found.result.map(|delivery| number(&delivery));
    (result, found.source, started.elapsed())
}

async fn ask(cache: &Cache, key: &SecretKey) -> (Result<usize, VaultError>, Source, Duration) {
    ask_for(cache, key, TTL).await
}

/// The answer and where it came from.
async fn get(cache: &Cache, key: &SecretKey) -> (Result<usize, VaultError>, Source) {
    let (result, source, _) = ask(cache, key).await;
    (result, source)
}

/// Asks, whatever the answer.
async fn touch(cache: &Cache, key: &SecretKey) {
    cache.get(key, lookup(TTL)).await;
}

async fn pass(seconds: u64) {
    sleep(Duration::from_secs(seconds)).await;
}

#[tokio::test(start_paused = true)]
async fn a_copy_is_served_until_its_ttl_and_not_after() {
    let vault = Fake::with_latency(LATENCY);
    let cache = cache(&vault);
    let a = key("a");
    assert_eq!(ask(&cache, &a).await, (Ok(1), Source::Miss, LATENCY));
    pass(200).await;
    assert_eq!(ask(&cache, &a).await, (Ok(1), Source::Hit, Duration::ZERO));
    // Its age counts from the beginning of the fetch that brought it.
    pass(99).await;
    sleep(Duration::from_millis(980)).await;
    assert_eq!(ask(&cache, &a).await, (Ok(2), Source::Miss, LATENCY));
}

#[tokio::test(start_paused = true)]
async fn a_steadily_used_secret_never_makes_a_caller_wait() {
    let vault = Fake::with_latency(Duration::from_secs(4));
    let cache = cache(&vault);
    let a = key("a");
    touch(&cache, &a).await;
    for _ in 0..3600 {
        pass(1).await;
        let (result, source, waited) = ask(&cache, &a).await;
        assert!(result.is_ok());
        assert_eq!((source, waited), (Source::Hit, Duration::ZERO));
    }
    // One read in 225 s at the most, and one in 300 s at the least.
    assert!((12..=17).contains(&vault.reads()), "{}", vault.reads());
}

#[tokio::test(start_paused = true)]
async fn a_thousand_first_requests_cost_one_read() {
    let vault = Fake::with_latency(LATENCY);
    let cache = cache(&vault);
    let mut callers = JoinSet::new();
    for _ in 0..1000 {
        let cache = cache.clone();
        callers.spawn(async move { ask(&cache, &key("a")).await });
    }
    while let Some(answer) = callers.join_next().await {
        assert_eq!(answer.unwrap(), (Ok(1), Source::Miss, LATENCY));
    }
    assert_eq!(vault.reads(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_does_not_cancel_the_fetch() {
    let vault = Fake::with_latency(LATENCY);
    let cache = cache(&vault);
    let a = key("a");
    let gone = tokio::time::timeout(LATENCY / 2, cache.get(&a, lookup(TTL))).await;
    assert!(gone.is_err());
    sleep(LATENCY).await;
    assert_eq!(get(&cache, &a).await, (Ok(1), Source::Hit));
}

#[tokio::test(start_paused = true)]
async fn a_404_is_remembered_briefly() {
    let vault = Fake::default();
    let cache = cache(&vault);
    let a = key("a");
    vault.behave(Behaviour::Fail(NOT_FOUND));
    assert_eq!(get(&cache, &a).await, (Err(NOT_FOUND), Source::Miss));
    vault.behave(Behaviour::Serve);
    pass(9).await;
    assert_eq!(get(&cache, &a).await, (Err(NOT_FOUND), Source::Hit));
    pass(1).await;
    assert_eq!(get(&cache, &a).await, (Ok(2), Source::Miss));
}

#[tokio::test(start_paused = true)]
async fn a_copy_stands_in_for_a_vault_that_is_away_up_to_its_bound() {
    for error in [UNAVAILABLE, VaultError::Throttled { retry_after: None }] {
        let vault = Fake::default();
        let cache = cache(&vault);
        let a = key("a");
        touch(&cache, &a).await;
        vault.behave(Behaviour::Fail(error));
        pass(300).await;
        assert_eq!(get(&cache, &a).await, (Ok(1), Source::Stale));
        pass(3599).await;
        assert_eq!(get(&cache, &a).await, (Ok(1), Source::Stale));
        pass(1).await;
        let (result, _) = get(&cache, &a).await;
        assert!(result.is_err_and(VaultError::is_retryable));
    }
}

#[tokio::test(start_paused = true)]
async fn a_copy_stands_in_for_nothing_that_the_vault_has_said_of_the_secret() {
    let cache = cache(&Fake::default());
    let a = key("a");
    touch(&cache, &a).await;
    for (error, stands_in) in [
        (UNAVAILABLE, true),
        (VaultError::Throttled { retry_after: None }, true),
        (NOT_FOUND, false),
        (VaultError::Disabled, false),
        (VaultError::AccessDenied, false),
    ] {
        let answer = cache
            .shared
            .state()
            .stale_or_error(&a, error, Source::Miss, Instant::now());
        assert_eq!(answer.result.is_ok(), stands_in, "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_cache_drops_what_nobody_may_get_within_a_minute() {
    let vault = Fake::default();
    let cache = cache_of(&vault, Duration::from_mins(1));
    let held = Arc::downgrade(&cache.get(&key("a"), lookup(TTL)).await.result.unwrap());
    pass(359).await;
    assert!(held.upgrade().is_some());
    pass(61).await;
    assert!(held.upgrade().is_none());
    // The sweep ends, and begins again with the next secret.
    assert!(cache.shared.state().sweep.is_none());
    let held = Arc::downgrade(&cache.get(&key("b"), lookup(TTL)).await.result.unwrap());
    pass(420).await;
    assert!(held.upgrade().is_none());
}

#[tokio::test(start_paused = true)]
async fn the_sweep_does_not_keep_a_cache_alive() {
    let vault = Fake::default();
    let cache = cache(&vault);
    let held = Arc::downgrade(&cache.get(&key("a"), lookup(TTL)).await.result.unwrap());
    drop(cache);
    assert!(held.upgrade().is_none());
}

#[tokio::test(start_paused = true)]
async fn without_a_ttl_every_request_asks_and_nothing_is_kept() {
    let vault = Fake::with_latency(LATENCY);
    let cache = cache(&vault);
    let a = key("a");
    let get = async || {
        let (result, source, _) = ask_for(&cache, &a, Duration::ZERO).await;
        (result, source)
    };
    assert_eq!(get().await, (Ok(1), Source::None));
    assert_eq!(get().await, (Ok(2), Source::None));
    let shared = tokio::join!(get(), get());
    assert_eq!(shared, ((Ok(3), Source::None), (Ok(3), Source::None)));
    for error in [UNAVAILABLE, NOT_FOUND] {
        vault.behave(Behaviour::Fail(error));
        for _ in 0..3 {
            let reads = vault.reads();
            assert_eq!(get().await, (Err(error), Source::None));
            assert_eq!(vault.reads(), reads + 1);
        }
    }
    cache.prefetch(vec![(key("b").name, Duration::ZERO)]).await;
    assert_eq!(vault.reads(), 9);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_longer_than_the_deadline() {
    let vault = Fake::default();
    let cache = cache(&vault);
    let a = key("a");
    vault.behave(Behaviour::Hang);
    let late = async {
        pass(3).await;
        ask(&cache, &a).await
    };
    let (first, late) = tokio::join!(ask(&cache, &a), late);
    assert_eq!(first, (Err(UNAVAILABLE), Source::Miss, TIMEOUT));
    assert_eq!(late.2, Duration::from_secs(2));

    vault.behave(Behaviour::Serve);
    touch(&cache, &a).await;
    vault.behave(Behaviour::Hang);
    pass(300).await;
    assert_eq!(ask(&cache, &a).await, (Ok(2), Source::Stale, TIMEOUT));
    // From then on the copy is served at once, and the probe runs behind it.
    for _ in 0..10 {
        assert_eq!(ask(&cache, &a).await, (Ok(2), Source::Stale, Duration::ZERO));
        pass(1).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_vault_would_refuse_is_not_asked_and_copies_are_served() {
    let vault = Fake::default();
    let cache = cache(&vault);
    let (a, b) = (key("a"), key("b"));
    touch(&cache, &a).await;
    let throttled = VaultError::Throttled {
        retry_after: Some(Duration::from_secs(7)),
    };
    vault.refuse(Some(throttled));
    assert_eq!(ask(&cache, &b).await, (Err(throttled), Source::None, Duration::ZERO));
    pass(290).await;
    assert_eq!(ask(&cache, &a).await, (Ok(1), Source::Hit, Duration::ZERO));
    pass(20).await;
    assert_eq!(ask(&cache, &a).await, (Ok(1), Source::Stale, Duration::ZERO));
    assert_eq!(vault.reads(), 1);
    vault.refuse(None);
    assert_eq!(get(&cache, &a).await, (Ok(2), Source::Miss));
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_while_the_vault_would_refuse_does_not_join_a_fetch() {
    let vault = Fake::default();
    let cache = cache(&vault);
    let a = key("a");
    vault.behave(Behaviour::Hang);
    let late = async {
        pass(1).await;
        vault.refuse(Some(UNAVAILABLE));
        ask(&cache, &a).await
    };
    let (first, late) = tokio::join!(ask(&cache, &a), late);
    assert_eq!(first.2, TIMEOUT);
    assert_eq!(late, (Err(UNAVAILABLE), Source::None, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn the_vault_is_told_what_is_known_of_a_key() {
    let vault = Fake::default();
    let cache = cache(&vault);
    let a = key("a");
    for exact in [true, false] {
        let ttl = Duration::ZERO;
        assert!(cache.get(&a, Lookup { ttl, exact }).await.result.is_ok());
    }
    vault.behave(Behaviour::Fail(NOT_FOUND));
    for _ in 0..2 {
        assert!(cache.get(&key("b"), lookup(Duration::ZERO)).await.result.is_err());
    }
    let asked: Vec<_> = vault.asked().iter().map(|read| (read.known_good, read.exact)).collect();
    assert_eq!(asked, [(false, true), (true, false), (false, false), (false, false)]);
}

#[tokio::test(start_paused = true)]
async fn made_up_names_do_not_push_copies_out() {
    let vault = Fake::default();
    let cache = cache(&vault);
    touch(&cache, &key("real")).await;
    vault.behave(Behaviour::Fail(NOT_FOUND));
    for number in 0..3000 {
        touch(&cache, &version("real", number)).await;
    }
    assert_eq!(get(&cache, &key("real")).await, (Ok(1), Source::Hit));
    vault.behave(Behaviour::Serve);
    for number in 0..3000 {
        touch(&cache, &key(&format!("other-{number}"))).await;
    }
    assert_eq!(cache.shared.state().entries.len(), 1000);
}

#[tokio::test(start_paused = true)]
async fn a_defect_in_a_fetch_does_not_block_its_key() {
    let vault = Fake::default();
    let cache = cache(&vault);
    let a = key("a");
    vault.behave(Behaviour::Panic);
    assert_eq!(get(&cache, &a).await.0, Err(UNAVAILABLE));
    vault.behave(Behaviour::Serve);
    assert_eq!(get(&cache, &a).await, (Ok(2), Source::Miss));
}

#[tokio::test(start_paused = true)]
async fn a_defect_under_the_lock_does_not_end_the_cache() {
    let vault = Fake::default();
    let cache = cache(&vault);
    let a = key("a");
    touch(&cache, &a).await;
    let shared = Arc::clone(&cache.shared);
    let panicked = std::thread::spawn(move || {
        let _state = shared.state();
        panic!("told to")
    });
    assert!(panicked.join().is_err());
    assert_eq!(get(&cache, &a).await, (Ok(1), Source::Hit));
    assert_eq!(get(&cache, &key("b")).await, (Ok(2), Source::Miss));
}

#[tokio::test(start_paused = true)]
async fn a_secret_can_be_read_again_and_replaces_its_copy() {
    let vault = Fake::default();
    let cache = cache(&vault);
    let maps = key("maps-key");
    assert_eq!(get(&cache, &maps).await, (Ok(1), Source::Miss));
    let again = cache.read_again(&maps, lookup(TTL)).await;
    assert_eq!(again.map(|delivery| number(&delivery)), Ok(2));
    assert_eq!(get(&cache, &maps).await, (Ok(2), Source::Hit));
}
