//! What runs, where, and under which names.

use testkit::Emulator;

use crate::storage::Image;
use crate::vault::Vault;

/// What a token must be for, and what it must allow, with `--entra`.
pub(crate) const AUDIENCE: &str = "api://keyvault-cors-demo";
pub(crate) const SCOPE: &str = "secrets.read";
/// What a token allows that allows nothing here.
pub(crate) const OTHER_SCOPE: &str = "another.scope";

/// The key of `--image`'s storage account: the page gets a SAS in its place.
pub(crate) const PHOTOS_KEY: &str = "photos-key";

/// Names to try, and what comes of them.
pub(crate) const NAMES: [(&str, &str); 9] = [
    ("maps-key", "200"),
    (
        "telemetry-key",
        "404, the rule TELEMETRY gives it to the second page alone",
    ),
    ("expired-key", "403 SecretExpired"),
    ("disabled-key", "403 SecretDisabled"),
    ("tls-cert", "404, allowed but a certificate's private key"),
    (
        "database-password",
        "404, in the vault but not in ALLOWED_SECRETS: the vault is not asked",
    ),
    (
        "fresh-1",
        "200, not in the handler's memory before: for the vault's troubles",
    ),
    ("fresh-2", "200, likewise"),
    ("fresh-3", "200, likewise"),
];

/// Allowed as a prefix, and so not fetched at start: what the handler has in memory it goes on serving, and the vault's
/// troubles would not show.
pub(crate) const FRESH: &str = "fresh-";

/// What the demo runs.
pub(crate) struct Demo {
    pub(crate) places: Places,
    pub(crate) emulator: Emulator,
    pub(crate) vault: Vault,
    /// With `--image`, where Azurite is installed.
    pub(crate) image: Option<Image>,
}

/// The addresses of a running demo.
pub(crate) struct Places {
    pub(crate) handler_port: u16,
    /// Allowed, and alone in the rule MAPS.
    pub(crate) allowed_origin: String,
    /// Allowed too, and alone in the rule TELEMETRY.
    pub(crate) second_origin: String,
    pub(crate) refused_origin: String,
    /// Whether callers have to sign in.
    pub(crate) entra: bool,
}

impl Places {
    pub(crate) fn origins(&self) -> [&str; 3] {
        [&self.allowed_origin, &self.second_origin, &self.refused_origin]
    }

    pub(crate) fn api(&self) -> String {
        format!("http://localhost:{}/api", self.handler_port)
    }
}
