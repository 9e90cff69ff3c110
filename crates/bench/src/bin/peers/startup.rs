//! From the start of a process to its first answers, and what that asks of the vault.

use std::time::{Duration, Instant};

use bench::scenario::{PATH, Scenario};
use testkit::client::Answer;
use testkit::{Counters, Fault, Target, Times, raw};

use crate::peer::{Bench, Peer, Server};

/// How much later than it could the emulated vault answers, with its challenge too, as does the identity endpoint.
pub(crate) const LATENCY: Duration = Duration::from_millis(50);
/// The same while callers gather: none may come after the secret did.
const GATHERING_LATENCY: Duration = Duration::from_millis(500);

/// The first request for a secret that was fetched before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prefetched {
    pub(crate) elapsed: Duration,
    pub(crate) trips: u64,
}

/// Start to the first answer to `GET /`, as the Functions host waits for it.
pub(crate) fn first_answer(bench: &Bench, peer: Peer) -> Duration {
    let mut server = bench.start(peer, false);
    server.become_ready();
    server.started.elapsed()
}

/// The first request for a secret that the handler fetched at its start.
pub(crate) fn prefetched(bench: &Bench) -> Prefetched {
    let delayed = Delayed::by(bench, LATENCY);
    let mut server = bench.start(Peer::Handler, true);
    server.become_ready();
    server.become_prefetched();
    bench.emulator.reset_counters();
    let asked = Instant::now();
    ask(&server);
    let elapsed = asked.elapsed();
    let trips = trips(bench.emulator.counters());
    drop(delayed);
    Prefetched { elapsed, trips }
}

/// How often the vault is read for `callers` that ask a fresh process at once.
pub(crate) fn reads_for_cold_callers(bench: &Bench, peer: Peer, callers: usize) -> u64 {
    let delayed = Delayed::by(bench, GATHERING_LATENCY);
    let mut server = bench.start(peer, false);
    server.become_ready();
    let request = text(Scenario::Hit);
    let streams: Vec<_> = (0..callers)
        .map(|_| server.runtime.block_on(raw::begin(server.port(), request.as_bytes())))
        .collect();
    assert_eq!(
        bench.emulator.counters().served,
        0,
        "the secret came before the last caller"
    );
    for stream in streams {
        check(&server.runtime.block_on(raw::read(stream)).answer("GET"));
    }
    drop(delayed);
    bench.emulator.counters().gets
}

pub(crate) fn ask(server: &Server) {
    check(&server.ask(Scenario::Hit));
}

/// A request whose connection ends with its answer.
fn text(scenario: Scenario) -> String {
    let mut text = format!(
        "{} {PATH} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n",
        scenario.method()
    );
    for (name, value) in scenario.headers() {
        text.extend([name, ": ", value, "\r\n"]);
    }
    text + "\r\n"
}

/// A secret, whatever its form.
fn check(answer: &Answer) {
    assert_eq!(answer.status, 200);
    assert!(answer.text().contains("\"value\""), "a body without a value");
}

fn trips(counters: Counters) -> u64 {
    counters.challenges + counters.tokens + counters.gets + counters.others
}

/// The emulator with a latency and fresh counters, until this is dropped.
pub(crate) struct Delayed<'a>(&'a Bench);

impl<'a> Delayed<'a> {
    pub(crate) fn by(bench: &'a Bench, latency: Duration) -> Self {
        for target in [Target::Vault, Target::Challenge, Target::Token] {
            bench.emulator.script(target, Fault::Latency(latency), Times::Always);
        }
        bench.emulator.reset_counters();
        Self(bench)
    }
}

impl Drop for Delayed<'_> {
    fn drop(&mut self) {
        self.0.emulator.clear_faults();
    }
}
