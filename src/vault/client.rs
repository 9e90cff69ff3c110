//! Builds the official client: credential, transport, retries.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::error::{Error, ErrorKind};
use azure_core::http::{ClientOptions, RetryOptions, Transport};
use azure_identity::{
    DeveloperToolsCredential, ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId,
};
use azure_security_keyvault_secrets::{SecretClient, SecretClientOptions};

use super::error::{Cause, Failure};

/// Which identity asks the vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// The app's managed identity, from the endpoint that the platform names
    /// in `IDENTITY_ENDPOINT`.
    Managed {
        /// Client id of a user-assigned identity; `None` is the system's.
        client_id: Option<String>,
    },
    /// Whoever is signed in with `az login` or `azd auth login`.
    DeveloperTools,
}

/// How to reach a vault.
#[derive(Clone, Debug)]
pub struct Options {
    /// `https://HOST/`.
    pub url: String,
    /// Whether the vault is a stand-in on this machine, whose name cannot
    /// match the resource that its challenge names.
    pub loopback: bool,
    /// Who asks.
    pub identity: Identity,
    /// Bound on making a connection.
    pub connect_timeout: Duration,
}

pub(super) fn build(options: &Options) -> Result<SecretClient, Failure> {
    let transport = reqwest::Client::builder()
        .connect_timeout(options.connect_timeout)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(|_| Failure::new(Cause::Client("the TLS client could not be built")))?;
    let client_options = || ClientOptions {
        // Retries are this module's own, inside one deadline: the SDK's block
        // for up to 82 s, and wait longer than a caller may for a Retry-After.
        retry: RetryOptions::none(),
        transport: Some(Transport::new(Arc::new(transport.clone()))),
        ..ClientOptions::default()
    };
    let credential: Arc<dyn TokenCredential> = match &options.identity {
        Identity::Managed { client_id } => ManagedIdentityCredential::new(Some(ManagedIdentityCredentialOptions {
            user_assigned_id: client_id.clone().map(UserAssignedId::ClientId),
            client_options: client_options(),
        }))
        .map_err(|error| Failure::from_credential(&error))?,
        Identity::DeveloperTools => {
            DeveloperToolsCredential::new(None).map_err(|error| Failure::from_credential(&error))?
        }
    };
    let client = SecretClient::new(
        &options.url,
        Arc::new(Credential(credential)),
        Some(SecretClientOptions {
            client_options: client_options(),
            // The check asks that the vault's host lies below the resource of
            // its challenge, so that a token never goes elsewhere.
            verify_challenge_resource: Some(!options.loopback),
            ..SecretClientOptions::default()
        }),
    );
    client.map_err(|error| Failure::from_sdk(&error, false))
}

/// Marks every failure to get a token as one, so that an identity endpoint's
/// 403 is not taken for the vault's.
struct Credential(Arc<dyn TokenCredential>);

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential")
    }
}

#[async_trait::async_trait]
impl TokenCredential for Credential {
    async fn get_token(
        &self,
        scopes: &[&str],
        options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        self.0
            .get_token(scopes, options)
            .await
            // The source stays for the log to take its status from.
            .map_err(|error| Error::with_error(ErrorKind::Credential, error, "no token"))
    }
}
