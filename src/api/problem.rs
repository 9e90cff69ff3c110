//! The one map from what went wrong to HTTP: status, codes, message.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use serde::Serialize;

use crate::caller::CallerError;
use crate::cors::PreflightRefusal;
use crate::secret::{Malformed, Unusable};
use crate::vault::VaultError;

/// `Retry-After` of a 429 for which the vault named no time: its limits count
/// in windows of 10 s.
const THROTTLED_RETRY_AFTER: Duration = Duration::from_secs(10);
/// `Retry-After` of a 503 for which the vault named no time.
const UNAVAILABLE_RETRY_AFTER: Duration = Duration::from_secs(5);

/// Everything that is answered other than 200 and 204.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// A name or version that no secret can have.
    BadParameter(Malformed),
    /// Without the Functions host: a `Host` that is not this machine.
    HostNotAllowed,
    /// An `Origin` that is malformed, repeated, not allowed or missing.
    OriginNotAllowed,
    /// There is no valid token.
    Unauthorized,
    /// A valid token without a required scope, role or client.
    CallerNotAllowed,
    /// No signing keys could be had.
    AuthorityUnavailable,
    /// Something else than `fetch` asks: a navigation, an image, a script.
    FetchMetadata,
    /// A preflight for another method.
    PreflightMethod,
    /// A preflight for other header names.
    PreflightHeaders,
    /// A secret that the vault has, and that must not be served now.
    Unusable(Unusable),
    /// Not allowed, absent, or a certificate's: one and the same answer.
    SecretNotFound,
    /// No such route.
    NotFound,
    /// The route has other methods: these.
    MethodNotAllowed { allow: &'static str },
    /// The vault throttles.
    Throttled { retry_after: Option<Duration> },
    /// The vault refuses this app's identity.
    VaultAccessDenied,
    /// The vault cannot be read now.
    VaultUnavailable { retry_after: Option<Duration> },
}

impl Problem {
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::BadParameter(_) => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::HostNotAllowed
            | Self::OriginNotAllowed
            | Self::CallerNotAllowed
            | Self::FetchMetadata
            | Self::PreflightMethod
            | Self::PreflightHeaders
            | Self::Unusable(_) => StatusCode::FORBIDDEN,
            Self::SecretNotFound | Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::Throttled { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::VaultAccessDenied => StatusCode::BAD_GATEWAY,
            Self::VaultUnavailable { .. } | Self::AuthorityUnavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// `error.code` and `error.innererror.code`.
    fn codes(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::BadParameter(_) => ("BadParameter", None),
            Self::HostNotAllowed => ("Forbidden", Some("HostNotAllowed")),
            Self::OriginNotAllowed => ("Forbidden", Some("OriginNotAllowed")),
            Self::Unauthorized => ("Unauthorized", None),
            Self::CallerNotAllowed => ("Forbidden", Some("CallerNotAllowed")),
            Self::AuthorityUnavailable => ("AuthorityUnavailable", None),
            Self::FetchMetadata => ("Forbidden", Some("FetchMetadata")),
            Self::PreflightMethod => ("Forbidden", Some("MethodNotAllowed")),
            Self::PreflightHeaders => ("Forbidden", Some("HeadersNotAllowed")),
            Self::Unusable(Unusable::Disabled) => ("Forbidden", Some("SecretDisabled")),
            Self::Unusable(Unusable::Expired) => ("Forbidden", Some("SecretExpired")),
            Self::Unusable(Unusable::NotYetValid) => ("Forbidden", Some("SecretNotYetValid")),
            Self::SecretNotFound => ("SecretNotFound", None),
            Self::NotFound => ("NotFound", None),
            Self::MethodNotAllowed { .. } => ("MethodNotAllowed", None),
            Self::Throttled { .. } => ("Throttled", None),
            Self::VaultAccessDenied => ("VaultAccessDenied", None),
            Self::VaultUnavailable { .. } => ("VaultUnavailable", None),
        }
    }

    /// The most specific code: the verdict in the log.
    pub(super) fn verdict(self) -> &'static str {
        let (code, inner) = self.codes();
        inner.unwrap_or(code)
    }

    fn message(self) -> &'static str {
        match self {
            Self::BadParameter(Malformed::Name) => {
                "The name of a secret is 1 to 127 letters, digits and hyphens, not percent-encoded."
            }
            Self::BadParameter(Malformed::Version) => {
                "The version of a secret is 1 to 64 letters and digits, not percent-encoded."
            }
            Self::HostNotAllowed => "Without the Functions host only localhost is served.",
            Self::OriginNotAllowed => "This origin may not read secrets here.",
            Self::Unauthorized => "An Entra access token for this app is required.",
            Self::CallerNotAllowed => "This caller may not read secrets here.",
            Self::AuthorityUnavailable => "Callers cannot be checked now; try again later.",
            Self::FetchMetadata => {
                "Secrets are answered to fetch() in CORS mode, not to navigations, frames, images or scripts."
            }
            Self::PreflightMethod => "Only GET and HEAD are allowed across origins.",
            Self::PreflightHeaders => "One of these request headers is not allowed across origins.",
            Self::Unusable(Unusable::Disabled) => "The secret is disabled.",
            Self::Unusable(Unusable::Expired) => "The secret has expired.",
            Self::Unusable(Unusable::NotYetValid) => "The secret is not valid yet.",
            Self::SecretNotFound => "There is no such secret here.",
            Self::NotFound => "There is nothing here; a secret is at /api/secrets/NAME.",
            Self::MethodNotAllowed { .. } => "This method is not allowed here.",
            Self::Throttled { .. } => "The vault is asked too often; try again later.",
            Self::VaultAccessDenied => "The vault refuses the app's identity; its log has the code.",
            Self::VaultUnavailable { .. } => "The vault cannot be read now; try again later.",
        }
    }

    /// `Retry-After` in whole seconds, rounded up and at least 1: who comes back
    /// a moment early is refused once more.
    pub(super) fn retry_after(self) -> Option<u64> {
        let wait = match self {
            Self::Throttled { retry_after } => retry_after.unwrap_or(THROTTLED_RETRY_AFTER),
            Self::VaultUnavailable { retry_after } => retry_after.unwrap_or(UNAVAILABLE_RETRY_AFTER),
            Self::AuthorityUnavailable => UNAVAILABLE_RETRY_AFTER,
            _ => return None,
        };
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        Some(seconds.max(1))
    }

    /// `Allow`, which a 405 must have (RFC 9110 §15.5.6).
    pub(super) fn allow(self) -> Option<&'static str> {
        match self {
            Self::MethodNotAllowed { allow } => Some(allow),
            _ => None,
        }
    }

    /// The body, in Key Vault's error shape.
    pub(super) fn body(self) -> Bytes {
        let (code, inner) = self.codes();
        let body = ErrorBody {
            error: ErrorDetail {
                code,
                message: self.message(),
                innererror: inner.map(|code| InnerError { code }),
            },
        };
        // Three static texts cannot fail to serialise.
        serde_json::to_vec(&body).unwrap_or_default().into()
    }
}

impl From<VaultError> for Problem {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::NotFound => Self::SecretNotFound,
            VaultError::Disabled => Self::Unusable(Unusable::Disabled),
            VaultError::AccessDenied => Self::VaultAccessDenied,
            VaultError::Throttled { retry_after } => Self::Throttled { retry_after },
            VaultError::Unavailable { retry_after } => Self::VaultUnavailable { retry_after },
        }
    }
}

impl From<&CallerError> for Problem {
    fn from(error: &CallerError) -> Self {
        match error {
            CallerError::Unauthorized(_) => Self::Unauthorized,
            CallerError::NotAllowed(_) => Self::CallerNotAllowed,
            CallerError::AuthorityUnavailable => Self::AuthorityUnavailable,
        }
    }
}

impl From<PreflightRefusal> for Problem {
    fn from(refusal: PreflightRefusal) -> Self {
        match refusal {
            PreflightRefusal::Origin(_) => Self::OriginNotAllowed,
            PreflightRefusal::Method => Self::PreflightMethod,
            PreflightRefusal::Headers => Self::PreflightHeaders,
        }
    }
}

#[derive(Serialize)]
struct ErrorBody {
    error: ErrorDetail,
}

#[derive(Serialize)]
struct ErrorDetail {
    code: &'static str,
    message: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    innererror: Option<InnerError>,
}

#[derive(Serialize)]
struct InnerError {
    code: &'static str,
}
