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
use super::transport::serve;
use super::{identity, issuer, vault};
use crate::accept::serve_all;

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

async fn connection(stream: TcpStream, role: Role, shared: Arc<Shared>) {
    // Small answers should not wait for acknowledgements; that it failed would not matter.
    drop(stream.set_nodelay(true));
    match role {
        Role::Vault(acceptor) => {
            let began = Instant::now();
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            {
                let mut state = shared.lock();
                state.counters.connections += 1;
                state.timeline.push(Step::Handshake, began);
            }
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
async fn local(shared: Arc<Shared>, request: Request<Incoming>) -> Outcome {
    if issuer::owns(request.uri().path()) {
        issuer::answer(shared, request).await
    } else {
        identity::answer(shared, request).await
    }
}
