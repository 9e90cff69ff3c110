//! A handler below callgrind, and somebody who asks it on one connection.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bench::scenario::{ORIGIN, VALUE};
use testkit::handler::{Environment, Handler, Launch};
use testkit::{Emulator, ReservedPort, Secret};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

/// One request, asked so many times.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) request: String,
    pub(crate) status: u16,
    pub(crate) times: u32,
}

/// A secret that the allowed page reads.
pub(crate) fn hit(name: &str, times: u32) -> Asked {
    Asked {
        request: format!("GET /api/secrets/{name} HTTP/1.1\r\nHost: localhost\r\nOrigin: {ORIGIN}\r\n\r\n"),
        status: 200,
        times,
    }
}

/// How a handler is set up, and how many connections are kept while it is asked.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) settings: Vec<(String, String)>,
    pub(crate) connections: u32,
}

impl Case {
    /// Settings, and one connection.
    pub(crate) fn with(settings: Vec<(String, String)>) -> Self {
        Self {
            settings,
            connections: 1,
        }
    }
}

/// What every run starts from.
pub(crate) struct Rig {
    pub(crate) emulator: Emulator,
    valgrind: PathBuf,
    handler: PathBuf,
    /// Where callgrind's files go: `callgrind_annotate` reads them.
    pub(crate) folder: PathBuf,
}

impl Rig {
    pub(crate) async fn start(valgrind: &str, handler: &str) -> Self {
        let handler = Path::new(handler).canonicalize().unwrap();
        let emulator = Emulator::start().await.unwrap();
        emulator.put("maps-key", Secret::new(VALUE).content_type("text/plain"));
        let folder = std::env::current_exe().unwrap().with_file_name("callgrind");
        fs::create_dir_all(&folder).unwrap();
        Self {
            emulator,
            valgrind: valgrind.into(),
            handler,
            folder,
        }
    }

    fn environment(&self, port: &ReservedPort, settings: &[(String, String)]) -> Environment {
        Environment::of(&self.emulator)
            .with("FUNCTIONS_CUSTOMHANDLER_PORT", port.number().to_string())
            .with("CACHE_TTL_SECONDS", "86400")
            .with_all(settings.iter().map(|(name, value)| (name, value)))
    }

    /// Instructions of a handler from its start to its end, in which it is asked all this in turn, on as many connections
    /// as are kept. Callgrind's file gets this name.
    pub(crate) async fn run(&self, name: &str, case: &Case, asked: &[Asked]) -> u64 {
        let port = ReservedPort::new();
        let environment = self.environment(&port, &case.settings);
        let handler = self.below_callgrind(name, environment, &self.handler, &[], &port).await;
        ask_on(case.connections, &port, asked).await;
        let lines = handler.stop().await.stdout.matches(" INFO request ").count();
        let least: u32 = asked.iter().map(|asked| asked.times).sum();
        assert!(lines >= usize::try_from(least).unwrap(), "lines in the log: {lines}");
        self.total(name)
    }

    /// The same of another server, which is asked on one connection, and ended by SIGTERM.
    pub(crate) async fn run_other(&self, name: &str, command: &[String], port: &ReservedPort, asked: &[Asked]) -> u64 {
        let (program, arguments) = command.split_first().unwrap();
        let server = self
            .below_callgrind(name, Environment::default(), Path::new(program), arguments, port)
            .await;
        ask_on(1, port, asked).await;
        server.signal("TERM").await;
        server.wait().await;
        self.total(name)
    }

    async fn below_callgrind(
        &self,
        name: &str,
        environment: Environment,
        program: &Path,
        arguments: &[String],
        port: &ReservedPort,
    ) -> Handler {
        let file = self.folder.join(name);
        let launch = Launch::new(environment)
            .executable(&self.valgrind)
            .argument("--tool=callgrind")
            .argument(&format!("--callgrind-out-file={}", file.display()))
            .argument(program.to_str().unwrap());
        let launch = arguments
            .iter()
            .fold(launch, |launch, argument| launch.argument(argument));
        launch.serve(port.number()).await
    }

    /// The instructions that callgrind's file of this name tells.
    fn total(&self, name: &str) -> u64 {
        let text = fs::read_to_string(self.folder.join(name)).unwrap();
        let total = text.lines().find_map(|line| line.strip_prefix("totals: ")).unwrap();
        total.parse().unwrap()
    }

    /// The same handler at its own speed.
    pub(crate) async fn serve(&self, settings: &[(String, String)]) -> (Handler, ReservedPort) {
        let port = ReservedPort::new();
        let launch = Launch::new(self.environment(&port, settings)).executable(&self.handler);
        (launch.serve(port.number()).await, port)
    }
}

/// Asks on connections that are all kept, each its share of the requests, which is asked in one go.
async fn ask_on(connections: u32, port: &ReservedPort, asked: &[Asked]) {
    let mut streams = Vec::new();
    for _ in 0..connections {
        let mut stream = TcpStream::connect(("127.0.0.1", port.number())).await.unwrap();
        // All are there before most of it is asked.
        if let Some(first) = asked.first().filter(|_| connections > 1) {
            ask(
                &mut stream,
                &Asked {
                    times: 1,
                    ..first.clone()
                },
            )
            .await;
        }
        streams.push(stream);
    }
    for asked in asked {
        let rounds = if connections > 1 { asked.times / connections } else { 1 };
        let times = asked.times / connections / rounds;
        for _ in 0..rounds {
            for stream in &mut streams {
                ask(stream, &Asked { times, ..asked.clone() }).await;
            }
        }
    }
}

/// Asks on a kept connection. All answers but for the first, which may take a read of the vault, have one length.
pub(crate) async fn ask(stream: &mut TcpStream, asked: &Asked) {
    let status = format!("HTTP/1.1 {} ", asked.status);
    let mut answer = loop {
        let answer = first_answer(stream, &asked.request).await;
        if answer.starts_with(status.as_bytes()) {
            break answer;
        }
        // Names that were never read have a budget.
        assert!(answer.starts_with(b"HTTP/1.1 503 "), "{}", answer.escape_ascii());
        sleep(Duration::from_millis(100)).await;
    };
    for _ in 1..asked.times {
        stream.write_all(asked.request.as_bytes()).await.unwrap();
        stream.read_exact(&mut answer).await.unwrap();
        assert!(answer.starts_with(status.as_bytes()), "{}", answer.escape_ascii());
    }
}

async fn first_answer(stream: &mut TcpStream, request: &str) -> Vec<u8> {
    let mut answer = Vec::new();
    stream.write_all(request.as_bytes()).await.unwrap();
    while !is_whole(&answer) {
        assert_ne!(stream.read_buf(&mut answer).await.unwrap(), 0, "it has ended");
    }
    answer
}

fn is_whole(answer: &[u8]) -> bool {
    let text = String::from_utf8_lossy(answer);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let head = head.to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    body.len() == length.map_or(0, |length| length.parse().unwrap())
}
