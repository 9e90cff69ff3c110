//! What the vault has revoked, and how far that reaches.

use super::*;

#[tokio::test(start_paused = true)]
async fn no_copy_stands_in_for_what_the_vault_has_revoked() {
    for error in [NOT_FOUND, VaultError::Disabled, VaultError::AccessDenied] {
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
async fn a_revocation_reaches_as_far_as_the_vault_meant_it() {
    use VaultError::{AccessDenied, Disabled};
    let keys = [key("a"), version("a", 1), version("a", 2), key("b")];
    let [current, first, ..] = &keys;
    // Which of the keys still have their copy.
    for (revoked, error, left) in [
        (current, NOT_FOUND, [false, false, false, true]),
        (current, Disabled, [false, false, false, true]),
        (current, AccessDenied, [false, false, false, true]),
        (first, NOT_FOUND, [true, false, true, true]),
        (first, Disabled, [true, false, true, true]),
        (first, AccessDenied, [false, false, false, true]),
    ] {
        let vault = Fake::default();
        let cache = cache(&vault);
        for key in &keys {
            touch(&cache, key).await;
        }
        vault.behave_for(revoked, Behaviour::Fail(error));
        // The refresh ahead finds it out, while every copy is fresh.
        pass(290).await;
        touch(&cache, revoked).await;
        sleep(LATENCY).await;
        let copies: Vec<_> = keys
            .iter()
            .map(|key| cache.shared.state().entries.contains(key))
            .collect();
        assert_eq!(copies, left, "{revoked:?} {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_value_from_before_a_revocation_is_fetched_again() {
    let vault = Fake::with_latency(Duration::from_secs(1));
    let cache = cache(&vault);
    let (current, first) = (key("a"), version("a", 1));
    vault.behave_for(&current, Behaviour::Fail(NOT_FOUND));
    let late = async {
        sleep(Duration::from_millis(500)).await;
        ask(&cache, &first).await
    };
    // Read 2 of the version is under way when the name is found gone.
    let (gone, late) = tokio::join!(ask(&cache, &current), late);
    assert_eq!(gone.0, Err(NOT_FOUND));
    assert_eq!(late, (Ok(3), Source::Miss, Duration::from_secs(2)));
}

#[tokio::test(start_paused = true)]
async fn a_revoked_value_is_dropped_at_once() {
    let vault = Fake::default();
    let cache = cache(&vault);
    let a = key("a");
    let held = Arc::downgrade(&cache.get(&a, lookup(TTL)).await.result.unwrap());
    assert!(held.upgrade().is_some());
    vault.behave(Behaviour::Fail(NOT_FOUND));
    pass(300).await;
    assert!(get(&cache, &a).await.0.is_err());
    assert!(held.upgrade().is_none());
}
