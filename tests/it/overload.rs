//! Too much of everything: requests at once, made-up names, connections, half requests.

use std::net::Ipv4Addr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use testkit::{Fault, Secret, Target, Times};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::cache::{Sources, assert_recovers, assert_serves, rig};
use crate::support::client::{Answer, Request};
use crate::support::handler::{EXECUTABLE, Environment, Handler, Launch, ReservedPort};
use crate::support::row::{NOT_FOUND, UNAVAILABLE, assert_is};
use crate::support::{ORIGIN, PATH, Rig, VALUE, raw};

/// What no answer in this file may take.
const BOUND: Duration = Duration::from_secs(15);

/// A connection for many requests, one after another.
pub(crate) struct Connection {
    host: HeaderValue,
    sender: SendRequest<Full<Bytes>>,
}

impl Connection {
    /// Opens one and waits until it serves, so that it counts on the other side.
    pub(crate) async fn open(port: u16) -> Self {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let host = HeaderValue::from_str(&format!("127.0.0.1:{port}")).unwrap();
        let mut connection = Self { host, sender };
        assert_eq!(connection.get("/").await.status, 200);
        connection
    }

    pub(crate) async fn open_many(port: u16, count: usize) -> Vec<Self> {
        let mut opening = JoinSet::new();
        for _ in 0..count {
            opening.spawn(Self::open(port));
        }
        timeout(BOUND, opening.join_all()).await.unwrap()
    }

    /// Whether the other side has closed it.
    pub(crate) fn has_ended(&self) -> bool {
        self.sender.is_closed()
    }

    /// GET from the allowed origin.
    pub(crate) async fn get(&mut self, path: &str) -> Answer {
        self.get_with(path, &[]).await
    }

    /// GET from the allowed origin, with these headers too.
    pub(crate) async fn get_with(&mut self, path: &str, headers: &[(&'static str, &str)]) -> Answer {
        let mut request = http::Request::new(Full::default());
        for (name, value) in headers {
            request
                .headers_mut()
                .insert(*name, HeaderValue::from_str(value).unwrap());
        }
        *request.uri_mut() = path.parse().unwrap();
        request.headers_mut().insert("host", self.host.clone());
        request.headers_mut().insert("origin", HeaderValue::from_static(ORIGIN));
        let answer = async {
            let (head, body) = self.sender.send_request(request).await.unwrap().into_parts();
            Answer {
                method: Method::GET,
                status: head.status.as_u16(),
                headers: head.headers,
                body: body.collect().await.unwrap().to_bytes(),
            }
        };
        timeout(BOUND, answer).await.unwrap()
    }
}

/// A thousand connections are a thousand descriptors in the test's process too, where the usual limit is 1,024.
pub(crate) fn make_room() {
    let limit = rlimit::increase_nofile_limit(8192).unwrap();
    assert!(
        limit >= 4096,
        "these tests need 4,096 open files, and {limit} are allowed"
    );
}

/// Starts the handler with a limit on its open files, as the shell's `ulimit` takes it.
pub(crate) async fn start_with_limit(environment: Environment, port: &ReservedPort, limit: &str) -> Handler {
    let environment = environment.with("FUNCTIONS_CUSTOMHANDLER_PORT", port.number().to_string());
    let launch = Launch::new(environment).executable("/bin/sh").argument("-c");
    let launch = launch
        .argument(&format!("ulimit {limit} && exec \"$0\""))
        .argument(EXECUTABLE);
    launch.serve(port.number()).await
}

#[tokio::test]
async fn a_thousand_first_requests_cost_one_challenge_one_token_and_one_read() {
    make_room();
    let rig = rig(&[]).await;
    let connections = Connection::open_many(rig.handler.port(), 1000).await;
    rig.assert_untouched("nobody has asked for a secret");
    // Long enough for all of them to be waiting at once.
    rig.emulator
        .script(Target::Vault, Fault::Latency(Duration::from_secs(1)), Times::Always);

    let mut requests = JoinSet::new();
    for mut connection in connections {
        requests.spawn(async move { connection.get(PATH).await });
    }
    let answers = requests.join_all().await;

    let counters = rig.emulator.counters();
    assert_eq!(
        (counters.challenges, counters.tokens, counters.gets, counters.served),
        (1, 1, 1, 1),
        "{counters:?}"
    );
    let sources = Sources::of(&rig.handler.stop().await);
    for answer in &answers {
        assert_serves("one of 1,000", answer, VALUE);
        assert_eq!(answer.body, answers[0].body);
        assert!(matches!(sources.source(answer), "miss" | "hit"));
    }
    let waited = answers.iter().filter(|answer| sources.source(answer) == "miss").count();
    assert!(waited > 1, "they did not come at once: {waited}");
}

#[tokio::test]
async fn a_thousand_half_requests_stop_nobody() {
    make_room();
    let rig = rig(&[]).await;
    let port = rig.handler.port();
    let mut halves = Vec::new();
    for _ in 0..1000 {
        halves.push(raw::begin(port, b"GET /api/secrets/maps-key HTTP/1.1\r\nHost: x\r\nX-Half: ").await);
    }
    assert_serves("beside 1,000", &rig.get(PATH).await, VALUE);
    rig.handler.stop().await;
}

#[tokio::test]
async fn made_up_names_are_read_within_the_budget_and_harm_nobody() {
    let rig = rig(&[("ALLOWED_SECRETS", "maps-key,web-*")]).await;
    let mut connections = Connection::open_many(rig.handler.port(), 20).await;
    assert_serves("first", &connections[0].get(PATH).await, VALUE);
    rig.emulator.reset_counters();
    let begun = Instant::now();
    let mut crowd = JoinSet::new();

    for (number, mut connection) in connections.into_iter().enumerate() {
        crowd.spawn(async move {
            let (mut made_up, mut real) = (Vec::new(), Vec::new());
            for step in 0..75 {
                let id = 1000 * number + step;
                made_up.push(connection.get(&format!("/api/secrets/web-{id}")).await);
                made_up.push(connection.get(&format!("{PATH}/{id:032x}")).await);
                real.push(connection.get(PATH).await);
            }
            (made_up, real)
        });
    }
    let answers = crowd.join_all().await;

    let seconds = begun.elapsed().as_secs() + 1;
    let reads = rig.emulator.counters().gets;
    // One of the burst went to the real name.
    assert!((99..=100 + 50 * seconds).contains(&reads), "{reads} in {seconds} s");
    let sources = Sources::of(&rig.handler.stop().await);
    let mut absent = 0;
    for (made_up, real) in &answers {
        for answer in made_up {
            absent += u64::from(answer.status == 404);
            let row = if answer.status == 404 { NOT_FOUND } else { UNAVAILABLE };
            assert_is("made up", answer, row);
        }
        for answer in real {
            assert_serves("real", answer, VALUE);
            assert_eq!(sources.source(answer), "hit");
        }
    }
    assert_eq!(absent, reads, "each 404 is an answer of the vault");
}

#[tokio::test]
async fn at_most_32_of_100_first_reads_are_under_way_at_once() {
    let rig = rig(&[("UPSTREAM_TIMEOUT_SECONDS", "10")]).await;
    for number in 0..100 {
        rig.emulator.put(&format!("geo-{number}"), Secret::new(VALUE));
    }
    rig.emulator
        .script(Target::Vault, Fault::Latency(Duration::from_millis(300)), Times::Always);

    for answer in ask_for_100(&rig).await {
        assert_serves("one of 100", &answer, VALUE);
    }

    let counters = rig.emulator.counters();
    assert_eq!((counters.gets, counters.tokens), (100, 1), "{counters:?}");
    assert!((2..=32).contains(&counters.max_concurrent), "{counters:?}");
}

async fn ask_for_100(rig: &Rig) -> Vec<Answer> {
    let mut requests = JoinSet::new();
    for number in 0..100 {
        let request = Request::get(&format!("/api/secrets/geo-{number}")).origin(ORIGIN);
        requests.spawn(request.send(rig.handler.port()));
    }
    requests.join_all().await
}

#[tokio::test]
async fn waiting_for_ones_turn_counts_towards_the_deadline() {
    let rig = rig(&[("UPSTREAM_TIMEOUT_SECONDS", "1")]).await;
    rig.emulator.script(Target::Vault, Fault::Hang, Times::Always);
    let asked = Instant::now();

    let answers = ask_for_100(&rig).await;

    // Were it not so, those behind the first 32 would take a second longer for each turn before theirs.
    assert!(asked.elapsed() < Duration::from_secs(2), "{:?}", asked.elapsed());
    for answer in &answers {
        assert_is("one of 100", answer, UNAVAILABLE);
    }
    rig.emulator.clear_faults();
    assert_recovers("another name", rig.handler.port(), UNAVAILABLE, VALUE).await;
}

/// The memory that a process holds.
#[cfg(target_os = "linux")]
pub(crate) fn resident_kib(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Over these connections: one made-up name and this many hits, so often.
#[cfg(target_os = "linux")]
async fn exercise(connections: Vec<Connection>, prefix: &'static str, rounds: usize, hits: usize) -> Vec<Connection> {
    let mut tasks = JoinSet::new();
    for (number, mut connection) in connections.into_iter().enumerate() {
        tasks.spawn(async move {
            for round in 0..rounds {
                let path = format!("/api/secrets/geo-{prefix}-{number}-{round}");
                assert!(matches!(connection.get(&path).await.status, 404 | 503));
                for _ in 0..hits {
                    assert_eq!(connection.get(PATH).await.status, 200);
                }
            }
            connection
        });
    }
    tasks.join_all().await
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn memory_stays_flat_over_20_000_hits_and_3_000_made_up_names() {
    /// About 100 bytes for each request; without optimisation it has measured a tenth of this.
    const GROWTH_KIB: u64 = 2 * 1024;
    let rig = rig(&[]).await;
    let pid = rig.handler.pid();
    let connections = Connection::open_many(rig.handler.port(), 10).await;

    let connections = exercise(connections, "warm", 30, 7).await;
    let before = resident_kib(pid);
    exercise(connections, "real", 300, 7).await;
    let after = resident_kib(pid);

    assert!(after < before + GROWTH_KIB, "{before} KiB before, {after} KiB after");
}
