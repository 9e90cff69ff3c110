//! The process: where it listens, how it ends, what its exit code says, and its command line.

use std::net::{IpAddr, TcpListener};
use std::time::Duration;

use testkit::{Emulator, Fault, Target, Times};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::support::client::Request;
use crate::support::expect::Headers;
use crate::support::handler::{Environment, Handler, Launch};
use crate::support::{ORIGIN, PATH, Rig, raw, until};

/// The contract's bound on draining, with room for a busy machine.
const DRAIN: Duration = Duration::from_secs(6);

/// The local addresses, as the kernel writes them, on which something listens at this port.
#[cfg(target_os = "linux")]
fn listening_on(port: u16) -> Vec<String> {
    let port = format!(":{port:04X}");
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .flat_map(|table| {
            let table = std::fs::read_to_string(table).unwrap_or_default();
            table.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()
        })
        .filter_map(|line| {
            let mut columns = line.split_whitespace().skip(1);
            let (local, state) = (columns.next()?, columns.nth(1)?);
            // 0A is TCP_LISTEN.
            (state == "0A" && local.ends_with(&port)).then(|| local.to_owned())
        })
        .collect()
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn it_listens_on_ipv4_loopback_and_nowhere_else() {
    let rig = Rig::start().await;
    let port = rig.handler.port();

    assert_eq!(listening_on(port), [format!("0100007F:{port:04X}")]);
    for other in ["127.0.0.2", "::1"] {
        let address: IpAddr = other.parse().unwrap();
        assert!(TcpStream::connect((address, port)).await.is_err(), "{other}");
    }
}

#[tokio::test]
async fn sigterm_lets_the_request_in_flight_finish_and_exits_143() {
    let rig = Rig::start().await;
    let port = rig.handler.port();
    rig.emulator
        .script(Target::Vault, Fault::Latency(Duration::from_secs(1)), Times::Always);

    let request = tokio::spawn(Request::get(PATH).origin(ORIGIN).send(port));
    until("the vault is being asked", || rig.emulator.counters().gets > 0).await;
    rig.handler.signal("TERM").await;

    // RFC 9112, section 9.6: the last answer of a connection says so.
    let headers = Headers::json().readable_by(ORIGIN).with("connection", "close");
    request.await.unwrap().must_be("in flight", 200, &headers);
    let output = rig.handler.wait().await;
    assert_eq!(output.code, Some(143), "{}", output.all());
    assert!(
        TcpStream::connect(("127.0.0.1", port)).await.is_err(),
        "it still listens"
    );
}

#[tokio::test]
async fn draining_is_bounded_however_long_the_vault_takes() {
    let rig = Rig::with(&[("UPSTREAM_TIMEOUT_SECONDS", "60")]).await;
    rig.emulator.script(Target::Vault, Fault::Hang, Times::Always);

    let idle = raw::begin(rig.handler.port(), b"").await;
    let request = tokio::spawn(Request::get(PATH).origin(ORIGIN).try_send(rig.handler.port()));
    until("the vault is being asked", || rig.emulator.counters().connections > 0).await;
    let begun = Instant::now();
    rig.handler.signal("TERM").await;
    let output = rig.handler.wait().await;

    assert_eq!(output.code, Some(143), "{}", output.all());
    assert!(begun.elapsed() < DRAIN, "{:?}", begun.elapsed());
    assert!(request.await.unwrap().is_err(), "it cannot have been answered");
    // What is cut off is told: the one request, and not the connection that had nothing to do.
    assert_eq!(
        output.stdout.matches("verdict=\"Abandoned\"").count(),
        1,
        "{}",
        output.all()
    );
    assert!(output.stderr.contains("open=1"), "{}", output.stderr);
    drop(idle);
}

#[tokio::test]
async fn a_line_is_out_although_nothing_follows_it() {
    let rig = Rig::start().await;
    let answer = Request::get(PATH).origin(ORIGIN).send(rig.handler.port()).await;
    let id = answer.header("x-ms-request-id").unwrap();

    // The host ends a handler without a signal before: what is still in memory then is lost.
    until("the request's line is out", || rig.handler.stdout().contains(id)).await;
}

#[tokio::test]
async fn neither_an_idle_connection_nor_half_a_request_keeps_it_from_ending() {
    let rig = Rig::start().await;
    let port = rig.handler.port();
    let idle = raw::begin(port, b"").await;
    let half = raw::begin(port, b"GET / HTTP/1.1\r\nHost: x\r\nX-Half").await;
    let body = raw::begin(port, b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf").await;
    // Served only after the connections above have been accepted: they are first in the queue.
    assert_eq!(Request::get("/").send(port).await.status, 200);

    let begun = Instant::now();
    rig.handler.signal("TERM").await;
    let output = rig.handler.wait().await;

    assert_eq!(output.code, Some(143), "{}", output.all());
    assert!(begun.elapsed() < DRAIN, "{:?}", begun.elapsed());
    drop((idle, half, body));
}

#[tokio::test]
async fn a_busy_port_exits_1_and_names_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let emulator = Emulator::start().await.unwrap();

    let output = Launch::new(Environment::of(&emulator).with("FUNCTIONS_CUSTOMHANDLER_PORT", &port))
        .run()
        .await;

    assert_eq!(output.code, Some(1), "{}", output.all());
    assert!(output.stderr.contains(&port), "{}", output.stderr);
    assert!(!output.stderr.contains("panicked"), "{}", output.stderr);
}

#[tokio::test]
async fn idle_connections_do_not_keep_others_from_being_served() {
    let rig = Rig::start().await;
    let mut idle = Vec::new();
    for number in 0..200 {
        let bytes: &[u8] = if number % 2 == 0 { b"" } else { b"GET /api" };
        idle.push(raw::begin(rig.handler.port(), bytes).await);
    }

    rig.get(PATH)
        .await
        .must_be("beside 200 idle connections", 200, &Headers::json().readable_by(ORIGIN));
    assert_eq!(Request::get("/").send(rig.handler.port()).await.status, 200);
    drop(idle);
    assert_eq!(Request::get("/").send(rig.handler.port()).await.status, 200);
}

#[tokio::test]
async fn a_head_that_never_ends_is_given_up_after_10_s_and_an_idle_connection_is_not() {
    let rig = Rig::start().await;
    let port = rig.handler.port();
    let mut idle = raw::begin(port, b"").await;
    let mut used = raw::begin(port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await;
    let begun = Instant::now();
    let mut half = raw::begin(port, b"GET / HTTP/1.1\r\nHost: x\r\nX-Half: ").await;

    let mut end = Vec::new();
    let closed = timeout(Duration::from_secs(15), half.read_to_end(&mut end)).await;

    assert!(closed.is_ok(), "still open after {:?}", begun.elapsed());
    assert!(
        begun.elapsed() > Duration::from_secs(9),
        "closed after {:?}",
        begun.elapsed()
    );
    // The host pools connections for about 60 s: one that has been used, or not yet, must still serve.
    for stream in [&mut idle, &mut used] {
        stream
            .write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            .await
            .unwrap();
        let mut answers = Vec::new();
        stream.read_to_end(&mut answers).await.unwrap();
        assert!(
            answers.starts_with(b"HTTP/1.1 200 OK\r\n"),
            "{}",
            String::from_utf8_lossy(&answers)
        );
    }
}

#[tokio::test]
async fn a_vault_that_hangs_does_not_delay_readiness() {
    let emulator = Emulator::start().await.unwrap();
    emulator.script(Target::Vault, Fault::Hang, Times::Always);
    emulator.script(Target::Token, Fault::Hang, Times::Always);
    let handler = Handler::start(Environment::of(&emulator)).await;

    let request = tokio::spawn(Request::get(PATH).origin(ORIGIN).try_send(handler.port()));
    until("the vault is being asked", || emulator.counters().connections > 0).await;
    let begun = Instant::now();
    assert_eq!(Request::get("/").send(handler.port()).await.status, 200);
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    request.abort();
}

#[tokio::test]
async fn help_and_version_need_no_configuration() {
    let output = Launch::new(Environment::default()).argument("--help").run().await;
    assert_eq!(output.code, Some(0), "{}", output.all());
    for part in ["handler", "--help", "--version"] {
        assert!(output.stdout.contains(part), "{part}: {}", output.stdout);
    }
    assert_eq!(output.stderr, "");

    let output = Launch::new(Environment::default()).argument("--version").run().await;
    assert_eq!(output.code, Some(0), "{}", output.all());
    assert!(output.stdout.contains(env!("CARGO_PKG_VERSION")), "{}", output.stdout);
    assert_eq!(output.stdout.lines().count(), 1, "{}", output.stdout);
    assert_eq!(output.stderr, "");
}

#[tokio::test]
async fn an_unknown_command_line_exits_1_with_the_usage() {
    let emulator = Emulator::start().await.unwrap();

    for environment in [Environment::default(), Environment::of(&emulator)] {
        for arguments in [
            &["serve"][..],
            &["--port", "8080"],
            &["-x"],
            &[""],
            &["--help", "--more"],
            &["--version", "x"],
            &["\u{1f511}"],
        ] {
            let launch = Launch::new(environment.clone());
            let launch = arguments
                .iter()
                .fold(launch, |launch, argument| launch.argument(argument));
            let output = launch.run().await;
            assert_eq!(output.code, Some(1), "{arguments:?}: {}", output.all());
            assert!(
                output.stderr.to_lowercase().contains("usage"),
                "{arguments:?}: {}",
                output.stderr
            );
            assert_eq!(output.stdout, "", "{arguments:?}");
        }
    }
}
