//! The one map from what went wrong to HTTP: status, codes, message.

use std::time::Duration;

use bytes::Bytes;
use http::StatusCode;
use once_cell::sync::OnceCell;
use serde::Serialize;

use crate::deliver::GiveError;
use crate::secret::{Malformed, Unusable};
use crate::vault::{Absence, VaultError};

/// `Retry-After` of a 429 for which the vault named no time: its limits count
/// in windows of 10 s.
const THROTTLED_RETRY_AFTER: Duration = Duration::from_secs(10);
/// `Retry-After` of a 503 for which the vault named no time.
const UNAVAILABLE_RETRY_AFTER: Duration = Duration::from_secs(5);

/// The text of one problem, in a static, so that its body is rendered once.
macro_rules! text {
    ($code:literal, $message:literal) => {
        text!(@ $code, None, $message)
    };
    ($code:literal, $inner:literal, $message:literal) => {
        text!(@ $code, Some($inner), $message)
    };
    (@ $code:literal, $inner:expr, $message:literal) => {{
        static TEXT: Text = Text::new($code, $inner, $message);
        &TEXT
    }};
}

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
    /// A secret that the vault has, and that must not be served now.
    Unusable(Unusable),
    /// The answer is the same whatever the cause, which only the log tells.
    SecretNotFound(NotFound),
    /// No such route.
    NotFound,
    /// The secrets route has other methods.
    SecretMethodNotAllowed,
    /// The readiness route has other methods.
    ReadinessMethodNotAllowed,
    /// The vault throttles.
    Throttled { retry_after: Option<Duration> },
    /// The vault refuses this app's identity.
    VaultAccessDenied,
    /// The vault cannot be read now.
    VaultUnavailable { retry_after: Option<Duration> },
    /// The credential names the caller, whose token names no user.
    CallerWithoutUser,
    /// The secret is no key that a credential can be made from, or its service refuses it.
    ExchangeRefused { reason: &'static str },
    /// The service that makes the credential cannot be had.
    ExchangeUnavailable {
        retry_after: Duration,
        reason: &'static str,
    },
}

/// Why a secret is not found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotFound {
    /// It is not in `ALLOWED_SECRETS`.
    NotListed,
    /// Its rule has other origins.
    RuleOrigin,
    /// Its rule needs what the caller does not have.
    RuleCaller,
    /// Its rule gives a credential, and a version was asked for.
    RuleVersion,
    /// The vault has none that may be served.
    Absent(Absence),
}

impl Problem {
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::BadParameter(_) => StatusCode::BAD_REQUEST,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::HostNotAllowed
            | Self::OriginNotAllowed
            | Self::CallerNotAllowed
            | Self::CallerWithoutUser
            | Self::FetchMetadata
            | Self::Unusable(_) => StatusCode::FORBIDDEN,
            Self::SecretNotFound(_) | Self::NotFound => StatusCode::NOT_FOUND,
            Self::SecretMethodNotAllowed | Self::ReadinessMethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Throttled { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::VaultAccessDenied | Self::ExchangeRefused { .. } => StatusCode::BAD_GATEWAY,
            Self::VaultUnavailable { .. } | Self::AuthorityUnavailable | Self::ExchangeUnavailable { .. } => {
                StatusCode::SERVICE_UNAVAILABLE
            }
        }
    }

    /// The most specific code: the verdict in the log.
    pub(super) fn verdict(self) -> &'static str {
        let text = self.text();
        text.inner.unwrap_or(text.code)
    }

    /// What the log says beside the verdict, where one verdict has several causes.
    pub(super) fn reason(self) -> Option<&'static str> {
        let cause = match self {
            Self::SecretNotFound(cause) => cause,
            Self::ExchangeRefused { reason } | Self::ExchangeUnavailable { reason, .. } => return Some(reason),
            Self::CallerWithoutUser => return Some("the token has no oid, which the credential would name"),
            _ => return None,
        };
        Some(match cause {
            NotFound::NotListed => "NotListed",
            NotFound::RuleOrigin => "RuleOrigin",
            NotFound::RuleCaller => "RuleCaller",
            NotFound::RuleVersion => "RuleVersion",
            NotFound::Absent(absence) => absence.as_str(),
        })
    }

    /// What is said about it.
    fn text(self) -> &'static Text {
        match self {
            Self::BadParameter(malformed) => malformed_text(malformed),
            Self::HostNotAllowed => text!(
                "Forbidden",
                "HostNotAllowed",
                "Without the Functions host, only requests to localhost are answered."
            ),
            Self::OriginNotAllowed => text!(
                "Forbidden",
                "OriginNotAllowed",
                "This origin may not read secrets here."
            ),
            Self::Unauthorized => text!("Unauthorized", "An Entra access token for this app is required."),
            Self::CallerNotAllowed | Self::CallerWithoutUser => text!(
                "Forbidden",
                "CallerNotAllowed",
                "This caller may not read secrets here."
            ),
            Self::AuthorityUnavailable => text!(
                "AuthorityUnavailable",
                "Callers cannot be checked now; try again later."
            ),
            Self::FetchMetadata => text!(
                "Forbidden",
                "FetchMetadata",
                "Secrets are served only to fetch() in CORS mode, not to navigations, frames, images or scripts."
            ),
            Self::Unusable(unusable) => unusable_text(unusable),
            Self::SecretNotFound(_) => text!("SecretNotFound", "There is no such secret here."),
            Self::NotFound => text!("NotFound", "There is nothing here; a secret is at /api/secrets/NAME."),
            Self::SecretMethodNotAllowed | Self::ReadinessMethodNotAllowed => {
                text!("MethodNotAllowed", "This method is not allowed here.")
            }
            Self::Throttled { .. } => text!("Throttled", "The vault is asked too often; try again later."),
            Self::VaultAccessDenied => text!(
                "VaultAccessDenied",
                "The vault refuses the app's identity; its log has the code."
            ),
            Self::VaultUnavailable { .. } => {
                text!("VaultUnavailable", "The vault cannot be read now; try again later.")
            }
            Self::ExchangeRefused { .. } => text!(
                "ExchangeRefused",
                "No credential can be made from the key; the app's log has the cause."
            ),
            Self::ExchangeUnavailable { .. } => text!(
                "ExchangeUnavailable",
                "The service that makes the credential is not available now; try again later."
            ),
        }
    }

    /// `Retry-After` in whole seconds, rounded up and at least 1: a caller that comes back a moment early would be
    /// refused again.
    pub(super) fn retry_after(self) -> Option<u64> {
        let wait = match self {
            Self::Throttled { retry_after } => retry_after.unwrap_or(THROTTLED_RETRY_AFTER),
            Self::VaultUnavailable { retry_after } => retry_after.unwrap_or(UNAVAILABLE_RETRY_AFTER),
            Self::ExchangeUnavailable { retry_after, .. } => retry_after,
            Self::AuthorityUnavailable => UNAVAILABLE_RETRY_AFTER,
            _ => return None,
        };
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        Some(seconds.max(1))
    }

    /// The body, in Key Vault's error shape.
    pub(super) fn body(self) -> Bytes {
        self.text().body()
    }
}

fn malformed_text(malformed: Malformed) -> &'static Text {
    match malformed {
        Malformed::Name => text!(
            "BadParameter",
            "The name of a secret is 1 to 127 letters, digits and hyphens, not percent-encoded."
        ),
        Malformed::Version => text!(
            "BadParameter",
            "The version of a secret is 32 hexadecimal digits, not percent-encoded."
        ),
    }
}

fn unusable_text(unusable: Unusable) -> &'static Text {
    match unusable {
        Unusable::Disabled => text!("Forbidden", "SecretDisabled", "The secret is disabled."),
        Unusable::Expired => text!("Forbidden", "SecretExpired", "The secret has expired."),
        Unusable::NotYetValid => text!("Forbidden", "SecretNotYetValid", "The secret is not valid yet."),
    }
}

/// The words of a problem.
struct Text {
    /// `error.code`.
    code: &'static str,
    /// `error.innererror.code`.
    inner: Option<&'static str>,
    message: &'static str,
    /// Rendered when it is first sent, and shared from then on.
    body: OnceCell<Bytes>,
}

impl Text {
    const fn new(code: &'static str, inner: Option<&'static str>, message: &'static str) -> Self {
        Self {
            code,
            inner,
            message,
            body: OnceCell::new(),
        }
    }

    fn body(&self) -> Bytes {
        let body = self.body.get_or_init(|| {
            let body = ErrorBody {
                error: ErrorDetail {
                    code: self.code,
                    message: self.message,
                    innererror: self.inner.map(|code| InnerError { code }),
                },
            };
            // Three static texts cannot fail to serialise.
            serde_json::to_vec(&body).unwrap_or_default().into()
        });
        body.clone()
    }
}

impl From<VaultError> for Problem {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::NotFound(absence) => Self::SecretNotFound(NotFound::Absent(absence)),
            VaultError::Disabled => Self::Unusable(Unusable::Disabled),
            VaultError::AccessDenied => Self::VaultAccessDenied,
            VaultError::Throttled { retry_after } => Self::Throttled { retry_after },
            VaultError::Unavailable { retry_after } => Self::VaultUnavailable { retry_after },
        }
    }
}

impl From<GiveError> for Problem {
    fn from(error: GiveError) -> Self {
        match error {
            GiveError::Refused(reason) => Self::ExchangeRefused { reason },
            GiveError::Unavailable { retry_after, reason } => Self::ExchangeUnavailable { retry_after, reason },
            GiveError::NoUser => Self::CallerWithoutUser,
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
