//! Streams that nobody reads, reads late, or has closed: no answer and no end waits for a log line.

use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::time::Duration;

use testkit::{Emulator, Fault, Secret, Target, Times};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::overload::Connection;
use crate::support::client::Request;
use crate::support::handler::{Environment, Launch, ReservedPort};
use crate::support::{ORIGIN, PATH, SECRET, VALUE, until};

/// More than a pipe holds, at some 300 bytes a line: 64 KiB.
const MORE_THAN_A_PIPE: usize = 400;

/// What the end may take: 1 s for the log, and room for a busy machine.
const END: Duration = Duration::from_secs(4);

/// A handler whose streams are the test's own.
struct Unread {
    emulator: Emulator,
    port: ReservedPort,
    child: Child,
}

impl Unread {
    async fn start(settings: &[(&str, &str)], streams: impl FnOnce(&mut Command)) -> Self {
        let emulator = Emulator::start().await.unwrap();
        emulator.put(SECRET, Secret::new(VALUE));
        let port = ReservedPort::new();
        let environment = Environment::of(&emulator)
            .with("FUNCTIONS_CUSTOMHANDLER_PORT", port.number().to_string())
            .with("CACHE_TTL_SECONDS", "300");
        let environment = settings
            .iter()
            .fold(environment, |environment, (name, value)| environment.with(name, value));
        let mut command = Launch::new(environment).command();
        streams(&mut command);
        let child = command.spawn().unwrap();
        drop(command);
        let begun = Instant::now();
        while Request::get("/").try_send(port.number()).await.is_err() {
            assert!(begun.elapsed() < Duration::from_secs(10), "it does not become ready");
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        Self { emulator, port, child }
    }

    /// Reads the secret this often, over eight connections, with a long invocation id in each line.
    async fn read(&self, times: usize, padding: usize) {
        let mut readers = JoinSet::new();
        for mut connection in Connection::open_many(self.port.number(), 8).await {
            readers.spawn(async move {
                let id = "i".repeat(padding);
                for _ in 0..times / 8 {
                    let answer = connection
                        .get_with(PATH, &[("x-azure-functions-invocationid", &id)])
                        .await;
                    assert_eq!(answer.status, 200);
                }
            });
        }
        readers.join_all().await;
    }

    /// Ends it; how long that took, and its exit code.
    async fn terminate(&mut self) -> (Duration, Option<i32>) {
        let pid = self.child.id().unwrap().to_string();
        let begun = Instant::now();
        let sent = Command::new("kill").args(["-TERM", &pid]).status().await.unwrap();
        assert!(sent.success());
        let status = timeout(Duration::from_secs(15), self.child.wait()).await;
        (begun.elapsed(), status.expect("it does not end").unwrap().code())
    }
}

/// Reads a pipe to its end, in the background.
fn collect(mut pipe: PipeReader) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut text = String::new();
        pipe.read_to_string(&mut text).unwrap();
        text
    })
}

fn requests(stdout: &str) -> usize {
    stdout.lines().filter(|line| line.contains(" request ")).count()
}

/// The sum of what was reported as dropped.
fn dropped(stderr: &str) -> usize {
    let counts = stderr.split("log_lines_dropped=").skip(1);
    counts
        .map(|rest| rest.split_whitespace().next().unwrap().parse::<usize>().unwrap())
        .sum()
}

/// A pipe with no room left: whoever writes to it waits for its reader.
fn full_pipe() -> (PipeReader, PipeWriter) {
    let (reader, mut writer) = pipe().unwrap();
    rustix::io::ioctl_fionbio(&writer, true).unwrap();
    while writer.write(&[b'\n'; 4096]).is_ok() {}
    rustix::io::ioctl_fionbio(&writer, false).unwrap();
    (reader, writer)
}

#[tokio::test]
async fn a_stream_that_nobody_reads_stops_neither_requests_nor_the_end() {
    for stream in ["stdout", "stderr"] {
        let (reader, writer) = full_pipe();
        // A wildcard is warned about at start.
        let origins = format!("{ORIGIN},https://*.contoso.net");
        let mut handler = Unread::start(&[("ALLOWED_ORIGINS", &origins)], |command| {
            if stream == "stdout" {
                command.stdout(writer);
            } else {
                command.stderr(writer);
            }
        })
        .await;

        handler.read(MORE_THAN_A_PIPE, 100).await;

        let ready = Request::get("/").send(handler.port.number()).await;
        assert_eq!(ready.status, 200, "{stream}");
        let (took, code) = handler.terminate().await;
        assert_eq!(code, Some(143), "{stream}");
        assert!(took < END, "{stream}: {took:?}");
        drop(reader);
    }
}

#[tokio::test]
async fn what_the_queue_cannot_hold_is_counted_and_told_when_it_is_read_again() {
    // The queue and a quarter more, at some 380 bytes a line.
    const LINES: usize = 28_000;
    let ((stdout, to_stdout), (stderr, to_stderr)) = (pipe().unwrap(), pipe().unwrap());
    let mut handler = Unread::start(&[], |command| {
        command.stdout(to_stdout).stderr(to_stderr);
    })
    .await;
    let stderr = collect(stderr);

    handler.read(LINES, 128).await;
    let stdout = collect(stdout);
    let (_, code) = handler.terminate().await;

    assert_eq!(code, Some(143));
    let (stdout, stderr) = (stdout.join().unwrap(), stderr.join().unwrap());
    let (written, dropped) = (requests(&stdout), dropped(&stderr));
    assert_eq!(written + dropped, LINES, "{written} written, {dropped} dropped");
    assert!(dropped > LINES / 8, "{dropped}");
    let bytes = stdout.len();
    assert!(bytes > 8 * 1024 * 1024, "the queue holds 8 MiB: {bytes} bytes");
    assert!(bytes < 9 * 1024 * 1024, "the queue is bounded: {bytes} bytes");
}

#[tokio::test]
async fn a_non_blocking_pipe_loses_no_line() {
    let (stdout, to_stdout) = pipe().unwrap();
    rustix::io::ioctl_fionbio(&to_stdout, true).unwrap();
    let mut handler = Unread::start(&[], |command| {
        command.stdout(to_stdout);
    })
    .await;

    handler.read(MORE_THAN_A_PIPE, 100).await;
    let stdout = collect(stdout);
    let (_, code) = handler.terminate().await;

    assert_eq!(code, Some(143));
    assert_eq!(requests(&stdout.join().unwrap()), MORE_THAN_A_PIPE);
}

#[tokio::test]
async fn a_closed_stdout_ends_its_own_lines_only() {
    let ((stdout, to_stdout), (stderr, to_stderr)) = (pipe().unwrap(), pipe().unwrap());
    let mut handler = Unread::start(&[("CACHE_TTL_SECONDS", "0")], |command| {
        command.stdout(to_stdout).stderr(to_stderr);
    })
    .await;
    drop(stdout);
    let stderr = collect(stderr);
    let port = handler.port.number();
    assert_eq!(Request::get(PATH).origin(ORIGIN).send(port).await.status, 200);
    let reads = handler.emulator.counters().gets;
    handler
        .emulator
        .script(Target::Vault, Fault::unavailable(), Times::Always);

    assert_eq!(Request::get(PATH).origin(ORIGIN).send(port).await.status, 503);

    until("the vault was asked", || handler.emulator.counters().gets > reads).await;
    let (took, code) = handler.terminate().await;
    assert_eq!(code, Some(143));
    assert!(took < END, "{took:?}");
    let stderr = stderr.join().unwrap();
    assert!(stderr.contains(" WARN "), "{stderr:?}");
    assert_eq!(dropped(&stderr), 0, "{stderr}");
}
