//! One connection: HTTP/1.1 with or without TLS, and its end, which can be a reset; or HTTP/2.

use std::error::Error;
use std::future::poll_fn;
use std::pin::Pin;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::body::{Abort, Outcome};

/// Serves a connection to its end.
pub(crate) async fn serve<T, F>(stream: T, tcp: fn(&T) -> &TcpStream, answer: impl Fn(Request<Incoming>) -> F)
where
    T: AsyncRead + AsyncWrite + Unpin,
    F: Future<Output = Outcome>,
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

/// Serves an HTTP/2 connection to its end. What would reset a connection resets a stream.
pub(crate) async fn serve_http2<T, F>(stream: T, answer: impl Fn(Request<Incoming>) -> F)
where
    T: AsyncRead + AsyncWrite + Unpin,
    F: Future<Output = Outcome> + Send + 'static,
{
    let service = service_fn(|request| Box::pin(answer(request)));
    let builder = http2::Builder::new(TokioExecutor::new());
    // A client that goes away is no fault of the vault's.
    drop(builder.serve_connection(TokioIo::new(stream), service).await);
}
