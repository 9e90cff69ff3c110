//! The host's connections to the handler: one for each concurrent request, kept for the next ones.

use std::io;
use std::net::Ipv4Addr;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

type Sender = SendRequest<Full<Bytes>>;

#[derive(Debug)]
pub(super) struct Pool {
    port: u16,
    idle: Mutex<Vec<Sender>>,
}

impl Pool {
    pub(super) fn new(port: u16) -> Self {
        let idle = Mutex::default();
        Self { port, idle }
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Sends a request until it is answered, at most `tries` times. Any answer counts, whatever its status.
    pub(super) async fn send(&self, request: &Request<Full<Bytes>>, tries: usize) -> io::Result<Response<Full<Bytes>>> {
        let mut last = io::Error::other("not tried");
        for _ in 0..tries {
            match self.try_once(request.clone()).await {
                Ok(response) => return Ok(response),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn try_once(&self, request: Request<Full<Bytes>>) -> io::Result<Response<Full<Bytes>>> {
        let pooled = self.take();
        let mut sender = match pooled {
            Some(sender) => sender,
            None => self.connect().await?,
        };
        let (head, body) = sender
            .send_request(request)
            .await
            .map_err(io::Error::other)?
            .into_parts();
        let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
        if sender.ready().await.is_ok() {
            self.with_idle(|idle| idle.push(sender));
        }
        Ok(Response::from_parts(head, Full::new(body)))
    }

    async fn connect(&self) -> io::Result<Sender> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
        // Ends by itself once `sender` is dropped; a failure reaches us through `sender` as well.
        tokio::spawn(connection);
        Ok(sender)
    }

    fn take(&self) -> Option<Sender> {
        self.with_idle(|idle| {
            idle.retain(|sender| !sender.is_closed());
            idle.pop()
        })
    }

    /// How many connections wait for a request.
    pub(super) fn idle(&self) -> usize {
        self.with_idle(|idle| idle.len())
    }

    /// Closes what waits, as the host does when a connection has been idle for 55 to 75 s.
    pub(super) fn close_idle(&self) {
        self.with_idle(Vec::clear);
    }

    fn with_idle<T>(&self, act: impl FnOnce(&mut Vec<Sender>) -> T) -> T {
        act(&mut self.idle.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
