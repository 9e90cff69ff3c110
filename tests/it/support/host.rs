//! A stand-in for the Functions host: it starts the handler, decides which requests reach it, and how.
//!
//! It does what the source of the host says, for the two ways in which the host passes a request on and for the
//! platform's own CORS layer. What never differs to a caller of this app (scaling, restarts, logs) it leaves out.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, HOST, ORIGIN, VARY};
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use url::{Url, form_urlencoded};
use uuid::Uuid;

use super::client::{Answer, Request};
use super::functions::App;
use super::handler::{EXECUTABLE, Environment, Handler, Launch, ROOT, ReservedPort};

/// The key of every function.
pub(crate) const KEY: &str = "a-function-key";

/// The app's public name.
pub(crate) const PUBLIC_NAME: &str = "contoso-keys.azurewebsites.net";

/// Any setting of host.json can be overridden by an app setting with this prefix.
pub(crate) const EXECUTABLE_OVERRIDE: &str = "AzureFunctionsJobHost__customHandler__description__defaultExecutablePath";

const INVOCATION_ID: &str = "x-azure-functions-invocationid";

/// How a request is passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// `enableForwardingHttpRequest`, the older way.
    Forwarding,
    /// `enableProxyingHttpRequest`, the current way.
    Proxying,
}

/// A running host with its handler.
#[derive(Debug)]
pub(crate) struct FunctionsHost {
    handler: Handler,
    port: u16,
    accepting: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    app: App,
    mode: Mode,
    handler_port: u16,
    /// The platform's list; without one the platform leaves CORS to the app.
    platform_cors: Option<Vec<String>>,
}

impl FunctionsHost {
    /// Starts the app with the host's environment over the one given.
    pub(crate) async fn start(mode: Mode, environment: Environment, platform_cors: Option<&[&str]>) -> Self {
        let root = Path::new(ROOT);
        let app = App::read(root);
        let executable = match environment.get(EXECUTABLE_OVERRIDE) {
            // Joined to the app root if there is such a file, else looked up as it is.
            Some(path) if root.join(path).is_file() => root.join(path),
            Some(path) => Path::new(path).to_owned(),
            None => {
                // Only the zip entry whose name equals this value is made executable: `./handler` would not run.
                assert_eq!(app.executable, "handler");
                Path::new(EXECUTABLE).to_owned()
            }
        };
        let platform_cors = platform_cors.map(|list| list.iter().map(|&origin| origin.to_owned()).collect::<Vec<_>>());
        let reserved = ReservedPort::new();
        let handler_port = reserved.number();

        let mut environment = environment
            .with("FUNCTIONS_APP_ROOT_PATH", ROOT)
            .with("FUNCTIONS_CUSTOMHANDLER_PORT", handler_port.to_string())
            .with("FUNCTIONS_CUSTOMHANDLER_WORKER_ID", Uuid::new_v4().to_string())
            .with("FUNCTIONS_EXTENSION_VERSION", "~4")
            .with("FUNCTIONS_WORKER_RUNTIME", "custom")
            .with("WEBSITE_HOSTNAME", PUBLIC_NAME)
            .with("WEBSITE_INSTANCE_ID", Uuid::new_v4().simple().to_string())
            .with("APPSETTING_ALLOWED_ORIGINS", "https://app.contoso.com");
        if let Some(list) = &platform_cors {
            environment = environment.with("CORS_ALLOWED_ORIGINS", serde_json::to_string(list).unwrap());
        }
        let handler = Launch::new(environment)
            .executable(executable)
            .directory(root)
            .serve(handler_port)
            .await;
        drop(reserved);

        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            app,
            mode,
            handler_port,
            platform_cors,
        });
        let accepting = tokio::spawn(accept(listener, shared));
        Self {
            handler,
            port,
            accepting,
        }
    }

    /// Where the app's public address is.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Sends a request to the app's public address.
    pub(crate) async fn send(&self, request: Request) -> Answer {
        request.header("host", PUBLIC_NAME).send(self.port).await
    }

    /// Ends the handler as the host does, and goes on answering without it.
    pub(crate) async fn kill_handler(&mut self) {
        self.handler.kill().await;
    }

    /// Ends the handler in the way that lets it say its last words.
    pub(crate) async fn stop(self) -> super::handler::Output {
        self.accepting.abort();
        self.handler.stop().await
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let shared = Arc::clone(&shared);
        let service = service_fn(move |request| {
            let shared = Arc::clone(&shared);
            async move { Ok::<_, Infallible>(shared.answer(request).await) }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

fn empty(status: u16) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response
}

impl Shared {
    async fn answer(&self, request: hyper::Request<Incoming>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        if let Some(response) = self.platform_preflight(&head.method, &head.headers) {
            return response;
        }
        let path = percent_decoded(head.uri.path());
        let Some(function) = self.app.find(head.method.as_str(), &path) else {
            return empty(404);
        };
        if !function.anonymous && !has_key(&head.uri, &head.headers) {
            return empty(401);
        }

        let body = body.collect().await.unwrap().to_bytes();
        let target = self.target(&head.uri, &path);
        let headers = self.headers(&head.headers);
        let request = Request {
            method: head.method,
            target,
            headers,
            body,
        };
        // A crash, a refused connection and a broken answer are all the same to the caller.
        let Ok(answer) = request.try_send(self.handler_port).await else {
            return empty(500);
        };
        let mut response = self.response(answer);
        if let Some(origin) = self.listed_origin(&head.headers) {
            response
                .headers_mut()
                .insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        }
        response
    }

    /// The request's origin, if the platform's list has it.
    fn listed_origin<'a>(&self, headers: &'a HeaderMap) -> Option<&'a HeaderValue> {
        let origin = headers.get(ORIGIN)?;
        let list = self.platform_cors.as_ref()?;
        list.iter()
            .any(|listed| origin.as_bytes() == listed.as_bytes() || listed == "*")
            .then_some(origin)
    }

    /// The platform's own answer: given for any path, before any function, and to an unlisted origin without a header.
    fn platform_preflight(&self, method: &Method, headers: &HeaderMap) -> Option<Response<Full<Bytes>>> {
        self.platform_cors.as_ref()?;
        let asked = headers.get("access-control-request-method")?;
        if method != Method::OPTIONS || !headers.contains_key(ORIGIN) {
            return None;
        }
        let mut response = empty(204);
        if let Some(origin) = self.listed_origin(headers) {
            let granted = response.headers_mut();
            granted.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            granted.insert("access-control-allow-methods", asked.clone());
            if let Some(names) = headers.get("access-control-request-headers") {
                granted.insert("access-control-allow-headers", names.clone());
            }
        }
        Some(response)
    }

    /// What is asked of the handler.
    fn target(&self, uri: &Uri, decoded_path: &str) -> Uri {
        if self.mode == Mode::Proxying {
            return uri.path_and_query().unwrap().as_str().parse().unwrap();
        }
        // The decoded path is parsed again, so that a decoded `?` or `#` ends it.
        let query = uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        let url = Url::parse(&format!("http://127.0.0.1{decoded_path}{query}")).unwrap();
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        format!("{}{query}", url.path()).parse().unwrap()
    }

    /// The headers that the handler sees.
    fn headers(&self, client: &HeaderMap) -> HeaderMap {
        let mut headers = client.clone();
        for framing in ["connection", "content-length", "transfer-encoding"] {
            headers.remove(framing);
        }
        let invocation = HeaderValue::from_str(&Uuid::new_v4().to_string()).unwrap();
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
                headers.insert("x-forwarded-host", HeaderValue::from_static(PUBLIC_NAME));
                let local = format!("127.0.0.1:{}", self.handler_port);
                headers.insert(HOST, HeaderValue::from_str(&local).unwrap());
            }
        }
        headers
    }

    /// The handler's answer as it leaves the host.
    fn response(&self, answer: Answer) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::new(answer.body));
        *response.status_mut() = StatusCode::from_u16(answer.status).unwrap();
        *response.headers_mut() = answer.headers;
        response.headers_mut().remove("connection");
        response.headers_mut().remove("transfer-encoding");
        if self.mode == Mode::Forwarding
            && let Some(vary) = response.headers_mut().remove(VARY)
        {
            // The older way reads this header as a list and writes each member as a line.
            for name in vary.to_str().unwrap().split(',') {
                response
                    .headers_mut()
                    .append(VARY, HeaderValue::from_str(name.trim()).unwrap());
            }
        }
        response
    }
}

/// Whether the request carries the function's key, in the header or in the query.
fn has_key(uri: &Uri, headers: &HeaderMap) -> bool {
    let in_query = || {
        form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes())
            .any(|pair| pair == ("code".into(), KEY.into()))
    };
    headers.get("x-functions-key").is_some_and(|key| key == KEY) || in_query()
}

/// The path with each `%XX` replaced by its byte.
fn percent_decoded(path: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = path.as_bytes();
    while let [first, after @ ..] = rest {
        let byte = match rest {
            [b'%', high, low, ..] => {
                let digits = [*high, *low];
                std::str::from_utf8(&digits)
                    .ok()
                    .and_then(|digits| u8::from_str_radix(digits, 16).ok())
            }
            _ => None,
        };
        rest = if byte.is_some() { &rest[3..] } else { after };
        bytes.push(byte.unwrap_or(*first));
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
