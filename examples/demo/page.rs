//! The page, from an origin of its own.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1 as server;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

const PAGE: &str = include_str!("../spa/index.html");

/// Listens on 127.0.0.1: on the port asked for and no other, else on the usual one or a free one.
pub(crate) async fn listen(asked: Option<u16>, usual: u16) -> io::Result<TcpListener> {
    let port = asked.unwrap_or(usual);
    let taken = |error: io::Error| io::Error::new(error.kind(), format!("cannot listen on port {port}: {error}"));
    // Browsers try [::1] first for `localhost`: somebody else there would answer in our place.
    let elsewhere = match TcpListener::bind((Ipv6Addr::LOCALHOST, port)).await {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => Some(error),
        _ => None,
    };
    let listener = match elsewhere {
        Some(error) => Err(error),
        None => TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await,
    };
    match (listener, asked) {
        (Err(_), None) => TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await,
        (listener, _) => listener.map_err(taken),
    }
}

/// What a site serves.
pub(crate) struct Site {
    page: Bytes,
    policy: HeaderValue,
    /// Mints a token for whoever presses "Sign in": Entra's part, and that of a library such as MSAL.js.
    sign_in: Option<Box<dyn Fn() -> String + Send + Sync>>,
}

impl Site {
    /// The page with the API's address filled in.
    pub(crate) fn new(api: &str, sign_in: Option<Box<dyn Fn() -> String + Send + Sync>>) -> io::Result<Self> {
        let hidden = if sign_in.is_some() { "" } else { "hidden" };
        let page = PAGE.replace("%API%", api).replace("%SIGN_IN%", hidden);
        let own = if sign_in.is_some() { "'self' " } else { "" };
        let policy = format!(
            "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; \
             connect-src {own}{api}/; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        );
        Ok(Self {
            page: page.into(),
            policy: HeaderValue::from_str(&policy).map_err(io::Error::other)?,
            sign_in,
        })
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if ![Method::GET, Method::HEAD].contains(request.method()) {
            return empty(StatusCode::METHOD_NOT_ALLOWED);
        }
        let (media_type, body) = match (request.uri().path(), &self.sign_in) {
            ("/", _) => ("text/html; charset=utf-8", self.page.clone()),
            // Other origins cannot read it: nothing here sends CORS headers.
            ("/token", Some(mint)) => ("text/plain; charset=utf-8", mint().into()),
            _ => return empty(StatusCode::NOT_FOUND),
        };
        let mut response = Response::new(Full::new(body));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(CONTENT_SECURITY_POLICY, self.policy.clone());
        response
    }

    /// Serves until its task is aborted.
    pub(crate) async fn serve(self, listener: TcpListener) {
        let site = Arc::new(self);
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => {
                    let Ok((stream, _)) = accepted else { continue };
                    let site = Arc::clone(&site);
                    let service = service_fn(move |request| {
                        let response = site.answer(&request);
                        async move { Ok::<_, Infallible>(response) }
                    });
                    connections.spawn(server::Builder::new().serve_connection(TokioIo::new(stream), service));
                }
                Some(_) = connections.join_next() => {}
            }
        }
    }
}

fn empty(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}
