//! Listeners and connections: HTTP/1.1 with or without TLS, and the ways in which an answer can break off.

use std::error::Error;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{Either, Full};
use hyper::body::{Body, Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::state::Shared;
use crate::{identity, issuer, vault};

/// How long a listener rests after a failed accept: without descriptors left it would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// A response body: whole, or one that breaks off.
pub(crate) type Payload = Either<Full<Bytes>, BrokenOff>;

/// What a service gives back: an answer, or an end without one.
pub(crate) type Answer = Result<Response<Payload>, Abort>;

/// Why a connection ends before its answer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Abort {
    /// The peer is to see a TCP reset.
    Reset,
    /// The peer is to see the end of the stream in the middle of a body.
    BrokenOff,
}

impl fmt::Display for Abort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reset => "scripted reset",
            Self::BrokenOff => "scripted end in the middle of a body",
        })
    }
}

impl Error for Abort {}

/// A body that sends what it has and then fails, so that the connection closes before `Content-Length` is reached.
pub(crate) struct BrokenOff {
    rest: Option<Bytes>,
    is_flushed: bool,
}

impl BrokenOff {
    pub(crate) fn after(bytes: Bytes) -> Self {
        Self {
            rest: Some(bytes),
            is_flushed: false,
        }
    }
}

impl Body for BrokenOff {
    type Data = Bytes;
    type Error = Abort;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Some(bytes) = self.rest.take() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        if self.is_flushed {
            return Poll::Ready(Some(Err(Abort::BrokenOff)));
        }
        // hyper drops what it has buffered when a body fails, and flushes when a body is not ready yet: pausing once
        // lets the head and the first bytes out.
        self.is_flushed = true;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

/// What a listener serves.
#[derive(Clone)]
pub(crate) enum Role {
    Vault(TlsAcceptor),
    Identity,
}

/// Accepts connections until the task is aborted; its connections end with it.
pub(crate) async fn listen(listener: TcpListener, role: Role, shared: Arc<Shared>) {
    serve_all(listener, |stream| connection(stream, role.clone(), Arc::clone(&shared))).await;
}

/// Serves each connection in a task of its own until this future is dropped, which ends them all.
pub(crate) async fn serve_all<F>(listener: TcpListener, serve: impl Fn(TcpStream) -> F)
where
    F: Future<Output: Send + 'static> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => drop(connections.spawn(serve(stream))),
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(stream: TcpStream, role: Role, shared: Arc<Shared>) {
    // Small answers should not wait for acknowledgements; that it failed would not matter.
    drop(stream.set_nodelay(true));
    match role {
        Role::Vault(acceptor) => {
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            shared.lock().counters.connections += 1;
            serve(
                stream,
                |tls| tls.get_ref().0,
                move |request| vault::answer(Arc::clone(&shared), request),
            )
            .await;
        }
        Role::Identity => {
            serve(stream, |tcp| tcp, move |request| local(Arc::clone(&shared), request)).await;
        }
    }
}

/// What shares the plain port: Entra's documents have paths of their own, and the rest is the identity endpoint's.
async fn local(shared: Arc<Shared>, request: Request<Incoming>) -> Answer {
    if issuer::owns(request.uri().path()) {
        issuer::answer(shared, request).await
    } else {
        identity::answer(shared, request).await
    }
}

async fn serve<T, F>(stream: T, tcp: fn(&T) -> &TcpStream, answer: impl Fn(Request<Incoming>) -> F)
where
    T: AsyncRead + AsyncWrite + Unpin,
    F: Future<Output = Answer>,
{
    let service = service_fn(|request| Box::pin(answer(request)));
    let mut connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let ended = poll_fn(|context| connection.poll_without_shutdown(context)).await;
    let mut stream = connection.into_parts().io.into_inner();
    match ended {
        // Without a closing alert a TLS client could not tell this from a truncation.
        Ok(()) => drop(poll_fn(|context| Pin::new(&mut stream).poll_shutdown(context)).await),
        Err(error) if error.source().and_then(|cause| cause.downcast_ref()) == Some(&Abort::Reset) => {
            drop(tcp(&stream).set_zero_linger());
        }
        Err(_) => {}
    }
}
