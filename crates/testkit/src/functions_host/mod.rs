//! A stand-in for the Azure Functions host: it decides which requests reach a custom handler, and how.
//!
//! It does what the source of the host says, for the two ways in which the host passes a request on and for the
//! platform's own CORS layer: routes and methods from function.json, the function key, headers added and dropped, and
//! who answers a preflight. What never differs to a caller of an app (scaling, restarts, logs) it leaves out. It does not
//! start the handler: whoever starts it says where it listens.

mod app;

use std::convert::Infallible;
use std::error::Error;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, CONNECTION,
    CONTENT_LENGTH, HOST, ORIGIN, TRANSFER_ENCODING, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{client, server};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use url::{Url, form_urlencoded};
use uuid::Uuid;

use crate::accept::serve_all;

pub use app::{App, Function};

/// The key of every function.
pub const KEY: &str = "a-function-key";

const INVOCATION_ID: HeaderName = HeaderName::from_static("x-azure-functions-invocationid");

/// How a request is passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// `enableForwardingHttpRequest`, the older way.
    Forwarding,
    /// `enableProxyingHttpRequest`, the current way.
    Proxying,
}

/// The platform's own list, with which it answers every preflight in the app's place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlatformCors {
    /// Exact origins, or `*`.
    pub origins: Vec<String>,
    /// `supportCredentials`.
    pub credentials: bool,
}

/// A running host; dropping it ends its listener and its connections.
#[derive(Debug)]
pub struct FunctionsHost {
    port: u16,
    accepting: AbortHandle,
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
            handler_port,
            platform_cors,
        };
        let host = Arc::new(host);
        let accepting = tokio::spawn(serve_all(listener, move |stream| serve(stream, Arc::clone(&host))));
        let accepting = accepting.abort_handle();
        Ok(Self { port, accepting })
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for FunctionsHost {
    fn drop(&mut self) {
        self.accepting.abort();
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
    handler_port: u16,
    platform_cors: Option<PlatformCors>,
}

impl Host {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        if let Some(response) = self.platform_preflight(request.method(), request.headers()) {
            return response;
        }
        let path = percent_decoded(request.uri().path());
        let Some(function) = self.app.find(request.method().as_str(), &path) else {
            return empty(StatusCode::NOT_FOUND);
        };
        if !function.is_anonymous() && !has_key(request.uri(), request.headers()) {
            return empty(StatusCode::UNAUTHORIZED);
        }

        let granted = self.granted(request.headers());
        // A crash, a refused connection and a broken answer are all the same to the caller.
        let Ok(mut response) = self.ask_handler(request, &path).await else {
            return empty(StatusCode::INTERNAL_SERVER_ERROR);
        };
        response.headers_mut().extend(granted);
        response
    }

    /// What the platform adds to an answer for an origin in its list. It overwrites what the app sent.
    fn granted(&self, request: &HeaderMap) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let (Some(cors), Some(origin)) = (&self.platform_cors, request.get(ORIGIN))
            && cors.origins.iter().any(|listed| origin == listed || listed == "*")
        {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            if cors.credentials {
                headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
            }
        }
        headers
    }

    /// The platform's own answer: given for any path, before any function, and to an unlisted origin without a header.
    fn platform_preflight(&self, method: &Method, request: &HeaderMap) -> Option<Response<Full<Bytes>>> {
        self.platform_cors.as_ref()?;
        let asked = request.get(ACCESS_CONTROL_REQUEST_METHOD)?;
        if method != Method::OPTIONS || !request.contains_key(ORIGIN) {
            return None;
        }
        let mut headers = self.granted(request);
        if !headers.is_empty() {
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, asked.clone());
            if let Some(names) = request.get(ACCESS_CONTROL_REQUEST_HEADERS) {
                headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
            }
        }
        let mut response = empty(StatusCode::NO_CONTENT);
        *response.headers_mut() = headers;
        Some(response)
    }

    async fn ask_handler(
        &self,
        request: Request<Incoming>,
        decoded_path: &str,
    ) -> Result<Response<Full<Bytes>>, Box<dyn Error + Send + Sync>> {
        let (head, body) = request.into_parts();
        let mut request = Request::new(Full::new(body.collect().await?.to_bytes()));
        *request.method_mut() = head.method;
        *request.uri_mut() = self.target(&head.uri, decoded_path)?;
        *request.headers_mut() = self.headers(head.headers)?;

        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.handler_port)).await?;
        let (mut sender, connection) = client::conn::http1::handshake(TokioIo::new(stream)).await?;
        // Ends by itself once `sender` is dropped; a failure reaches us through `sender` as well.
        tokio::spawn(connection);
        let (head, body) = sender.send_request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        Ok(Response::from_parts(self.answer_head(head), Full::new(body)))
    }

    /// What is asked of the handler.
    fn target(&self, uri: &Uri, decoded_path: &str) -> Result<Uri, Box<dyn Error + Send + Sync>> {
        if self.mode == Mode::Proxying {
            let target = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
            return Ok(target.parse()?);
        }
        // The decoded path is parsed again, so that a decoded `?` or `#` ends it.
        let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        let url = Url::parse(&format!("http://127.0.0.1{decoded_path}{query}"))?;
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        Ok(format!("{}{query}", url.path()).parse()?)
    }

    /// The headers that the handler sees.
    fn headers(&self, mut headers: HeaderMap) -> Result<HeaderMap, http::header::InvalidHeaderValue> {
        for framing in [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING] {
            headers.remove(framing);
        }
        let invocation = HeaderValue::from_str(&Uuid::new_v4().to_string())?;
        match self.mode {
            Mode::Forwarding => {
                headers.append(INVOCATION_ID, invocation);
            }
            Mode::Proxying => {
                for hop_by_hop in [
                    "keep-alive",
                    "proxy-authorization",
                    "proxy-connection",
                    "te",
                    "trailer",
                    "upgrade",
                ] {
                    headers.remove(hop_by_hop);
                }
                headers.insert(INVOCATION_ID, invocation);
                headers.insert("x-forwarded-for", HeaderValue::from_static("203.0.113.7"));
                headers.insert("x-forwarded-proto", HeaderValue::from_static("https"));
                let local = HeaderValue::from_str(&format!("127.0.0.1:{}", self.handler_port))?;
                if let Some(public) = headers.insert(HOST, local) {
                    headers.insert("x-forwarded-host", public);
                }
            }
        }
        Ok(headers)
    }

    /// The head of the handler's answer as it leaves the host.
    fn answer_head(&self, mut head: http::response::Parts) -> http::response::Parts {
        head.headers.remove(CONNECTION);
        head.headers.remove(TRANSFER_ENCODING);
        if self.mode == Mode::Forwarding
            && let Some(vary) = head.headers.remove(VARY)
        {
            // The older way reads this header as a list and writes each member as a line.
            for name in vary.as_bytes().split(|&byte| byte == b',') {
                if let Ok(line) = HeaderValue::from_bytes(name.trim_ascii()) {
                    head.headers.append(VARY, line);
                }
            }
        }
        head
    }
}

fn empty(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

/// Whether the request carries the function's key, in the header or in the query.
fn has_key(uri: &Uri, headers: &HeaderMap) -> bool {
    let query = uri.query().unwrap_or_default();
    headers.get("x-functions-key").is_some_and(|key| key == KEY)
        || form_urlencoded::parse(query.as_bytes()).any(|pair| pair == ("code".into(), KEY.into()))
}

/// The path with each `%XX` replaced by its byte.
fn percent_decoded(path: &str) -> String {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let mut bytes = Vec::new();
    let mut rest = path.as_bytes();
    while let [first, after @ ..] = rest {
        let decoded = match after {
            [high, low, behind @ ..] if *first == b'%' => digit(*high).zip(digit(*low)).map(|digits| (digits, behind)),
            _ => None,
        };
        if let Some(((high, low), behind)) = decoded {
            bytes.push(high * 16 + low);
            rest = behind;
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
