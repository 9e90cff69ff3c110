//! Which listener serves what.

use std::sync::Arc;

use http::Request;
use hyper::body::Incoming;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use super::body::Outcome;
use super::record::Step;
use super::state::Shared;
use super::tls::HTTP2;
use super::transport::{serve, serve_http2};
use super::{identity, issuer, vault};
use crate::accept::serve_all;

/// What a listener serves.
#[derive(Clone)]
pub(crate) enum Role {
    Vault {
        http1: TlsAcceptor,
        /// HTTP/2 as well.
        http2: TlsAcceptor,
    },
    Identity,
}

/// Accepts connections until the task is aborted; its connections end with it.
pub(crate) async fn listen(listener: TcpListener, role: Role, shared: Arc<Shared>) {
    serve_all(listener, |stream| connection(stream, role.clone(), Arc::clone(&shared))).await;
}

async fn connection(stream: TcpStream, role: Role, shared: Arc<Shared>) {
    // Small answers should not wait for acknowledgements; that it failed would not matter.
    drop(stream.set_nodelay(true));
    match role {
        Role::Vault { http1, http2 } => {
            let began = Instant::now();
            let acceptor = if shared.lock().offers_http2 { http2 } else { http1 };
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            {
                let mut state = shared.lock();
                state.counters.connections += 1;
                state.timeline.push(Step::Handshake, began);
            }
            let is_http2 = stream.get_ref().1.alpn_protocol() == Some(HTTP2);
            let answer = move |request| vault::answer(Arc::clone(&shared), request);
            if is_http2 {
                serve_http2(stream, answer).await;
            } else {
                serve(stream, |tls| tls.get_ref().0, answer).await;
            }
        }
        Role::Identity => {
            serve(stream, |tcp| tcp, move |request| local(Arc::clone(&shared), request)).await;
        }
    }
}

/// What shares the plain port: Entra's documents have paths of their own, and the rest is the identity endpoint's.
async fn local(shared: Arc<Shared>, request: Request<Incoming>) -> Outcome {
    if issuer::owns(request.uri().path()) {
        issuer::answer(shared, request).await
    } else {
        identity::answer(shared, request).await
    }
}
