//! Azure's Rust SDK, unmodified, reading secrets through the handler as any app of the tenant may.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::error::ErrorKind;
use azure_core::http::policies::{Policy, PolicyResult};
use azure_core::http::{ClientOptions, Context, Request, RetryOptions, StatusCode, Transport};
use azure_security_keyvault_secrets::models::{Secret, SecretClientGetSecretOptions};
use azure_security_keyvault_secrets::{ResourceExt, SecretClient, SecretClientOptions};
use testkit::TlsFront;

use crate::support::entra::{self, AUDIENCE};
use crate::support::{ORIGIN, Rig, SECRET, VALUE};

/// A credential that has its token already, and asks for the one scope that the challenge names.
#[derive(Debug)]
struct Token(String);

#[async_trait::async_trait]
impl TokenCredential for Token {
    async fn get_token(&self, scopes: &[&str], _: Option<TokenRequestOptions<'_>>) -> azure_core::Result<AccessToken> {
        assert_eq!(scopes, [format!("{AUDIENCE}/.default")]);
        let expires_on = SystemTime::now() + Duration::from_secs(3600);
        Ok(AccessToken::new(self.0.clone(), expires_on.into()))
    }
}

/// What docs/clients.md asks for: a policy that sets `Origin`.
#[derive(Debug)]
struct Origin;

#[async_trait::async_trait]
impl Policy for Origin {
    async fn send(&self, context: &Context, request: &mut Request, next: &[Arc<dyn Policy>]) -> PolicyResult {
        request.insert_header("origin", ORIGIN);
        let (next, rest) = next.split_first().expect("the transport comes last");
        next.send(context, request, rest).await
    }
}

/// A handler with Entra on and these settings, behind TLS, as an app is in Azure.
async fn serve(settings: &[(&str, &str)]) -> (Rig, TlsFront) {
    let rig = entra::rig_with(testkit::Emulator::start().await.unwrap(), settings).await;
    let front = rig.emulator.tls_front(rig.handler.port()).await.unwrap();
    (rig, front)
}

fn client(rig: &Rig, front: &TlsFront, policies: Vec<Arc<dyn Policy>>, verify: Option<bool>) -> SecretClient {
    let authority = reqwest::Certificate::from_pem(&fs::read(rig.emulator.ca_file()).unwrap()).unwrap();
    let transport = reqwest::Client::builder().no_proxy().tls_certs_only([authority]);
    let client_options = ClientOptions {
        per_try_policies: policies,
        // A second try would hide a failure.
        retry: RetryOptions::none(),
        transport: Some(Transport::new(Arc::new(transport.build().unwrap()))),
        ..ClientOptions::default()
    };
    let options = SecretClientOptions {
        client_options,
        verify_challenge_resource: verify,
        ..SecretClientOptions::default()
    };
    let url = format!("https://localhost:{}/api", front.port());
    SecretClient::new(&url, Arc::new(Token(rig.good_token())), Some(options)).unwrap()
}

async fn read(client: &SecretClient, name: &str, version: Option<&str>) -> azure_core::Result<Secret> {
    let options = SecretClientGetSecretOptions {
        secret_version: version.map(str::to_owned),
        ..SecretClientGetSecretOptions::default()
    };
    client.get_secret(name, Some(options)).await?.into_model()
}

fn assert_refused(outcome: azure_core::Result<Secret>, status: StatusCode, code: &str) {
    match outcome.unwrap_err().kind() {
        ErrorKind::HttpResponse {
            status: was,
            error_code,
            ..
        } => assert_eq!((*was, error_code.as_deref()), (status, Some(code))),
        kind => panic!("not an answer: {kind:?}"),
    }
}

#[tokio::test]
async fn the_rust_client_reads_the_current_version_and_any_other() {
    let (rig, front) = serve(&[("REQUIRE_ORIGIN", "false")]).await;
    let first = rig.emulator.put("geo-key", testkit::Secret::new("one"));
    rig.emulator.put("geo-key", testkit::Secret::new("two"));
    let client = client(&rig, &front, Vec::new(), Some(false));
    assert_eq!(read(&client, SECRET, None).await.unwrap().value.as_deref(), Some(VALUE));

    let old = read(&client, "geo-key", Some(&first)).await.unwrap();
    assert_eq!(old.value.as_deref(), Some("one"));
    let id = old.resource_id().unwrap();
    assert_eq!(
        (id.name.as_str(), id.version.as_deref()),
        ("geo-key", Some(first.as_str()))
    );
}

#[tokio::test]
async fn the_rust_client_knows_a_missing_secret_by_its_code() {
    let (rig, front) = serve(&[("REQUIRE_ORIGIN", "false")]).await;
    let client = client(&rig, &front, Vec::new(), Some(false));
    assert_refused(
        read(&client, "geo-absent", None).await,
        StatusCode::NotFound,
        "SecretNotFound",
    );
}

#[tokio::test]
async fn where_an_origin_is_required_a_policy_of_the_rust_client_sends_it() {
    let (rig, front) = serve(&[]).await;
    let without = client(&rig, &front, Vec::new(), Some(false));
    assert_refused(read(&without, SECRET, None).await, StatusCode::Forbidden, "Forbidden");
    let with = client(&rig, &front, vec![Arc::new(Origin)], Some(false));
    assert_eq!(read(&with, SECRET, None).await.unwrap().value.as_deref(), Some(VALUE));
}

#[tokio::test]
async fn the_rust_client_refuses_the_challenge_until_it_is_told_not_to_verify_its_resource() {
    let (rig, front) = serve(&[("REQUIRE_ORIGIN", "false")]).await;
    let strict = client(&rig, &front, Vec::new(), None);
    let error = read(&strict, SECRET, None).await.unwrap_err();
    assert!(error.to_string().contains("verify_challenge_resource"), "{error}");
}
