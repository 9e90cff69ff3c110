//! Many connections: nobody waits in the backlog, and the limits on what one may send.

use std::time::Duration;

use testkit::{Emulator, Fault, Secret, Target, Times};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::cache::{assert_serves, rig};
#[cfg(target_os = "linux")]
use crate::overload::resident_kib;
use crate::overload::{Connection, make_room, start_with_limit};
use crate::support::client::Request;
use crate::support::handler::{Environment, ReservedPort};
use crate::support::{ORIGIN, PATH, Rig, SECRET, VALUE, raw, until};

const BOUND: Duration = Duration::from_secs(10);

/// A limit on open files, and the connections that it leaves: four fifths of what is not put aside.
const FEW_FILES: &str = "-n 256";
const FEW: usize = 103;

#[tokio::test]
async fn fifteen_hundred_callers_at_once_on_kept_connections_are_each_answered_within_5_s() {
    make_room();
    let emulator = Emulator::start().await.unwrap();
    emulator.put(SECRET, Secret::new(VALUE));
    let port = ReservedPort::new();
    let environment = Environment::of(&emulator).with("CACHE_TTL_SECONDS", "300");
    // The usual soft limit on open files; the handler raises it.
    let handler = start_with_limit(environment, &port, "-S -n 1024").await;
    let connections = Connection::open_many(port.number(), 1500).await;
    let mut callers = JoinSet::new();
    for mut connection in connections {
        callers.spawn(async move {
            let begun = Instant::now();
            let answer = connection.get(PATH).await;
            (answer, begun.elapsed(), connection)
        });
    }
    for (answer, took, _connection) in callers.join_all().await {
        assert_serves("one of 1,500", &answer, VALUE);
        assert!(took < Duration::from_secs(5), "{took:?}");
    }
    handler.stop().await;
}

#[tokio::test]
async fn at_the_limit_the_longest_idle_connection_makes_room() {
    let emulator = Emulator::start().await.unwrap();
    emulator.put(SECRET, Secret::new(VALUE));
    let port = ReservedPort::new();
    let handler = start_with_limit(Environment::of(&emulator), &port, FEW_FILES).await;
    let mut idle = Vec::new();
    for _ in 0..FEW {
        idle.push(Connection::open(port.number()).await);
    }
    // The first is no longer the one that has been idle longest.
    assert_serves("the first", &idle[0].get(PATH).await, VALUE);

    let mut new = Connection::open(port.number()).await;

    assert_serves("beyond the limit", &new.get(PATH).await, VALUE);
    assert_serves("the first again", &idle[0].get(PATH).await, VALUE);
    until("the second has ended", || idle[1].has_ended()).await;
    assert!(idle[2..].iter().all(|connection| !connection.has_ended()));
    handler.stop().await;
}

#[tokio::test]
async fn with_none_idle_the_new_connection_is_answered_503_at_once() {
    let emulator = Emulator::start().await.unwrap();
    emulator.put(SECRET, Secret::new(VALUE));
    let port = ReservedPort::new();
    let environment = Environment::of(&emulator)
        .with("PREFETCH", "false")
        .with("UPSTREAM_TIMEOUT_SECONDS", "10");
    let handler = start_with_limit(environment, &port, FEW_FILES).await;
    emulator.script(Target::Vault, Fault::Latency(Duration::from_secs(4)), Times::Always);
    let mut busy = JoinSet::new();
    for mut connection in Connection::open_many(port.number(), FEW).await {
        busy.spawn(async move { connection.get(PATH).await });
    }
    until("the vault is being asked", || emulator.counters().connections > 0).await;
    // All of them have begun when the last one's neighbours have: one more request a connection.
    let begun = Instant::now();
    let refused = loop {
        let answer = Request::get("/").send(port.number()).await;
        if answer.status == 503 {
            break answer;
        }
        assert!(begun.elapsed() < Duration::from_secs(3), "never refused");
    };

    assert_eq!(refused.header("connection"), Some("close"));
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(refused.json()["error"]["code"], "VaultUnavailable");
    for answer in busy.join_all().await {
        assert_serves("begun before", &answer, VALUE);
    }
    let answer = Request::get(PATH).origin(ORIGIN).send(port.number()).await;
    assert_serves("after them", &answer, VALUE);
    handler.stop().await;
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn each_of_a_thousand_idle_connections_holds_at_most_6_kb_and_serves_on() {
    make_room();
    let rig = rig(&[]).await;
    let (port, pid) = (rig.handler.port(), rig.handler.pid());
    // The first ones keep their buffers.
    let mut open = Connection::open_many(port, 300).await;
    let before = resident_kib(pid);
    open.extend(Connection::open_many(port, 1000).await);
    let after = resident_kib(pid);
    let each = (after - before) * 1024 / 1000;
    assert!(each <= 6000, "{each} bytes, {before} KiB before, {after} KiB after");

    for connection in &mut open {
        assert_serves("one of 1,300", &connection.get(PATH).await, VALUE);
    }
    // What came with a request is not lost when its connection is put to rest: here a whole one, and half of another.
    let request = format!("GET {PATH} HTTP/1.1\r\nHost: x\r\nOrigin: {ORIGIN}\r\n");
    let (first, rest) = request.split_at(20);
    let mut stream = raw::begin(port, format!("{request}\r\n{request}\r\n{first}").as_bytes()).await;
    let mut answers = Vec::new();
    while String::from_utf8_lossy(&answers).matches(VALUE).count() < 2 {
        timeout(BOUND, stream.read_buf(&mut answers)).await.unwrap().unwrap();
    }
    let rest = format!("{rest}Connection: close\r\n\r\n");
    stream.write_all(rest.as_bytes()).await.unwrap();
    assert_eq!(raw::read(stream).await.statuses(), [200]);
}

#[tokio::test]
async fn two_host_lines_are_a_bad_request() {
    let rig = Rig::start().await;
    for target in [PATH, "http://app.example/api/secrets/maps-key", "/"] {
        for second in ["x", "evil.example"] {
            let request = format!("GET {target} HTTP/1.1\r\nHost: x\r\nOrigin: {ORIGIN}\r\nHost: {second}\r\n\r\n");
            let answer = raw::exchange(rig.handler.port(), request.as_bytes()).await;
            assert_eq!(answer.statuses(), [400], "{target} {second}: {answer:?}");
        }
    }
    rig.assert_untouched("two hosts");
}

#[tokio::test]
async fn without_descriptors_new_connections_are_served_and_the_process_survives() {
    let emulator = Emulator::start().await.unwrap();
    emulator.put(SECRET, Secret::new(VALUE));
    let port = ReservedPort::new();
    let handler = start_with_limit(Environment::of(&emulator), &port, "-n 64").await;
    let mut idle = Vec::new();
    for _ in 0..120 {
        idle.push(raw::begin(port.number(), b"").await);
    }
    // Older ones have made room for the last.
    let last = idle.last_mut().unwrap();
    last.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut answer = [0; 12];
    timeout(BOUND, last.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200");

    let answer = Request::get(PATH).origin(ORIGIN).send(port.number()).await;
    assert_serves("beside them", &answer, VALUE);
    drop(idle);
    handler.stop().await;
}
