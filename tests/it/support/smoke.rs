//! `scripts/smoke` as somebody runs it after a deployment, and servers that answer wrongly.

use std::convert::Infallible;
use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use http_body_util::Full;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tempfile::TempDir;
use testkit::{Emulator, Secret};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::task::JoinHandle;

use super::client::Request;
use super::handler::{Environment, ROOT};
use super::host::{FunctionsHost, Mode, PUBLIC_NAME};
use super::{ORIGIN, SECRET, VALUE};

/// Who answers the preflight, in the script's words.
pub(crate) const HANDLER: &str = "the handler's own function";
pub(crate) const PLATFORM: &str = "the platform, from its own CORS list";

/// How the titles of the checks begin.
pub(crate) const ANSWERS: &str = "the app answers";
pub(crate) const UNKNOWN: &str = "an unknown secret is 404";
pub(crate) const REFUSED: &str = "preflight from https://not-allowed.invalid";
pub(crate) const ALLOWED: &str = "preflight from https://app.contoso.com";
pub(crate) const STRANGER: &str = "GET from https://not-allowed.invalid";
pub(crate) const NULL: &str = "GET from the origin null";
pub(crate) const NO_ORIGIN: &str = "GET without an origin";
pub(crate) const NAVIGATION: &str = "a navigation to a secret";
pub(crate) const SERVED: &str = "the secret maps-key is served";
pub(crate) const NO_KEY: &str = "GET without the function key";
pub(crate) const NO_TOKEN: &str = "GET without a token";
pub(crate) const NO_HTTP: &str = "http://127.0.0.1 serves nothing";
pub(crate) const STAR: &str = "Access-Control-Allow-Origin is never *";

/// A vault with the usual secret.
pub(crate) async fn vault() -> Emulator {
    let emulator = Emulator::start().await.unwrap();
    emulator.put(SECRET, Secret::new(VALUE));
    emulator
}

/// The app behind its host, with the usual configuration.
pub(crate) async fn deploy(platform_cors: Option<&[&str]>) -> (Emulator, FunctionsHost) {
    let emulator = vault().await;
    let host = FunctionsHost::start(Mode::Proxying, Environment::of(&emulator), platform_cors).await;
    (emulator, host)
}

/// The call for a deployed app: its public name and https, with these ports behind https and http.
pub(crate) fn deployed(https: u16, http: u16) -> (Curl, Smoke) {
    let curl = Curl::new(https, http);
    let smoke = Smoke::with(&[&format!("https://{PUBLIC_NAME}"), ORIGIN]).programs(curl.folder());
    (curl, smoke)
}

/// Sends a header instead of any of its name.
pub(crate) fn set(response: &mut Response<Full<Bytes>>, name: &str, value: &str) {
    let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
    let value = HeaderValue::from_str(value).unwrap();
    response.headers_mut().insert(name, value);
}

/// Where this machine has its programs.
fn programs() -> String {
    std::env::var_os("PATH").unwrap().into_string().unwrap()
}

/// A call of the script.
#[derive(Clone, Debug)]
pub(crate) struct Smoke {
    arguments: Vec<String>,
    key: Option<String>,
    token: Option<String>,
    path: Option<String>,
}

impl Smoke {
    /// With exactly these arguments.
    pub(crate) fn with(arguments: &[&str]) -> Self {
        Self {
            arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
            key: None,
            token: None,
            path: None,
        }
    }

    /// Of what listens on this port of this machine, for the usual origin.
    pub(crate) fn of(port: u16) -> Self {
        Self::with(&[&format!("http://127.0.0.1:{port}"), ORIGIN])
    }

    pub(crate) fn secret(mut self, name: &str) -> Self {
        self.arguments.push(name.to_owned());
        self
    }

    pub(crate) fn key(mut self, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self
    }

    pub(crate) fn token(mut self, token: &str) -> Self {
        self.token = Some(token.to_owned());
        self
    }

    /// With programs from this folder before all others.
    pub(crate) fn programs(self, folder: &Path) -> Self {
        let path = format!("{}:{}", folder.display(), programs());
        self.only_programs(&path)
    }

    /// With programs from nowhere else.
    pub(crate) fn only_programs(mut self, path: &str) -> Self {
        self.path = Some(path.to_owned());
        self
    }

    /// Runs it, and fails the test when it says what it must keep to itself.
    pub(crate) async fn run(self) -> Report {
        let usual = programs();
        let variables = [
            ("PATH", Some(self.path.as_deref().unwrap_or(&usual))),
            ("FUNCTION_KEY", self.key.as_deref()),
            ("ACCESS_TOKEN", self.token.as_deref()),
        ];
        let output = Command::new("/bin/bash")
            .arg(Path::new(ROOT).join("scripts/smoke"))
            .args(&self.arguments)
            .env_clear()
            .envs(variables.into_iter().filter_map(|(name, value)| Some((name, value?))))
            .current_dir("/")
            .output()
            .await
            .unwrap();
        let report = Report {
            code: output.status.code(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        };
        for private in [Some(VALUE), self.key.as_deref(), self.token.as_deref()]
            .into_iter()
            .flatten()
        {
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
    /// The titles of the lines with this verdict.
    fn titles(&self, verdict: &str) -> Vec<&str> {
        let lines = self.stdout.lines().filter_map(|line| line.strip_prefix(verdict));
        lines.map(str::trim_start).collect()
    }

    /// The titles of the checks that failed.
    pub(crate) fn failures(&self) -> Vec<&str> {
        self.titles("FAIL ")
    }

    /// What was expected, what came and what to do, for the one failed check that is about this.
    pub(crate) fn failure(&self, about: &str) -> String {
        let blocks: Vec<_> = self
            .stdout
            .split("FAIL  ")
            .skip(1)
            .filter(|block| block.starts_with(about))
            .collect();
        assert_eq!(blocks.len(), 1, "{about}: {}", self.stdout);
        let lines = blocks[0].lines();
        let indented = lines.skip(1).take_while(|line| line.starts_with("      "));
        indented.map(str::trim).collect::<Vec<_>>().join("\n")
    }

    /// Fails unless the run failed, with nothing on stderr, and this one failure says all of that.
    pub(crate) fn must_fail(&self, label: &str, about: &str, parts: &[&str]) {
        assert_eq!(
            (self.code, self.stderr.as_str()),
            (Some(1), ""),
            "{label}: {}",
            self.stdout
        );
        let failure = self.failure(about);
        for line in ["expected: ", "\ncame:     ", "\nremedy:   "] {
            let text = failure
                .split(line)
                .nth(1)
                .unwrap_or_else(|| panic!("{label}: {failure}"));
            assert!(
                text.starts_with(|first: char| !first.is_whitespace()),
                "{label}: {line}: {failure}"
            );
        }
        for part in parts {
            assert!(failure.contains(part), "{label}: {part:?} is not in {failure}");
        }
        assert!(
            self.summary().contains(&format!(" {} failed", self.failures().len())),
            "{label}: {}",
            self.stdout
        );
    }

    /// Fails unless all is right, and exactly these checks were not made.
    pub(crate) fn must_pass(&self, label: &str, preflight: &str, skipped: &[&str]) {
        let shown = format!("{label}: {}{}", self.stdout, self.stderr);
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""), "{shown}");
        let [passed, skips] = ["ok ", "skip "].map(|verdict| self.titles(verdict));
        let names: Vec<_> = skips.iter().map(|title| title.split(": ").next().unwrap()).collect();
        assert_eq!(names, skipped, "{shown}");
        let summary = format!("{} ok, 0 failed, {} skipped", passed.len(), skips.len());
        assert_eq!(self.summary(), summary, "{shown}");
        assert_eq!(self.preflight(), preflight, "{shown}");
    }

    pub(crate) fn summary(&self) -> &str {
        self.stdout.lines().last().unwrap_or_default()
    }

    /// Who answers the preflight.
    pub(crate) fn preflight(&self) -> &str {
        let line = self.stdout.lines().find_map(|line| line.strip_prefix("Preflight: "));
        line.unwrap_or_else(|| panic!("{}", self.stdout))
    }
}

/// A `curl` that takes the app's public name for a port of this machine: there, the script goes all of the way that it
/// goes for a deployed app. It keeps its command lines and its environment.
#[derive(Debug)]
pub(crate) struct Curl(TempDir);

impl Curl {
    /// The ports behind https and http.
    pub(crate) fn new(https: u16, http: u16) -> Self {
        let edit = format!(
            "sed -e 's#\"https://{PUBLIC_NAME}/#\"http://127.0.0.1:{https}/#' \
             -e 's#\"http://{PUBLIC_NAME}/#\"http://127.0.0.1:{http}/#'"
        );
        Self::script(&format!("{edit} | PATH=${{PATH#*:}} curl --noproxy '*' \"$@\""))
    }

    /// Fails with this exit code.
    pub(crate) fn failing(code: u8) -> Self {
        Self::script(&format!("cat >/dev/null; exit {code}"))
    }

    fn script(body: &str) -> Self {
        let curl = Self(TempDir::new().unwrap());
        let seen = curl.seen_file();
        let text = format!(
            "#!/bin/bash\n{{ printf '%s\\n' \"$@\"; env; }} >>'{}'\n{body}\n",
            seen.display()
        );
        let file = curl.folder().join("curl");
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        curl
    }

    fn seen_file(&self) -> std::path::PathBuf {
        self.folder().join("seen")
    }

    pub(crate) fn folder(&self) -> &Path {
        self.0.path()
    }

    /// Every argument and every environment variable so far.
    pub(crate) fn seen(&self) -> String {
        fs::read_to_string(self.seen_file()).unwrap()
    }
}

/// What a [`Server`] does to an answer, by the method and the headers of the request.
pub(crate) type Edit = dyn Fn(&Method, &HeaderMap, &mut Response<Full<Bytes>>) + Send + Sync;

/// A server that passes requests on and edits the answers, or makes them up.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) port: u16,
    accepting: JoinHandle<()>,
}

impl Server {
    /// In front of this port.
    pub(crate) async fn before(
        port: u16,
        edit: impl Fn(&Method, &HeaderMap, &mut Response<Full<Bytes>>) + Send + Sync + 'static,
    ) -> Self {
        Self::start(Some(port), Arc::new(edit)).await
    }

    /// Alone; an answer is an empty 200 before it is edited.
    pub(crate) async fn alone(
        edit: impl Fn(&Method, &HeaderMap, &mut Response<Full<Bytes>>) + Send + Sync + 'static,
    ) -> Self {
        Self::start(None, Arc::new(edit)).await
    }

    async fn start(upstream: Option<u16>, edit: Arc<Edit>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let accepting = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let edit = Arc::clone(&edit);
                let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
                    let edit = Arc::clone(&edit);
                    async move {
                        let (head, _) = request.into_parts();
                        let mut response = match upstream {
                            Some(port) => pass_on(port, &head).await,
                            None => Response::default(),
                        };
                        edit(&head.method, &head.headers, &mut response);
                        Ok::<_, Infallible>(response)
                    }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { port, accepting }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn pass_on(port: u16, head: &http::request::Parts) -> Response<Full<Bytes>> {
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
