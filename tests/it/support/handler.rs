//! The real binary as a process: exactly the environment given, ready when it answers, dead on drop.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use testkit::Emulator;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::ORIGIN;
use super::client::Request;

/// The binary that Cargo built for this test run.
pub(crate) const EXECUTABLE: &str = env!("CARGO_BIN_EXE_handler");

/// The app root: where `host.json` and the functions are.
pub(crate) const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// The host gives a handler 30 s to start; nobody should need a third of that.
const START: Duration = Duration::from_secs(10);

/// What ends by itself does so before it touches the network.
const RUN: Duration = Duration::from_secs(3);

/// The contract drains for 5 s at most; the rest is room for a busy machine.
const EXIT: Duration = Duration::from_secs(7);

/// The environment of a handler: all of it, nothing is inherited.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    /// The usual configuration in front of this emulator.
    pub(crate) fn of(emulator: &Emulator) -> Self {
        let environment = Self::default()
            .with("ALLOWED_SECRETS", "maps-key,geo-*")
            .with("ALLOWED_ORIGINS", ORIGIN)
            .with("FUNCTIONS_APP_ROOT_PATH", ROOT)
            // These tests are about the path to the vault: nothing kept and nothing prefetched, so that each request
            // takes it.
            .with("CACHE_TTL_SECONDS", "0");
        emulator
            .environment()
            .into_iter()
            .fold(environment, |environment, (name, value)| environment.with(name, value))
    }

    pub(crate) fn with(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.0.insert(name.as_ref().to_owned(), value.as_ref().to_owned());
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.0.remove(OsStr::new(name));
        self
    }

    pub(crate) fn get(&self, name: &str) -> Option<&OsStr> {
        self.0.get(OsStr::new(name)).map(OsString::as_os_str)
    }
}

/// The emulator's, for tests, where there is always a port.
#[derive(Debug)]
pub(crate) struct ReservedPort(testkit::ReservedPort);

impl ReservedPort {
    pub(crate) fn new() -> Self {
        Self(testkit::ReservedPort::new().unwrap())
    }

    pub(crate) fn number(&self) -> u16 {
        self.0.number()
    }
}

/// How to start the binary when the usual way will not do.
#[derive(Debug)]
pub(crate) struct Launch {
    pub(crate) executable: PathBuf,
    pub(crate) directory: PathBuf,
    pub(crate) arguments: Vec<OsString>,
    pub(crate) environment: Environment,
}

impl Launch {
    /// No arguments; the working directory is one that has nothing to do with the app.
    pub(crate) fn new(environment: Environment) -> Self {
        Self {
            executable: PathBuf::from(EXECUTABLE),
            directory: PathBuf::from("/"),
            arguments: Vec::new(),
            environment,
        }
    }

    pub(crate) fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.into());
        self
    }

    pub(crate) fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = directory.into();
        self
    }

    pub(crate) fn executable(mut self, executable: impl Into<PathBuf>) -> Self {
        self.executable = executable.into();
        self
    }

    /// The command, for a test that reads its streams in its own way, or not at all.
    pub(crate) fn command(self) -> Command {
        let mut command = Command::new(&self.executable);
        command
            .args(self.arguments)
            .current_dir(self.directory)
            .env_clear()
            .envs(self.environment.0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    fn spawn(self) -> Process {
        let executable = self.executable.clone();
        let mut child = self
            .command()
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", executable.display()));
        let stdout = collect(child.stdout.take().unwrap());
        let stderr = collect(child.stderr.take().unwrap());
        Process { child, stdout, stderr }
    }

    /// Runs it to its end, which should come by itself; one that serves instead is ended, and has no exit code.
    pub(crate) async fn run(self) -> Output {
        let mut process = self.spawn();
        if timeout(RUN, process.child.wait()).await.is_err() {
            process.child.kill().await.unwrap();
        }
        process.output().await
    }

    /// Starts it on this port and waits until it answers.
    pub(crate) async fn serve(self, port: u16) -> Handler {
        // The host takes 0 for "do not restart".
        let under_host = self.environment.get("FUNCTIONS_CUSTOMHANDLER_PORT").is_some();
        let mut handler = Handler {
            process: self.spawn(),
            port,
            code_after_sigterm: if under_host { 143 } else { 0 },
            _reserved: None,
        };
        handler.become_ready().await;
        handler
    }
}

/// What a handler says on one of its streams.
#[derive(Debug)]
struct Said {
    bytes: Arc<Mutex<Vec<u8>>>,
    end: JoinHandle<()>,
}

impl Said {
    /// Up to now.
    fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap()).into_owned()
    }

    /// All of it, once the stream has ended.
    async fn all(&mut self) -> String {
        (&mut self.end).await.unwrap();
        String::from_utf8(self.bytes.lock().unwrap().clone()).unwrap()
    }
}

/// Reads a pipe to its end, so that a handler never blocks on a full one.
fn collect(mut pipe: impl AsyncRead + Unpin + Send + 'static) -> Said {
    let bytes = Arc::new(Mutex::new(Vec::new()));
    let read = Arc::clone(&bytes);
    let end = tokio::spawn(async move {
        let mut chunk = [0; 16 * 1024];
        loop {
            let n = pipe.read(&mut chunk).await.unwrap();
            if n == 0 {
                return;
            }
            read.lock().unwrap().extend_from_slice(&chunk[..n]);
        }
    });
    Said { bytes, end }
}

#[derive(Debug)]
struct Process {
    child: Child,
    stdout: Said,
    stderr: Said,
}

impl Process {
    /// Waits for its end and takes what it said.
    async fn output(mut self) -> Output {
        let status = match timeout(EXIT, self.child.wait()).await {
            Ok(status) => status.unwrap(),
            Err(elapsed) => panic!("the handler was still running after {EXIT:?}: {elapsed}"),
        };
        Output {
            code: status.code(),
            stdout: self.stdout.all().await,
            stderr: self.stderr.all().await,
        }
    }
}

/// How a handler ended and all that it said.
#[derive(Debug)]
pub(crate) struct Output {
    /// The exit code; none after SIGKILL or a signal that was not handled.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Output {
    /// Both streams as one text, for what must be in neither.
    pub(crate) fn all(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

/// A serving handler.
#[derive(Debug)]
pub(crate) struct Handler {
    process: Process,
    port: u16,
    code_after_sigterm: i32,
    _reserved: Option<ReservedPort>,
}

impl Handler {
    /// Starts it as the host does, on a port of its own, and waits until it answers.
    pub(crate) async fn start(environment: Environment) -> Self {
        let reserved = ReservedPort::new();
        let port = reserved.number();
        let environment = environment.with("FUNCTIONS_CUSTOMHANDLER_PORT", port.to_string());
        let handler = Launch::new(environment).serve(port).await;
        Self {
            _reserved: Some(reserved),
            ..handler
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.child.id().expect("the handler has ended by itself")
    }

    /// Polls `GET /` every 25 ms until any HTTP answer, which is how the host learns that a handler is ready.
    async fn become_ready(&mut self) {
        let begun = Instant::now();
        while Request::get("/").try_send(self.port).await.is_err() {
            if let Some(status) = self.process.child.try_wait().unwrap() {
                let stdout = self.process.stdout.all().await;
                let stderr = self.process.stderr.all().await;
                panic!("the handler ended before it was ready: {status}\n{stdout}\n{stderr}");
            }
            assert!(
                begun.elapsed() < START,
                "the handler did not answer GET / within {START:?}"
            );
            sleep(Duration::from_millis(25)).await;
        }
    }

    /// What it has said on stdout up to now.
    pub(crate) fn stdout(&self) -> String {
        self.process.stdout.so_far()
    }

    /// Sends a signal (`TERM`, `INT`).
    pub(crate) async fn signal(&self, name: &str) {
        let pid = self.pid().to_string();
        let status = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(pid)
            .status()
            .await
            .unwrap();
        assert!(status.success(), "kill -{name}: {status}");
    }

    /// Waits for its end, which somebody has asked for.
    pub(crate) async fn wait(self) -> Output {
        self.process.output().await
    }

    /// Ends it in the ordinary way and returns all that it said.
    pub(crate) async fn stop(self) -> Output {
        self.signal("TERM").await;
        let code_after_sigterm = self.code_after_sigterm;
        let output = self.wait().await;
        assert_eq!(output.code, Some(code_after_sigterm), "{}", output.stderr);
        assert!(!output.all().contains("panicked"), "{}", output.all());
        output
    }

    /// Ends it the way the host does, with SIGKILL.
    pub(crate) async fn kill(&mut self) {
        self.process.child.kill().await.unwrap();
    }
}
