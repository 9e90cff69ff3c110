//! A double of the token service of Azure AI Speech, behind a proxy: it does what the service's documentation says, and
//! was never compared with the service itself.
//!
//! A handler reaches it through `HTTPS_PROXY`: the proxy takes `CONNECT` for any host, and behind it is the double, with
//! the emulator's certificate.

use std::collections::{HashSet, VecDeque};
use std::convert::Infallible;
use std::io;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, RETRY_AFTER};
use http::{HeaderName, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;

use super::clock::now;
use super::run::Emulator;
use crate::accept::serve_all;

const KEY: HeaderName = HeaderName::from_static("ocp-apim-subscription-key");
/// Longest head of a `CONNECT`.
const MAX_HEAD: usize = 4096;

/// What the double does with a request.
#[derive(Clone, Debug)]
pub enum SpeechAnswer {
    /// A token that lives for these seconds for a key that it knows, otherwise a 401.
    Token(i64),
    /// This status, with `Retry-After` where there is one.
    Status(u16, Option<&'static str>),
    /// 200 with this body.
    Text(&'static str),
    /// Nothing.
    Hang,
}

/// What the double was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpeechRequest {
    /// `HOST:PORT` of the `CONNECT`.
    pub target: String,
    /// Method and path.
    pub line: String,
    /// `Ocp-Apim-Subscription-Key`.
    pub key: Option<String>,
    /// `Content-Length`.
    pub content_length: Option<String>,
    /// Bytes of the body.
    pub body: usize,
}

struct State {
    keys: HashSet<String>,
    next: VecDeque<SpeechAnswer>,
    otherwise: SpeechAnswer,
    asked: Vec<SpeechRequest>,
    issued: u32,
}

/// The double and the proxy before it; dropping it ends both with their connections.
pub struct SpeechDouble {
    port: u16,
    state: Arc<Mutex<State>>,
    accepting: AbortHandle,
}

impl std::fmt::Debug for SpeechDouble {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SpeechDouble")
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

impl Emulator {
    /// Starts a double of the Speech token service, which issues tokens of 10 minutes for the keys that it is told.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn speech_double(&self) -> io::Result<SpeechDouble> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let port = listener.local_addr()?.port();
        let state = Arc::new(Mutex::new(State {
            keys: HashSet::new(),
            next: VecDeque::new(),
            otherwise: SpeechAnswer::Token(600),
            asked: Vec::new(),
            issued: 0,
        }));
        let (acceptor, shared) = (self.acceptor(), Arc::clone(&state));
        let accepting = serve_all(listener, move |stream| {
            pass(stream, acceptor.clone(), Arc::clone(&shared))
        });
        let accepting = tokio::spawn(accepting).abort_handle();
        Ok(SpeechDouble { port, state, accepting })
    }
}

impl SpeechDouble {
    /// The proxy's address, for `HTTPS_PROXY`.
    pub fn proxy(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Replaces the keys that the double knows.
    pub fn know(&self, keys: &[&str]) {
        self.state().keys = keys.iter().map(|&key| key.to_owned()).collect();
    }

    /// Does this with the next request that no earlier call is about.
    pub fn next(&self, answer: SpeechAnswer) {
        self.state().next.push_back(answer);
    }

    /// Does this with all requests that nothing else is said about.
    pub fn always(&self, answer: SpeechAnswer) {
        self.state().otherwise = answer;
    }

    /// What it was asked so far.
    pub fn asked(&self) -> Vec<SpeechRequest> {
        self.state().asked.clone()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl Drop for SpeechDouble {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One connection to the proxy: a `CONNECT`, then TLS with the double.
async fn pass(mut stream: TcpStream, acceptor: TlsAcceptor, state: Arc<Mutex<State>>) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < MAX_HEAD {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head);
    let target = head.strip_prefix("CONNECT ").and_then(|rest| rest.split(' ').next());
    let Some(target) = target.map(str::to_owned) else {
        return stream.write_all(b"HTTP/1.1 405 Method Not Allowed\r\n\r\n").await;
    };
    stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
    let stream = acceptor.accept(stream).await?;
    let service = service_fn(|request| answer(request, &target, &state));
    let served = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
    served.map_err(io::Error::other)
}

async fn answer(
    request: Request<Incoming>,
    target: &str,
    state: &Mutex<State>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let header = |name| {
        head.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned)
    };
    let key = header(KEY);
    let content_length = header(CONTENT_LENGTH);
    let body = body.collect().await.map_or(0, |body| body.to_bytes().len());
    let (answer, is_known, number) = {
        let mut state = lock(state);
        state.asked.push(SpeechRequest {
            target: target.to_owned(),
            line: format!("{} {}", head.method, head.uri),
            key: key.clone(),
            content_length,
            body,
        });
        state.issued += 1;
        let answer = state.next.pop_front().unwrap_or_else(|| state.otherwise.clone());
        (answer, key.is_some_and(|key| state.keys.contains(&key)), state.issued)
    };
    let mut response = Response::default();
    match answer {
        SpeechAnswer::Token(seconds) if is_known => *response.body_mut() = token(now() + seconds, number).into(),
        SpeechAnswer::Token(_) => *response.status_mut() = StatusCode::UNAUTHORIZED,
        SpeechAnswer::Text(text) => *response.body_mut() = text.into(),
        SpeechAnswer::Hang => std::future::pending().await,
        SpeechAnswer::Status(status, retry_after) => {
            *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
            let retry_after = retry_after.and_then(|seconds| seconds.parse().ok());
            response
                .headers_mut()
                .extend(retry_after.map(|seconds| (RETRY_AFTER, seconds)));
        }
    }
    Ok(response)
}

/// A token in the service's shape; nobody verifies its signature but the service.
fn token(ends: i64, number: u32) -> String {
    let segment = |text: String| URL_SAFE_NO_PAD.encode(text);
    let header = segment(r#"{"alg":"http://www.w3.org/2001/04/xmldsig-more#hmac-sha256","typ":"JWT"}"#.to_owned());
    let claims = segment(format!(
        r#"{{"region":"westeurope","product-id":"SpeechServices.S0","number":{number},"aud":"urn:ms.speech","exp":{ends}}}"#
    ));
    format!("{header}.{claims}.{}", segment("double".to_owned()))
}
