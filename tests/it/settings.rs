//! A faulty configuration: exit 78 with every fault named, before anything is bound.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use testkit::Emulator;

use crate::support::client::Request;
use crate::support::handler::{Environment, Handler, Launch, Output, ReservedPort};
use crate::support::{ORIGIN, PATH};

/// A configuration without a fault, for which nothing needs to run.
pub(crate) fn valid(port: &ReservedPort) -> Environment {
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

/// The handler's complaint about an environment; or all that it said, when it did not refuse it with each of these
/// settings named and on stderr alone.
async fn complaint(environment: Environment, names: &[&str]) -> Result<Output, String> {
    let output = Launch::new(environment).run().await;
    let unnamed: Vec<_> = names.iter().filter(|name| !output.stderr.contains(**name)).collect();
    let is_right = output.code == Some(78) && unnamed.is_empty() && output.stdout.is_empty();
    if is_right && !output.stderr.contains("panicked") {
        Ok(output)
    } else {
        Err(format!("{output:?}"))
    }
}

async fn assert_faulty(label: &str, environment: Environment, names: &[&str]) -> Output {
    complaint(environment, names)
        .await
        .unwrap_or_else(|output| panic!("{label}: {output}"))
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
async fn a_malformed_value_never_falls_back_to_a_default() {
    let port = ReservedPort::new();
    let mut faults = vec![
        ("KEY_VAULT_URL", "http://contoso.vault.azure.net"),
        ("KEY_VAULT_URL", "contoso.vault.azure.net"),
        ("KEY_VAULT_URL", "https://contoso.vault.azure.net/secrets"),
        ("KEY_VAULT_URL", "https://contoso.vault.azure.net//"),
        ("KEY_VAULT_URL", "https://contoso.vault.azure.net?x"),
        ("KEY_VAULT_URL", "https://contoso.vault.azure.net#x"),
        ("KEY_VAULT_URL", "https://contoso.vault.azure.net:8443"),
        ("KEY_VAULT_URL", "https://user@contoso.vault.azure.net"),
        ("KEY_VAULT_URL", "https://contoso.managedhsm.azure.net"),
        ("KEY_VAULT_URL", "https://contoso.privatelink.vaultcore.azure.net"),
        (
            "KEY_VAULT_URL",
            "@Microsoft.KeyVault(SecretUri=https://contoso.vault.azure.net/secrets/url)",
        ),
        ("ALLOWED_SECRETS", "*"),
        ("ALLOWED_SECRETS", "a_b"),
        ("ALLOWED_SECRETS", "a*b"),
        ("ALLOWED_SECRETS", "a**"),
        ("ALLOWED_SECRETS", "*a"),
        ("ALLOWED_SECRETS", "a,,b"),
        ("ALLOWED_SECRETS", "maps key"),
        ("ALLOWED_SECRETS", "maps-key/v1"),
        (
            "ALLOWED_SECRETS",
            "@Microsoft.AppConfiguration(Endpoint=https://x.azconfig.io; Key=k)",
        ),
        ("DANGEROUSLY_ALLOW_ANY_SECRET", "perhaps"),
        ("DANGEROUSLY_ALLOW_ANY_ORIGIN", "perhaps"),
        ("DANGEROUSLY_ALLOW_ANONYMOUS", "perhaps"),
        ("DANGEROUSLY_ALLOW_ANONYMOUS", ""),
        ("ALLOW_CREDENTIALS", "perhaps"),
        ("ALLOW_CREDENTIALS", ""),
        ("ALLOWED_HEADERS", "*"),
        ("ALLOWED_HEADERS", "authorization,*"),
        ("ALLOWED_HEADERS", "two words"),
        ("ALLOWED_HEADERS", "x-\u{e4}"),
        ("EXPOSED_HEADERS", "two words"),
        ("EXPOSED_HEADERS", "x:y"),
        ("PREFLIGHT_MAX_AGE_SECONDS", "86401"),
        ("PREFLIGHT_MAX_AGE_SECONDS", "-1"),
        ("PREFLIGHT_MAX_AGE_SECONDS", "10m"),
        ("PREFLIGHT_MAX_AGE_SECONDS", "99999999999999999999999"),
        ("REQUIRE_ORIGIN", "perhaps"),
        ("REQUIRE_ORIGIN", ""),
        ("UPSTREAM_TIMEOUT_SECONDS", "0"),
        ("UPSTREAM_TIMEOUT_SECONDS", "61"),
        ("UPSTREAM_TIMEOUT_SECONDS", "1.5"),
        ("UPSTREAM_TIMEOUT_SECONDS", ""),
        ("AZURE_TOKEN_CREDENTIALS", "production"),
        ("LOG_FORMAT", "xml"),
        ("LOG_FORMAT", ""),
        ("RUST_LOG", "keyvault_cors=loud"),
        ("FUNCTIONS_CUSTOMHANDLER_PORT", "0"),
        ("FUNCTIONS_CUSTOMHANDLER_PORT", "65536"),
        ("FUNCTIONS_CUSTOMHANDLER_PORT", "-1"),
        ("FUNCTIONS_CUSTOMHANDLER_PORT", "http"),
        ("FUNCTIONS_CUSTOMHANDLER_PORT", ""),
    ];
    faults.extend(FAULTY_ORIGINS.iter().map(|origins| ("ALLOWED_ORIGINS", *origins)));

    let mut accepted = Vec::new();
    for (name, value) in faults {
        if let Err(output) = complaint(valid(&port).with(name, value), &[name]).await {
            accepted.push(format!("{name}={value}: {output}"));
        }
    }
    assert!(accepted.is_empty(), "{accepted:#?}");
}

/// What may not stand in `ALLOWED_ORIGINS`.
const FAULTY_ORIGINS: [&str; 30] = [
    "*",
    "null",
    "app.contoso.com",
    "https://app.contoso.com/",
    "https://app.contoso.com/app",
    "https://app.contoso.com:443",
    "https://app.contoso.com:0",
    "https://app.contoso.com:65536",
    "https://app.contoso.com?x",
    "https://app.contoso.com.",
    "https://APP.contoso.com",
    "https://m\u{fc}nchen.de",
    "https://user@app.contoso.com",
    "http://app.contoso.com",
    "http://localhost:80",
    "ftp://app.contoso.com",
    "https://",
    "https://*",
    "https://*contoso.com",
    "https://*.*.contoso.com",
    "https://app.*.contoso.com",
    "https://app.contoso.*",
    "https://app-*.contoso.com",
    "*://app.contoso.com",
    "https://app.contoso.com,",
    "https://app.contoso.com,,https://b.contoso.com",
    " https://app.contoso.com",
    "https://app.contoso.com, https://b.contoso.com",
    "https://app.contoso.com;https://b.contoso.com",
    "[\"https://app.contoso.com\"]",
];

#[tokio::test]
async fn any_origin_with_credentials_is_a_fault() {
    let port = ReservedPort::new();
    let environment = valid(&port)
        .with("ALLOWED_ORIGINS", "*")
        .with("DANGEROUSLY_ALLOW_ANY_ORIGIN", "true")
        .with("ALLOW_CREDENTIALS", "true");

    assert_faulty(
        "* with credentials",
        environment,
        &["ALLOWED_ORIGINS", "ALLOW_CREDENTIALS"],
    )
    .await;
}

#[tokio::test]
async fn a_non_canonical_origin_is_told_its_canonical_form() {
    let port = ReservedPort::new();

    for (origin, canonical) in [
        ("https://APP.contoso.com", "https://app.contoso.com"),
        ("https://dev.contoso.com:443", "https://dev.contoso.com"),
        ("https://m\u{fc}nchen.de", "https://xn--mnchen-3ya.de"),
        ("https://dev.contoso.com/", "https://dev.contoso.com"),
    ] {
        let output = assert_faulty(
            origin,
            valid(&port).with("ALLOWED_ORIGINS", origin),
            &["ALLOWED_ORIGINS"],
        )
        .await;
        let rest = output.stderr.replace(origin, "");
        assert!(rest.contains(canonical), "{origin}: {}", output.stderr);
    }
}

#[tokio::test]
async fn a_value_that_could_be_a_secret_is_not_repeated() {
    let port = ReservedPort::new();

    for (name, value) in [
        ("KEY_VAULT_URL", "https://user:canary-51e7@contoso.vault.azure.net"),
        ("KEY_VAULT_URL", "https://contoso.vault.azure.net/?code=canary-51e7"),
        // Whoever reads the name as "the secrets themselves" puts one in.
        ("ALLOWED_SECRETS", "canary-51e7/+=="),
    ] {
        let output = assert_faulty(name, valid(&port).with(name, value), &[name]).await;
        assert!(!output.stderr.contains("canary-51e7"), "{name}: {}", output.stderr);
    }
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
async fn a_configuration_that_is_unusual_and_valid_serves() {
    let emulator = Emulator::start().await.unwrap();

    for settings in [
        &[
            ("AZURE_CLIENT_ID", ""),
            ("AZURE_TOKEN_CREDENTIALS", ""),
            ("RUST_LOG", ""),
        ][..],
        &[
            ("ENTRA_TENANT_ID", ""),
            ("ENTRA_AUDIENCE", ""),
            ("ENTRA_ALLOWED_CLIENTS", ""),
        ],
        &[
            ("LOG_FORMAT", "json"),
            ("PREFLIGHT_MAX_AGE_SECONDS", "0"),
            ("UPSTREAM_TIMEOUT_SECONDS", "60"),
        ],
        &[("RUST_LOG", "off")],
        &[(
            "ALLOWED_ORIGINS",
            "https://*.contoso.com,http://localhost:*,http://127.0.0.1:8080,http://[::1]:8080",
        )],
        &[("EXPOSED_HEADERS", "*"), ("ALLOWED_HEADERS", "")],
        &[(
            "ALLOWED_ORIGINS",
            "https://app.contoso.com,https://app.contoso.com,https://*.contoso.com",
        )],
        &[
            ("ALLOWED_HEADERS", "x-http-method-override"),
            ("PREFLIGHT_MAX_AGE_SECONDS", "86400"),
        ],
        &[
            ("ALLOWED_ORIGINS", "http://localhost:5173"),
            ("WEBSITE_INSTANCE_ID", "0123456789abcdef"),
        ],
        &[("KEY_VAULT_URL", "https://contoso.vault.azure.cn")],
        &[("KEY_VAULT_URL", "https://contoso.vault.usgovcloudapi.net/")],
        &[("KEY_VAULT_URL", "https://vault.contoso.example")],
        &[
            ("WEBSITE_HOSTNAME", "localhost:7071"),
            ("FUNCTIONS_WORKER_RUNTIME", "custom"),
            ("EMPTY", ""),
        ],
    ] {
        let environment = settings
            .iter()
            .fold(Environment::of(&emulator), |environment, (name, value)| {
                environment.with(name, value)
            });
        let handler = Handler::start(environment).await;
        let answer = Request::options(PATH).send(handler.port()).await;
        assert_eq!(answer.status, 204, "{settings:?}");
        handler.stop().await;
    }
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
