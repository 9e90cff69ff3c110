//! The accept loop: connections in, limits held, a bounded drain at the end.
//!
//! `warp::serve` has no header timeout, no limit on connections and no deadline
//! for draining, and it speaks HTTP/2 to whoever asks; so hyper's HTTP/1
//! connections are driven here, with `warp::service` behind each. This module
//! knows nothing of secrets.

mod target;
mod timed;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tracing::{debug, error, warn};
use warp::Filter;
use warp::reply::Response;

use self::timed::{Activity, Timed};

/// Connections open at once; those beyond it wait in the system's queue.
const MAX_CONNECTIONS: usize = 1024;
/// Bytes of a request's head.
const MAX_HEAD: usize = 64 * 1024;
/// How long requests in flight may take once the server stops.
const DRAIN: Duration = Duration::from_secs(5);
/// Pause after the system refused a connection: it is out of descriptors, and
/// asking again at once would only burn its time.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves `filter` on `listener` until `stop` completes, then finishes what is
/// in flight within 5 s.
pub async fn serve<F>(listener: TcpListener, filter: F, stop: impl Future<Output = ()>)
where
    F: Filter<Extract = (Response,), Error = Infallible> + Clone + Send + Sync + 'static,
    F::Future: Send,
{
    let service = TowerToHyperService::new(warp::service(filter));
    let permits = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    let mut stop = std::pin::pin!(stop);
    let mut accepting = true;
    loop {
        let accepted = tokio::select! {
            () = &mut stop => break,
            // A finished task is taken out of the set; the pattern fails when
            // there is none, and this branch is then left out.
            Some(ended) = connections.join_next() => {
                report(ended);
                continue;
            }
            accepted = accept(&listener, &permits) => accepted,
        };
        match accepted {
            Ok((stream, permit)) => {
                accepting = true;
                let connection = connection(stream, service.clone());
                let connection = graceful.watch(connection);
                connections.spawn(async move {
                    if let Err(error) = connection.await {
                        debug!(%error, "connection ended");
                    }
                    drop(permit);
                });
            }
            // One connection's end is not an outage.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                // Once, not at every try of an outage.
                if std::mem::take(&mut accepting) {
                    warn!(%error, "connections cannot be accepted now");
                }
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    let drained = timeout(DRAIN, graceful.shutdown()).await;
    while let Some(ended) = connections.try_join_next() {
        report(ended);
    }
    if drained.is_err() {
        warn!(open = connections.len(), "stopping with requests still in flight");
    }
    // Each request that is cut off leaves its line before this returns.
    connections.shutdown().await;
}

/// A connection and the permit that it holds while it is open.
async fn accept(
    listener: &TcpListener,
    permits: &Arc<Semaphore>,
) -> io::Result<(TcpStream, tokio::sync::OwnedSemaphorePermit)> {
    let permit = Arc::clone(permits).acquire_owned().await.map_err(io::Error::other)?;
    let (stream, _) = listener.accept().await?;
    // Answers are small and written whole: waiting to fill a packet only
    // delays them. A connection that is gone already ends by itself.
    drop(stream.set_nodelay(true));
    Ok((stream, permit))
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        // The panic's own message has gone to stderr already.
        error!("a connection ended with a panic");
    }
}

type Connection<S> = http1::Connection<TokioIo<Timed<TcpStream>>, S>;

fn connection<S>(
    stream: TcpStream,
    service: S,
) -> Connection<impl Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send>>
where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible, Future: Send>,
{
    let activity = Arc::new(Activity::default());
    let io = Timed::new(stream, Arc::clone(&activity));
    let service = service_fn(move |mut request: Request<Incoming>| {
        let busy = activity.begin();
        target::normalise(&mut request);
        let answered = service.call(request);
        async move {
            let response = answered.await;
            drop(busy);
            response
        }
    });
    http1::Builder::new()
        .timer(TokioTimer::new())
        // `Timed` tells an idle connection from a slow head; hyper does not.
        .header_read_timeout(None)
        // hyper's default limit on header fields is the contract's, 100;
        // setting it would cost an allocation a request.
        .max_header_size(MAX_HEAD)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(io), service)
}
