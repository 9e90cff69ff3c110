//! The page, from an origin of its own, with what it asks its own server for.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ORIGIN, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1 as server;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::setup::{AUDIENCE, Demo, NAMES, OTHER_SCOPE, SCOPE};
use crate::storage::Image;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

/// The page as it is in the repository: path, media type, text.
pub(crate) const FILES: [(&str, &str, &str); 10] = [
    ("/", HTML, include_str!("../spa/index.html")),
    ("/style.css", CSS, include_str!("../spa/style.css")),
    ("/page.js", SCRIPT, include_str!("../spa/page.js")),
    ("/secret.js", SCRIPT, include_str!("../spa/secret.js")),
    ("/sdk.js", SCRIPT, include_str!("../spa/sdk.js")),
    ("/session.js", SCRIPT, include_str!("../spa/session.js")),
    ("/show.js", SCRIPT, include_str!("../spa/show.js")),
    ("/words.js", SCRIPT, include_str!("../spa/words.js")),
    ("/tabs.js", SCRIPT, include_str!("../spa/tabs.js")),
    ("/demo.js", SCRIPT, include_str!("../spa/demo.js")),
];

/// What npm builds of `sdk.js`, if it was asked to.
const BUNDLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/spa/dist/sdk.js");

/// The page at one of its origins.
pub(crate) struct Site {
    demo: Arc<Demo>,
    policy: HeaderValue,
}

impl Site {
    pub(crate) fn new(demo: Arc<Demo>) -> io::Result<Self> {
        let images = demo.image.as_ref().map(Image::origin).unwrap_or_default();
        let policy = format!(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src data: {images}; connect-src 'self' {}/; \
             base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
             require-trusted-types-for 'script'; trusted-types 'none'",
            demo.places.api()
        );
        Ok(Self {
            demo,
            policy: HeaderValue::from_str(&policy).map_err(io::Error::other)?,
        })
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let uri = request.uri();
        match *request.method() {
            Method::GET | Method::HEAD => self.file(uri.path(), uri.query()),
            Method::POST => self.control(uri.path(), request.headers().get(ORIGIN)),
            _ => empty(StatusCode::METHOD_NOT_ALLOWED),
        }
    }

    /// Other origins can read nothing of this: there are no CORS headers.
    fn file(&self, path: &str, query: Option<&str>) -> Response<Full<Bytes>> {
        let (media_type, body) = match path {
            "/config.json" => (JSON, self.config().into()),
            // Entra's part, and that of a library such as MSAL.js.
            "/token" if self.demo.places.entra => (TEXT, self.token(query).into()),
            "/dist/sdk.js" => match std::fs::read(BUNDLE) {
                Ok(bundle) => (SCRIPT, bundle.into()),
                Err(_) => return empty(StatusCode::NOT_FOUND),
            },
            _ => match FILES.iter().find(|(known, ..)| *known == path) {
                Some(&(_, media_type, text)) => (media_type, text.into()),
                None => return empty(StatusCode::NOT_FOUND),
            },
        };
        let mut response = Response::new(Full::new(body));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(CONTENT_SECURITY_POLICY, self.policy.clone());
        response
    }

    /// `POST /vault/STATE`, from this page or `curl`: browsers name the origin of whoever posts.
    fn control(&self, path: &str, origin: Option<&HeaderValue>) -> Response<Full<Bytes>> {
        let origins = self.demo.places.origins();
        if origin.is_some_and(|origin| !origins.iter().any(|own| origin == own)) {
            return empty(StatusCode::FORBIDDEN);
        }
        let state = path.strip_prefix("/vault/").unwrap_or_default();
        let is_set = self.demo.vault.set(&self.demo.emulator, state);
        empty(if is_set {
            StatusCode::NO_CONTENT
        } else {
            StatusCode::NOT_FOUND
        })
    }

    fn config(&self) -> String {
        let places = &self.demo.places;
        json!({
            "api": places.api(),
            "signIn": places.entra,
            "demo": {
                "allowed": places.allowed_origin,
                "second": places.second_origin,
                "refused": places.refused_origin,
                "names": NAMES.map(|(name, _)| name),
                "vault": self.demo.vault.state(),
                "image": self.demo.image.as_ref().map(|image| &image.address),
            },
        })
        .to_string()
    }

    fn token(&self, query: Option<&str>) -> String {
        let scope = if query == Some("not-allowed") {
            OTHER_SCOPE
        } else {
            SCOPE
        };
        let emulator = &self.demo.emulator;
        emulator.mint(&emulator.user_claims(AUDIENCE, scope))
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
