//! From the start of the process to the first answer, as the Functions host
//! waits for it; size of the binary; memory when idle. Prints the rows of the
//! README's measurements: `cargo bench --profile release --bench startup`.
#![expect(
    clippy::print_stdout,
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "a benchmark prints, measures real time, and stops at the first surprise"
)]

use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

const HANDLER: &str = env!("CARGO_BIN_EXE_handler");
const ROUNDS: usize = 101;

fn main() {
    let mut milliseconds = Vec::with_capacity(ROUNDS);
    let mut resident = Vec::with_capacity(ROUNDS);
    for _ in 0..ROUNDS {
        let port = free_port();
        let started = Instant::now();
        let mut handler = start(port);
        ask(port);
        milliseconds.push(started.elapsed().as_secs_f64() * 1000.0);
        resident.push(resident_kib(handler.id()));
        handler.kill().unwrap();
        handler.wait().unwrap();
    }
    milliseconds.sort_by(f64::total_cmp);
    resident.sort_unstable();
    let size = fs::metadata(HANDLER).unwrap().len();
    println!(
        "| start to first `GET /`, median of {ROUNDS} | {:.1} ms |",
        at(&milliseconds, 0.5)
    );
    println!(
        "| start to first `GET /`, 95th percentile | {:.1} ms |",
        at(&milliseconds, 0.95)
    );
    println!(
        "| memory, idle | {:.1} MB |",
        f64::from(at(&resident, 0.5)) * 1024.0 / 1e6
    );
    println!("| binary | {}.{} MB |", size / 1_000_000, size / 100_000 % 10);
}

fn start(port: u16) -> Child {
    Command::new(HANDLER)
        .env_clear()
        .envs([
            ("FUNCTIONS_CUSTOMHANDLER_PORT", port.to_string().as_str()),
            ("FUNCTIONS_APP_ROOT_PATH", env!("CARGO_MANIFEST_DIR")),
            ("KEY_VAULT_URL", "https://localhost:1"),
            ("ALLOWED_SECRETS", "maps-key"),
            ("ALLOWED_ORIGINS", "https://contoso.com"),
            ("AZURE_TOKEN_CREDENTIALS", "prod"),
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

/// Connects until the handler listens, then waits for its answer.
fn ask(port: u16) {
    let mut stream = loop {
        if let Ok(stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
            break stream;
        }
    };
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// `VmRSS` of a process, in KiB.
fn resident_kib(process: u32) -> u32 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// The value at `share` of a sorted list.
fn at<T: Copy>(sorted: &[T], share: f64) -> T {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index into a short list"
    )]
    let index = ((sorted.len() - 1) as f64 * share).round() as usize;
    *sorted.get(index).unwrap()
}
