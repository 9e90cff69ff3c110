//! Why a try to read a secret failed: what the log may know of it, and what
//! follows from it.

use std::fmt;
use std::time::Duration;

use azure_core::error::ErrorKind;
use azure_core::http::{RawResponse, StatusCode, headers::RETRY_AFTER};
use serde::Deserialize;

use super::error::{Absence, VaultError};
use super::http::TooLarge;
use super::token::TokenError;

/// Longest wait that is taken from a `Retry-After`.
pub(super) const MAX_RETRY_AFTER: Duration = Duration::from_mins(1);

/// Why a try failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    cause: Cause,
    retry_after: Option<Duration>,
}

/// The kinds of failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// All permits were taken until the deadline.
    Busy,
    /// The budget for keys that were never good is used up.
    OverBudget,
    /// The vault throttles, and is not asked until its time is over.
    Paused,
    /// The vault fails, and is asked by one probe at a time.
    Failing,
    /// The deadline came first.
    Timeout,
    /// The client could not be built.
    Client(&'static str),
    /// No token.
    Token(TokenError),
    /// The vault refused an unexpired token.
    RefusedToken,
    /// No connection, or it broke.
    Connection,
    /// A 200 that is no secret bundle.
    Unreadable,
    /// A certificate's private key.
    Certificate,
    /// A 200 whose attributes say that the secret is disabled.
    Disabled,
    /// A secret without the tag that is required.
    MissingTag,
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

/// What a try shows about the vault as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It answers.
    Answers,
    /// It fails: no connection, no answer in time, a 5xx, or nonsense.
    Fails,
    /// It throttles, and asks for this pause.
    Throttles(Option<Duration>),
    /// Nothing: it was not asked, or had too little time.
    Unknown,
}

/// A code of Key Vault's: a word, so that nothing else gets into the log.
#[derive(Clone, Debug, PartialEq, Eq)]
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

    /// The same failure with a time to wait.
    pub(super) fn with_retry_after(self, wait: Duration) -> Self {
        Self {
            retry_after: Some(wait.min(MAX_RETRY_AFTER)),
            ..self
        }
    }

    /// The same failure with the time to wait of another.
    pub(super) fn with_wait_of(self, other: &Self) -> Self {
        match other.retry_after {
            Some(wait) => self.with_retry_after(wait),
            None => self,
        }
    }

    /// An error of a request to the vault. `versioned` says whether a version
    /// was asked for.
    pub(super) fn from_sdk(error: &azure_core::Error, versioned: bool) -> Self {
        let token = causes(error).find_map(|cause| cause.downcast_ref::<TokenError>());
        if let Some(cause) = token {
            return Self::new(Cause::Token(cause.clone()));
        }
        match error.kind() {
            ErrorKind::HttpResponse {
                status, raw_response, ..
            } => Self::from_status(*status, raw_response.as_deref(), versioned),
            ErrorKind::Connection | ErrorKind::Io => Self::new(Cause::Connection),
            _ if causes(error).any(<dyn std::error::Error>::is::<TooLarge>) => Self::new(Cause::Unreadable),
            // The authorizer's complaints about the challenge: bodies are
            // read elsewhere.
            ErrorKind::Other | ErrorKind::DataConversion => Self::new(Cause::Challenge),
            // Another try, whose token was refused, emptied the SDK's cache
            // before this one could read it.
            ErrorKind::Credential => Self::new(Cause::Token(TokenError::Replaced)),
        }
    }

    fn from_status(status: StatusCode, response: Option<&RawResponse>, versioned: bool) -> Self {
        let body = response.and_then(|response| serde_json::from_slice::<ErrorAnswer>(response.body()).ok());
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

    pub(super) fn cause(&self) -> &Cause {
        &self.cause
    }

    pub(super) fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// What it says about the vault as a whole.
    pub(super) fn verdict(&self) -> Verdict {
        match &self.cause {
            Cause::Busy | Cause::OverBudget | Cause::Paused | Cause::Failing | Cause::Client(_) | Cause::Token(_) => {
                Verdict::Unknown
            }
            Cause::Status { status: 429, .. } => Verdict::Throttles(self.retry_after),
            Cause::Timeout
            | Cause::Connection
            | Cause::Unreadable
            | Cause::Challenge
            | Cause::Status {
                status: 408 | 500..=599,
                ..
            } => Verdict::Fails,
            Cause::Certificate | Cause::Disabled | Cause::MissingTag | Cause::RefusedToken | Cause::Status { .. } => {
                Verdict::Answers
            }
        }
    }

    /// Whether the same try may succeed a moment later.
    pub(super) fn is_retryable(&self) -> bool {
        match &self.cause {
            Cause::Connection | Cause::Token(TokenError::Replaced) => true,
            Cause::Status { status, .. } => matches!(status, 408 | 429 | 500..=599),
            _ => false,
        }
    }

    /// Whether the try was not made, because of what others met before it.
    pub(super) fn is_refusal(&self) -> bool {
        matches!(self.cause, Cause::OverBudget | Cause::Paused | Cause::Failing)
    }

    /// Whether the vault answered as it should, but has no secret to serve.
    pub(super) fn is_definitive(&self) -> bool {
        matches!(self.error(), VaultError::NotFound(_) | VaultError::Disabled)
    }

    pub(super) fn error(&self) -> VaultError {
        let retry_after = self.retry_after;
        let unavailable = VaultError::Unavailable { retry_after };
        match &self.cause {
            Cause::Certificate => VaultError::NotFound(Absence::Certificate),
            Cause::MissingTag => VaultError::NotFound(Absence::MissingTag),
            Cause::Disabled => VaultError::Disabled,
            Cause::RefusedToken => VaultError::AccessDenied,
            Cause::Paused => VaultError::Throttled { retry_after },
            Cause::Status {
                status,
                code,
                inner,
                versioned,
            } => match status {
                404 => VaultError::NotFound(Absence::Absent),
                // The name is of Key Vault's form, so it is the version that
                // the vault calls malformed: there is none like it.
                400 if *versioned && code.as_ref().is_some_and(|code| code.0 == "BadParameter") => {
                    VaultError::NotFound(Absence::Absent)
                }
                403 if inner.as_ref().is_some_and(|code| code.0 == "SecretDisabled") => VaultError::Disabled,
                401 | 403 => VaultError::AccessDenied,
                429 => VaultError::Throttled { retry_after },
                _ => unavailable,
            },
            Cause::Busy
            | Cause::OverBudget
            | Cause::Failing
            | Cause::Timeout
            | Cause::Client(_)
            | Cause::Token(_)
            | Cause::Connection
            | Cause::Unreadable
            | Cause::Challenge => unavailable,
        }
    }

    /// The word for its kind in the log.
    pub(super) fn kind(&self) -> &'static str {
        match &self.cause {
            Cause::Busy => "Busy",
            Cause::OverBudget => "OverBudget",
            Cause::Paused => "Paused",
            Cause::Failing => "Failing",
            Cause::Timeout => "Timeout",
            Cause::Client(_) => "Client",
            Cause::Token(_) => "Token",
            Cause::RefusedToken => "RefusedToken",
            Cause::Connection => "Connection",
            Cause::Unreadable => "Unreadable",
            Cause::Certificate => "Certificate",
            Cause::Disabled => "Disabled",
            Cause::MissingTag => "MissingTag",
            Cause::Challenge => "Challenge",
            Cause::Status { .. } => "Status",
        }
    }

    /// `error.code` of the vault's answer.
    pub(super) fn code(&self) -> Option<&str> {
        match &self.cause {
            Cause::Status { code: Some(code), .. } => Some(&code.0),
            _ => None,
        }
    }

    /// `error.innererror.code` of the vault's answer.
    pub(super) fn inner_code(&self) -> Option<&str> {
        match &self.cause {
            Cause::Status { inner: Some(inner), .. } => Some(&inner.0),
            _ => None,
        }
    }
}

/// For the log: what happened, with a remedy where there is one.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::Busy => f.write_str("the limit on simultaneous reads was reached until the deadline"),
            Cause::OverBudget => f.write_str("too many reads a second of names that were never read before"),
            Cause::Paused => f.write_str("the vault throttles, and the pause after it is not over"),
            Cause::Failing => f.write_str("the vault failed five times in a row, so only one read at a time probes it"),
            Cause::Timeout => f.write_str("no answer within UPSTREAM_TIMEOUT_SECONDS"),
            Cause::Client(what) => f.write_str(what),
            Cause::Token(cause) => cause.fmt(f),
            Cause::RefusedToken => f.write_str("the vault refused a token that has not expired, and its replacement"),
            Cause::Connection => f.write_str("the vault could not be reached, or its certificate is not trusted"),
            Cause::Unreadable => f.write_str("the vault's answer is not a secret bundle"),
            Cause::Certificate => f.write_str("it is a certificate's private key, which is never served"),
            Cause::Disabled => f.write_str("its attributes say that it is disabled"),
            Cause::MissingTag => f.write_str("it does not carry the tag of REQUIRED_TAG"),
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

/// An error and what it was caused by.
pub(super) fn causes<'a>(error: &'a azure_core::Error) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(Some(error as &'a (dyn std::error::Error + 'static)), |error| {
        error.source()
    })
}

/// The error body of Key Vault, without its message.
#[derive(Deserialize)]
struct ErrorAnswer {
    error: ErrorDetail,
}

#[derive(Deserialize)]
struct ErrorDetail {
    code: Option<String>,
    innererror: Option<InnerDetail>,
}

#[derive(Deserialize)]
struct InnerDetail {
    code: Option<String>,
}

#[cfg(test)]
mod tests;
