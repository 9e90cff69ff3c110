//! The peers: how each is started on the server's core, found ready, and stopped.

use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::thread::{CpuSet, sched_setaffinity};
use serde_json::json;
use tempfile::TempDir;
use testkit::Emulator;
use testkit::client::{Answer, Request};
use tokio::runtime::{Handle, Runtime};

use crate::nginx;
use crate::scenario::{Answers, ORIGIN, Scenario, to_json};

/// The core that servers have to themselves.
pub(crate) const SERVER_CORE: usize = 0;
/// The core of the load generator, of this program and of the emulator in it.
pub(crate) const LOAD_CORE: usize = 1;
/// Longest wait for a server to be ready, or to end.
const DEADLINE: Duration = Duration::from_mins(1);

/// Where a handler's log goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Log {
    /// To a pipe that somebody reads, as under the Functions host.
    Pipe,
    /// To a file on disk.
    File,
    /// To the null device.
    Null,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    Handler(Log),
    BareWarp,
    Nginx { access_log: bool },
    Express,
}

impl Peer {
    /// All that are put under load.
    pub(crate) const ALL: [Self; 7] = [
        Self::Handler(Log::Pipe),
        Self::Handler(Log::File),
        Self::Handler(Log::Null),
        Self::BareWarp,
        Self::Nginx { access_log: false },
        Self::Nginx { access_log: true },
        Self::Express,
    ];

    /// Whether it stands for its kind; the others differ from one that does in where their log goes.
    pub(crate) fn is_main(self) -> bool {
        matches!(
            self,
            Self::Handler(Log::Pipe) | Self::BareWarp | Self::Nginx { access_log: false } | Self::Express
        )
    }

    /// Whether it reads its secret from the vault.
    pub(crate) fn reads_vault(self) -> bool {
        matches!(self, Self::Handler(_) | Self::Express)
    }

    /// As reports name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Handler(Log::Pipe) => "handler",
            Self::Handler(Log::File) => "handler, log to a file",
            Self::Handler(Log::Null) => "handler, log to /dev/null",
            Self::BareWarp => "bare warp",
            Self::Nginx { access_log: false } => "nginx",
            Self::Nginx { access_log: true } => "nginx, log to a file",
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
    /// Where cargo put the handler and this program.
    pub(crate) built: PathBuf,
    pub(crate) answers: Option<Answers>,
    /// What the emulator and the clients run on.
    pub(crate) runtime: Runtime,
}

impl Bench {
    pub(crate) fn handler(&self) -> PathBuf {
        self.built.join("handler")
    }

    pub(crate) fn bare_warp(&self) -> PathBuf {
        self.built.join("bare_warp")
    }

    pub(crate) fn express(&self) -> PathBuf {
        self.root.join("crates/bench/express")
    }

    /// The file that a peer with a log file writes.
    pub(crate) fn log_file(&self, peer: Peer) -> Option<PathBuf> {
        match peer {
            Peer::Handler(Log::File) => Some(self.folder.path().join("handler.log")),
            Peer::Nginx { access_log: true } => Some(self.folder.path().join("access.log")),
            _ => None,
        }
    }

    /// Starts a peer on the server's core. A handler fetches its secret at the start if `prefetch` says so.
    pub(crate) fn start(&self, peer: Peer, prefetch: bool) -> Server {
        let port = free_port();
        let mut command = match peer {
            Peer::Handler(_) => self.handler_command(port, prefetch),
            Peer::BareWarp => self.bare_warp_command(port),
            Peer::Nginx { access_log } => self.nginx_command(port, access_log),
            Peer::Express => self.express_command(port),
        };
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit());
        if peer == Peer::Handler(Log::Pipe) {
            command.stdout(Stdio::piped());
        } else if let (Peer::Handler(Log::File), Some(path)) = (peer, self.log_file(peer)) {
            command.stdout(append(path));
        }
        let (mut child, started) = spawn_on_server_core(command);
        let log = child.stdout.take().map(drain).unwrap_or_default();
        Server {
            child,
            port,
            started,
            log,
            runtime: self.runtime.handle().clone(),
        }
    }

    /// As the Functions host starts it, with every setting that is no measurement's subject at its default.
    fn handler_command(&self, port: u16, prefetch: bool) -> Command {
        let mut command = Command::new(self.handler());
        command
            .env_clear()
            .envs(self.emulator.environment())
            .env("FUNCTIONS_CUSTOMHANDLER_PORT", port.to_string())
            .env("FUNCTIONS_APP_ROOT_PATH", &self.root)
            .env("ALLOWED_SECRETS", "maps-key")
            .env("ALLOWED_ORIGINS", ORIGIN)
            // Longer than the run, so that no refresh falls into a measurement.
            .env("CACHE_TTL_SECONDS", "86400")
            .env("PREFETCH", prefetch.to_string());
        command
    }

    fn bare_warp_command(&self, port: u16) -> Command {
        let answers = self.answers.as_ref().unwrap();
        let text = json!({
            "hit": to_json(&answers.hit),
            "preflight": to_json(&answers.preflight),
            "refused": to_json(&answers.refused),
        });
        let file = self.folder.path().join("answers.json");
        fs::write(&file, text.to_string()).unwrap();
        let mut command = Command::new(self.bare_warp());
        command.env_clear().args([port.to_string().as_str(), ORIGIN]).arg(file);
        command
    }

    fn nginx_command(&self, port: u16, access_log: bool) -> Command {
        let folder = self.folder.path();
        let config = nginx::config(folder, port, self.answers.as_ref().unwrap(), access_log);
        let file = folder.join(format!("nginx-{port}.conf"));
        fs::write(&file, config).unwrap();
        let mut command = Command::new(nginx());
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
        let mut command = Command::new(node());
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

/// Debian keeps nginx where only root looks for programs.
pub(crate) fn nginx() -> PathBuf {
    which("nginx").unwrap_or_else(|| PathBuf::from("/usr/sbin/nginx"))
}

pub(crate) fn node() -> PathBuf {
    which("node").unwrap()
}

fn which(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())
}

fn append(path: PathBuf) -> File {
    OpenOptions::new().create(true).append(true).open(path).unwrap()
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// Keeps the calling thread, and what it starts, on one core.
pub(crate) fn pin(core: usize) {
    let mut cores = CpuSet::new();
    cores.set(core);
    sched_setaffinity(None, &cores).unwrap();
}

/// A child inherits the cores of the thread that starts it. Going through `taskset` would count its start too.
fn spawn_on_server_core(mut command: Command) -> (Child, Instant) {
    let spawn = move || {
        pin(SERVER_CORE);
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
    pub(crate) port: u16,
    pub(crate) started: Instant,
    log: Drained,
    pub(crate) runtime: Handle,
}

impl Server {
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Bytes read from its pipe so far.
    pub(crate) fn logged(&self) -> u64 {
        self.log.bytes.load(Ordering::Relaxed)
    }

    /// Asks as `scenario` does.
    pub(crate) fn ask(&self, scenario: Scenario) -> Answer {
        self.runtime.block_on(scenario.request().send(self.port))
    }

    /// Waits until it answers `GET /`. Connecting is tried without a pause: a pause would be measured too.
    pub(crate) fn become_ready(&mut self) {
        let answer = loop {
            if let Ok(answer) = self.runtime.block_on(Request::get("/").try_send(self.port)) {
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
