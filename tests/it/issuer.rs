//! The issuer's metadata and keys: when they are asked for, how often, and what happens when they cannot be had.

use std::net::Ipv4Addr;
use std::time::Duration;

use serde_json::json;
use testkit::{Emulator, Fault, Target, Times};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};

use crate::support::client::{Answer, Request};
use crate::support::entra::{self, AUDIENCE, ROLE, SCOPE, must_serve};
use crate::support::expect::Headers;
use crate::support::{ORIGIN, PATH, Rig};

/// One look at the authority: a metadata document and a key set for each of the two versions.
const ONE_LOAD: u64 = 2;

fn must_be_unavailable(label: &str, answer: &Answer) {
    let headers = Headers::json().readable_by(ORIGIN).retry_after();
    answer.must_refuse(label, 503, ("AuthorityUnavailable", None), &headers);
}

/// A good token under a key id that nobody publishes.
fn unknown_key(rig: &Rig, index: usize) -> String {
    let header = json!({"typ": "JWT", "alg": "RS256", "kid": format!("made-up-{index}")});
    let claims = match index % 2 {
        0 => rig.emulator.user_claims(AUDIENCE, SCOPE),
        _ => rig.emulator.v1_user_claims(AUDIENCE, SCOPE),
    };
    rig.emulator.sign(&header, &claims)
}

/// Asks with this token until it is served, for as long as the last refusal said and a little more.
async fn heals(label: &str, rig: &Rig, token: &str) {
    let begun = Instant::now();
    loop {
        let answer = rig.get_as(token).await;
        if answer.status == 200 {
            return must_serve(label, &answer);
        }
        must_be_unavailable(label, &answer);
        let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!(wait <= 60, "{label}: {wait} s is long for somebody who signed in");
        assert!(
            begun.elapsed() < Duration::from_secs(wait + 5),
            "{label}: not healed in time"
        );
        sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_hundred_first_callers_cost_one_load() {
    let emulator = Emulator::start().await.unwrap();
    // All of them arrive while the first is still asking.
    let slow = Fault::Latency(Duration::from_millis(300));
    emulator.script(Target::Authority, slow, Times::Always);
    let rig = entra::rig_with(emulator, &[]).await;
    let emulator = &rig.emulator;
    let tokens = [
        emulator.mint(&emulator.user_claims(AUDIENCE, SCOPE)),
        emulator.mint(&emulator.v1_user_claims(AUDIENCE, SCOPE)),
        emulator.mint(&emulator.app_claims(AUDIENCE, ROLE)),
        emulator.mint(&emulator.v1_app_claims(AUDIENCE, ROLE)),
    ];
    let callers: Vec<_> = tokens
        .iter()
        .cycle()
        .take(100)
        .map(|token| tokio::spawn(Request::get(PATH).origin(ORIGIN).bearer(token).send(rig.handler.port())))
        .collect();
    for caller in callers {
        must_serve("one of a hundred", &caller.await.unwrap());
    }

    let (metadata, keys) = rig.authority_requests();
    assert!((1..=ONE_LOAD).contains(&metadata), "{metadata} requests for metadata");
    assert!((1..=ONE_LOAD).contains(&keys), "{keys} requests for keys");
}

#[tokio::test]
async fn known_keys_are_not_asked_for_again() {
    let rig = entra::rig().await;
    must_serve("first", &rig.get_as(&rig.good_token()).await);
    rig.emulator.reset_counters();

    for _ in 0..20 {
        must_serve("later", &rig.get_as(&rig.good_token()).await);
        let forged = rig.emulator.foreign_token(&rig.emulator.user_claims(AUDIENCE, SCOPE));
        rig.must_challenge("forged", &rig.get_as(&forged).await);
        rig.must_challenge("garbage", &rig.get_as("a.b.c").await);
    }

    assert_eq!(rig.authority_requests(), (0, 0));
}

#[tokio::test]
async fn a_new_key_is_learnt_with_one_refresh_and_the_old_one_stays_good() {
    let rig = entra::rig().await;
    let old = rig.good_token();
    must_serve("before", &rig.get_as(&old).await);
    rig.emulator.reset_counters();

    rig.emulator.rotate_keys();
    let claims = rig.emulator.v1_user_claims(AUDIENCE, SCOPE);
    let tokens = [rig.good_token(), rig.emulator.mint(&claims), old];
    for token in tokens.iter().cycle().take(12) {
        must_serve("after", &rig.get_as(token).await);
    }

    let (metadata, keys) = rig.authority_requests();
    assert!(
        metadata <= ONE_LOAD && (1..=ONE_LOAD).contains(&keys),
        "{metadata} and {keys}"
    );
}

#[tokio::test]
async fn a_key_that_is_no_longer_published_ends_with_the_next_refresh() {
    let rig = entra::rig().await;
    let old = rig.good_token();
    must_serve("before", &rig.get_as(&old).await);

    rig.emulator.rotate_keys();
    rig.emulator.retire_old_keys();
    must_serve("the new key", &rig.get_as(&rig.good_token()).await);

    // A token that was seen good with the old key as well as one that was not.
    rig.must_challenge("remembered", &rig.get_as(&old).await);
}

#[tokio::test]
async fn fifty_made_up_key_ids_cost_the_authority_one_refresh() {
    let rig = entra::rig().await;
    must_serve("before", &rig.get_as(&rig.good_token()).await);
    rig.emulator.reset_counters();

    let at_once: Vec<_> = (0..25)
        .map(|index| {
            let request = Request::get(PATH).origin(ORIGIN).bearer(&unknown_key(&rig, index));
            tokio::spawn(request.send(rig.handler.port()))
        })
        .collect();
    for answer in at_once {
        rig.must_challenge("at once", &answer.await.unwrap());
    }
    for index in 25..50 {
        rig.must_challenge("in turn", &rig.get_as(&unknown_key(&rig, index)).await);
    }

    let (metadata, keys) = rig.authority_requests();
    assert!(metadata <= ONE_LOAD && keys <= ONE_LOAD, "{metadata} and {keys}");
    rig.assert_untouched("made-up key ids");
    must_serve("after", &rig.get_as(&rig.good_token()).await);
}

#[tokio::test]
async fn an_authority_that_is_down_at_the_start_is_503_and_heals() {
    let not_found = || Fault::Body {
        status: 404,
        body: "{}".to_owned(),
    };
    let ok = |body: &str| Fault::Body {
        status: 200,
        body: body.to_owned(),
    };
    let faults = [
        ("a reset", Fault::Reset),
        ("503", Fault::unavailable()),
        ("429", Fault::throttled()),
        ("404", not_found()),
        ("no JSON", Fault::Garbage),
        ("half a document", Fault::Truncated),
        ("an empty object", ok("{}")),
        ("null", ok("null")),
        ("a list", ok("[]")),
        ("an empty body", ok("")),
        ("keys and no issuer", ok("{\"keys\":[]}")),
        ("nested without end", ok(&"[".repeat(100_000))),
        ("a large document", ok(&" ".repeat(8 * 1024 * 1024))),
        ("silence", Fault::Hang),
    ];
    let mut tests = tokio::task::JoinSet::new();
    for (label, fault) in faults {
        tests.spawn(async move {
            let emulator = Emulator::start().await.unwrap();
            emulator.script(Target::Authority, fault, Times::Always);
            let rig = entra::rig_with(emulator, &[("UPSTREAM_TIMEOUT_SECONDS", "1")]).await;
            let token = rig.good_token();

            must_be_unavailable(label, &rig.get_as(&token).await);
            let answer = rig.send(Request::head(PATH).origin(ORIGIN).bearer(&token)).await;
            answer.must_be(label, 503, &Headers::json().readable_by(ORIGIN).retry_after());
            // Without a token there is nothing to check: that is the caller's fault all the same.
            rig.must_challenge(label, &rig.get(PATH).await);
            rig.assert_untouched(label);

            rig.emulator.clear_faults();
            heals(label, &rig, &token).await;
        });
    }
    while let Some(test) = tests.join_next().await {
        test.unwrap();
    }
}

#[tokio::test]
async fn an_authority_that_fails_for_a_moment_ends_up_known_for_both_versions() {
    for failing in 1..=3 {
        let emulator = Emulator::start().await.unwrap();
        emulator.script(Target::Authority, Fault::Reset, Times::Exactly(failing));
        let rig = entra::rig_with(emulator, &[]).await;
        let v1 = rig.emulator.mint(&rig.emulator.v1_user_claims(AUDIENCE, SCOPE));

        for (label, token) in [("v2", rig.good_token()), ("v1", v1)] {
            heals(&format!("{label} after {failing} failures"), &rig, &token).await;
        }
    }
}

#[tokio::test]
async fn an_authority_that_is_down_later_takes_nothing_away() {
    let rig = entra::rig().await;
    must_serve("before", &rig.get_as(&rig.good_token()).await);

    for fault in [Fault::Reset, Fault::unavailable(), Fault::Garbage] {
        rig.emulator.clear_faults();
        rig.emulator.script(Target::Authority, fault.clone(), Times::Always);
        let label = format!("{fault:?}");
        // Keys are there, this one is not among them, and nothing better is to be had: the token is not valid.
        rig.must_challenge(&label, &rig.get_as(&unknown_key(&rig, 0)).await);
        must_serve(&label, &rig.get_as(&rig.good_token()).await);
        let v1 = rig.emulator.mint(&rig.emulator.v1_app_claims(AUDIENCE, ROLE));
        must_serve(&label, &rig.get_as(&v1).await);
    }
}

#[tokio::test]
async fn a_refresh_that_finds_no_keys_takes_nothing_away() {
    for jwks_uri in [None, Some("http://evil.example/keys")] {
        let rig = entra::rig().await;
        must_serve("before", &rig.get_as(&rig.good_token()).await);
        // Elsewhere, where they are not fetched from; or in their place, and none are left.
        rig.emulator.announce_keys_at(jwks_uri);
        rig.emulator.withhold_keys(jwks_uri.is_none());

        rig.must_challenge("unknown", &rig.get_as(&unknown_key(&rig, 0)).await);

        must_serve("after", &rig.get_as(&rig.good_token()).await);
    }
}

#[tokio::test]
async fn an_empty_key_set_at_the_start_is_no_keys_at_all() {
    let emulator = Emulator::start().await.unwrap();
    emulator.withhold_keys(true);
    let rig = entra::rig_with(emulator, &[]).await;

    must_be_unavailable("empty", &rig.get_as(&rig.good_token()).await);
    rig.emulator.withhold_keys(false);
    heals("empty", &rig, &rig.good_token()).await;
}

#[tokio::test]
async fn keys_that_cannot_be_read_or_have_the_same_id_spoil_no_other() {
    let emulator = Emulator::start().await.unwrap();
    let foreign =
        json!({"kty": "RSA", "use": "sig", "kid": emulator.kid(), "n": emulator.foreign_key().n, "e": "AQAB"});
    let of_another_issuer = json!({
        "kty": "RSA", "use": "sig", "kid": "theirs", "n": emulator.public_key().n, "e": "AQAB",
        "issuer": "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0",
    });
    emulator.publish_before_keys(vec![
        json!("no key"),
        json!({"kty": "RSA", "kid": 1}),
        json!({"kty": "RSA", "kid": "short", "n": "AQAB", "e": "AQAB"}),
        foreign,
        of_another_issuer,
    ]);
    let rig = entra::rig_with(emulator, &[]).await;
    must_serve("the issuer's own key", &rig.get_as(&rig.good_token()).await);

    let claims = rig.emulator.user_claims(AUDIENCE, SCOPE);
    let theirs = rig
        .emulator
        .sign(&json!({"typ": "JWT", "alg": "RS256", "kid": "theirs"}), &claims);
    rig.must_challenge("a key of another issuer", &rig.get_as(&theirs).await);
    let stderr = rig.handler.stop().await.stderr;
    for cause in ["not a JSON Web Key", "shorter than 2,048 bits", "another issuer's"] {
        assert!(stderr.contains(cause), "{cause}: {stderr}");
    }
}

#[tokio::test]
async fn a_missing_v1_document_does_not_disable_v2() {
    let emulator = Emulator::start().await.unwrap();
    emulator.without_v1();
    let rig = entra::rig_with(emulator, &[]).await;

    must_serve("v2", &rig.get_as(&rig.good_token()).await);
    let app = rig.emulator.mint(&rig.emulator.app_claims(AUDIENCE, ROLE));
    must_serve("v2", &rig.get_as(&app).await);
    rig.emulator.reset_counters();
    // Signed with a key that v2 publishes too: that is not what makes it a v1 token.
    let v1 = rig.emulator.mint(&rig.emulator.v1_user_claims(AUDIENCE, SCOPE));
    let answer = rig.get_as(&v1).await;
    match answer.status {
        401 => rig.must_challenge("v1", &answer),
        _ => must_be_unavailable("v1", &answer),
    }
    rig.assert_untouched("a v1 token without v1 keys");
}

#[tokio::test]
async fn keys_are_fetched_from_the_authority_or_over_tls_and_from_nowhere_else() {
    let other = Emulator::start().await.unwrap();
    // The very keys that would vouch for the token, where the authority is not.
    let address = other.authority().replace("http://127.0.0.1", "");
    let path = format!("{}/discovery/v2.0/keys", other.tenant());
    let addresses = [
        format!("http://localhost{address}/{path}"),
        format!("http://[::1]{address}/{path}"),
        format!("http://127.0.0.1@localhost{address}/{path}"),
        format!("http://127.0.0.2{address}/{path}"),
        format!("http://127.0.0.1.evil.example{address}/{path}"),
        format!("//127.0.0.1{address}/{path}"),
        "http://169.254.169.254/metadata/identity/oauth2/token".to_owned(),
        "file:///etc/passwd".to_owned(),
        "data:application/json,{\"keys\":[]}".to_owned(),
        "keys".to_owned(),
        String::new(),
    ];
    for uri in addresses {
        let emulator = Emulator::start().await.unwrap();
        emulator.announce_keys_at(Some(&uri));
        let rig = entra::rig_with(emulator, &[("UPSTREAM_TIMEOUT_SECONDS", "2")]).await;

        must_be_unavailable(&uri, &rig.get_as(&rig.good_token()).await);
        assert_eq!((other.counters().keys, other.counters().metadata), (0, 0), "{uri}");
        rig.assert_untouched(&uri);
    }
}

#[tokio::test]
async fn a_redirect_of_the_authoritys_is_not_followed() {
    // Where it leads there are keys that would vouch for the token.
    let other = Emulator::start().await.unwrap();
    let location = other.authority();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let authority = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let location = location.clone();
            tokio::spawn(async move {
                let mut head = vec![0; 4096];
                let count = stream.read(&mut head).await.unwrap_or_default();
                let head = String::from_utf8_lossy(&head[..count]).into_owned();
                let path = head.split(' ').nth(1).unwrap_or("/");
                let answer = format!(
                    "HTTP/1.1 302 Found\r\nLocation: {location}{path}\r\nContent-Length: 0\r\n\
                     Connection: close\r\n\r\n"
                );
                drop(stream.write_all(answer.as_bytes()).await);
            });
        }
    });
    let settings = [
        ("ENTRA_AUTHORITY_HOST", authority.as_str()),
        ("ENTRA_TENANT_ID", other.tenant()),
    ];
    let rig = entra::rig_with(Emulator::start().await.unwrap(), &settings).await;
    let token = other.mint(&other.user_claims(AUDIENCE, SCOPE));

    must_be_unavailable("redirected", &rig.get_as(&token).await);

    assert_eq!((other.counters().keys, other.counters().metadata), (0, 0));
}
