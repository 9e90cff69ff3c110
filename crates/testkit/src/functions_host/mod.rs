//! A stand-in for the Azure Functions host: it decides which requests reach a custom handler, and how.
//!
//! It does what was seen on the real host, for the two ways in which that passes a request on and for the platform's own
//! CORS layer: routes and methods from function.json, keys, the target and headers that the handler sees, retries, pooled
//! connections, and who answers a preflight. It does not start the handler: whoever starts it says where it listens.
//!
//! Where it differs from the real host:
//!
//! * The handler's process is not its concern: no readiness probe, restarts, exit codes or environment.
//! * Retries follow each other at once; the real ten tries take 2 s.
//! * Pooled connections stay until [`FunctionsHost::close_idle_connections`], not for 55 to 75 s.
//! * Both directions are buffered; the real one streams when proxying.
//! * The answer to a forwarded 204 says `Connection: close`; the real host ends the connection without a word.
//! * `%252e` when forwarding, and non-ASCII headers when forwarding, are derived and not seen.

mod app;
mod cors;
mod headers;
mod pool;
mod target;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::header::CONNECTION;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use url::form_urlencoded;

use crate::accept::serve_all;

pub use app::{App, Function};
pub use cors::PlatformCors;
use pool::Pool;

/// The key of every function.
pub const KEY: &str = "a-function-key";

/// A host key, which opens every function.
pub const HOST_KEY: &str = "a-host-key";

/// The master key, which opens every function too.
pub const MASTER_KEY: &str = "the-master-key";

/// How a request is passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// `enableForwardingHttpRequest`, the older way.
    Forwarding,
    /// `enableProxyingHttpRequest`, the current way.
    Proxying,
}

impl Mode {
    /// How often a request is sent that gets no answer: four times by the HTTP client, and when proxying ten rounds.
    fn tries(self) -> usize {
        match self {
            Self::Forwarding => 4,
            Self::Proxying => 40,
        }
    }
}

/// A running host; dropping it ends its listener and its connections.
#[derive(Debug)]
pub struct FunctionsHost {
    port: u16,
    accepting: AbortHandle,
    host: Arc<Host>,
}

impl FunctionsHost {
    /// Listens on a free port of 127.0.0.1, for a handler on another port; without `platform_cors` preflights are the
    /// app's.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start(
        app: App,
        mode: Mode,
        handler_port: u16,
        platform_cors: Option<PlatformCors>,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let host = Host {
            app,
            mode,
            pool: Pool::new(handler_port),
            platform_cors,
            unhandled_errors: AtomicUsize::new(0),
        };
        let host = Arc::new(host);
        let shared = Arc::clone(&host);
        let accepting = tokio::spawn(serve_all(listener, move |stream| serve(stream, Arc::clone(&shared))));
        let accepting = accepting.abort_handle();
        Ok(Self { port, accepting, host })
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many connections to the handler wait for a request.
    pub fn idle_connections(&self) -> usize {
        self.host.pool.idle()
    }

    /// Closes them, as the real host does by itself after 55 to 75 s.
    pub fn close_idle_connections(&self) {
        self.host.pool.close_idle();
    }

    /// How many unhandled errors the host has logged: one for each forwarded 204.
    pub fn unhandled_errors(&self) -> usize {
        self.host.unhandled_errors.load(Ordering::Relaxed)
    }
}

impl Drop for FunctionsHost {
    fn drop(&mut self) {
        self.accepting.abort();
        self.host.pool.close_idle();
    }
}

/// Serves one connection to its end.
async fn serve(stream: TcpStream, host: Arc<Host>) {
    let service = service_fn(|request| async { Ok::<_, Infallible>(host.answer(request).await) });
    let connection = server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    // A caller that goes away is no fault of the host's.
    drop(connection.await);
}

#[derive(Debug)]
struct Host {
    app: App,
    mode: Mode,
    pool: Pool,
    platform_cors: Option<PlatformCors>,
    unhandled_errors: AtomicUsize,
}

impl Host {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        // The web server's own refusals come before any middleware.
        let Some(path) = target::decode(request.uri().path()).filter(|_| headers::are_utf8(request.headers())) else {
            return empty(StatusCode::BAD_REQUEST);
        };
        let Some(cors) = &self.platform_cors else {
            return self.route(request, &path).await;
        };
        if cors.is_invalid() {
            return empty(StatusCode::INTERNAL_SERVER_ERROR);
        }
        if let Some(headers) = cors.preflight(request.method(), request.headers()) {
            let mut response = empty(StatusCode::NO_CONTENT);
            *response.headers_mut() = headers;
            return response;
        }
        let asked = request.headers().clone();
        let mut response = self.route(request, &path).await;
        cors.grant(&asked, response.headers_mut());
        response
    }

    /// The answer behind the CORS middleware.
    async fn route(&self, request: Request<Incoming>, path: &str) -> Response<Full<Bytes>> {
        let Some(function) = self.app.find(request.method().as_str(), path) else {
            return empty(StatusCode::NOT_FOUND);
        };
        if !function.is_anonymous() && !has_key(request.uri(), request.headers()) {
            return empty(StatusCode::UNAUTHORIZED);
        }
        if self.mode == Mode::Proxying && !headers::are_ascii(request.headers()) {
            return empty(StatusCode::INTERNAL_SERVER_ERROR);
        }
        // A crash, a refused connection and a broken answer are all the same to the caller.
        let response = self.ask_handler(request, path).await;
        response.unwrap_or_else(|_| empty(StatusCode::INTERNAL_SERVER_ERROR))
    }

    async fn ask_handler(
        &self,
        request: Request<Incoming>,
        path: &str,
    ) -> Result<Response<Full<Bytes>>, Box<dyn Error + Send + Sync>> {
        let (head, body) = request.into_parts();
        let mut request = Request::new(Full::new(body.collect().await?.to_bytes()));
        *request.method_mut() = head.method;
        *request.uri_mut() = target::for_handler(self.mode, path, head.uri.query())?.parse()?;
        *request.headers_mut() = headers::for_handler(self.mode, &head.headers, self.pool.port())?;

        let mut response = self.pool.send(&request, self.mode.tries()).await?;
        headers::for_caller(self.mode, response.headers_mut());
        if self.mode == Mode::Forwarding && response.status() == StatusCode::NO_CONTENT {
            // The real host fails when it writes a body, even an empty one, after the head of a 204.
            self.unhandled_errors.fetch_add(1, Ordering::Relaxed);
            response
                .headers_mut()
                .insert(CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response)
    }
}

fn empty(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

/// Whether the request carries a key that opens the function. A header decides alone: `code=` is read without one only.
fn has_key(uri: &Uri, headers: &HeaderMap) -> bool {
    let opens = |key: &[u8]| [KEY, HOST_KEY, MASTER_KEY].iter().any(|known| known.as_bytes() == key);
    if let Some(key) = headers.get("x-functions-key") {
        return opens(key.as_bytes());
    }
    form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
        .find(|(name, _)| name.eq_ignore_ascii_case("code"))
        .is_some_and(|(_, key)| opens(key.as_bytes()))
}
