//! The settings that turn Entra on: half of them, or with values that would let the wrong callers in, start nothing.

use serde_json::json;
use testkit::{EMULATED_SPA, Emulator};

use crate::support::check::least;
use crate::support::client::Request;
use crate::support::config;
use crate::support::entra::{self, AUDIENCE, ROLE, SCOPE};
use crate::support::handler::{Environment, Handler};
use crate::support::{ORIGIN, PATH};

/// A configuration with Entra on and without a fault, for which nothing needs to run.
fn valid() -> Environment {
    least()
        .with("ENTRA_TENANT_ID", "8e1f5f5a-6a52-4a0a-9d61-1c0f9f2d5b11")
        .with("ENTRA_AUDIENCE", AUDIENCE)
        .with("ENTRA_REQUIRED_SCOPES", SCOPE)
}

/// Settings over the valid ones, of which the first is the one at fault.
const FAULTS: &[&[(&str, &str)]] = &[
    &[("ENTRA_TENANT_ID", "")],
    &[("ENTRA_AUDIENCE", "")],
    &[("ENTRA_REQUIRED_SCOPES", "")],
    &[("ENTRA_REQUIRED_SCOPES", ""), ("ENTRA_REQUIRED_ROLES", "")],
    &[("ENTRA_TENANT_ID", "common")],
    &[("ENTRA_TENANT_ID", "organizations")],
    &[("ENTRA_TENANT_ID", "consumers")],
    &[("ENTRA_TENANT_ID", "Common")],
    &[("ENTRA_TENANT_ID", "contoso.onmicrosoft.com")],
    &[("ENTRA_TENANT_ID", "{8e1f5f5a-6a52-4a0a-9d61-1c0f9f2d5b11}")],
    &[("ENTRA_TENANT_ID", "8e1f5f5a6a524a0a9d611c0f9f2d5b11")],
    &[("ENTRA_TENANT_ID", "urn:uuid:8e1f5f5a-6a52-4a0a-9d61-1c0f9f2d5b11")],
    &[("ENTRA_TENANT_ID", "8e1f5f5a-6a52-4a0a-9d61-1c0f9f2d5b11/..")],
    &[("ENTRA_TENANT_ID", "8e1f5f5a-6a52-4a0a-9d61-1c0f9f2d5b1")],
    &[("ENTRA_AUDIENCE", "https://vault.azure.net")],
    &[("ENTRA_AUDIENCE", "https://vault.azure.net/")],
    &[("ENTRA_AUDIENCE", "HTTPS://Vault.Azure.Net")],
    &[("ENTRA_AUDIENCE", "https://vault.azure.cn")],
    &[("ENTRA_AUDIENCE", "https://vault.usgovcloudapi.net")],
    &[("ENTRA_AUDIENCE", "cfa8b339-82a2-471a-a3c9-0fc0be7a4093")],
    &[("ENTRA_AUDIENCE", "https://graph.microsoft.com")],
    &[("ENTRA_AUDIENCE", "https://graph.microsoft.com/")],
    &[("ENTRA_AUDIENCE", "00000003-0000-0000-c000-000000000000")],
    &[("ENTRA_AUDIENCE", "https://management.azure.com")],
    &[("ENTRA_AUDIENCE", "https://management.azure.com/")],
    &[("ENTRA_AUDIENCE", "https://management.core.windows.net/")],
    &[("ENTRA_AUDIENCE", "797f4846-ba00-4fd7-ba43-dac1f8f63013")],
    &[("ENTRA_AUDIENCE", "api://keyvault-cors-tests, https://vault.azure.net")],
    &[("ENTRA_AUDIENCE", "api://keyvault-cors-tests,,api://another")],
    &[("ENTRA_AUDIENCE", "api://keyvault-cors-tests\", evil=\"")],
    &[("ENTRA_REQUIRED_SCOPES", "a,,b")],
    &[("ENTRA_REQUIRED_SCOPES", "two words")],
    &[("ENTRA_REQUIRED_ROLES", "a,,b")],
    &[("ENTRA_ALLOWED_CLIENTS", "my-client")],
    &[("ENTRA_ALLOWED_CLIENTS", "2c1f6a4d-3f0b-4a57-8a76-0f1de4c59b21,")],
    &[("ENTRA_AUTHORITY_HOST", "http://login.microsoftonline.com")],
    &[("ENTRA_AUTHORITY_HOST", "http://10.0.0.1")],
    &[("ENTRA_AUTHORITY_HOST", "http://localhost.evil.example")],
    &[("ENTRA_AUTHORITY_HOST", "http://127.0.0.1.evil.example")],
    &[("ENTRA_AUTHORITY_HOST", "http://127.0.0.1@evil.example")],
    &[("ENTRA_AUTHORITY_HOST", "login.microsoftonline.com")],
    &[("ENTRA_AUTHORITY_HOST", "ftp://login.microsoftonline.com")],
    &[("ENTRA_AUTHORITY_HOST", "https://login.microsoftonline.com/common")],
    &[("ENTRA_AUTHORITY_HOST", "https://login.microsoftonline.com/v2.0/")],
    &[("ENTRA_AUTHORITY_HOST", "https://user@login.microsoftonline.com")],
    &[(
        "ENTRA_AUTHORITY_HOST",
        "https://user:password@login.microsoftonline.com",
    )],
    &[("ENTRA_AUTHORITY_HOST", "https://login.microsoftonline.com?x")],
    &[("ENTRA_AUTHORITY_HOST", "https://login.microsoftonline.com#x")],
    &[("ENTRA_AUTHORITY_HOST", "https://")],
    &[
        ("ENTRA_TENANT_ID", ""),
        ("ENTRA_TENANT", "8e1f5f5a-6a52-4a0a-9d61-1c0f9f2d5b11"),
    ],
    &[("ENTRA_REQUIRED_SCOPE", "b.read")],
    &[("ENTRA_ALLOWED_CLIENT", EMULATED_SPA)],
];

#[test]
fn a_faulty_set_up_is_named() {
    let mut accepted = Vec::new();
    for settings in FAULTS {
        let findings = config::read(&valid().with_all(settings.iter().copied()));
        if !findings.faults().contains(&settings[0].0) {
            accepted.push(format!("{settings:?}: {}", findings.text()));
        }
    }
    assert!(accepted.is_empty(), "{accepted:#?}");
}

#[test]
fn rules_for_callers_without_a_tenant_are_a_fault() {
    for (name, value) in [
        ("ENTRA_REQUIRED_SCOPES", SCOPE),
        ("ENTRA_REQUIRED_ROLES", ROLE),
        ("ENTRA_ALLOWED_CLIENTS", EMULATED_SPA),
    ] {
        // Whoever sets one of these believes that callers are checked.
        let findings = config::read(&least().with(name, value));
        assert!(findings.faults().contains(&name), "{name}: {}", findings.text());
        assert!(
            findings.text().contains("ENTRA_TENANT_ID"),
            "{name}: {}",
            findings.text()
        );
    }
}

#[tokio::test]
async fn a_set_up_that_is_unusual_and_valid_serves() {
    let emulator = Emulator::start().await.unwrap();
    let upper = emulator.tenant().to_ascii_uppercase();
    let slash = format!("{}/", emulator.authority());
    for settings in [
        &[("ENTRA_TENANT_ID", upper.as_str())][..],
        &[("ENTRA_AUTHORITY_HOST", &slash)],
    ] {
        let environment = entra::environment(&emulator).with_all(settings.iter().copied());
        let handler = Handler::start(environment).await;
        let mut claims = emulator.user_claims(AUDIENCE, SCOPE);
        claims["roles"] = json!([ROLE]);
        let request = Request::get(PATH).origin(ORIGIN).bearer(&emulator.mint(&claims));
        // Past the caller; there is no such secret.
        assert_eq!(request.send(handler.port()).await.status, 404, "{settings:?}");
        handler.stop().await;
    }
}
