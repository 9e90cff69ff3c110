//! Where tokens come from: the app's managed identity, or developer tools.

use std::ffi::OsStr;
use std::io;
use std::process::{Output, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use azure_core::credentials::{AccessToken, Secret, TokenCredential};
use azure_core::error::ErrorKind;
use azure_core::http::{AsyncRawResponse, HttpClient, Request};
use azure_core::time::OffsetDateTime;
use azure_identity::{
    DeveloperToolsCredential, DeveloperToolsCredentialOptions, Executor, ManagedIdentityCredential,
    ManagedIdentityCredentialOptions, UserAssignedId,
};
use serde::Deserialize;
use serde_json::Value;
use tokio::process::Command;
use tokio::sync::OnceCell;

use super::TokenError;
use crate::outbound::{self, NO_CLIENT};
use crate::vault::Identity;
use crate::vault::failure::causes;
use crate::vault::http::{self, Bounded};

/// Longest try at the identity endpoint.
const ENDPOINT_LIMIT: Duration = Duration::from_secs(30);
/// Longest try with developer tools: `az` alone can take 15 s.
const TOOLS_LIMIT: Duration = Duration::from_mins(1);

/// Something that issues tokens.
#[async_trait::async_trait]
pub(in crate::vault) trait Source: Send + Sync + 'static {
    /// Fetches one token, and never the same one twice.
    async fn fetch(&self, scope: &str) -> Result<Fetched, TokenError>;

    /// The longest that one try may take.
    fn limit(&self) -> Duration;
}

/// A token as it came.
pub(in crate::vault) struct Fetched {
    pub(in crate::vault) bearer: Secret,
    /// How long it lives from now on.
    pub(in crate::vault) life: Duration,
    /// When whoever issued it wants it to be renewed, from now on.
    pub(in crate::vault) refresh_in: Option<Duration>,
}

/// Tokens through the SDK's credentials.
pub(in crate::vault) struct AzureSource {
    identity: Identity,
    client: OnceCell<reqwest::Client>,
}

impl AzureSource {
    /// Costs nothing: the client is built at the first try.
    pub(in crate::vault) fn new(identity: Identity) -> Self {
        Self {
            identity,
            client: OnceCell::new(),
        }
    }

    async fn ask_endpoint(&self, client_id: Option<&str>, scope: &str) -> Result<Fetched, TokenError> {
        let client = self.client.get_or_try_init(|| async {
            // No proxy: the endpoint is on this machine, speaks plain HTTP, and
            // is asked with a secret header.
            let options = outbound::Options {
                connect_timeout: ENDPOINT_LIMIT,
                proxy: false,
            };
            let built = tokio::task::spawn_blocking(move || outbound::client(options)).await;
            built
                .map_err(|_| TokenError::Defect)?
                .map_err(|_| TokenError::Client(NO_CLIENT))
        });
        let observed = Arc::new(Mutex::new(Observed::default()));
        let transport = Observing {
            client: Bounded(client.await?.clone()),
            observed: Arc::clone(&observed),
        };
        // A new one for each try: the SDK's credentials keep a token until
        // shortly before its end, refused or not.
        let credential = ManagedIdentityCredential::new(Some(ManagedIdentityCredentialOptions {
            user_assigned_id: client_id.map(|id| UserAssignedId::ClientId(id.to_owned())),
            client_options: http::client_options(Arc::new(transport)),
        }));
        let credential = credential.map_err(|error| {
            // The SDK tells the kinds apart by the environment alone, and says
            // which it is in its message.
            if error.to_string().contains("Azure Arc") {
                TokenError::AzureArc
            } else {
                TokenError::Endpoint
            }
        })?;
        let answer = credential.get_token(&[scope], None).await;
        let observed = std::mem::take(&mut *observed.lock().unwrap_or_else(PoisonError::into_inner));
        match answer {
            Ok(token) => Ok(fetched(token, observed.refresh_in)),
            Err(_) if observed.has_numeric_expiry => Err(TokenError::NumericExpiry),
            Err(error) => Err(endpoint_error(&error)),
        }
    }
}

#[async_trait::async_trait]
impl Source for AzureSource {
    async fn fetch(&self, scope: &str) -> Result<Fetched, TokenError> {
        match &self.identity {
            Identity::Managed { client_id } => self.ask_endpoint(client_id.as_deref(), scope).await,
            Identity::DeveloperTools => ask_tools(scope).await,
        }
    }

    fn limit(&self) -> Duration {
        match self.identity {
            Identity::Managed { .. } => ENDPOINT_LIMIT,
            Identity::DeveloperTools => TOOLS_LIMIT,
        }
    }
}

async fn ask_tools(scope: &str) -> Result<Fetched, TokenError> {
    let credential = DeveloperToolsCredential::new(Some(DeveloperToolsCredentialOptions {
        executor: Some(Arc::new(KillOnDrop)),
    }));
    // What the tools say names accounts and tenants.
    let credential = credential.map_err(|_| TokenError::DeveloperTools)?;
    let token = credential.get_token(&[scope], None).await;
    token
        .map(|token| fetched(token, None))
        .map_err(|_| TokenError::DeveloperTools)
}

fn fetched(token: AccessToken, refresh_in: Option<Duration>) -> Fetched {
    let life = token.expires_on - OffsetDateTime::now_utc();
    Fetched {
        bearer: token.token,
        // One that has expired has no life left.
        life: life.try_into().unwrap_or_default(),
        refresh_in,
    }
}

fn endpoint_error(error: &azure_core::Error) -> TokenError {
    let kinds = causes(error).filter_map(|cause| cause.downcast_ref::<azure_core::Error>());
    let mut outcome = TokenError::Unreadable;
    for kind in kinds.map(azure_core::Error::kind) {
        match kind {
            ErrorKind::HttpResponse { status, .. } => outcome = TokenError::Status((*status).into()),
            ErrorKind::Connection | ErrorKind::Io => outcome = TokenError::Unreachable,
            ErrorKind::Credential | ErrorKind::DataConversion | ErrorKind::Other => {}
        }
    }
    outcome
}

/// What the SDK does not tell of the endpoint's answer.
#[derive(Debug, Default)]
struct Observed {
    refresh_in: Option<Duration>,
    has_numeric_expiry: bool,
}

/// The endpoint's answer as far as it is looked at here.
#[derive(Deserialize)]
struct EndpointAnswer {
    expires_on: Option<Value>,
    refresh_in: Option<Value>,
}

/// An HTTP client that looks at the endpoint's answer on its way to the SDK.
#[derive(Debug)]
struct Observing {
    client: Bounded,
    observed: Arc<Mutex<Observed>>,
}

#[async_trait::async_trait]
impl HttpClient for Observing {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let (status, headers, body) = self.client.exchange(request).await?;
        if let Ok(answer) = serde_json::from_slice::<EndpointAnswer>(&body) {
            *self.observed.lock().unwrap_or_else(PoisonError::into_inner) = answer.into();
        }
        Ok(AsyncRawResponse::from_bytes(status, headers, body))
    }
}

impl From<EndpointAnswer> for Observed {
    fn from(answer: EndpointAnswer) -> Self {
        let seconds = |value: Value| match value {
            Value::String(text) => text.parse().ok(),
            value => value.as_u64(),
        };
        Self {
            refresh_in: answer
                .refresh_in
                .and_then(seconds)
                .filter(|seconds| *seconds > 0)
                .map(Duration::from_secs),
            has_numeric_expiry: answer.expires_on.is_some_and(|value| value.is_number()),
        }
    }
}

/// Runs `az` and `azd`; kills one that takes longer than its try may.
#[derive(Debug)]
struct KillOnDrop;

#[async_trait::async_trait]
impl Executor for KillOnDrop {
    async fn run(&self, program: &OsStr, arguments: &[&OsStr]) -> io::Result<Output> {
        Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
    }
}
