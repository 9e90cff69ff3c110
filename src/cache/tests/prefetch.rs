//! Secrets in memory before anybody asks.

use super::*;
use crate::cache::prefetch::{AT_ONCE, JITTER, TIMEOUT as PREFETCH_TIMEOUT};
use crate::secret::SecretName;

/// A name to be prefetched.
fn named(name: &str) -> (SecretName, Duration) {
    (key(name).name, TTL)
}

#[tokio::test(start_paused = true)]
async fn prefetch_reads_many_at_a_time_and_leaves_room_for_callers() {
    let vault = Fake::with_latency(LATENCY);
    let cache = cache(&vault);
    let names: Vec<_> = (0..300).map(|n| named(&format!("s{n}"))).collect();
    cache.prefetch(names.clone()).await;
    assert_eq!((vault.reads(), vault.most_in_flight()), (300, AT_ONCE));
    for (name, _) in names {
        assert_eq!(get(&cache, &SecretKey { name, version: None }).await.1, Source::Hit);
    }
}

#[tokio::test(start_paused = true)]
async fn prefetch_waits_ten_seconds_for_a_vault_that_is_away() {
    let vault = Fake::default();
    vault.behave(Behaviour::Hang);
    let cache = cache(&vault);
    let started = Instant::now();
    cache.prefetch(vec![named("a"), named("b")]).await;
    let elapsed = started.elapsed();
    assert_eq!(vault.reads(), 2);
    assert!(
        elapsed >= PREFETCH_TIMEOUT && elapsed <= PREFETCH_TIMEOUT + JITTER,
        "{elapsed:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn one_secret_that_cannot_be_prefetched_does_not_keep_the_others_out() {
    let vault = Fake::with_latency(LATENCY);
    let cache = cache(&vault);
    vault.behave_for(&key("a"), Behaviour::Fail(VaultError::AccessDenied));
    vault.behave_for(&key("b"), Behaviour::Panic);
    cache.prefetch(vec![named("a"), named("b"), named("c")]).await;
    assert_eq!(get(&cache, &key("c")).await.1, Source::Hit);
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
    let ((), answer) = tokio::join!(cache.prefetch(vec![(a.name.clone(), TTL)]), caller);
    assert_eq!(answer, (Err(UNAVAILABLE), Source::Miss, TIMEOUT));
}
