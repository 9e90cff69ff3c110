//! The emulator as a test holds it: what it is called, what is in the vault, what goes wrong, and what was seen.

use std::fmt;
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tempfile::NamedTempFile;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;

use super::clock::now;
use super::fault::{Fault, Target, Times};
use super::names::Names;
use super::record::{Counters, Recorded, Span};
use super::secret::Secret;
use super::service::{Role, listen};
use super::state::Shared;
use super::tls::{self, Tls};

/// A running emulator; dropping it stops the listeners with their connections and removes the CA file.
pub struct Emulator {
    pub(super) shared: Arc<Shared>,
    ca_file: NamedTempFile,
    tls: Tls,
    listeners: [AbortHandle; 2],
}

impl Emulator {
    /// Starts on ports of 127.0.0.1 that the operating system chooses, within the current tokio runtime.
    ///
    /// # Errors
    /// When a port cannot be bound or the CA file cannot be written.
    pub async fn start() -> io::Result<Self> {
        Self::start_on(0, 0).await
    }

    /// Starts on these ports of 127.0.0.1; 0 lets the operating system choose.
    ///
    /// # Errors
    /// When a port cannot be bound or the CA file cannot be written.
    pub async fn start_on(vault_port: u16, identity_port: u16) -> io::Result<Self> {
        let tls = Tls::new()?;
        let mut ca_file = tempfile::Builder::new()
            .prefix("emulator-ca-")
            .suffix(".pem")
            .tempfile()?;
        ca_file.write_all(tls.ca.as_bytes())?;
        ca_file.flush()?;

        let vault = TcpListener::bind((Ipv4Addr::LOCALHOST, vault_port)).await?;
        let identity = TcpListener::bind((Ipv4Addr::LOCALHOST, identity_port)).await?;
        let shared = Shared::new(Names::new(vault.local_addr()?.port(), identity.local_addr()?.port()));
        let role = Role::Vault {
            http1: tls.acceptor.clone(),
            http2: tls.http2_acceptor.clone(),
        };
        let vault = tokio::spawn(listen(vault, role, Arc::clone(&shared)));
        let identity = tokio::spawn(listen(identity, Role::Identity, Arc::clone(&shared)));
        Ok(Self {
            shared,
            ca_file,
            tls,
            listeners: [vault.abort_handle(), identity.abort_handle()],
        })
    }

    /// `https://localhost:PORT`.
    pub fn vault_url(&self) -> String {
        self.shared.names.vault_url.clone()
    }

    /// `http://127.0.0.1:PORT/msi/token`.
    pub fn identity_endpoint(&self) -> String {
        self.shared.names.identity_endpoint.clone()
    }

    /// A connection to the vault, and its host and port.
    pub(crate) async fn connect(&self) -> io::Result<(TlsStream<TcpStream>, String)> {
        let host = self.vault_url().replace("https://", "");
        let stream = TcpStream::connect(&host).await?;
        let connector = tls::connector(&self.tls.ca).map_err(io::Error::other)?;
        let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
        Ok((connector.connect(name, stream).await?, host))
    }

    /// What `X-IDENTITY-HEADER` must be: a fresh random value for each run.
    pub fn identity_header(&self) -> &str {
        &self.shared.names.identity_header
    }

    /// The PEM file of the authority that vouches for the vault, for `SSL_CERT_FILE`.
    pub fn ca_file(&self) -> &Path {
        self.ca_file.path()
    }

    /// Writes the vault's certificate and its key into a folder, as `certificate.pem` and `key.pem`: for a server of another
    /// program that [`Self::ca_file`] is to vouch for.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn write_certificate(&self, folder: &Path) -> io::Result<()> {
        std::fs::write(folder.join("certificate.pem"), &self.tls.certificate)?;
        std::fs::write(folder.join("key.pem"), &self.tls.key)
    }

    /// A server's side of TLS with the vault's certificate.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        self.tls.acceptor.clone()
    }

    /// The tenant that challenges, tokens and error messages name: a fresh GUID for each run.
    pub fn tenant(&self) -> &str {
        &self.shared.names.tenant
    }

    /// The object id of the managed identity, which tokens and error messages name: a fresh GUID for each run.
    pub fn principal(&self) -> &str {
        &self.shared.names.principal
    }

    /// The environment variables that a handler needs to use this emulator: `KEY_VAULT_URL`, `IDENTITY_ENDPOINT`,
    /// `IDENTITY_HEADER` and `SSL_CERT_FILE`.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("KEY_VAULT_URL", self.vault_url()),
            ("IDENTITY_ENDPOINT", self.identity_endpoint()),
            ("IDENTITY_HEADER", self.identity_header().to_owned()),
            ("SSL_CERT_FILE", self.ca_file().display().to_string()),
        ]
    }

    /// Stores a new version, which becomes the current one, and returns its id: 32 hexadecimal digits.
    ///
    /// A soft-deleted name is recovered first. The name's form is not checked: that is what requests are for.
    pub fn put(&self, name: &str, secret: Secret) -> String {
        let mut state = self.shared.lock();
        let entry = state.store.put(name, secret, now());
        entry.current().map(|version| version.id.clone()).unwrap_or_default()
    }

    /// Changes one version in place (to disable it, say) and returns whether there is such a version.
    pub fn update(&self, name: &str, version: &str, f: impl FnOnce(&mut Secret)) -> bool {
        self.shared.lock().store.update(name, version, now(), f)
    }

    /// Soft-deletes a secret with all its versions: 404 afterwards. A name that is not there is left so.
    pub fn remove(&self, name: &str) {
        self.shared.lock().store.delete(name);
    }

    /// Queues a fault for a target; the first entry that still has times left applies.
    pub fn script(&self, target: Target, fault: Fault, times: Times) {
        self.shared.lock().faults(target).push(fault, times);
    }

    /// Forgets all scripted faults; requests that already hang go on hanging.
    pub fn clear_faults(&self) {
        let mut state = self.shared.lock();
        for target in [Target::Vault, Target::Challenge, Target::Token, Target::Authority] {
            state.faults(target).clear();
        }
    }

    /// What has been counted since the start or the last reset.
    pub fn counters(&self) -> Counters {
        self.shared.lock().counters
    }

    /// When the first 1,000 steps since the start or the last reset were, in the order of their ends.
    pub fn timeline(&self) -> Vec<Span> {
        self.shared.lock().timeline.spans()
    }

    /// Starts counting again. Connections and recorded requests stay.
    pub fn reset_counters(&self) {
        self.shared.lock().reset_counters();
    }

    /// The bearer tokens issued so far, for tests that look for them where they must not be.
    pub fn issued_tokens(&self) -> Vec<String> {
        self.shared
            .lock()
            .tokens
            .iter()
            .map(|token| token.bearer.clone())
            .collect()
    }

    /// From now on the vault refuses every token that was issued so far, expired or not.
    pub fn revoke_tokens(&self) {
        self.shared.lock().tokens.clear();
    }

    /// Whether connections to the vault that begin from now on are offered HTTP/2, which at first they are not: there a
    /// fault ends a stream and not the connection.
    pub fn offer_http2(&self, offers_http2: bool) {
        self.shared.lock().offers_http2 = offers_http2;
    }

    /// How long tokens live that are issued from now on; whole seconds.
    pub fn set_token_life(&self, life: Duration) {
        self.shared.lock().token_life = Some(life);
    }

    /// The last request that reached the vault, challenged and faulted ones included.
    pub fn last_vault_request(&self) -> Option<Recorded> {
        self.shared.lock().last_vault_request.clone()
    }

    /// The last request that reached the identity endpoint.
    pub fn last_token_request(&self) -> Option<Recorded> {
        self.shared.lock().last_token_request.clone()
    }

    /// The last request for Entra's metadata or keys.
    pub fn last_authority_request(&self) -> Option<Recorded> {
        self.shared.lock().last_authority_request.clone()
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        for listener in &self.listeners {
            listener.abort();
        }
    }
}

/// Shows where it listens, and neither secrets nor the identity header.
impl fmt::Debug for Emulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Emulator")
            .field("vault_url", &self.shared.names.vault_url)
            .field("identity_endpoint", &self.shared.names.identity_endpoint)
            .field("ca_file", &self.ca_file.path())
            .finish_non_exhaustive()
    }
}
