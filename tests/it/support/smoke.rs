//! `handler smoke` as somebody runs it after a deployment, and what is in the way of its requests.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Response, StatusCode};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use testkit::{Emulator, Secret};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::client::Request;
use super::handler::{Environment, Launch};
use super::host::PUBLIC_NAME;
use super::{ORIGIN, SECRET, VALUE};

pub(crate) const STRANGER_ORIGIN: &str = "https://not-allowed.invalid";
pub(crate) const APP: &str = "--name contoso-keys --resource-group GROUP";

/// How the titles of the checks begin, in their order.
pub(crate) const ANSWERS: &str = "the app answers at";
pub(crate) const WHO: &str = "preflights are answered by the handler or the platform";
pub(crate) const ALLOWED: &str = "a preflight of https://app.contoso.com is allowed";
pub(crate) const REFUSED: &str = "a preflight of https://not-allowed.invalid is refused";
pub(crate) const CREDENTIALS: &str = "a preflight and a GET agree on credentials";
pub(crate) const UNKNOWN: &str = "a made-up secret is not found";
pub(crate) const STRANGER: &str = "a GET from https://not-allowed.invalid is refused";
pub(crate) const NULL: &str = "a GET from the origin null";
pub(crate) const NO_ORIGIN: &str = "a GET without an origin is refused";
pub(crate) const NAVIGATION: &str = "a navigation to a secret is refused";
pub(crate) const SERVED: &str = "the secret maps-key is served to https://app.contoso.com";
pub(crate) const ORACLE: &str = "an answer does not tell whether a secret exists";
pub(crate) const NO_KEY: &str = "a GET without the function key, or with a wrong one,";
pub(crate) const NO_TOKEN: &str = "a GET without a token is refused with a challenge";
pub(crate) const HTTP: &str = "http://contoso-keys.azurewebsites.net serves nothing";
pub(crate) const COMMON: &str = "every answer has the common headers";

/// Checks that are not run without what they need.
pub(crate) const WITHOUT_KEY: &str = "a wrong function key is refused";
pub(crate) const WITHOUT_TOKEN: &str = "a token is required";
pub(crate) const WITHOUT_HTTPS: &str = "http is redirected to https";

/// No run is near it: only one that hangs is ended.
const BOUND: Duration = Duration::from_mins(1);

/// A vault with the usual secret.
pub(crate) async fn vault() -> Emulator {
    let emulator = Emulator::start().await.unwrap();
    emulator.put(SECRET, Secret::new(VALUE));
    emulator
}

/// A call of the command.
#[derive(Clone, Debug)]
pub(crate) struct Smoke {
    arguments: Vec<String>,
    environment: Environment,
    private: Vec<String>,
}

impl Smoke {
    /// With exactly these arguments. It trusts the authority in this file alone.
    pub(crate) fn with(ca_file: &Path, arguments: &[&str]) -> Self {
        Self {
            arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
            environment: Environment::default().with("SSL_CERT_FILE", ca_file),
            private: vec![VALUE.to_owned()],
        }
    }

    /// Of the app at this address, for the usual origin.
    pub(crate) fn of(ca_file: &Path, url: &str) -> Self {
        Self::with(ca_file, &[url, "--origin", ORIGIN])
    }

    pub(crate) fn option(mut self, name: &str, value: &str) -> Self {
        self.arguments.extend([name.to_owned(), value.to_owned()]);
        self
    }

    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment = self.environment.with(name, value);
        self
    }

    pub(crate) fn key(mut self, key: &str) -> Self {
        self.private.push(key.to_owned());
        self.variable("SMOKE_KEY", key)
    }

    pub(crate) fn token(mut self, token: &str) -> Self {
        self.private.push(token.to_owned());
        self.variable("SMOKE_TOKEN", token)
    }

    /// Runs it, and fails the test when it says what it must keep to itself.
    pub(crate) async fn run(self) -> Report {
        let launch = Launch::new(self.environment).argument("smoke");
        let launch = self
            .arguments
            .iter()
            .fold(launch, |launch, argument| launch.argument(argument));
        let output = timeout(BOUND, launch.command().output()).await;
        let output = output.expect("smoke hangs").unwrap();
        let report = Report {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        };
        for private in &self.private {
            let all = format!("{}{}", report.stdout, report.stderr);
            assert!(!all.contains(private), "{private} is in the output: {all}");
        }
        report
    }
}

/// What it said.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Report {
    /// The titles of the checks with this outcome.
    fn titles(&self, outcome: &str) -> Vec<&str> {
        let lines = self.stdout.lines().filter_map(|line| line.strip_prefix(outcome));
        lines.map(str::trim_start).collect()
    }

    /// What was expected, what came and what to do, for the one failed check of this title.
    fn failure(&self, title: &str) -> String {
        let blocks = self.stdout.split("FAILED   ").skip(1);
        let blocks: Vec<_> = blocks.filter(|block| block.starts_with(title)).collect();
        assert_eq!(blocks.len(), 1, "{title}: {}", self.stdout);
        let lines = blocks[0].lines().skip(1);
        let indented = lines.take_while(|line| line.starts_with("         "));
        indented.map(str::trim).collect::<Vec<_>>().join("\n")
    }

    /// Fails unless this check failed and says all of these words.
    pub(crate) fn must_fail(&self, label: &str, title: &str, words: &[&str]) {
        let streams = (self.code, self.stderr.as_str());
        assert_eq!(streams, (Some(1), ""), "{label}: {}", self.stdout);
        let failure = self.failure(title);
        for line in ["expected: ", "\ncame:     ", "\nremedy:   "] {
            let text = failure.split(line).nth(1);
            let text = text.unwrap_or_else(|| panic!("{label}: {failure}"));
            assert!(!text.starts_with(char::is_whitespace), "{label}: {line}: {failure}");
        }
        for word in words {
            assert!(failure.contains(word), "{label}: {word:?} is not in {failure}");
        }
        self.must_count(label);
    }

    /// Fails unless exactly these checks failed, each with these words.
    pub(crate) fn must_fail_only(&self, label: &str, titles: &[&str], words: &[&str]) {
        let failures = self.titles("FAILED ");
        let are_those = failures.len() == titles.len() && failures.iter().zip(titles).all(|(a, b)| a.starts_with(b));
        assert!(are_those, "{label}: {titles:?}: {}", self.stdout);
        for title in titles {
            self.must_fail(label, title, words);
        }
    }

    /// Fails unless all is right, and exactly these checks were not run.
    pub(crate) fn must_pass(&self, label: &str, not_run: &[&str]) {
        let shown = format!("{label}: {}{}", self.stdout, self.stderr);
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""), "{shown}");
        let titles = self.titles("not run ");
        let names: Vec<_> = titles.iter().map(|title| title.split(": ").next().unwrap()).collect();
        assert_eq!(names, not_run, "{shown}");
        self.must_count(label);
    }

    /// Fails unless the last line counts the lines before it.
    fn must_count(&self, label: &str) {
        let [passed, failed, not_run] = ["ok ", "FAILED ", "not run "].map(|outcome| self.titles(outcome).len());
        let total = format!("{passed} ok, {failed} failed, {not_run} not run");
        assert_eq!(self.stdout.lines().last(), Some(&*total), "{label}: {}", self.stdout);
    }
}

/// Sends a header instead of any of its name.
pub(crate) fn set(response: &mut Response<Full<Bytes>>, name: &str, value: &str) {
    let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
    response
        .headers_mut()
        .insert(name, HeaderValue::from_str(value).unwrap());
}

/// Sends another status and body; the headers stay.
pub(crate) fn replace(response: &mut Response<Full<Bytes>>, status: u16, body: &str) {
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response.headers_mut().remove("content-length");
    *response.body_mut() = body.to_owned().into();
}

/// The handler's error body with this code, or with `code/inner`.
pub(crate) fn error(code: &str) -> String {
    match code.split_once('/') {
        Some((code, inner)) => {
            format!(r#"{{"error":{{"code":"{code}","message":"x","innererror":{{"code":"{inner}"}}}}}}"#)
        }
        None => format!(r#"{{"error":{{"code":"{code}","message":"x"}}}}"#),
    }
}

/// What a [`Server`] does to an answer, by the request.
pub(crate) type Edit = dyn Fn(&Parts, &mut Response<Full<Bytes>>) + Send + Sync;

/// A server that passes requests on and edits the answers, or makes them up.
#[derive(Debug)]
pub(crate) struct Server {
    port: u16,
    accepting: AbortHandle,
}

impl Server {
    /// In front of this port.
    pub(crate) async fn before(
        port: u16,
        edit: impl Fn(&Parts, &mut Response<Full<Bytes>>) + Send + Sync + 'static,
    ) -> Self {
        Self::start(Some(port), Arc::new(edit)).await
    }

    /// Alone; an answer is an empty 200 before it is edited.
    pub(crate) async fn alone(edit: impl Fn(&Parts, &mut Response<Full<Bytes>>) + Send + Sync + 'static) -> Self {
        Self::start(None, Arc::new(edit)).await
    }

    async fn start(upstream: Option<u16>, edit: Arc<Edit>) -> Self {
        let answer = move |request: hyper::Request<hyper::body::Incoming>| {
            let edit = Arc::clone(&edit);
            async move {
                let (head, _) = request.into_parts();
                let mut response = match upstream {
                    Some(port) => pass_on(port, &head).await,
                    None => Response::default(),
                };
                edit(&head, &mut response);
                Ok::<_, Infallible>(response)
            }
        };
        let (port, accepting) = listen(move |stream| {
            let connection = http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer.clone()));
            async move { drop(connection.await) }
        })
        .await;
        Self { port, accepting }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Listens on a free port, with one task a connection.
async fn listen<F: Future<Output = ()> + Send + 'static>(
    serve: impl Fn(TcpStream) -> F + Send + 'static,
) -> (u16, AbortHandle) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let accepting = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(serve(stream));
        }
    });
    (port, accepting.abort_handle())
}

async fn pass_on(port: u16, head: &Parts) -> Response<Full<Bytes>> {
    let request = Request {
        method: head.method.clone(),
        target: head.uri.clone(),
        headers: head.headers.clone(),
        body: Bytes::new(),
    };
    let answer = request.send(port).await;
    let mut response = Response::new(Full::new(answer.body));
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap();
    *response.headers_mut() = answer.headers;
    response
}

/// A forward proxy for which every https address is one port of this machine, and every http address another: so that an
/// app under its public name can be asked.
#[derive(Debug)]
pub(crate) struct Proxy {
    port: u16,
    accepting: AbortHandle,
}

impl Proxy {
    pub(crate) async fn start(https: u16, http: u16) -> Self {
        let (port, accepting) = listen(move |stream| async move { proxy(stream, https, http).await }).await;
        Self { port, accepting }
    }

    /// A call for the app under its public name.
    pub(crate) fn smoke(&self, ca_file: &Path) -> Smoke {
        let proxy = format!("http://127.0.0.1:{}", self.port);
        Smoke::of(ca_file, &format!("https://{PUBLIC_NAME}/api/"))
            .variable("HTTPS_PROXY", &proxy)
            .variable("HTTP_PROXY", &proxy)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn proxy(mut stream: TcpStream, https: u16, http: u16) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    let is_tunnel = head.starts_with(b"CONNECT ");
    let port = if is_tunnel { https } else { http };
    // To the caller, an address where nothing listens.
    let Ok(mut server) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await else {
        return;
    };
    if is_tunnel {
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    } else {
        server.write_all(&head).await.unwrap();
    }
    drop(copy_bidirectional(&mut stream, &mut server).await);
}
