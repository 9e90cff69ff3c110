//! The peers: how each is started on the server's core, found ready, and stopped.

use std::fs;
use std::io::Read;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bench::nginx::{self, Work};
use bench::process::which;
use bench::scenario::{Answers, ORIGIN, Scenario};
use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{CpuSet, sched_setaffinity};
use tempfile::TempDir;
use testkit::client::{Answer, Request};
use testkit::{Emulator, ReservedPort};
use tokio::runtime::{Handle, Runtime};

/// The core that servers have to themselves.
pub(crate) const SERVER_CORE: usize = 0;
/// The core of the load generator, of this program and of the emulator in it.
pub(crate) const LOAD_CORE: usize = 1;
/// Longest wait for a server to be ready, or to end.
const DEADLINE: Duration = Duration::from_mins(1);

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    /// Its log goes to a pipe that somebody reads, as under the Functions host.
    Handler,
    BareWarp,
    Nginx(Work),
    Express,
}

impl Peer {
    /// All that are put under load.
    pub(crate) const ALL: [Self; 5] = [
        Self::Handler,
        Self::BareWarp,
        Self::Nginx(Work::Answers),
        Self::Nginx(Work::IdAndLog),
        Self::Express,
    ];

    /// Whether it stands for its kind; nginx with more to do is compared by its hits alone.
    pub(crate) fn is_main(self) -> bool {
        self != Self::Nginx(Work::IdAndLog)
    }

    /// Whether it reads its secret from the vault.
    pub(crate) fn reads_vault(self) -> bool {
        matches!(self, Self::Handler | Self::Express)
    }

    /// As reports name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Handler => "handler",
            Self::BareWarp => "bare warp",
            Self::Nginx(Work::Answers) => "nginx",
            Self::Nginx(Work::IdAndLog) => "nginx, with an id and a log",
            Self::Express => "express",
        }
    }
}

/// What servers are started from and with.
pub(crate) struct Bench {
    pub(crate) emulator: Emulator,
    pub(crate) folder: TempDir,
    /// The repository.
    pub(crate) root: PathBuf,
    /// Where cargo put this program and those beside it.
    pub(crate) built: PathBuf,
    pub(crate) answers: Option<Answers>,
    /// What the emulator and the clients run on.
    pub(crate) runtime: Runtime,
}

impl Bench {
    /// What scripts/package built.
    pub(crate) fn handler(&self) -> PathBuf {
        self.root.join("dist/handler")
    }

    pub(crate) fn bare_warp(&self) -> PathBuf {
        self.built.join("bare_warp")
    }

    pub(crate) fn express(&self) -> PathBuf {
        self.root.join("crates/bench/express")
    }

    /// The file that a peer writes its log to.
    pub(crate) fn log_file(&self, peer: Peer) -> Option<PathBuf> {
        (peer == Peer::Nginx(Work::IdAndLog)).then(|| self.folder.path().join(nginx::ACCESS_LOG))
    }

    /// Starts a peer on the server's core. A handler fetches its secret at the start if `prefetch` says so.
    pub(crate) fn start(&self, peer: Peer, prefetch: bool) -> Server {
        let port = ReservedPort::new();
        let number = port.number();
        let command = match peer {
            Peer::Handler => self.handler_command(number, &["maps-key".to_owned()], prefetch),
            Peer::BareWarp => self.bare_warp_command(number),
            Peer::Nginx(work) => {
                let answers = self.answers.as_ref().unwrap();
                self.nginx_command(number, &nginx::answering(self.folder.path(), number, answers, work))
            }
            Peer::Express => self.express_command(number),
        };
        self.serve(command, port, SERVER_CORE)
    }

    /// Starts a handler that fetches these secrets at its start.
    pub(crate) fn start_prefetching(&self, names: &[String]) -> Server {
        let port = ReservedPort::new();
        self.serve(self.handler_command(port.number(), names, true), port, SERVER_CORE)
    }

    /// Starts an nginx that forwards to a server, on the load generator's core.
    pub(crate) fn start_forwarder(&self, upstream: &Server) -> Server {
        let port = ReservedPort::new();
        let config = nginx::forwarding(self.folder.path(), port.number(), upstream.port());
        self.serve(self.nginx_command(port.number(), &config), port, LOAD_CORE)
    }

    fn serve(&self, mut command: Command, port: ReservedPort, core: usize) -> Server {
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit());
        let (mut child, started) = spawn_on(core, command);
        let log = drain(child.stdout.take().unwrap());
        Server {
            child,
            port,
            started,
            log,
            runtime: self.runtime.handle().clone(),
        }
    }

    /// A process of the SDK alone, from before it is created until it has ended, which must be with this secret.
    pub(crate) fn read_with_sdk(&self, value: &str) -> (Instant, Instant) {
        let mut command = Command::new(self.built.join("plain_sdk"));
        command
            .env_clear()
            .envs(self.emulator.environment())
            .arg("maps-key")
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let (child, started) = spawn_on(SERVER_CORE, command);
        let output = child.wait_with_output().unwrap();
        let ended = Instant::now();
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), value, "the SDK alone");
        (started, ended)
    }

    /// As the Functions host starts it, with every setting that is no measurement's subject at its default.
    fn handler_command(&self, port: u16, names: &[String], prefetch: bool) -> Command {
        let mut command = Command::new(self.handler());
        command
            .env_clear()
            .envs(self.emulator.environment())
            .env("FUNCTIONS_CUSTOMHANDLER_PORT", port.to_string())
            .env("FUNCTIONS_APP_ROOT_PATH", &self.root)
            .env("ALLOWED_SECRETS", names.join(","))
            .env("ALLOWED_ORIGINS", ORIGIN)
            // Longer than the run, so that no refresh falls into a measurement.
            .env("CACHE_TTL_SECONDS", "86400")
            .env("PREFETCH", prefetch.to_string());
        command
    }

    fn bare_warp_command(&self, port: u16) -> Command {
        let file = self.folder.path().join("answers.json");
        self.answers.as_ref().unwrap().write(&file);
        let mut command = Command::new(self.bare_warp());
        command.env_clear().args([port.to_string().as_str(), ORIGIN]).arg(file);
        command
    }

    fn nginx_command(&self, port: u16, config: &str) -> Command {
        let folder = self.folder.path();
        let file = folder.join(format!("nginx-{port}.conf"));
        fs::write(&file, config).unwrap();
        let mut command = Command::new(which("nginx"));
        command
            .arg("-e")
            .arg("stderr")
            .arg("-p")
            .arg(folder)
            .arg("-c")
            .arg(file);
        command
    }

    fn express_command(&self, port: u16) -> Command {
        let environment = self.emulator.environment().into_iter().map(|(name, value)| match name {
            "SSL_CERT_FILE" => ("NODE_EXTRA_CA_CERTS", value),
            _ => (name, value),
        });
        let mut command = Command::new(which("node"));
        command
            .current_dir(self.express())
            .arg("server.mjs")
            .env_clear()
            .envs(environment)
            .env("ALLOWED_ORIGIN", ORIGIN)
            .env("NODE_ENV", "production")
            .env("PORT", port.to_string());
        command
    }
}

/// Keeps the calling thread, and what it starts, on one core.
pub(crate) fn pin(core: usize) {
    let mut cores = CpuSet::new();
    cores.set(core);
    sched_setaffinity(None, &cores).unwrap();
}

/// A child inherits the cores of the thread that starts it. Going through `taskset` would count its start too.
fn spawn_on(core: usize, mut command: Command) -> (Child, Instant) {
    let spawn = move || {
        pin(core);
        let started = Instant::now();
        (command.spawn().unwrap(), started)
    };
    thread::spawn(spawn).join().unwrap()
}

/// What a handler has written to its pipe.
#[derive(Clone, Debug, Default)]
pub(crate) struct Drained {
    bytes: Arc<AtomicU64>,
    prefetched: Arc<AtomicBool>,
}

/// Reads a pipe as the host does, on the load generator's core, and keeps nothing.
fn drain(mut pipe: ChildStdout) -> Drained {
    let drained = Drained::default();
    let Drained { bytes, prefetched } = drained.clone();
    thread::spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = pipe.read(&mut buffer) {
            bytes.fetch_add(count.try_into().unwrap(), Ordering::Relaxed);
            if !prefetched.load(Ordering::Relaxed) {
                // One line is one write, and nothing else is written so early: it arrives whole.
                let found = String::from_utf8_lossy(buffer.get(..count).unwrap()).contains("prefetched");
                prefetched.store(found, Ordering::Relaxed);
            }
        }
    });
    drained
}

/// A running peer; dropping it stops it.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    port: ReservedPort,
    pub(crate) started: Instant,
    log: Drained,
    pub(crate) runtime: Handle,
}

impl Server {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn port(&self) -> u16 {
        self.port.number()
    }

    /// Bytes read from its pipe so far.
    pub(crate) fn logged(&self) -> u64 {
        self.log.bytes.load(Ordering::Relaxed)
    }

    /// Asks as `scenario` does.
    pub(crate) fn ask(&self, scenario: Scenario) -> Answer {
        self.runtime.block_on(scenario.request().send(self.port()))
    }

    /// Waits until it answers `GET /`. Connecting is tried without a pause: a pause would be measured too.
    pub(crate) fn become_ready(&mut self) {
        let answer = loop {
            if let Ok(answer) = self.runtime.block_on(Request::get("/").try_send(self.port())) {
                break answer;
            }
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("it ended before it was ready: {status}");
            }
            assert!(
                self.started.elapsed() < DEADLINE,
                "it did not listen within {DEADLINE:?}"
            );
        };
        assert_eq!(answer.status, 200, "GET /");
    }

    /// Waits until a handler has said that it prefetched.
    pub(crate) fn become_prefetched(&self) {
        while !self.log.prefetched.load(Ordering::Relaxed) {
            assert!(
                self.started.elapsed() < DEADLINE,
                "it did not prefetch within {DEADLINE:?}"
            );
            thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Server {
    /// SIGTERM first: killing nginx's master would leave its worker behind.
    fn drop(&mut self) {
        let asked = Instant::now();
        let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
        while matches!(self.child.try_wait(), Ok(None)) {
            if asked.elapsed() > DEADLINE {
                drop(self.child.kill());
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}
