//! Where secrets come from: the trait [`Vault`], and Azure Key Vault behind it.
//!
//! The only module that names an `azure_*` crate. It promises an answer within
//! its deadline, whatever the vault or the identity endpoint does, and an error
//! named for what the caller does next. What the vault said in an error never
//! leaves: its messages name tenants, principals and vaults, so the log gets
//! its codes alone.

mod bundle;
mod client;
mod error;
mod failure;
mod http;
mod key_vault;
mod pace;
mod token;

use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

pub use self::error::{Absence, VaultError};
pub use self::key_vault::KeyVault;
use crate::secret::{Bundle, SecretKey};

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

/// A tag without which a secret is not served, compared by exact case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequiredTag {
    /// The tag's name.
    pub name: String,
    /// Its value; `None` takes any.
    pub value: Option<String>,
}

/// How to reach a vault.
#[derive(Clone, Debug)]
pub struct Options {
    /// `https://HOST/`.
    pub url: String,
    /// Whether the vault is a stand-in on this machine: its name cannot match
    /// the resource of its challenge, and no proxy leads to it.
    pub loopback: bool,
    /// Who asks.
    pub identity: Identity,
    /// What a caller waits at most; also the bound on making a connection.
    pub timeout: Duration,
    /// The tag that a secret must carry, if any.
    pub required_tag: Option<RequiredTag>,
    /// Whether exact names are allowed, for which permits are kept.
    pub has_exact_names: bool,
}

/// What a read of one secret is about.
#[derive(Clone, Copy, Debug)]
pub struct Read {
    /// The latest time for an answer.
    pub deadline: Instant,
    /// Whether this key was read before: others share a budget.
    pub known_good: bool,
    /// Whether an exact name allows it, not only a prefix.
    pub exact: bool,
}

/// Something that secrets can be read from.
#[async_trait::async_trait]
pub trait Vault: Send + Sync + 'static {
    /// Reads one secret, or its current version when the key has none.
    ///
    /// # Errors
    /// [`VaultError`], at [`Read::deadline`] at the latest.
    async fn fetch(&self, key: &SecretKey, read: Read) -> Result<Bundle, VaultError>;

    /// The error that any read would get now without a request to the vault, because it throttles or fails.
    fn refusal(&self) -> Option<VaultError> {
        None
    }
}

impl fmt::Debug for dyn Vault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Vault")
    }
}
