//! What can go wrong on the way to a secret: for the caller ([`VaultError`])
//! and for the log ([`Failure`]).

use std::fmt;
use std::time::Duration;

use azure_core::error::ErrorKind;
use azure_core::http::{RawResponse, StatusCode, headers::RETRY_AFTER};
use serde::Deserialize;
use thiserror::Error;

/// Longest wait that is taken from a `Retry-After`.
const MAX_RETRY_AFTER: Duration = Duration::from_hours(1);

/// Why there is no secret, named for what the caller does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum VaultError {
    /// The vault has no such secret, or it is a certificate's private key.
    #[error("the vault has no such secret")]
    NotFound,
    /// The vault says that this version is disabled.
    #[error("the secret is disabled")]
    Disabled,
    /// The vault refuses this app's identity; asking again will not help.
    #[error("the vault refuses this app's identity")]
    AccessDenied,
    /// The vault asks for fewer requests.
    #[error("the vault throttles")]
    Throttled {
        /// How long the vault asked to wait, if it said.
        retry_after: Option<Duration>,
    },
    /// No usable answer in time; it may be there later.
    #[error("the vault cannot be read now")]
    Unavailable {
        /// How long the vault asked to wait, if it said.
        retry_after: Option<Duration>,
    },
}

impl VaultError {
    /// Whether it says nothing about the secret, so that a copy may stand in.
    pub fn is_transient(self) -> bool {
        matches!(self, Self::Throttled { .. } | Self::Unavailable { .. })
    }

    /// How long the vault asked to wait, if it said.
    pub fn retry_after(self) -> Option<Duration> {
        match self {
            Self::Throttled { retry_after } | Self::Unavailable { retry_after } => retry_after,
            Self::NotFound | Self::Disabled | Self::AccessDenied => None,
        }
    }

    /// The same error with another time to wait, where it has one.
    #[must_use]
    pub fn with_retry_after(self, wait: Duration) -> Self {
        let retry_after = Some(wait);
        match self {
            Self::Throttled { .. } => Self::Throttled { retry_after },
            Self::Unavailable { .. } => Self::Unavailable { retry_after },
            Self::NotFound | Self::Disabled | Self::AccessDenied => self,
        }
    }
}

/// Why a fetch failed, with what the log may know of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Failure {
    cause: Cause,
    retry_after: Option<Duration>,
}

/// The kinds of failure.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// All permits were taken until the deadline.
    Busy,
    /// The deadline came first.
    Timeout,
    /// The client could not be built.
    Client(&'static str),
    /// No token: the identity endpoint's status where it answered.
    Token(Option<u16>),
    /// No connection, or it broke.
    Connection,
    /// A 200 that is no secret bundle.
    Unreadable,
    /// A certificate's private key.
    Certificate,
    /// A 200 whose attributes say that the secret is disabled.
    Disabled,
    /// The challenge names a resource that is not the vault's.
    Challenge,
    /// The vault answered with an error.
    Status {
        status: u16,
        code: Option<Code>,
        inner: Option<Code>,
        /// Whether a version was asked for.
        versioned: bool,
    },
}

/// A code of Key Vault's: a word, so that nothing else gets into the log.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Code(String);

impl Code {
    fn new(text: String) -> Option<Self> {
        let is_word = text.bytes().all(|b| b.is_ascii_alphanumeric());
        (is_word && !text.is_empty() && text.len() <= 64).then_some(Self(text))
    }
}

impl Failure {
    pub(super) fn new(cause: Cause) -> Self {
        Self {
            cause,
            retry_after: None,
        }
    }

    /// An error of a request to the vault. `versioned` says whether a version
    /// was asked for.
    pub(super) fn from_sdk(error: &azure_core::Error, versioned: bool) -> Self {
        match error.kind() {
            ErrorKind::HttpResponse {
                status, raw_response, ..
            } => Self::from_status(*status, raw_response.as_deref(), versioned),
            ErrorKind::Credential => Self::new(Cause::Token(token_status(error))),
            ErrorKind::Connection | ErrorKind::Io => Self::new(Cause::Connection),
            _ if causes(error).any(<dyn std::error::Error>::is::<TooLarge>) => Self::new(Cause::Unreadable),
            // The authorizer's complaints about the challenge: bodies are
            // read elsewhere.
            ErrorKind::Other | ErrorKind::DataConversion => Self::new(Cause::Challenge),
        }
    }

    fn from_status(status: StatusCode, response: Option<&RawResponse>, versioned: bool) -> Self {
        let body = response.and_then(|response| serde_json::from_slice::<ErrorBody>(response.body()).ok());
        let error = body.map(|body| body.error);
        let retry_after = response.and_then(|response| response.headers().get_optional_str(&RETRY_AFTER));
        let (code, inner) = match error {
            Some(ErrorDetail { code, innererror }) => (code, innererror.and_then(|inner| inner.code)),
            None => (None, None),
        };
        Self {
            cause: Cause::Status {
                status: status.into(),
                code: code.and_then(Code::new),
                inner: inner.and_then(Code::new),
                versioned,
            },
            // Key Vault writes seconds; RFC 9110 §10.2.3 allows a date, which
            // is left to our own default.
            retry_after: retry_after
                .and_then(|text| text.trim().parse().ok())
                .map(|seconds| Duration::from_secs(seconds).min(MAX_RETRY_AFTER)),
        }
    }

    pub(super) fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Whether the same request may succeed a moment later. A 429 without a
    /// time to wait is not retried: more requests are what it is about.
    pub(super) fn may_pass(&self) -> bool {
        match &self.cause {
            Cause::Connection | Cause::Token(_) => true,
            Cause::Status { status: 429, .. } => self.retry_after.is_some(),
            Cause::Status { status, .. } => matches!(status, 408 | 500..=599),
            Cause::Busy
            | Cause::Timeout
            | Cause::Client(_)
            | Cause::Unreadable
            | Cause::Certificate
            | Cause::Disabled
            | Cause::Challenge => false,
        }
    }

    /// Whether the vault answered well, only not with a secret.
    pub(super) fn is_the_vaults_verdict(&self) -> bool {
        matches!(self.error(), VaultError::NotFound | VaultError::Disabled)
    }

    pub(super) fn error(&self) -> VaultError {
        let retry_after = self.retry_after;
        let unavailable = VaultError::Unavailable { retry_after };
        match &self.cause {
            Cause::Certificate => VaultError::NotFound,
            Cause::Disabled => VaultError::Disabled,
            Cause::Status {
                status,
                code,
                inner,
                versioned,
            } => match status {
                404 => VaultError::NotFound,
                // The name is of Key Vault's form, so it is the version that
                // the vault calls malformed: there is none like it.
                400 if *versioned && code.as_ref().is_some_and(|code| code.0 == "BadParameter") => VaultError::NotFound,
                403 if inner.as_ref().is_some_and(|code| code.0 == "SecretDisabled") => VaultError::Disabled,
                401 | 403 => VaultError::AccessDenied,
                429 => VaultError::Throttled { retry_after },
                _ => unavailable,
            },
            Cause::Busy
            | Cause::Timeout
            | Cause::Client(_)
            | Cause::Token(_)
            | Cause::Connection
            | Cause::Unreadable
            | Cause::Challenge => unavailable,
        }
    }
}

/// For the log: kinds and codes, with a remedy where there is one.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::Busy => f.write_str("every upstream fetch was taken until the deadline"),
            Cause::Timeout => f.write_str("no answer within UPSTREAM_TIMEOUT_SECONDS"),
            Cause::Client(what) => f.write_str(what),
            Cause::Token(Some(status)) => write!(f, "the identity endpoint answered {status} instead of a token"),
            Cause::Token(None) => f.write_str("no token could be had; is an identity assigned or somebody signed in?"),
            Cause::Connection => f.write_str("the vault could not be reached, or its certificate is not trusted"),
            Cause::Unreadable => f.write_str("the vault's answer is not a secret bundle"),
            Cause::Certificate => f.write_str("it is a certificate's private key, which is never served"),
            Cause::Disabled => f.write_str("its attributes say that it is disabled"),
            Cause::Challenge => f.write_str("the vault's challenge names another resource; check KEY_VAULT_URL"),
            Cause::Status {
                status, code, inner, ..
            } => {
                write!(f, "the vault answered {status}")?;
                for Code(word) in code.iter().chain(inner) {
                    write!(f, " {word}")?;
                }
                Ok(())
            }
        }
    }
}

/// The status that the identity endpoint answered with, if it did.
fn token_status(error: &azure_core::Error) -> Option<u16> {
    causes(error)
        .filter_map(|cause| cause.downcast_ref::<azure_core::Error>())
        .find_map(|cause| match cause.kind() {
            ErrorKind::HttpResponse { status, .. } => Some((*status).into()),
            _ => None,
        })
}

/// An error and what it was caused by.
fn causes<'a>(error: &'a azure_core::Error) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error as &'a (dyn std::error::Error + 'static)), |error| {
        error.source()
    })
}

/// An answer that is larger than any bundle or token.
#[derive(Debug, Error)]
#[error("the answer is too large")]
pub(super) struct TooLarge;

/// The error body of Key Vault, less its message.
#[derive(Deserialize)]
struct ErrorBody {
    error: ErrorDetail,
}

#[derive(Deserialize)]
struct ErrorDetail {
    code: Option<String>,
    innererror: Option<Inner>,
}

#[derive(Deserialize)]
struct Inner {
    code: Option<String>,
}

#[cfg(test)]
mod tests {
    use azure_core::http::headers::Headers;

    use super::*;

    fn status(status: u16, body: &str, retry_after: Option<&str>, versioned: bool) -> Failure {
        let mut headers = Headers::new();
        if let Some(value) = retry_after {
            headers.insert(RETRY_AFTER, value.to_owned());
        }
        let status = StatusCode::from(status);
        let response = RawResponse::from_bytes(status, headers, body.to_owned());
        Failure::from_status(status, Some(&response), versioned)
    }

    #[test]
    fn each_answer_of_the_vault_is_named_for_what_to_do_next() {
        let disabled = r#"{"error":{"code":"Forbidden","message":"m","innererror":{"code":"SecretDisabled"}}}"#;
        let denied = r#"{"error":{"code":"Forbidden","message":"m","innererror":{"code":"ForbiddenByRbac"}}}"#;
        let malformed = r#"{"error":{"code":"BadParameter","message":"m"}}"#;
        let unavailable = VaultError::Unavailable { retry_after: None };
        let seven = Some(Duration::from_secs(7));
        for (failure, error) in [
            (status(404, "{}", None, false), VaultError::NotFound),
            (status(400, malformed, None, true), VaultError::NotFound),
            (status(400, "{}", None, true), unavailable),
            (status(400, "{}", None, false), unavailable),
            (status(403, disabled, None, false), VaultError::Disabled),
            (status(403, denied, None, false), VaultError::AccessDenied),
            (status(403, "SecretDisabled", None, false), VaultError::AccessDenied),
            (status(401, "", None, false), VaultError::AccessDenied),
            (
                status(429, "", None, false),
                VaultError::Throttled { retry_after: None },
            ),
            (
                status(429, "", Some("7"), false),
                VaultError::Throttled { retry_after: seven },
            ),
            (
                status(503, "", Some("7"), false),
                VaultError::Unavailable { retry_after: seven },
            ),
            (status(500, "", Some("soon"), false), unavailable),
            (status(302, "", None, false), unavailable),
            (Failure::new(Cause::Certificate), VaultError::NotFound),
            (Failure::new(Cause::Timeout), unavailable),
            (Failure::new(Cause::Token(Some(403))), unavailable),
        ] {
            assert_eq!(failure.error(), error, "{failure:?}");
        }
    }

    #[test]
    fn the_log_has_codes_and_never_a_message() {
        let body = r#"{"error":{"code":"Forbidden","message":"oid=canary","innererror":{"code":"ForbiddenByRbac"}}}"#;
        assert_eq!(
            status(403, body, None, false).to_string(),
            "the vault answered 403 Forbidden ForbiddenByRbac"
        );
        let odd = r#"{"error":{"code":"Bad canary\n","message":"m"}}"#;
        assert_eq!(status(500, odd, None, false).to_string(), "the vault answered 500");
    }

    #[test]
    fn an_unbounded_retry_after_is_bounded() {
        let failure = status(429, "", Some("18446744073709551615"), false);
        assert_eq!(failure.retry_after(), Some(MAX_RETRY_AFTER));
    }
}
