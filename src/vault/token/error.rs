//! Why there is no token, for the log.

use thiserror::Error;

/// Why there is no token, with a remedy where there is one.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub(in crate::vault) enum TokenError {
    /// The identity endpoint answered with an error.
    #[error("the identity endpoint answered {0} instead of a token")]
    Status(u16),
    /// The identity endpoint could not be reached.
    #[error("the identity endpoint could not be reached; is an identity assigned?")]
    Unreachable,
    /// There was no token in time.
    #[error("no token in time")]
    Timeout,
    /// The answer is no token.
    #[error("the identity endpoint's answer is not a token")]
    Unreadable,
    /// The answer has a number where App Service writes text.
    #[error("the identity endpoint's expires_on is a number: App Service's endpoint writes it as text")]
    NumericExpiry,
    /// `IDENTITY_ENDPOINT` is of a kind that is not supported.
    #[error(
        "IDENTITY_ENDPOINT is set beside IMDS_ENDPOINT and without IDENTITY_HEADER: an Azure Arc identity endpoint, \
         which is not supported; use App Service's or developer tools"
    )]
    AzureArc,
    /// The credential could not be built.
    #[error("IDENTITY_ENDPOINT is not a URL, or its kind is not supported")]
    Endpoint,
    /// Nobody is signed in.
    #[error("no developer tool has a token; sign in with az login or azd auth login")]
    DeveloperTools,
    /// The HTTP client could not be built.
    #[error("{0}")]
    Client(&'static str),
    /// The vault refused the token that this try used.
    #[error("the vault refused the token")]
    Refused,
    /// The SDK dropped the token between two steps of a try.
    #[error("the token was replaced meanwhile")]
    Replaced,
    /// A defect ended the request for a token.
    #[error("the request for a token panicked")]
    Defect,
}
