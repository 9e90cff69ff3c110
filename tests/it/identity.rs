//! The app's own identity: how it asks for tokens, for whom, and when a developer's login takes its place.

use serde_json::json;
use testkit::{EMULATED_CLIENT_ID, Emulator, Secret};
use url::Url;

use crate::support::client::Request;
use crate::support::expect::Headers;
use crate::support::handler::{Environment, Handler, ROOT};
use crate::support::{ORIGIN, PATH, Rig, SECRET, VALUE, now};

#[tokio::test]
async fn the_first_secret_costs_one_challenge_and_one_token() {
    let rig = Rig::start().await;
    rig.assert_untouched("nobody has asked");

    assert_eq!(rig.get(PATH).await.status, 200);
    let counters = rig.emulator.counters();
    assert_eq!(
        (counters.challenges, counters.tokens, counters.gets, counters.served),
        (1, 1, 1, 1),
        "{counters:?}"
    );
    assert_eq!(counters.others, 0, "{counters:?}");

    assert_eq!(rig.get(PATH).await.status, 200);
    assert_eq!(rig.emulator.counters().tokens, 1, "a token is kept");
}

#[tokio::test]
async fn the_token_is_asked_for_the_vault_and_for_the_identity_of_the_setting() {
    let rig = Rig::with(&[("AZURE_CLIENT_ID", EMULATED_CLIENT_ID)]).await;
    assert_eq!(rig.get(PATH).await.status, 200);
    let request = rig.emulator.last_token_request().unwrap();
    assert!(
        request
            .path_and_query
            .contains(&format!("client_id={EMULATED_CLIENT_ID}")),
        "{request:?}"
    );
    assert!(request.path_and_query.contains("vault.azure.net"), "{request:?}");
    assert_eq!(
        request.header("x-identity-header"),
        Some(rig.emulator.identity_header())
    );

    for settings in [
        &[][..],
        &[("AZURE_CLIENT_ID", "")],
        &[("AZURE_TOKEN_CREDENTIALS", "prod")],
    ] {
        let rig = Rig::with(settings).await;
        assert_eq!(rig.get(PATH).await.status, 200);
        let request = rig.emulator.last_token_request().unwrap();
        assert!(
            !request.path_and_query.contains("client_id"),
            "{settings:?}: {request:?}"
        );
    }
}

#[tokio::test]
async fn an_identity_that_does_not_exist_is_a_token_failure() {
    let rig = Rig::with(&[
        ("UPSTREAM_TIMEOUT_SECONDS", "1"),
        ("AZURE_CLIENT_ID", "00000000-0000-4000-8000-000000000001"),
    ])
    .await;

    let answer = rig.get(PATH).await;

    let headers = Headers::json().readable_by(ORIGIN).retry_after();
    answer.must_refuse("no such identity", 503, ("VaultUnavailable", None), &headers);
    assert_eq!(rig.emulator.counters().gets, 0);
}

/// A token for the vault that did not come to the handler through its managed identity.
pub(crate) async fn token(emulator: &Emulator) -> String {
    let endpoint = Url::parse(&emulator.identity_endpoint()).unwrap();
    let target = format!(
        "{}?api-version=2019-08-01&resource=https://vault.azure.net",
        endpoint.path()
    );
    let request = Request::get(&target).header("x-identity-header", emulator.identity_header());
    let answer = request.send(endpoint.port().unwrap()).await;
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_developers_login_serves_where_there_is_no_managed_identity_or_the_setting_says_so() {
    for (label, credentials, has_identity, from_identity) in [
        ("no identity", None, false, 0),
        ("no identity, and dev", Some("dev"), false, 0),
        ("an identity, and dev", Some("dev"), true, 0),
        ("an identity", None, true, 1),
        ("an identity, and prod", Some("prod"), true, 1),
    ] {
        let emulator = Emulator::start().await.unwrap();
        emulator.put(SECRET, Secret::new(VALUE));
        let login = json!({"accessToken": token(&emulator).await, "expires_on": now() + 3600, "tokenType": "Bearer"});
        emulator.reset_counters();
        let mut environment = Environment::of(&emulator)
            .with("PATH", format!("{ROOT}/tests/it/support/bin:/usr/bin:/bin"))
            .with("AZ_ANSWER", login.to_string());
        if let Some(credentials) = credentials {
            environment = environment.with("AZURE_TOKEN_CREDENTIALS", credentials);
        }
        if !has_identity {
            environment = environment.without("IDENTITY_ENDPOINT").without("IDENTITY_HEADER");
        }
        let handler = Handler::start(environment).await;

        let answer = Request::get(PATH).origin(ORIGIN).send(handler.port()).await;

        answer.must_be(label, 200, &Headers::json().readable_by(ORIGIN));
        assert_eq!(emulator.counters().tokens, from_identity, "{label}");
    }
}

#[tokio::test]
async fn a_developer_who_is_not_logged_in_sees_an_unavailable_vault() {
    let emulator = Emulator::start().await.unwrap();
    let environment = Environment::of(&emulator)
        .with("PATH", format!("{ROOT}/tests/it/support/bin:/usr/bin:/bin"))
        .with("AZURE_TOKEN_CREDENTIALS", "dev");
    let handler = Handler::start(environment).await;

    let answer = Request::get(PATH).origin(ORIGIN).send(handler.port()).await;

    let headers = Headers::json().readable_by(ORIGIN).retry_after();
    answer.must_refuse("no login", 503, ("VaultUnavailable", None), &headers);
    assert_eq!(emulator.counters().tokens, 0);
}

#[tokio::test]
async fn no_proxy_stands_between_the_app_and_its_identity() {
    let emulator = Emulator::start().await.unwrap();
    emulator.put(SECRET, Secret::new(VALUE));
    // It never answers: a token that was asked for through it would not come.
    let proxy = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let environment = Environment::of(&emulator)
        .with("HTTP_PROXY", format!("http://{}", proxy.local_addr().unwrap()))
        .with("http_proxy", format!("http://{}", proxy.local_addr().unwrap()));
    let handler = Handler::start(environment).await;

    let answer = Request::get(PATH).origin(ORIGIN).send(handler.port()).await;

    answer.must_be("past the proxy", 200, &Headers::json().readable_by(ORIGIN));
    assert_eq!(emulator.counters().tokens, 1);
}
