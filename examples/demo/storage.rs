//! The storage account of `--image`: Azurite with one image, which the page reads with a SAS made from the account's key.

use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde::Deserialize;
use tempfile::TempDir;
use testkit::Emulator;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// How to get Azurite.
pub(crate) const INSTALL: &str = "npm ci --prefix tests/give --ignore-scripts";

const PACKAGES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/give/node_modules/azurite");
const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/give/storage.mjs");
const IMAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/demo/harbour.svg");

/// Azurite takes a second or two.
const START: Duration = Duration::from_secs(60);
/// It is told to end by the end of its input.
const END: Duration = Duration::from_secs(5);

/// The image, as the program says where it is.
#[derive(Deserialize)]
pub(crate) struct Image {
    /// Its URL, without a SAS.
    pub(crate) address: String,
    pub(crate) account: String,
    /// `CONTAINER/BLOB`.
    pub(crate) path: String,
    /// The account's key, for the vault.
    pub(crate) key: String,
}

impl Image {
    /// The scheme, host and port of its URL.
    pub(crate) fn origin(&self) -> &str {
        let path = format!("/{}/{}", self.account, self.path);
        self.address.strip_suffix(&path).unwrap_or(&self.address)
    }
}

/// The running program. Its input ends with this value, and it with its input.
pub(crate) struct Storage {
    child: Child,
    _tls: TempDir,
}

impl Storage {
    /// Starts it; `None` without Node.js, or when npm has not installed its packages.
    pub(crate) async fn start(emulator: &Emulator) -> io::Result<Option<(Self, Image)>> {
        if !Path::new(PACKAGES).is_dir() {
            return Ok(None);
        }
        let tls = tempfile::tempdir()?;
        emulator.write_certificate(tls.path())?;
        let spawned = Command::new("node")
            .args([Path::new(PROGRAM), tls.path(), Path::new(IMAGE)])
            .env("NODE_EXTRA_CA_CERTS", emulator.ca_file())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut child = match spawned {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            spawned => spawned?,
        };
        let stdout = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let mut lines = BufReader::new(stdout).lines();
        let line = timeout(START, lines.next_line()).await??;
        let line = line.ok_or_else(|| io::Error::other("Azurite did not start; it says why above"))?;
        let image = serde_json::from_str(&line)?;
        Ok(Some((Self { child, _tls: tls }, image)))
    }

    pub(crate) async fn stop(mut self) -> io::Result<()> {
        drop(self.child.stdin.take());
        if timeout(END, self.child.wait()).await.is_err() {
            self.child.kill().await?;
        }
        Ok(())
    }
}
