//! The whole product on one machine: `cargo run --example demo`.
//!
//! Starts a Key Vault stand-in with a few secrets, runs the real `handler` against it as the Functions host would, and
//! serves one small page from two origins: one that may read secrets and one that may not. `--check` asks the questions
//! itself instead of waiting for a browser.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "an example speaks on its terminal"
)]

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus, Stdio};
use std::time::Duration;

use bytes::Bytes;
use emulator::{DEMO_ALLOWED_SECRETS, Emulator, seed_demo};
use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, ORIGIN,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1 as client;
use hyper::server::conn::http1 as server;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, timeout};

const USAGE: &str = "\
Usage: cargo run --example demo -- [--check] [--port PORT] [--page-port PORT] [--refused-port PORT]

  --check              ask a few questions, print PASS or FAIL for each, and exit 0 or 1
  --port PORT          the handler's port; 7071, or a free one when that is taken
  --page-port PORT     the port of the allowed page; 8080, or a free one
  --refused-port PORT  the port of the refused page; 8081, or a free one
  -h, --help           print this";

const PAGE: &str = include_str!("spa/index.html");
const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");

/// How often the Functions host asks a custom handler whether it is there, and how long it goes on.
const READINESS_INTERVAL: Duration = Duration::from_millis(25);
const READINESS_BOUND: Duration = Duration::from_secs(30);
/// The handler bounds what a caller waits for by 5 s; an answer that takes longer is a failed check.
const ANSWER_BOUND: Duration = Duration::from_secs(10);

/// What the handler inherits. Everything else is left out: a setting, or something named nearly like one, that is meant
/// for another program must not change what the demo shows.
const INHERITED: &str =
    "HOME LLVM_PROFILE_FILE LOG_FORMAT NO_COLOR PATH RUST_BACKTRACE RUST_LOG SYSTEMROOT TEMP TERM TMP TMPDIR";

/// What the command line asks for; a port is `None` where it says nothing.
#[derive(Default)]
struct Options {
    help: bool,
    check: bool,
    port: Option<u16>,
    page_port: Option<u16>,
    refused_port: Option<u16>,
}

impl Options {
    fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut arguments = arguments.into_iter();
        let mut options = Self::default();
        while let Some(argument) = arguments.next() {
            let port = match argument.as_str() {
                "-h" | "--help" => {
                    options.help = true;
                    continue;
                }
                "--check" => {
                    options.check = true;
                    continue;
                }
                "--port" => &mut options.port,
                "--page-port" => &mut options.page_port,
                "--refused-port" => &mut options.refused_port,
                _ => return Err(format!("unknown argument: {argument}")),
            };
            let value = arguments
                .next()
                .and_then(|value| value.parse().ok())
                .filter(|&value| value != 0);
            *port = Some(value.ok_or_else(|| format!("{argument} needs a port from 1 to 65535"))?);
        }
        Ok(options)
    }
}

/// The addresses of a running demo.
struct Places {
    handler_port: u16,
    allowed_origin: String,
    refused_origin: String,
}

impl Places {
    fn api(&self) -> String {
        format!("http://localhost:{}/api", self.handler_port)
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = match Options::parse(std::env::args().skip(1)) {
        Ok(options) if options.help => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        Ok(options) => options,
        Err(fault) => {
            eprintln!("{fault}\n\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match run(&options).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("demo: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the demo to its end; true when that end is a good one.
async fn run(options: &Options) -> io::Result<bool> {
    let executable = build_handler().await?;
    let emulator = Emulator::start().await?;
    seed_demo(&emulator);

    let allowed_page = listen(options.page_port, 8080).await?;
    let refused_page = listen(options.refused_port, 8081).await?;
    // The handler binds its port itself, so this listener only finds one and makes room again.
    let handler_port = listen(options.port, 7071).await?.local_addr()?.port();
    let places = Places {
        handler_port,
        allowed_origin: format!("http://localhost:{}", allowed_page.local_addr()?.port()),
        refused_origin: format!("http://localhost:{}", refused_page.local_addr()?.port()),
    };
    let mut servers = JoinSet::new();
    for page in [allowed_page, refused_page] {
        servers.spawn(serve_page(page, places.api()));
    }

    let mut handler = start_handler(&executable, &emulator, &places)?;
    let good = tokio::select! {
        exit = handler.wait() => {
            report_exit(exit?);
            return Ok(false);
        }
        () = told_to_stop()? => true,
        good = follow(options, &places) => good?,
    };
    // As the host does it: a custom handler is killed, without a signal before.
    handler.kill().await?;
    Ok(good)
}

/// Waits until the handler answers, then checks it or tells what to try; without `--check` it never ends.
async fn follow(options: &Options, places: &Places) -> io::Result<bool> {
    wait_until_ready(places.handler_port).await?;
    if options.check {
        return check(places).await;
    }
    introduce(places);
    std::future::pending().await
}

/// Builds the handler with this example's profile and returns where cargo put it.
///
/// Cargo is asked rather than its folders guessed: they depend on its configuration, its environment and the target.
/// This example is named beside the handler so that both have the same dependencies with the same features: alone, the
/// handler would have them compiled a second time.
async fn build_handler() -> io::Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let profile = match profile_folder()?.as_str() {
        "debug" => "dev".to_owned(),
        other => other.to_owned(),
    };
    let output = Command::new(cargo)
        .args(["build", "--bin", "handler", "--example", "demo", "--profile", &profile])
        .args(["--message-format", "json-render-diagnostics"])
        .current_dir(REPOSITORY)
        .stderr(Stdio::inherit())
        .output()
        .await?;
    if !output.status.success() {
        return Err(io::Error::other("cargo could not build the handler"));
    }
    let messages = output.stdout.split(|&byte| byte == b'\n');
    messages
        .filter_map(|line| serde_json::from_slice::<Value>(line).ok())
        .filter(|message| message.pointer("/target/name").is_some_and(|name| name == "handler"))
        .find_map(|message| message.get("executable")?.as_str().map(PathBuf::from))
        .ok_or_else(|| io::Error::other("cargo did not say where it put the handler"))
}

/// The folder named for the profile: examples are built into `PROFILE/examples/`.
fn profile_folder() -> io::Result<String> {
    let executable = std::env::current_exe()?;
    let folder = executable.parent().and_then(Path::parent).and_then(Path::file_name);
    let folder = folder.ok_or_else(|| io::Error::other("this example is not where cargo builds examples"))?;
    Ok(folder.to_string_lossy().into_owned())
}

/// Starts the handler with the environment that the Functions host and a local.settings.json would give it.
fn start_handler(executable: &Path, emulator: &Emulator, places: &Places) -> io::Result<Child> {
    let inherited = INHERITED
        .split_whitespace()
        .filter_map(|name| Some((name, std::env::var_os(name)?)));
    Command::new(executable)
        .current_dir(REPOSITORY)
        .env_clear()
        .envs(inherited)
        .envs(emulator.environment())
        .env("FUNCTIONS_CUSTOMHANDLER_PORT", places.handler_port.to_string())
        .env("FUNCTIONS_APP_ROOT_PATH", REPOSITORY)
        .env("FUNCTIONS_CUSTOMHANDLER_WORKER_ID", "demo")
        .env("ALLOWED_SECRETS", DEMO_ALLOWED_SECRETS)
        .env("ALLOWED_ORIGINS", &places.allowed_origin)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
}

fn report_exit(exit: ExitStatus) {
    match exit.code() {
        Some(code) => eprintln!("demo: the handler exited with code {code}"),
        None => eprintln!("demo: the handler was ended by a signal ({exit})"),
    }
}

/// A future that ends with Ctrl-C, or where there is such a thing with a request to terminate.
fn told_to_stop() -> io::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    Ok(async move {
        #[cfg(unix)]
        tokio::select! {
            _ = tokio::signal::ctrl_c() => {}
            _ = terminate.recv() => {}
        }
        #[cfg(not(unix))]
        drop(tokio::signal::ctrl_c().await);
    })
}

/// Asks as the host asks: any HTTP answer means that the handler is there.
async fn wait_until_ready(port: u16) -> io::Result<()> {
    let mut ticks = interval(READINESS_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let ready = async {
        loop {
            ticks.tick().await;
            if get(port, "/", None).await.is_ok() {
                return;
            }
        }
    };
    let late = |_| io::Error::new(io::ErrorKind::TimedOut, "the handler did not answer within 30 s");
    timeout(READINESS_BOUND, ready).await.map_err(late)
}

/// Listens on 127.0.0.1: on the port asked for and no other, else on the usual one or a free one.
async fn listen(asked: Option<u16>, usual: u16) -> io::Result<TcpListener> {
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

/// Serves the page, with the API's address filled in, until its task is aborted.
async fn serve_page(listener: TcpListener, api: String) {
    let page = Bytes::from(PAGE.replace("%API%", &api));
    let policy = format!(
        "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; connect-src {api}/; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((stream, _)) = accepted else { continue };
                let (page, policy) = (page.clone(), policy.clone());
                let service = service_fn(move |request| {
                    let response = page_response(&request, page.clone(), &policy);
                    async move { Ok::<_, Infallible>(response) }
                });
                connections.spawn(server::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

fn page_response(request: &Request<Incoming>, page: Bytes, policy: &str) -> Response<Full<Bytes>> {
    let is_read = [Method::GET, Method::HEAD].contains(request.method());
    if !is_read || request.uri().path() != "/" {
        let mut response = Response::new(Full::default());
        *response.status_mut() = if is_read {
            StatusCode::NOT_FOUND
        } else {
            StatusCode::METHOD_NOT_ALLOWED
        };
        return response;
    }
    let mut response = Response::new(Full::new(page));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(policy) = HeaderValue::from_str(policy) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    response
}

fn introduce(places: &Places) {
    let Places {
        allowed_origin,
        refused_origin,
        ..
    } = places;
    let api = places.api();
    println!(
        "
keyvault-cors is running, with a Key Vault stand-in behind it.

  API          {api}/secrets/NAME
  Page         {allowed_origin}   an allowed origin: it shows the value
  Same page    {refused_origin}   not allowed: the browser keeps the answer from it

Works, 200 with the value:
  curl -i -H 'Origin: {allowed_origin}' {api}/secrets/maps-key

Refused, 403 OriginNotAllowed and no Access-Control-Allow-Origin:
  curl -i -H 'Origin: {refused_origin}' {api}/secrets/maps-key

Other names to try:
  telemetry-key      200
  expired-key        403 SecretExpired
  disabled-key       403 SecretDisabled
  tls-cert           404, allowed but a certificate's private key
  database-password  404, in the vault but not in ALLOWED_SECRETS: the vault is not asked

In Azure the Functions host stands in front and asks for a function key (x-functions-key); here it does not.
Stop with Ctrl-C.
"
    );
    if !cfg!(target_os = "linux") {
        println!(
            "The handler finds the stand-in's CA through SSL_CERT_FILE, which only Linux honours: expect 503 here.\n"
        );
    }
}

/// One question and the answer it should have.
struct Question<'a> {
    name: &'a str,
    origin: &'a str,
    status: u16,
    /// Where in the body, as a JSON pointer, and what.
    body: (&'a str, &'a str),
    is_readable: bool,
}

/// Asks and prints PASS or FAIL; true when all pass.
async fn check(places: &Places) -> io::Result<bool> {
    let (allowed, refused) = (places.allowed_origin.as_str(), places.refused_origin.as_str());
    let code = "/error/code";
    let inner = "/error/innererror/code";
    let question = |name, origin, status, body| Question {
        name,
        origin,
        status,
        body,
        is_readable: origin == allowed,
    };
    let questions = [
        question("maps-key", allowed, 200, ("/value", "demo-maps-key-5f1d3c")),
        question("maps-key", refused, 403, (inner, "OriginNotAllowed")),
        question("expired-key", allowed, 403, (inner, "SecretExpired")),
        question("disabled-key", allowed, 403, (inner, "SecretDisabled")),
        question("tls-cert", allowed, 404, (code, "SecretNotFound")),
        question("database-password", allowed, 404, (code, "SecretNotFound")),
    ];
    let mut all_passed = true;
    for question in &questions {
        let path = format!("/api/secrets/{}", question.name);
        let answer = get(places.handler_port, &path, Some(question.origin)).await;
        let verdict = answer
            .map_err(|error| error.to_string())
            .and_then(|answer| question.judge(&answer));
        let Question {
            name, origin, status, ..
        } = question;
        all_passed &= say(&format!("{name} from {origin}: {status}"), &verdict);
    }
    for origin in [allowed, refused] {
        let port = origin
            .rsplit(':')
            .next()
            .and_then(|port| port.parse().ok())
            .unwrap_or_default();
        let verdict = match get(port, "/", None).await {
            Ok(Answer { status: 200, body, .. }) if String::from_utf8_lossy(&body).contains(&places.api()) => Ok(()),
            Ok(answer) => Err(format!("status {}, or the API's address is not in it", answer.status)),
            Err(error) => Err(error.to_string()),
        };
        all_passed &= say(&format!("the page at {origin}"), &verdict);
    }
    Ok(all_passed)
}

fn say(what: &str, verdict: &Result<(), String>) -> bool {
    match verdict {
        Ok(()) => println!("PASS  {what}"),
        Err(why) => println!("FAIL  {what}: {why}"),
    }
    verdict.is_ok()
}

impl Question<'_> {
    fn judge(&self, answer: &Answer) -> Result<(), String> {
        if answer.status != self.status {
            return Err(format!("status {}", answer.status));
        }
        let body: Value = serde_json::from_slice(&answer.body).map_err(|error| format!("not JSON: {error}"))?;
        let (pointer, expected) = self.body;
        if body.pointer(pointer).and_then(Value::as_str) != Some(expected) {
            return Err(format!("{pointer} is not {expected}"));
        }
        let expected = self.is_readable.then_some(self.origin.as_bytes());
        let earned = answer
            .headers
            .get(ACCESS_CONTROL_ALLOW_ORIGIN)
            .map(HeaderValue::as_bytes);
        if earned != expected {
            return Err(format!("Access-Control-Allow-Origin is {earned:?}"));
        }
        Ok(())
    }
}

/// An answer, whole.
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
}

/// One GET over a connection of its own.
async fn get(port: u16, path: &str, origin: Option<&str>) -> io::Result<Answer> {
    let answer = async {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        let (mut sender, connection) = client::handshake(TokioIo::new(stream))
            .await
            .map_err(io::Error::other)?;
        let request = Request::get(path).header(HOST, SocketAddr::from((Ipv4Addr::LOCALHOST, port)).to_string());
        let request = origin
            .into_iter()
            .fold(request, |request, origin| request.header(ORIGIN, origin));
        let request = request.body(Empty::<Bytes>::new()).map_err(io::Error::other)?;
        let exchange = async move {
            let (head, body) = sender.send_request(request).await?.into_parts();
            let body = body.collect().await?.to_bytes();
            Ok::<_, hyper::Error>(Answer {
                status: head.status.as_u16(),
                headers: head.headers,
                body,
            })
        };
        // The exchange owns the sender, whose end is the connection's.
        let (answer, _) = tokio::join!(exchange, connection);
        answer.map_err(io::Error::other)
    };
    timeout(ANSWER_BOUND, answer)
        .await
        .unwrap_or_else(|late| Err(late.into()))
}
