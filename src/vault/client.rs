//! The official client: one try to read a secret, with the supplier's token.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::error::{Error, ErrorKind};
use azure_core::http::headers::AUTHORIZATION;
use azure_core::http::policies::{Policy, PolicyResult};
use azure_core::http::{ClientMethodOptions, Context, Request, StatusCode};
use azure_core::time::OffsetDateTime;
use azure_security_keyvault_secrets::models::SecretClientGetSecretOptions;
use azure_security_keyvault_secrets::{SecretClient, SecretClientOptions};
use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::Instant;

use super::Options;
use super::failure::{Cause, Failure};
use super::http::{self, Bounded};
use super::token::{Supplier, Token, TokenError};
use crate::outbound::{self, NO_CLIENT};
use crate::secret::SecretKey;

/// What a vault in the public cloud asks tokens for.
const PUBLIC_SCOPE: &str = "https://vault.azure.net/.default";

/// What the vault's challenge is expected to ask a token for: its host without
/// the vault's name. The challenge itself has the last word.
pub(super) fn likely_scope(options: &Options) -> String {
    let host = options.url.strip_prefix("https://").unwrap_or(&options.url);
    let host = host.split(['/', ':']).next().unwrap_or_default();
    match host.split_once('.') {
        Some((_, resource)) if !options.loopback => format!("https://{resource}/.default"),
        _ => PUBLIC_SCOPE.to_owned(),
    }
}

/// A client for the vault of these options.
///
/// Loads the system's certificates, which blocks for milliseconds.
pub(super) fn build(
    options: &Options,
    supplier: Arc<Supplier>,
    is_challenged: watch::Sender<bool>,
) -> Result<SecretClient, Failure> {
    // A vault on this machine is a stand-in, and no proxy leads to it.
    let client = outbound::client(outbound::Options {
        connect_timeout: options.timeout,
        proxy: !options.loopback,
    });
    let client = client.map_err(|_| Failure::new(Cause::Client(NO_CLIENT)))?;
    let mut client_options = http::client_options(Arc::new(Bounded(client)));
    client_options.per_try_policies.push(Arc::new(NoticeRefusal));
    let credential = SuppliedCredential {
        supplier,
        is_challenged,
    };
    let client = SecretClient::new(
        &options.url,
        Arc::new(credential),
        Some(SecretClientOptions {
            client_options,
            // The check asks that the vault's host lies below the resource of
            // its challenge, so that a token never goes elsewhere.
            verify_challenge_resource: Some(!options.loopback),
            ..SecretClientOptions::default()
        }),
    );
    client.map_err(|error| Failure::from_sdk(&error, false))
}

/// One try, as the SDK's callbacks see it: it travels in the SDK's context.
#[derive(Debug)]
pub(super) struct Attempt {
    deadline: Instant,
    token: OnceLock<Token>,
    is_refused: AtomicBool,
}

impl Attempt {
    /// A try with this token, or with one that is waited for until `deadline`.
    pub(super) fn new(token: Option<Token>, deadline: Instant) -> Self {
        Self {
            deadline,
            token: token.map(OnceLock::from).unwrap_or_default(),
            is_refused: AtomicBool::new(false),
        }
    }

    /// The token that the vault refused, if it did.
    pub(super) fn refused_token(&self) -> Option<&Token> {
        self.is_refused.load(Ordering::Relaxed).then(|| self.token.get())?
    }
}

/// Reads the body of the vault's 200.
pub(super) async fn get(client: &SecretClient, key: &SecretKey, attempt: &Arc<Attempt>) -> Result<Bytes, Failure> {
    let options = SecretClientGetSecretOptions {
        method_options: ClientMethodOptions {
            context: Context::new().with_value(Arc::clone(attempt)),
        },
        secret_version: key.version.as_ref().map(|version| version.as_str().to_owned()),
        ..SecretClientGetSecretOptions::default()
    };
    match client.get_secret(key.name.as_str(), Some(options)).await {
        // The bytes are read here rather than into the SDK's model, whose
        // copies nobody zeroes.
        Ok(response) => Ok(response.into_body().into()),
        Err(error) => Err(Failure::from_sdk(&error, key.version.is_some())),
    }
}

/// The supplier's token as a credential of the SDK's.
struct SuppliedCredential {
    supplier: Arc<Supplier>,
    /// Whether the vault has said what tokens are to be for.
    is_challenged: watch::Sender<bool>,
}

impl fmt::Debug for SuppliedCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SuppliedCredential")
    }
}

#[async_trait::async_trait]
impl TokenCredential for SuppliedCredential {
    async fn get_token(
        &self,
        scopes: &[&str],
        options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        // The SDK asks for a token once it knows the challenge.
        self.is_challenged
            .send_if_modified(|is_challenged| !std::mem::replace(is_challenged, true));
        let context = options.as_ref().map(|options| &options.method_options.context);
        let attempt = context.and_then(|context| context.value::<Arc<Attempt>>());
        let (Some(attempt), [scope]) = (attempt, scopes) else {
            return Err(no_token(TokenError::Defect));
        };
        if attempt.is_refused.load(Ordering::Relaxed) {
            // A refused token is replaced between two tries, not within one.
            return Err(no_token(TokenError::Refused));
        }
        let given = attempt.token.get().filter(|token| *token.scope == **scope);
        let token = if let Some(given) = given {
            given.clone()
        } else {
            let token = self.supplier.token(scope, attempt.deadline).await;
            let token = token.map_err(|none| no_token(none.cause))?;
            // Kept for the case that the vault refuses it.
            drop(attempt.token.set(token.clone()));
            token
        };
        // Long expired for the SDK's cache, so that it asks for each try: the
        // supplier is the one cache.
        Ok(AccessToken::new(token.bearer, OffsetDateTime::UNIX_EPOCH))
    }
}

fn no_token(cause: TokenError) -> Error {
    Error::with_error(ErrorKind::Credential, cause, "no token")
}

/// Notices that the vault refuses a token, before the SDK sends the same one
/// again.
#[derive(Debug)]
struct NoticeRefusal;

#[async_trait::async_trait]
impl Policy for NoticeRefusal {
    async fn send(&self, context: &Context, request: &mut Request, next: &[Arc<dyn Policy>]) -> PolicyResult {
        let Some((next, rest)) = next.split_first() else {
            return Err(Error::with_message(ErrorKind::Other, "there is no transport"));
        };
        let is_authorized = request.headers().get_optional_str(&AUTHORIZATION).is_some();
        let response = next.send(context, request, rest).await?;
        if is_authorized
            && response.status() == StatusCode::Unauthorized
            && let Some(attempt) = context.value::<Arc<Attempt>>()
        {
            attempt.is_refused.store(true, Ordering::Relaxed);
        }
        Ok(response)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::Identity;

    #[test]
    fn a_token_is_asked_for_the_vaults_cloud() {
        for (url, loopback, scope) in [
            ("https://kv.vault.azure.net", false, PUBLIC_SCOPE),
            ("https://kv.vault.azure.net/", false, PUBLIC_SCOPE),
            ("https://kv.vault.azure.cn/", false, "https://vault.azure.cn/.default"),
            (
                "https://kv.vault.usgovcloudapi.net",
                false,
                "https://vault.usgovcloudapi.net/.default",
            ),
            ("https://localhost:8443/", true, PUBLIC_SCOPE),
            ("https://127.0.0.1:8443/", true, PUBLIC_SCOPE),
        ] {
            let options = Options {
                url: url.to_owned(),
                loopback,
                identity: Identity::DeveloperTools,
                timeout: std::time::Duration::from_secs(5),
                required_tag: None,
                has_exact_names: true,
            };
            assert_eq!(likely_scope(&options), scope, "{url}");
        }
    }
}
