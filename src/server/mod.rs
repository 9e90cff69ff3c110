//! The accept loop: connections in, limits held, a bounded drain at the end.
//!
//! `warp::serve` has no header timeout, no limit on connections and no deadline
//! for draining, and it speaks HTTP/2 to whoever asks; so hyper's HTTP/1
//! connections are driven here, with `warp::service` behind each. This module
//! knows nothing of secrets.
//!
//! Nobody waits in the system's queue: at the limit the connection that has been
//! idle longest makes room, and with none idle the new one is answered 503.

mod activity;
mod body;
mod connection;
mod connections;
mod shed;
mod stall;
mod target;

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::Ipv4Addr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{sleep, timeout};
use tracing::{error, warn};
use warp::Filter;
use warp::reply::Response;

use self::connections::Connections;

/// Connections open at once, where the system gives as many descriptors.
const MAX_CONNECTIONS: usize = 4096;
/// Connections beyond that which are being answered 503.
const MAX_REFUSALS: usize = 1024;
/// Descriptors for everything else: the log, the vault, the runtime. Where there
/// are few, half of them.
const OTHER_DESCRIPTORS: usize = 128;
/// Connections that may wait to be accepted: as many as a burst can bring.
const BACKLOG: u32 = 4096;
/// How long requests in flight may take once the server stops.
const DRAIN: Duration = Duration::from_secs(5);
/// Pause after the system refused a connection: it is out of descriptors, and
/// asking again at once would only burn its time.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Listens on 127.0.0.1.
///
/// # Errors
///
/// When the port is taken or not allowed.
pub fn listen(port: u16) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    // A restarted process takes the port over from connections that linger.
    socket.set_reuseaddr(true)?;
    socket.bind((Ipv4Addr::LOCALHOST, port).into())?;
    socket.listen(BACKLOG)
}

/// Serves `filter` on `listener` until `stop` completes, then finishes what is
/// in flight within 5 s, and returns what `stop` said. A panic in `filter` is
/// answered 500.
///
/// Raises the soft limit of descriptors to the hard one: a connection is a
/// descriptor.
pub async fn serve<F, S>(listener: TcpListener, filter: F, stop: impl Future<Output = S>) -> S
where
    F: Filter<Extract = (Response,), Error = Infallible> + Clone + Send + Sync + 'static,
    F::Future: Send,
{
    let (max_connections, max_refusals) = limits();
    let service = TowerToHyperService::new(warp::service(filter));
    let mut connections = Connections::new(max_connections);
    let mut tasks = JoinSet::new();
    let mut stop = pin!(stop);
    let mut accepting = true;
    let stopped = loop {
        let accepted = tokio::select! {
            stopped = &mut stop => break stopped,
            // The pattern fails when there is no task, and this branch is then
            // left out.
            Some(ended) = tasks.join_next_with_id() => {
                connections.remove(report(ended));
                continue;
            }
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, _)) => {
                accepting = true;
                while let Some(ended) = tasks.try_join_next_with_id() {
                    connections.remove(report(ended));
                }
                if let Some(activity) = connections.make_room() {
                    let task = tasks.spawn(connection::serve(stream, Arc::clone(&activity), service.clone()));
                    connections.insert(task.id(), activity);
                } else if tasks.len() - connections.len() < max_refusals {
                    tasks.spawn(shed::refuse(stream));
                }
            }
            // One client went away before it was accepted; the next connection can be.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                // Once, not at every try of an outage.
                if std::mem::take(&mut accepting) {
                    warn!(%error, "connections cannot be accepted now");
                }
                connections.end_longest_idle();
                sleep(ACCEPT_PAUSE).await;
            }
        }
    };
    drop(listener);
    connections.close_all();
    drain(tasks).await;
    stopped
}

/// Connections, and refusals beyond them, that this process has descriptors for.
fn limits() -> (usize, usize) {
    let descriptors = rlimit::increase_nofile_limit(u64::MAX).unwrap_or_else(|error| {
        warn!(%error, "the limit on open files could not be raised");
        rlimit::Resource::NOFILE.get_soft().unwrap_or(1024)
    });
    let descriptors = usize::try_from(descriptors).unwrap_or(usize::MAX);
    let available = descriptors - OTHER_DESCRIPTORS.min(descriptors / 2);
    let connections = (available - available / 5).min(MAX_CONNECTIONS);
    let refusals = (available / 5).min(MAX_REFUSALS);
    if connections < MAX_CONNECTIONS {
        warn!(
            descriptors,
            connections, "the limit on open files allows fewer connections"
        );
    }
    (connections, refusals)
}

/// Waits until all connections have ended, for at most 5 s.
async fn drain(mut tasks: JoinSet<()>) {
    let drained = timeout(DRAIN, async {
        while let Some(ended) = tasks.join_next_with_id().await {
            report(ended);
        }
    })
    .await;
    if drained.is_err() {
        warn!(open = tasks.len(), "stopping with requests still in flight");
    }
    // Each request that is cut off leaves its line before this returns.
    tasks.shutdown().await;
}

/// The task that ended. A panic has its own line; this one says what it ended.
fn report(ended: Result<(Id, ()), JoinError>) -> Id {
    match ended {
        Ok((task, ())) => task,
        Err(error) => {
            if error.is_panic() {
                error!("a connection ended with a panic");
            }
            error.id()
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    use super::*;

    /// A filter that panics as soon as it is called, or after it has waited.
    fn panicking() -> impl Filter<Extract = (Response,), Error = Infallible> + Clone {
        warp::any()
            .and(warp::path::full())
            .map(|path: warp::path::FullPath| {
                assert_ne!(path.as_str(), "/at-once");
                path
            })
            .then(async |path: warp::path::FullPath| {
                tokio::task::yield_now().await;
                assert_ne!(path.as_str(), "/later");
                Response::default()
            })
    }

    #[tokio::test]
    async fn a_panic_is_a_500_and_the_connection_serves_on() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(serve(listener, panicking(), pending::<()>()));
        let mut stream = TcpStream::connect(address).await.unwrap();
        let requests = ["/at-once", "/", "/later", "/"].map(|path| format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"));
        stream.write_all(requests.concat().as_bytes()).await.unwrap();
        stream
            .write_all(b"GET /later HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .await
            .unwrap();
        let mut answers = String::new();
        stream.read_to_string(&mut answers).await.unwrap();
        let statuses: Vec<_> = answers
            .split("HTTP/1.1 ")
            .filter_map(|answer| answer.split(' ').next())
            .filter(|status| !status.is_empty())
            .collect();
        assert_eq!(statuses, ["500", "200", "500", "200", "500"], "{answers}");
        server.abort();
    }
}
