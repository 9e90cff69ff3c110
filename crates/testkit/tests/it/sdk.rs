//! Azure's own Rust SDK, unmodified, against the emulator.

use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::http::{ClientOptions, StatusCode, Transport};
use azure_core::time::OffsetDateTime;
use azure_security_keyvault_secrets::models::{
    SecretClientGetSecretOptions, SecretClientListSecretPropertiesOptions, SetSecretParameters,
    UpdateSecretPropertiesParameters,
};
use azure_security_keyvault_secrets::{ResourceExt as _, SecretClient, SecretClientOptions};
use futures::TryStreamExt as _;
use testkit::{Emulator, Secret};

use crate::support::{client, token};

/// The emulator's identity endpoint as a credential. The SDK's own reads the process's environment, which tests share.
#[derive(Debug)]
struct EmulatedIdentity(Arc<Emulator>);

#[async_trait::async_trait]
impl TokenCredential for EmulatedIdentity {
    async fn get_token(&self, scopes: &[&str], _: Option<TokenRequestOptions<'_>>) -> azure_core::Result<AccessToken> {
        let resource = scopes[0].strip_suffix("/.default").unwrap();
        let expires = OffsetDateTime::now_utc() + Duration::from_hours(1);
        Ok(AccessToken::new(token(&self.0, resource).await, expires))
    }
}

fn secret_client(emulator: &Arc<Emulator>) -> SecretClient {
    let options = SecretClientOptions {
        client_options: ClientOptions {
            transport: Some(Transport::new(Arc::new(client(emulator)))),
            ..ClientOptions::default()
        },
        // The emulator's challenge names vault.azure.net, which a loopback host does not belong to.
        verify_challenge_resource: Some(false),
        ..SecretClientOptions::default()
    };
    let credential = Arc::new(EmulatedIdentity(Arc::clone(emulator)));
    SecretClient::new(&emulator.vault_url(), credential, Some(options)).unwrap()
}

async fn set(client: &SecretClient, name: &str, value: &str) -> azure_core::Result<String> {
    let body = SetSecretParameters {
        value: Some(value.to_owned()),
        ..SetSecretParameters::default()
    };
    let secret = client.set_secret(name, body.try_into()?, None).await?.into_model()?;
    Ok(secret.resource_id()?.version.unwrap())
}

#[tokio::test]
async fn a_secret_goes_round() -> azure_core::Result<()> {
    let emulator = Arc::new(Emulator::start().await.unwrap());
    let client = secret_client(&emulator);
    let first = set(&client, "Maps-Key", "one").await?;
    set(&client, "maps-key", "two").await?;

    let current = client.get_secret("MAPS-KEY", None).await?.into_model()?;
    assert_eq!(current.value.as_deref(), Some("two"));
    let options = SecretClientGetSecretOptions {
        secret_version: Some(first.clone()),
        ..SecretClientGetSecretOptions::default()
    };
    let old = client.get_secret("maps-key", Some(options)).await?.into_model()?;
    assert_eq!(old.value.as_deref(), Some("one"));
    assert_eq!(old.resource_id()?.version, Some(first));
    assert_eq!(emulator.counters().served, 2);
    Ok(())
}

#[tokio::test]
async fn the_first_request_is_challenged_and_no_other() -> azure_core::Result<()> {
    let emulator = Arc::new(Emulator::start().await.unwrap());
    emulator.put("a", Secret::new("1"));
    let client = secret_client(&emulator);
    for _ in 0..3 {
        client.get_secret("a", None).await?;
    }
    let counters = emulator.counters();
    assert_eq!(
        (counters.challenges, counters.tokens, counters.gets, counters.served),
        (1, 1, 3, 3)
    );
    assert_eq!(emulator.issued_tokens().len(), 1);
    Ok(())
}

#[tokio::test]
async fn properties_are_updated_without_touching_the_value() -> azure_core::Result<()> {
    let emulator = Arc::new(Emulator::start().await.unwrap());
    emulator.put("a", Secret::new("1").tag("old", "tag"));
    let client = secret_client(&emulator);
    let properties = UpdateSecretPropertiesParameters {
        content_type: Some("text/plain".to_owned()),
        tags: Some([("new".to_owned(), "tag".to_owned())].into()),
        ..UpdateSecretPropertiesParameters::default()
    };
    let updated = client
        .update_secret_properties("a", properties.try_into()?, None)
        .await?
        .into_model()?;
    assert_eq!(updated.content_type.as_deref(), Some("text/plain"));
    let secret = client.get_secret("a", None).await?.into_model()?;
    assert_eq!(secret.value.as_deref(), Some("1"));
    assert_eq!(secret.tags, Some([("new".to_owned(), "tag".to_owned())].into()));
    Ok(())
}

#[tokio::test]
async fn lists_are_paged() -> azure_core::Result<()> {
    let emulator = Arc::new(Emulator::start().await.unwrap());
    for number in 0..7 {
        emulator.put(&format!("secret-{number}"), Secret::new("x"));
        emulator.put("secret-0", Secret::new("x"));
    }
    let client = secret_client(&emulator);
    let options = SecretClientListSecretPropertiesOptions {
        maxresults: Some(3),
        ..SecretClientListSecretPropertiesOptions::default()
    };
    let mut names = Vec::new();
    let mut pager = client.list_secret_properties(Some(options))?;
    while let Some(item) = pager.try_next().await? {
        names.push(item.resource_id()?.name);
    }
    assert_eq!(
        names,
        (0..7).map(|number| format!("secret-{number}")).collect::<Vec<_>>()
    );

    let versions: Vec<_> = client
        .list_secret_properties_versions("secret-0", None)?
        .try_collect()
        .await?;
    assert_eq!(versions.len(), 8);

    let none = client.list_secret_properties_versions("not-there", None)?;
    assert_eq!(none.try_collect::<Vec<_>>().await?.len(), 0);
    Ok(())
}

#[tokio::test]
async fn a_deleted_secret_is_gone_until_it_is_recovered_and_its_name_is_taken_until_it_is_purged()
-> azure_core::Result<()> {
    let emulator = Arc::new(Emulator::start().await.unwrap());
    let client = secret_client(&emulator);
    let version = set(&client, "a", "1").await?;
    let deleted = client.delete_secret("a", None).await?.into_model()?;
    assert!(deleted.recovery_id.unwrap().ends_with("/deletedsecrets/a"));
    assert!(deleted.scheduled_purge_date > deleted.deleted_date);
    assert_eq!(
        client.get_secret("a", None).await.unwrap_err().http_status(),
        Some(StatusCode::NotFound)
    );
    assert_eq!(
        set(&client, "a", "2").await.unwrap_err().http_status(),
        Some(StatusCode::Conflict)
    );
    client.get_deleted_secret("a", None).await?;
    let listed: Vec<_> = client.list_deleted_secret_properties(None)?.try_collect().await?;
    assert_eq!(listed.len(), 1);

    let recovered = client.recover_deleted_secret("a", None).await?.into_model()?;
    assert_eq!(recovered.resource_id()?.version, Some(version));
    assert_eq!(
        client.get_secret("a", None).await?.into_model()?.value.as_deref(),
        Some("1")
    );

    client.delete_secret("a", None).await?;
    client.purge_deleted_secret("a", None).await?;
    set(&client, "a", "2").await?;
    let versions: Vec<_> = client.list_secret_properties_versions("a", None)?.try_collect().await?;
    assert_eq!(versions.len(), 1);
    Ok(())
}
