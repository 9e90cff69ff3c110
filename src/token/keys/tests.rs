//! When keys are fetched, how long they are used, and from where.

use super::*;

#[test]
fn keys_come_over_tls_or_from_the_authoritys_own_loopback() {
    let url = |text| Url::parse(text).unwrap();
    let entra = "https://login.microsoftonline.com/t/";
    let loopback = "http://127.0.0.1:8/t/";
    for (jwks, authority, allowed) in [
        ("https://login.microsoftonline.com/k", entra, true),
        ("https://elsewhere.example/k", entra, true),
        ("http://login.microsoftonline.com/k", entra, false),
        ("http://127.0.0.1:9/k", entra, false),
        ("http://127.0.0.1:9/k", loopback, true),
        ("http://localhost:9/k", loopback, false),
        ("http://evil.example/k", loopback, false),
        ("file:///etc/passwd", loopback, false),
    ] {
        assert_eq!(
            may_have_keys(&url(jwks), &url(authority)),
            allowed,
            "{jwks} {authority}"
        );
    }
}

fn set(loaded: Instant) -> KeySet {
    let key = DecodingKey::from_rsa_components("AQAB", "AQAB").unwrap();
    KeySet {
        issuer: "i".into(),
        keys: HashMap::from([("1".to_owned(), vec![Arc::new(key)])]),
        loaded,
    }
}

#[tokio::test(start_paused = true)]
async fn unknown_key_ids_refresh_at_most_every_five_minutes_and_the_first_load_does_not_count() {
    let mut state = State::default();
    let start = Instant::now();
    let at = |seconds| start + Duration::from_secs(seconds);
    assert!(state.may_fetch(Format::V2, at(0)));
    state.tried = Some(at(0));
    assert!(!state.may_fetch(Format::V2, at(0)));
    assert!(state.may_fetch(Format::V2, at(1)), "there are no keys at all");
    state.sets.insert(Format::V2, Some(set(start)));
    assert!(state.may_fetch(Format::V2, at(1)), "the first load was no refresh");
    state.tried = Some(at(1));
    state.refreshed = true;
    assert!(!state.may_fetch(Format::V2, at(300)));
    assert!(state.may_fetch(Format::V2, at(301)));
    // The other format has not been loaded, or does not exist.
    assert!(state.may_fetch(Format::V1, at(2)));
    state.sets.insert(Format::V1, None);
    assert!(!state.may_fetch(Format::V1, at(2)));
}

#[tokio::test(start_paused = true)]
async fn keys_are_refreshed_after_an_hour_and_not_used_after_a_day() {
    let start = Instant::now();
    let at = |minutes: u64| start + Duration::from_mins(minutes);
    let mut state = State {
        tried: Some(start),
        ..State::default()
    };
    state.sets.insert(Format::V2, Some(set(start)));
    assert!(!state.is_due(at(59)));
    assert!(state.is_due(at(60)));
    // While the authority is down, not at every request.
    state.tried = Some(at(60));
    assert!(!state.is_due(at(60)));
    assert!(state.is_due(at(61)));

    let day = 24 * 60;
    assert_eq!(state.find(Format::V2, "1", at(day - 1)).len(), 1);
    assert!(state.has_loaded(Format::V2, at(day - 1)));
    assert!(state.find(Format::V2, "1", at(day)).is_empty());
    assert!(
        !state.has_loaded(Format::V2, at(day)),
        "then nothing can be said of a token"
    );
}
