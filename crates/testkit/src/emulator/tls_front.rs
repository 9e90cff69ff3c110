//! TLS in front of a port that has none, with the emulator's certificate: for what has to be https to a browser.

use std::io;
use std::net::Ipv4Addr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;

use super::run::Emulator;
use crate::accept::serve_all;

/// A listener on 127.0.0.1 that takes TLS and passes the plain bytes on; dropping it ends it with its connections.
#[derive(Debug)]
pub struct TlsFront {
    port: u16,
    accepting: AbortHandle,
}

impl Emulator {
    /// Puts TLS in front of this port of 127.0.0.1, with the vault's certificate.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn tls_front(&self, plain_port: u16) -> io::Result<TlsFront> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let acceptor = self.acceptor();
        let accepting = serve_all(listener, move |stream| pass(stream, acceptor.clone(), plain_port));
        let accepting = tokio::spawn(accepting).abort_handle();
        Ok(TlsFront { port, accepting })
    }
}

impl TlsFront {
    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for TlsFront {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Passes bytes both ways until one side ends; a side that fails is, to the other, one that ended.
async fn pass(stream: TcpStream, acceptor: TlsAcceptor, plain_port: u16) -> io::Result<()> {
    let mut outside = acceptor.accept(stream).await?;
    let mut inside = TcpStream::connect((Ipv4Addr::LOCALHOST, plain_port)).await?;
    copy_bidirectional(&mut outside, &mut inside).await?;
    Ok(())
}
