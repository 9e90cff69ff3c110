//! A vault that is away: copies for a while, codes and `Retry-After` without one, few questions, and the way back.

use std::io::ErrorKind;
use std::time::Duration;

use testkit::{Emulator, Fault, Secret, Target, Times};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, sleep_until};
use url::Url;

use crate::cache::{RECOVERY, Sources, assert_recovers, assert_serves, rig};
use crate::support::client::{Answer, Request};
use crate::support::handler::{Environment, Handler, ReservedPort};
use crate::support::row::{DENIED, Row, THROTTLED, UNAVAILABLE, assert_is};
use crate::support::{ORIGIN, PATH, SECRET, VALUE, now};

/// `UPSTREAM_TIMEOUT_SECONDS` is 1 in this file, and half a second more is what answering may cost.
const DEADLINE: Duration = Duration::from_millis(1500);

/// Many handlers that begin at once would have to share a processor for the first second.
static BEGINNING: Semaphore = Semaphore::const_new(2);

const TTL: Duration = Duration::from_secs(1);
const STALE: Duration = Duration::from_secs(2);

/// A relay in front of one of the emulator's ports: the network, as it can fail.
struct Relay {
    port: ReservedPort,
    target: u16,
    accepting: Option<JoinHandle<()>>,
}

/// What a relay does with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Passes everything on.
    Through,
    /// Accepts it and never says a word.
    Silent,
    /// Does not listen.
    Closed,
}

impl Relay {
    async fn to(url: &str) -> Self {
        let mut relay = Self {
            port: ReservedPort::new(),
            target: Url::parse(url).unwrap().port().unwrap(),
            accepting: None,
        };
        relay.turn(Way::Through).await;
        relay
    }

    /// From now on; connections from before are cut.
    async fn turn(&mut self, way: Way) {
        if let Some(accepting) = self.accepting.take() {
            accepting.abort();
            // Its listener is closed only when the task has ended.
            assert!(accepting.await.is_err(), "the relay ended by itself");
        }
        if way == Way::Closed {
            return;
        }
        let listener = self.listen().await;
        let target = self.target;
        self.accepting = Some(tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.spawn(relay(stream, way, target));
            }
        }));
    }

    async fn listen(&self) -> TcpListener {
        let begun = Instant::now();
        loop {
            match TcpListener::bind(("127.0.0.1", self.port.number())).await {
                Ok(listener) => return listener,
                // A process that is being started elsewhere in this one holds a copy of the closed listener until it
                // runs its own program.
                Err(error) if error.kind() == ErrorKind::AddrInUse && begun.elapsed() < RECOVERY => {}
                Err(error) => panic!("{error}"),
            }
            sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if let Some(accepting) = &self.accepting {
            accepting.abort();
        }
    }
}

async fn relay(mut near: TcpStream, way: Way, target: u16) {
    if way == Way::Silent {
        return std::future::pending().await;
    }
    let Ok(mut far) = TcpStream::connect(("127.0.0.1", target)).await else {
        return;
    };
    let (mut near_read, mut near_write) = near.split();
    let (mut far_read, mut far_write) = far.split();
    let back = async {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(count @ 1..) = far_read.read(&mut buffer).await {
            shorten_token(&mut buffer[..count]);
            if near_write.write_all(&buffer[..count]).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        _ = copy(&mut near_read, &mut far_write) => {}
        () = back => {}
    }
}

/// Makes a token that passes by good for this one use, so that each read needs the identity endpoint.
fn shorten_token(bytes: &mut [u8]) {
    let name = b"\"expires_on\":\"";
    if let Some(start) = bytes.windows(name.len()).position(|window| window == name) {
        let digits = now().to_string();
        let start = start + name.len();
        bytes[start..start + digits.len()].copy_from_slice(digits.as_bytes());
    }
}

/// What goes wrong.
#[derive(Clone, Debug)]
enum Trouble {
    Vault(Fault),
    Token(Fault),
    VaultNetwork(Way),
    TokenNetwork(Way),
}

/// A handler behind a network that can fail; its tokens last for one read.
struct Site {
    emulator: Emulator,
    vault: Relay,
    identity: Relay,
    handler: Handler,
}

impl Site {
    async fn start(settings: &[(&str, &str)]) -> Self {
        let emulator = Emulator::start().await.unwrap();
        emulator.put(SECRET, Secret::new(VALUE));
        let vault = Relay::to(&emulator.vault_url()).await;
        let identity = Relay::to(&emulator.identity_endpoint()).await;
        let environment = Environment::of(&emulator)
            .with("KEY_VAULT_URL", format!("https://localhost:{}", vault.port.number()))
            .with(
                "IDENTITY_ENDPOINT",
                format!("http://127.0.0.1:{}/msi/token", identity.port.number()),
            )
            .with("UPSTREAM_TIMEOUT_SECONDS", "1")
            .with("PREFETCH", "false")
            .with("LOG_FORMAT", "json");
        let environment = settings
            .iter()
            .fold(environment, |environment, (name, value)| environment.with(name, value));
        let handler = Handler::start(environment).await;
        Self {
            emulator,
            vault,
            identity,
            handler,
        }
    }

    /// GET from the allowed origin, which must not take longer than it may.
    async fn get(&self, label: &str) -> Answer {
        let asked = Instant::now();
        let answer = Request::get(PATH).origin(ORIGIN).send(self.handler.port()).await;
        assert!(asked.elapsed() < DEADLINE, "{label}: {:?}", asked.elapsed());
        answer
    }

    async fn begin(&mut self, trouble: Trouble) {
        match trouble {
            Trouble::Vault(fault) => self.emulator.script(Target::Vault, fault, Times::Always),
            Trouble::Token(fault) => self.emulator.script(Target::Token, fault, Times::Always),
            Trouble::VaultNetwork(way) => self.vault.turn(way).await,
            Trouble::TokenNetwork(way) => self.identity.turn(way).await,
        }
    }

    async fn end_trouble(&mut self) {
        self.emulator.clear_faults();
        self.vault.turn(Way::Through).await;
        self.identity.turn(Way::Through).await;
    }
}

fn status(status: u16) -> Fault {
    Fault::Status {
        status,
        code: "x",
        inner: None,
        retry_after: None,
    }
}

/// Everything that may pass, with what a caller without a copy sees of it.
fn troubles() -> Vec<(Trouble, Row)> {
    let throttled = [Fault::throttled(), Fault::throttled_for("2")];
    let vault = [
        Fault::Hang,
        Fault::Reset,
        Fault::Latency(Duration::from_secs(3)),
        Fault::unavailable(),
        status(500),
        Fault::Garbage,
        Fault::Truncated,
    ];
    let token = [Fault::Hang, Fault::Reset, status(400), status(500), Fault::Garbage];
    let networks = [
        Trouble::VaultNetwork(Way::Closed),
        Trouble::VaultNetwork(Way::Silent),
        Trouble::TokenNetwork(Way::Closed),
        Trouble::TokenNetwork(Way::Silent),
    ];
    let throttled = throttled.map(|fault| (Trouble::Vault(fault), THROTTLED));
    let others = vault.map(Trouble::Vault).into_iter().chain(token.map(Trouble::Token));
    let others = others.chain(networks).map(|trouble| (trouble, UNAVAILABLE));
    throttled.into_iter().chain(others).collect()
}

#[tokio::test]
async fn a_copy_is_served_for_its_time_while_the_vault_is_away_and_not_after() {
    let mut rows = JoinSet::new();
    for (trouble, row) in troubles() {
        rows.spawn(assert_serves_stale(trouble, row));
    }
    rows.join_all().await;
}

async fn assert_serves_stale(trouble: Trouble, row: Row) {
    let label = format!("{trouble:?}");
    let beginning = BEGINNING.acquire().await.unwrap();
    let mut site = Site::start(&[("CACHE_TTL_SECONDS", "1"), ("CACHE_STALE_SECONDS", "2")]).await;
    // The copy is from some moment between these two.
    let asked = Instant::now();
    assert_serves(&label, &site.get(&label).await, VALUE);
    let answered = Instant::now();
    drop(beginning);
    site.begin(trouble).await;
    site.emulator.put(SECRET, Secret::new("another"));

    sleep_until(answered + TTL).await;
    let mut stale = Vec::new();
    let after = loop {
        let asked_again = Instant::now();
        let answer = site.get(&label).await;
        if Instant::now() < asked + TTL + STALE {
            assert_serves(&label, &answer, VALUE);
            stale.push(answer);
        } else if asked_again > answered + TTL + STALE {
            break answer;
        }
        sleep(Duration::from_millis(100)).await;
    };
    assert_is(&label, &after, row);
    assert!(!stale.is_empty(), "{label}");

    site.end_trouble().await;
    assert_recovers(&label, site.handler.port(), row, "another").await;
    let sources = Sources::of(&site.handler.stop().await);
    for answer in &stale {
        assert_eq!(sources.source(answer), "stale", "{label}");
    }
}

#[tokio::test]
async fn without_a_copy_every_failure_is_told_in_time_and_healed_without_a_restart() {
    let mut rows = JoinSet::new();
    let denied = [Fault::forbidden("ForbiddenByRbac"), Fault::unauthorized()];
    let denied = denied.map(|fault| (Trouble::Vault(fault), DENIED));
    for (trouble, row) in troubles().into_iter().chain(denied) {
        rows.spawn(assert_fails_and_heals(trouble, row));
    }
    rows.join_all().await;
}

async fn assert_fails_and_heals(trouble: Trouble, row: Row) {
    let label = format!("{trouble:?}");
    let beginning = BEGINNING.acquire().await.unwrap();
    let mut site = Site::start(&[("CACHE_TTL_SECONDS", "300")]).await;
    drop(beginning);
    site.begin(trouble).await;
    for _ in 0..4 {
        let answer = site.get(&label).await;
        assert_is(&label, &answer, row);
        let wait = answer.header("retry-after").map(|wait| wait.parse::<u64>().unwrap());
        assert!(wait.is_none_or(|wait| wait <= 60), "{label}: {wait:?}");
    }

    site.end_trouble().await;
    assert_recovers(&label, site.handler.port(), row, VALUE).await;
    site.emulator.reset_counters();
    let kept = site.get(&label).await;
    assert_serves(&label, &kept, VALUE);
    assert_eq!(site.emulator.counters().gets, 0, "{label}");
}

/// How often a vault may have been asked that has failed for so long: five times, and then by a probe after 1, 2, 4, 8
/// and 16 s, each but the first less up to a quarter for jitter.
fn most_reads(outage: Duration) -> u64 {
    let mut next = Duration::ZERO;
    let mut reads = 5;
    for pause in [1.0, 1.5, 3.0, 6.0, 12.0] {
        next += Duration::from_secs_f64(pause);
        reads += u64::from(next <= outage);
    }
    reads
}

#[tokio::test]
async fn a_failing_vault_is_not_asked_for_every_request() {
    tokio::join!(
        assert_backs_off(Fault::unavailable(), UNAVAILABLE, false),
        assert_backs_off(Fault::throttled(), THROTTLED, false),
        assert_backs_off(Fault::Reset, UNAVAILABLE, false),
        assert_backs_off(Fault::Hang, UNAVAILABLE, false),
        assert_backs_off(Fault::unavailable(), UNAVAILABLE, true),
        assert_backs_off(Fault::Hang, UNAVAILABLE, true),
    );
}

async fn assert_backs_off(fault: Fault, row: Row, with_copy: bool) {
    let label = format!("{fault:?}, a copy: {with_copy}");
    let site = Site::start(&[("CACHE_TTL_SECONDS", "1")]).await;
    if with_copy {
        assert_serves(&label, &site.get(&label).await, VALUE);
        sleep(TTL).await;
    }
    site.emulator.reset_counters();
    site.emulator.script(Target::Vault, fault, Times::Always);

    let begun = Instant::now();
    let mut slow = 0;
    for _ in 0..200 {
        let asked = Instant::now();
        let answer = site.get(&label).await;
        slow += u64::from(asked.elapsed() > Duration::from_millis(500));
        if with_copy {
            assert_serves(&label, &answer, VALUE);
        } else {
            assert_is(&label, &answer, row);
        }
        sleep(Duration::from_millis(5)).await;
    }

    // A vault that is silent from the start is never read: what counts then is how often it was tried.
    let (counters, most) = (site.emulator.counters(), most_reads(begun.elapsed()));
    let reads = counters.gets.max(counters.challenges);
    assert!(reads <= most, "{label}: {reads} reads in {:?}", begun.elapsed());
    // Nobody waits but those who find out, and with a copy only the first of them.
    let may_wait = if with_copy { 1 } else { most };
    assert!(slow <= may_wait, "{label}: {slow} answers took long");
}

#[tokio::test]
async fn a_throttling_vault_is_left_alone_for_as_long_as_it_says() {
    let rig = rig(&[("UPSTREAM_TIMEOUT_SECONDS", "1")]).await;
    rig.emulator
        .script(Target::Vault, Fault::throttled_for("3"), Times::Once);
    let seconds = |answer: &Answer| answer.header("retry-after").unwrap().parse::<u64>().unwrap();

    let first = rig.get(PATH).await;
    let answered = Instant::now();
    assert_is("first", &first, THROTTLED);
    assert_eq!(seconds(&first), 3);
    let mut last = 3;
    let served = loop {
        let answer = rig.get(PATH).await;
        if answer.status == 200 {
            break answer;
        }
        assert_is("later", &answer, THROTTLED);
        assert!(seconds(&answer) <= last, "{last} and then {}", seconds(&answer));
        last = seconds(&answer);
        assert_eq!(rig.emulator.counters().gets, 1);
        assert!(answered.elapsed() < Duration::from_millis(3500));
        sleep(Duration::from_millis(50)).await;
    };

    assert_serves("after", &served, VALUE);
    // The vault's three seconds began before its answer was passed on.
    assert!(
        answered.elapsed() > Duration::from_millis(2500),
        "{:?}",
        answered.elapsed()
    );
    assert_eq!(last, 1);
    assert_eq!(rig.emulator.counters().gets, 2);
}

#[tokio::test]
async fn whoever_waits_as_long_as_told_is_served() {
    let rig = rig(&[("UPSTREAM_TIMEOUT_SECONDS", "1")]).await;
    rig.emulator
        .script(Target::Vault, Fault::throttled_for("2"), Times::Once);
    assert_is("first", &rig.get(PATH).await, THROTTLED);
    // Some of the time has passed for this one.
    sleep(Duration::from_millis(300)).await;
    let second = rig.get(PATH).await;
    assert_is("second", &second, THROTTLED);

    let told = second.header("retry-after").unwrap().parse().unwrap();
    sleep(Duration::from_secs(told)).await;

    assert_serves("as told", &rig.get(PATH).await, VALUE);
}

#[tokio::test]
async fn a_delay_that_fits_is_waited_for_and_no_caller_hears_of_it() {
    let rig = rig(&[("UPSTREAM_TIMEOUT_SECONDS", "5")]).await;
    rig.emulator
        .script(Target::Vault, Fault::throttled_for("1"), Times::Once);
    let asked = Instant::now();

    assert_serves("throttled once", &rig.get(PATH).await, VALUE);

    assert!(asked.elapsed() > Duration::from_secs(1), "{:?}", asked.elapsed());
    assert_eq!(rig.emulator.counters().gets, 2);
}
