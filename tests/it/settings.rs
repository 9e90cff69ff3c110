//! A faulty configuration: exit 78 with every fault named, before anything is bound. What is a fault, and what is said
//! of it, is in `dangerous`, without a process.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use testkit::Emulator;

use crate::support::client::Request;
use crate::support::handler::{Environment, Handler, Launch, Output, ReservedPort};
use crate::support::{ORIGIN, PATH};

/// A configuration without a fault, for which nothing needs to run.
fn valid(port: &ReservedPort) -> Environment {
    Environment::default()
        .with("KEY_VAULT_URL", "https://contoso.vault.azure.net")
        .with("ALLOWED_SECRETS", "maps-key")
        .with("ALLOWED_ORIGINS", ORIGIN)
        .with("IDENTITY_ENDPOINT", "http://127.0.0.1:9/msi/token")
        .with("IDENTITY_HEADER", "an-identity-header")
        .with("CACHE_TTL_SECONDS", "0")
        .with("FUNCTIONS_APP_ROOT_PATH", crate::support::handler::ROOT)
        .with("FUNCTIONS_CUSTOMHANDLER_PORT", port.number().to_string())
}

/// Fails unless the handler refuses this environment, with each of these settings named and on stderr alone.
async fn assert_faulty(label: &str, environment: Environment, names: &[&str]) -> Output {
    let output = Launch::new(environment).run().await;
    let unnamed: Vec<_> = names.iter().filter(|name| !output.stderr.contains(**name)).collect();
    let is_right = output.code == Some(78) && unnamed.is_empty() && output.stdout.is_empty();
    assert!(is_right && !output.stderr.contains("panicked"), "{label}: {output:?}");
    output
}

#[tokio::test]
async fn an_empty_environment_reports_every_missing_setting_at_once() {
    let required = ["KEY_VAULT_URL", "ALLOWED_SECRETS", "ALLOWED_ORIGINS"];

    assert_faulty("nothing is set", Environment::default(), &required).await;
    let empty = required
        .iter()
        .fold(Environment::default(), |environment, name| environment.with(name, ""));
    assert_faulty("all are empty", empty, &required).await;
}

#[tokio::test]
async fn faults_of_every_kind_are_reported_at_once() {
    let port = ReservedPort::new();
    let environment = valid(&port)
        .with("KEY_VAULT_URL", "http://contoso.vault.azure.net")
        .with("ALLOWED_SECRETS", "a_b")
        .with("ALLOWED_ORIGINS", "https://app.contoso.com/,null,https://*")
        .with("ALLOW_CREDENTIALS", "perhaps")
        .with("PREFLIGHT_MAX_AGE_SECONDS", "86401")
        .with("REQUIRE_ORIGIN", "perhaps")
        .with("UPSTREAM_TIMEOUT_SECONDS", "0")
        .with("LOG_FORMAT", "xml");

    let output = assert_faulty(
        "eight settings",
        environment,
        &[
            "KEY_VAULT_URL",
            "ALLOWED_SECRETS",
            "ALLOWED_ORIGINS",
            "ALLOW_CREDENTIALS",
            "PREFLIGHT_MAX_AGE_SECONDS",
            "REQUIRE_ORIGIN",
            "UPSTREAM_TIMEOUT_SECONDS",
            "LOG_FORMAT",
        ],
    )
    .await;
    // The corrected value, where it can be given.
    assert!(output.stderr.contains(ORIGIN), "{}", output.stderr);
}

#[tokio::test]
async fn text_that_is_not_unicode_is_a_fault_in_a_setting_and_nothing_elsewhere() {
    let port = ReservedPort::new();
    let text = || OsString::from_vec(b"https://app.contoso.com\xff".to_vec());

    let environment = valid(&port).with("ALLOWED_ORIGINS", text());
    assert_faulty("a setting", environment, &["ALLOWED_ORIGINS"]).await;

    let emulator = Emulator::start().await.unwrap();
    let name = OsString::from_vec(b"OTHER_\xff".to_vec());
    let handler = Handler::start(Environment::of(&emulator).with(name, text())).await;
    handler.stop().await;
}

#[tokio::test]
async fn nothing_is_bound_before_the_configuration_is_valid() {
    // A port that another listener holds: binding it would end the process with 1.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();

    let environment = Environment::default().with("FUNCTIONS_CUSTOMHANDLER_PORT", port);

    assert_faulty("a busy port", environment, &["KEY_VAULT_URL"]).await;
}

#[tokio::test]
async fn the_vaults_url_may_end_with_a_slash() {
    let emulator = Emulator::start().await.unwrap();
    emulator.put("maps-key", testkit::Secret::new("v"));
    let url = format!("{}/", emulator.vault_url().trim_end_matches('/'));
    let handler = Handler::start(Environment::of(&emulator).with("KEY_VAULT_URL", url)).await;

    let answer = Request::get(PATH).origin(ORIGIN).send(handler.port()).await;

    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(
        emulator
            .last_vault_request()
            .unwrap()
            .path_and_query
            .starts_with("/secrets/maps-key")
    );
}
