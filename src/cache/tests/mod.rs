//! Every time rule, on a paused clock.

mod fake;
mod model;

use tokio::task::JoinSet;
use tokio::time::sleep;

use self::fake::{Behaviour, Fake};
use super::prefetch::{PREFETCH_JITTER, PREFETCHES};
use super::*;

const TTL: Duration = Duration::from_mins(5);
const STALE: Duration = Duration::from_hours(1);
const TIMEOUT: Duration = Duration::from_secs(5);
const LATENCY: Duration = Duration::from_millis(20);
const UNAVAILABLE: VaultError = VaultError::Unavailable { retry_after: None };

/// A cache whose secrets are the numbers of the reads that brought them.
fn cache_of(vault: &Fake, ttl: Duration, stale: Duration) -> Cache<Fake, usize> {
    let settings = Settings {
        ttl,
        stale,
        timeout: TIMEOUT,
    };
    Cache::new(vault.clone(), settings, |_, bundle| {
        bundle.value.expose().parse().unwrap()
    })
}

fn cache(vault: &Fake) -> Cache<Fake, usize> {
    cache_of(vault, TTL, STALE)
}

fn key(name: &str) -> SecretKey {
    SecretKey::parse(name, None).unwrap()
}

fn version(name: &str, version: &str) -> SecretKey {
    SecretKey::parse(name, Some(version)).unwrap()
}

/// The answer, where it came from, and how long it took.
async fn ask(cache: &Cache<Fake, usize>, key: &SecretKey) -> (Result<usize, VaultError>, Source, Duration) {
    let started = Instant::now();
    let answer = cache.get(key).await;
    (answer.result.map(|value| *value), answer.source, started.elapsed())
}

/// The answer and where it came from.
async fn get(cache: &Cache<Fake, usize>, key: &SecretKey) -> (Result<usize, VaultError>, Source) {
    let (result, source, _) = ask(cache, key).await;
    (result, source)
}

/// Asks, whatever the answer.
async fn touch(cache: &Cache<Fake, usize>, key: &SecretKey) {
    cache.get(key).await;
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
    let gone = tokio::time::timeout(LATENCY / 2, cache.get(&a)).await;
    assert!(gone.is_err());
    sleep(LATENCY).await;
    assert_eq!(get(&cache, &a).await, (Ok(1), Source::Hit));
}

#[tokio::test(start_paused = true)]
async fn a_404_is_remembered_briefly() {
    let vault = Fake::default();
    let cache = cache(&vault);
    let a = key("a");
    vault.behave(Behaviour::Fail(VaultError::NotFound));
    assert_eq!(get(&cache, &a).await, (Err(VaultError::NotFound), Source::Miss));
    vault.behave(Behaviour::Serve);
    pass(9).await;
    assert_eq!(get(&cache, &a).await, (Err(VaultError::NotFound), Source::Hit));
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
        assert!(result.is_err_and(VaultError::is_transient));
    }
}

#[tokio::test(start_paused = true)]
async fn no_copy_stands_in_for_what_the_vault_has_withdrawn() {
    for error in [VaultError::NotFound, VaultError::Disabled, VaultError::AccessDenied] {
        let vault = Fake::default();
        let cache = cache(&vault);
        let a = key("a");
        touch(&cache, &a).await;
        vault.behave(Behaviour::Fail(error));
        pass(300).await;
        assert_eq!(get(&cache, &a).await.0, Err(error));
        // The vault goes away after that: the copy does not come back.
        vault.behave(Behaviour::Fail(UNAVAILABLE));
        for _ in 0..40 {
            pass(1).await;
            assert!(get(&cache, &a).await.0.is_err(), "{error}");
        }
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
        (VaultError::NotFound, false),
        (VaultError::Disabled, false),
        (VaultError::AccessDenied, false),
    ] {
        let answer = cache.shared.stand_in(&a, error, Source::Miss);
        assert_eq!(answer.result.is_ok(), stands_in, "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_withdrawal_reaches_as_far_as_the_vault_meant_it() {
    use VaultError::{AccessDenied, Disabled, NotFound};
    let keys = [key("a"), version("a", "1"), version("a", "2"), key("b")];
    let [current, first, ..] = &keys;
    // Which of the keys still have their copy.
    for (withdrawn, error, left) in [
        (current, NotFound, [false, false, false, true]),
        (current, Disabled, [false, false, false, true]),
        (current, AccessDenied, [false, false, false, true]),
        (first, NotFound, [true, false, true, true]),
        (first, Disabled, [true, false, true, true]),
        (first, AccessDenied, [false, false, false, true]),
    ] {
        let vault = Fake::default();
        let cache = cache(&vault);
        for key in &keys {
            touch(&cache, key).await;
        }
        vault.behave_for(withdrawn, Behaviour::Fail(error));
        // The refresh ahead finds it out, while every copy is fresh.
        pass(290).await;
        touch(&cache, withdrawn).await;
        sleep(LATENCY).await;
        let copies: Vec<_> = keys.iter().map(|key| cache.shared.copies.get(key).is_some()).collect();
        assert_eq!(copies, left, "{withdrawn:?} {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_value_from_before_a_withdrawal_is_fetched_again() {
    let vault = Fake::with_latency(Duration::from_secs(1));
    let cache = cache(&vault);
    let (current, first) = (key("a"), version("a", "1"));
    vault.behave_for(&current, Behaviour::Fail(VaultError::NotFound));
    let late = async {
        sleep(Duration::from_millis(500)).await;
        ask(&cache, &first).await
    };
    // Read 2 of the version is under way when the name is found gone.
    let (gone, late) = tokio::join!(ask(&cache, &current), late);
    assert_eq!(gone.0, Err(VaultError::NotFound));
    assert_eq!(late, (Ok(3), Source::Miss, Duration::from_secs(2)));
}

#[tokio::test(start_paused = true)]
async fn a_withdrawn_value_is_dropped_at_once() {
    let vault = Fake::default();
    let cache = cache(&vault);
    let a = key("a");
    let held = Arc::downgrade(&cache.get(&a).await.result.unwrap());
    assert!(held.upgrade().is_some());
    vault.behave(Behaviour::Fail(VaultError::NotFound));
    pass(300).await;
    assert!(get(&cache, &a).await.0.is_err());
    assert!(held.upgrade().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_copy_that_nobody_may_get_is_dropped_within_minutes() {
    let vault = Fake::default();
    let cache = cache_of(&vault, TTL, Duration::ZERO);
    let held = Arc::downgrade(&cache.get(&key("a")).await.result.unwrap());
    pass(301).await;
    touch(&cache, &key("b")).await;
    assert!(held.upgrade().is_none());
}

#[tokio::test(start_paused = true)]
async fn without_a_ttl_every_request_asks_and_nothing_is_kept() {
    let vault = Fake::with_latency(LATENCY);
    let cache = cache_of(&vault, Duration::ZERO, STALE);
    let a = key("a");
    assert_eq!(get(&cache, &a).await, (Ok(1), Source::None));
    assert_eq!(get(&cache, &a).await, (Ok(2), Source::None));
    let shared = tokio::join!(get(&cache, &a), get(&cache, &a));
    assert_eq!(shared, ((Ok(3), Source::None), (Ok(3), Source::None)));
    for error in [UNAVAILABLE, VaultError::NotFound] {
        vault.behave(Behaviour::Fail(error));
        for _ in 0..3 {
            let reads = vault.reads();
            assert_eq!(get(&cache, &a).await, (Err(error), Source::None));
            assert_eq!(vault.reads(), reads + 1);
        }
    }
    cache.prefetch(vec![key("b").name]).await;
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
async fn a_failing_vault_is_probed_and_not_asked_for_every_request() {
    let vault = Fake::with_latency(LATENCY);
    let cache = cache(&vault);
    let a = key("a");
    vault.behave(Behaviour::Fail(UNAVAILABLE));
    let mut slow = 0;
    for _ in 0..1200 {
        let (result, _, waited) = ask(&cache, &a).await;
        assert!(result.is_err_and(VaultError::is_transient));
        slow += usize::from(!waited.is_zero());
        sleep(Duration::from_millis(100)).await;
    }
    // 1 + 1 at once, then after 1, 2, 4, 8 s, then every 12 to 16 s of 120.
    assert!((11..=16).contains(&vault.reads()), "{}", vault.reads());
    assert_eq!(slow, vault.reads());
    vault.behave(Behaviour::Serve);
    pass(16).await;
    assert!(get(&cache, &a).await.0.is_ok());
}

#[tokio::test(start_paused = true)]
async fn while_one_request_probes_the_others_are_answered_at_once() {
    let vault = Fake::default();
    let cache = cache(&vault);
    let a = key("a");
    vault.behave(Behaviour::Hang);
    for _ in 0..2 {
        touch(&cache, &a).await;
        pass(1).await;
    }
    let (probe, other) = tokio::join!(ask(&cache, &a), ask(&cache, &a));
    assert_eq!(probe.2, TIMEOUT);
    let wait = Some(Duration::from_secs(1));
    assert_eq!(
        other,
        (
            Err(VaultError::Unavailable { retry_after: wait }),
            Source::Hit,
            Duration::ZERO
        )
    );
}

#[tokio::test(start_paused = true)]
async fn a_vault_that_names_a_time_is_left_alone_for_it() {
    let vault = Fake::default();
    let cache = cache(&vault);
    let a = key("a");
    let throttled = |seconds| VaultError::Throttled {
        retry_after: Some(Duration::from_secs(seconds)),
    };
    vault.behave(Behaviour::Fail(throttled(7)));
    assert_eq!(get(&cache, &a).await, (Err(throttled(7)), Source::Miss));
    vault.behave(Behaviour::Serve);
    pass(3).await;
    assert_eq!(get(&cache, &a).await, (Err(throttled(4)), Source::Hit));
    pass(4).await;
    assert_eq!(get(&cache, &a).await, (Ok(2), Source::Miss));
}

#[tokio::test(start_paused = true)]
async fn made_up_names_are_read_within_a_budget() {
    let vault = Fake::default();
    let cache = cache(&vault);
    assert!(get(&cache, &key("real")).await.0.is_ok());
    vault.behave(Behaviour::Fail(VaultError::NotFound));
    let mut refused = 0;
    for n in 0..3000 {
        let (result, _) = get(&cache, &version("real", &format!("made{n}"))).await;
        let wait = Some(Duration::from_secs(1));
        refused += usize::from(result == Err(VaultError::Unavailable { retry_after: wait }));
    }
    assert_eq!((vault.reads(), refused), (100, 2901));
    // A key that was good is outside the budget, and its copy is still there.
    assert_eq!(get(&cache, &key("real")).await, (Ok(1), Source::Hit));
    vault.behave(Behaviour::Serve);
    pass(300).await;
    for n in 0..3000 {
        touch(&cache, &key(&format!("made-{n}"))).await;
    }
    assert_eq!(get(&cache, &key("real")).await.1, Source::Miss);
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
async fn prefetch_reads_one_and_then_a_few_at_a_time() {
    let vault = Fake::with_latency(LATENCY);
    let cache = cache(&vault);
    let names: Vec<_> = (0..300).map(|n| key(&format!("s{n}")).name).collect();
    cache.prefetch(names.clone()).await;
    assert_eq!((vault.reads(), vault.most_in_flight()), (300, PREFETCHES));
    let ended = vault.ended();
    assert!(ended.iter().skip(1).all(|read| read.began >= ended[0].ended));
    for name in names {
        assert_eq!(get(&cache, &SecretKey { name, version: None }).await.1, Source::Hit);
    }
}

#[tokio::test(start_paused = true)]
async fn prefetch_gives_a_vault_that_is_away_one_try_of_ten_seconds() {
    let vault = Fake::default();
    vault.behave(Behaviour::Hang);
    let cache = cache(&vault);
    let started = Instant::now();
    cache.prefetch(vec![key("a").name, key("b").name]).await;
    let elapsed = started.elapsed();
    assert_eq!(vault.reads(), 1);
    assert!(
        elapsed >= PREFETCH_TIMEOUT && elapsed <= PREFETCH_TIMEOUT + PREFETCH_JITTER,
        "{elapsed:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_caller_during_a_prefetch_waits_no_longer_than_any_other() {
    let vault = Fake::default();
    vault.behave(Behaviour::Hang);
    let cache = cache(&vault);
    let a = key("a");
    let caller = async {
        pass(1).await;
        ask(&cache, &a).await
    };
    let ((), answer) = tokio::join!(cache.prefetch(vec![a.name.clone()]), caller);
    assert_eq!(answer, (Err(UNAVAILABLE), Source::Miss, TIMEOUT));
}
