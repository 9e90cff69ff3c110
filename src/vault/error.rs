//! Why there is no secret, for whoever asked.

use std::time::Duration;

use thiserror::Error;

/// Why there is no secret, named for what the caller does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum VaultError {
    /// There is no such secret to serve.
    #[error("the vault has no such secret to serve")]
    NotFound(Absence),
    /// The vault says that this version is disabled.
    #[error("the secret is disabled")]
    Disabled,
    /// The vault refuses this app's identity; asking again will not help.
    #[error("the vault refuses this app's identity")]
    AccessDenied,
    /// The vault asks for fewer requests.
    #[error("the vault throttles")]
    Throttled {
        /// How long to wait, at most 60 s, if it is known.
        retry_after: Option<Duration>,
    },
    /// No usable answer in time; it may be there later.
    #[error("the vault cannot be read now")]
    Unavailable {
        /// How long to wait, at most 60 s, if it is known.
        retry_after: Option<Duration>,
    },
}

/// Why a secret counts as absent: for the log, since the answer is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absence {
    /// The vault has no such secret or version.
    Absent,
    /// It is a certificate's private key, which is never served.
    Certificate,
    /// It does not carry the tag that `REQUIRED_TAG` asks for.
    MissingTag,
}

impl Absence {
    /// The word for the log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Absent => "Absent",
            Self::Certificate => "Certificate",
            Self::MissingTag => "MissingTag",
        }
    }
}

impl VaultError {
    /// Whether it says nothing about the secret, so that a copy may be served
    /// in its place.
    pub fn is_retryable(self) -> bool {
        matches!(self, Self::Throttled { .. } | Self::Unavailable { .. })
    }
}
