//! The real binary as a process: exactly the environment given, ready when it answers, dead on drop.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use crate::client::Request;
use crate::emulator::Emulator;
pub use crate::output::Output;
pub use crate::port::ReservedPort;

/// The origin that the usual configuration allows.
pub const ORIGIN: &str = "https://app.contoso.com";

/// The app root: where `host.json` and the functions are.
pub const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// The host gives a handler 30 s to start; nobody should need a third of that.
const START: Duration = Duration::from_secs(10);

/// As often as the host asks.
const POLL: Duration = Duration::from_millis(25);

/// What ends by itself does so before it touches the network.
const RUN: Duration = Duration::from_secs(3);

/// The contract drains for 5 s at most; the rest is room for a busy machine.
const EXIT: Duration = Duration::from_secs(7);

/// The environment of a handler: all of it, nothing is inherited.
#[derive(Clone, Debug, Default)]
pub struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    /// The usual configuration in front of this emulator.
    pub fn of(emulator: &Emulator) -> Self {
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

    /// Sets a variable.
    #[must_use]
    pub fn with(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Self {
        self.0.insert(name.as_ref().to_owned(), value.as_ref().to_owned());
        self
    }

    /// Sets variables.
    #[must_use]
    pub fn with_all(self, variables: impl IntoIterator<Item = (impl AsRef<OsStr>, impl AsRef<OsStr>)>) -> Self {
        variables
            .into_iter()
            .fold(self, |environment, (name, value)| environment.with(name, value))
    }

    /// Removes a variable.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.0.remove(OsStr::new(name));
        self
    }

    /// All variables as the handler reads them: what is not Unicode keeps a replacement character.
    pub fn as_text(&self) -> BTreeMap<String, String> {
        let text = |text: &OsString| text.to_string_lossy().into_owned();
        self.0.iter().map(|(name, value)| (text(name), text(value))).collect()
    }

    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.0.get(OsStr::new(name)).map(OsString::as_os_str)
    }
}

/// How to start the binary when the usual way will not do.
#[derive(Debug)]
pub struct Launch {
    executable: PathBuf,
    directory: PathBuf,
    arguments: Vec<OsString>,
    environment: Environment,
    inherits_output: bool,
}

impl Launch {
    /// No arguments; the working directory is one that has nothing to do with the app.
    pub fn new(environment: Environment) -> Self {
        Self {
            executable: executable(),
            directory: PathBuf::from("/"),
            arguments: Vec::new(),
            environment,
            inherits_output: false,
        }
    }

    /// Appends a command line argument.
    #[must_use]
    pub fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Sets the working directory.
    #[must_use]
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = directory.into();
        self
    }

    /// Lets it write to this process's own streams, which are then not read here.
    #[must_use]
    pub fn inherit_output(mut self) -> Self {
        self.inherits_output = true;
        self
    }

    /// Starts another binary.
    #[must_use]
    pub fn executable(mut self, executable: impl Into<PathBuf>) -> Self {
        self.executable = executable.into();
        self
    }

    /// The command, for a test that reads its streams in its own way, or not at all.
    pub fn command(&self) -> Command {
        let output = || {
            if self.inherits_output {
                Stdio::inherit()
            } else {
                Stdio::piped()
            }
        };
        let mut command = Command::new(&self.executable);
        command
            .args(&self.arguments)
            .current_dir(&self.directory)
            .env_clear()
            .envs(&self.environment.0)
            .stdin(Stdio::null())
            .stdout(output())
            .stderr(output())
            .kill_on_drop(true);
        command
    }

    fn spawn(&self) -> Process {
        let mut child = self
            .command()
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", self.executable.display()));
        let stdout = child.stdout.take().map(collect);
        let stderr = child.stderr.take().map(collect);
        Process { child, stdout, stderr }
    }

    /// Runs it to its end, which should come by itself; one that serves instead is ended, and has no exit code.
    pub async fn run(self) -> Output {
        let mut process = self.spawn();
        if timeout(RUN, process.child.wait()).await.is_err() {
            process.child.kill().await.unwrap();
        }
        process.output().await
    }

    /// Starts it on this port, and waits for nothing.
    pub fn start(self, port: u16) -> Handler {
        // The host takes 0 for "do not restart".
        let under_host = self.environment.get("FUNCTIONS_CUSTOMHANDLER_PORT").is_some();
        Handler {
            process: self.spawn(),
            port,
            code_after_sigterm: if under_host { 143 } else { 0 },
            _reserved: None,
        }
    }

    /// Starts it on this port and waits until it answers.
    pub async fn serve(self, port: u16) -> Handler {
        let mut handler = self.start(port);
        handler.become_ready().await;
        handler
    }
}

/// The binary that Cargo built: for this test run, or beside this program.
fn executable() -> PathBuf {
    // Cargo sets it for the tests of the package that has the binary.
    if let Some(path) = std::env::var_os("CARGO_BIN_EXE_handler") {
        return path.into();
    }
    let mut folder = std::env::current_exe().unwrap();
    folder.pop();
    if folder.ends_with("deps") || folder.ends_with("examples") {
        folder.pop();
    }
    folder.join("handler")
}

/// Polls `GET /` every 25 ms until any HTTP answer, which is how the host learns that a handler is ready; false when
/// there is none in time.
pub async fn becomes_ready(port: u16) -> bool {
    let begun = Instant::now();
    while Request::get("/").try_send(port).await.is_err() {
        if begun.elapsed() > START {
            return false;
        }
        sleep(POLL).await;
    }
    true
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
    async fn all(said: &mut Option<Self>) -> String {
        let Some(Self { bytes, end }) = said else {
            return String::new();
        };
        end.await.unwrap();
        String::from_utf8(bytes.lock().unwrap().clone()).unwrap()
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
    stdout: Option<Said>,
    stderr: Option<Said>,
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
            stdout: Said::all(&mut self.stdout).await,
            stderr: Said::all(&mut self.stderr).await,
        }
    }
}

/// A serving handler.
#[derive(Debug)]
pub struct Handler {
    process: Process,
    port: u16,
    code_after_sigterm: i32,
    _reserved: Option<ReservedPort>,
}

impl Handler {
    /// Starts it as the host does, on a port of its own, and waits until it answers.
    pub async fn start(environment: Environment) -> Self {
        let reserved = ReservedPort::new();
        let port = reserved.number();
        let environment = environment.with("FUNCTIONS_CUSTOMHANDLER_PORT", port.to_string());
        let handler = Launch::new(environment).serve(port).await;
        Self {
            _reserved: Some(reserved),
            ..handler
        }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.process.child.id().expect("the handler has ended by itself")
    }

    /// Waits until it answers, as the host does.
    async fn become_ready(&mut self) {
        let port = self.port;
        tokio::select! {
            is_ready = becomes_ready(port) => assert!(is_ready, "the handler did not answer GET / within {START:?}"),
            status = self.process.child.wait() => {
                let status = status.unwrap();
                let stdout = Said::all(&mut self.process.stdout).await;
                let stderr = Said::all(&mut self.process.stderr).await;
                panic!("the handler ended before it was ready: {status}\n{stdout}\n{stderr}");
            }
        }
    }

    /// Waits until it has ended by itself.
    pub async fn ended(&mut self) -> ExitStatus {
        self.process.child.wait().await.unwrap()
    }

    /// What it has said on stdout up to now.
    pub fn stdout(&self) -> String {
        self.process.stdout.as_ref().map(Said::so_far).unwrap_or_default()
    }

    /// Sends a signal (`TERM`, `INT`).
    pub async fn signal(&self, name: &str) {
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
    pub async fn wait(self) -> Output {
        self.process.output().await
    }

    /// Ends it in the ordinary way and returns all that it said.
    pub async fn stop(self) -> Output {
        self.signal("TERM").await;
        let code_after_sigterm = self.code_after_sigterm;
        let output = self.wait().await;
        assert_eq!(output.code, Some(code_after_sigterm), "{}", output.stderr);
        assert!(!output.all().contains("panicked"), "{}", output.all());
        output
    }

    /// Ends it the way the host does, with SIGKILL.
    pub async fn kill(&mut self) {
        self.process.child.kill().await.unwrap();
    }
}
