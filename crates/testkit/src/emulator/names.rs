//! Names of this run, and those that are the same in every run.

use uuid::Uuid;

/// The only client id for which the identity endpoint issues tokens, apart from none at all.
pub const EMULATED_CLIENT_ID: &str = "7d3c0f7e-5c1b-4b53-9d6e-2f6a1c0e8b47";

/// The client id of the single-page app that user tokens are issued to.
pub const EMULATED_SPA: &str = "2c1f6a4d-3f0b-4a57-8a76-0f1de4c59b21";

/// The client id of the daemon that app tokens are issued to.
pub const EMULATED_DAEMON: &str = "b94e7a0c-61d2-4f7e-9c39-d5a8e20f7c63";

/// The vault's name as its error messages give it; it is part of no URL.
pub const EMULATED_VAULT: &str = "emulated-vault";

/// The hosts of the Speech token service's double, for which the emulator's certificate is good.
pub(crate) const SPEECH_HOSTS: [&str; 2] = [
    "westeurope.api.cognitive.microsoft.com",
    "contoso.cognitiveservices.azure.com",
];

/// The names of this run: fixed from its start to its end.
pub(crate) struct Names {
    /// `https://localhost:PORT`.
    pub(crate) vault_url: String,
    /// `http://127.0.0.1:PORT/msi/token`.
    pub(crate) identity_endpoint: String,
    /// What `X-IDENTITY-HEADER` must be.
    pub(crate) identity_header: String,
    /// The tenant's GUID.
    pub(crate) tenant: String,
    /// The object id of the emulated managed identity.
    pub(crate) principal: String,
    /// `http://127.0.0.1:PORT`.
    pub(crate) authority: String,
    /// The object id of the user in minted tokens.
    pub(crate) user: String,
    /// The object id of the daemon in minted tokens.
    pub(crate) daemon: String,
}

impl Names {
    pub(crate) fn new(vault_port: u16, identity_port: u16) -> Self {
        Self {
            vault_url: format!("https://localhost:{vault_port}"),
            identity_endpoint: format!("http://127.0.0.1:{identity_port}/msi/token"),
            identity_header: Uuid::new_v4().to_string().to_uppercase(),
            tenant: Uuid::new_v4().to_string(),
            principal: Uuid::new_v4().to_string(),
            authority: format!("http://127.0.0.1:{identity_port}"),
            user: Uuid::new_v4().to_string(),
            daemon: Uuid::new_v4().to_string(),
        }
    }
}
