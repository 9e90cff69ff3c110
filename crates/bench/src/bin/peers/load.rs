//! Saturation: `wrk` on its own core, one peer at a time, round after round.

use std::fs::File;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use bench::process;
use bench::scenario::{PATH, Scenario};
use serde::Deserialize;

use crate::peer::{Bench, Peer, Server};

/// Connections that wrk keeps busy: enough to saturate one core, and fewer than a host opens.
pub(crate) const CONNECTIONS: u32 = 64;
/// Seconds before the first round, unmeasured: node compiles what is hot.
const WARM_UP_SECONDS: u64 = 2;
/// A line of any log, in nginx's own format or the handler's, has more bytes than this.
const LINE: u64 = 80;

/// What one run of wrk measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) requests_per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    /// Share of its core that the server used: well below 1, the load generator was the limit.
    pub(crate) busy: f64,
    /// Processor time that the server took for a request, in microseconds.
    pub(crate) cost_us: f64,
}

/// A peer that is measured, with what was found in each round.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) peer: Peer,
    pub(crate) scenario: Scenario,
    pub(crate) rounds: Vec<Load>,
}

/// A running peer and how much it was asked.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) peer: Peer,
    pub(crate) server: Server,
    pub(crate) requests: u64,
}

impl Running {
    /// Puts a peer under load for this long, and checks that every answer was what it should be.
    pub(crate) fn load(&mut self, bench: &Bench, scenario: Scenario, seconds: u64) -> Load {
        let pid = self.server.pid();
        let logged = self.logged(bench);
        let (started, cpu) = (Instant::now(), process::cpu_seconds(pid));
        let seen = wrk(self.server.port(), scenario, CONNECTIONS, seconds);
        let elapsed = started.elapsed().as_secs_f64();
        let cpu = process::cpu_seconds(pid) - cpu;
        seen.check(&format!("{}, {}", self.peer.name(), scenario.name()), scenario);
        self.requests += seen.requests;
        // Refusals above 100 a second are counted in the handler's log, and have no line each.
        if let Some(before) = logged.filter(|_| scenario != Scenario::Refused) {
            self.check_log(bench, before + LINE * seen.requests);
        }
        Load {
            requests_per_second: seen.requests_per_second(),
            p50_ms: milliseconds(seen.p50),
            p99_ms: milliseconds(seen.p99),
            busy: cpu / elapsed,
            cost_us: cpu * 1e6 / float(seen.requests),
        }
    }

    /// Bytes logged so far, where that can be seen.
    fn logged(&self, bench: &Bench) -> Option<u64> {
        match bench.log_file(self.peer) {
            Some(file) => Some(process::size_on_disk(&file)),
            None => (self.peer == Peer::Handler).then(|| self.server.logged()),
        }
    }

    /// A peer said to log that does not would be compared unfairly.
    fn check_log(&self, bench: &Bench, least: u64) {
        let logged = || self.logged(bench).unwrap_or(least);
        let asked = Instant::now();
        while logged() < least {
            assert!(
                asked.elapsed() < Duration::from_secs(30),
                "{}: {} bytes in its log, and not {least}",
                self.peer.name(),
                logged()
            );
            thread::sleep(Duration::from_millis(1));
        }
        if let Some(file) = bench.log_file(self.peer) {
            // The disk need not hold millions of lines; nginx appends, so it goes on at the new end.
            File::options().write(true).open(file).unwrap().set_len(0).unwrap();
        }
    }
}

/// Runs all lanes once a round, each peer alone. Each round begins with another lane, so that none always follows the
/// same one.
pub(crate) fn interleave(bench: &Bench, running: &mut [Running], rounds: usize, seconds: u64) -> Vec<Lane> {
    let mut lanes = Vec::new();
    for scenario in Scenario::ALL {
        let peers = running.iter().map(|running| running.peer);
        // More work beside the answer is compared once.
        let peers = peers.filter(|&peer| scenario == Scenario::Hit || peer.is_main());
        lanes.extend(peers.map(|peer| Lane {
            peer,
            scenario,
            rounds: Vec::new(),
        }));
    }
    for round in 0..=rounds {
        for _ in 0..lanes.len() {
            let lane = lanes.first_mut().unwrap();
            let running = running.iter_mut().find(|running| running.peer == lane.peer).unwrap();
            let warm_up = round == 0;
            let load = running.load(
                bench,
                lane.scenario,
                if warm_up { WARM_UP_SECONDS.min(seconds) } else { seconds },
            );
            if !warm_up {
                eprintln!(
                    "round {round}: {}, {}: {:.0}/s",
                    lane.peer.name(),
                    lane.scenario.name(),
                    load.requests_per_second
                );
                lane.rounds.push(load);
            }
            lanes.rotate_left(1);
        }
        lanes.rotate_left(1);
    }
    lanes
}

/// What wrk says of a run; times in microseconds.
#[derive(Clone, Copy, Debug, Deserialize)]
pub(crate) struct Seen {
    pub(crate) requests: u64,
    microseconds: u64,
    /// Answers with 4xx or 5xx.
    refused: u64,
    /// Connections that broke or timed out.
    broken: u64,
    pub(crate) p50: u64,
    pub(crate) p99: u64,
    pub(crate) max: u64,
}

impl Seen {
    /// Every answer was what the scenario is about.
    pub(crate) fn check(&self, who: &str, scenario: Scenario) {
        let refused = if scenario == Scenario::Refused {
            self.requests
        } else {
            0
        };
        assert_eq!(self.refused, refused, "{who}: answers with 4xx or 5xx");
        assert_eq!(self.broken, 0, "{who}: connections that broke or timed out");
        assert_ne!(self.requests, 0, "{who}: answers");
    }

    pub(crate) fn requests_per_second(&self) -> f64 {
        float(self.requests) / (float(self.microseconds) / 1e6)
    }
}

/// Asks a server as `scenario` does, as fast as its answers come.
pub(crate) fn wrk(port: u16, scenario: Scenario, connections: u32, seconds: u64) -> Seen {
    let mut command = Command::new("wrk");
    command
        .args(["--threads", "1", "--timeout", "10s"])
        .args(["--connections", &connections.to_string()])
        .args(["--duration", &format!("{seconds}s")])
        .args([
            "--script",
            concat!(env!("CARGO_MANIFEST_DIR"), "/src/bin/peers/load.lua"),
        ]);
    for (name, value) in scenario.headers() {
        command.arg("--header").arg(format!("{name}: {value}"));
    }
    command
        .arg(format!("http://127.0.0.1:{port}{PATH}"))
        .args(["--", scenario.method()]);
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find(|line| line.starts_with('{'));
    let Some(line) = line.filter(|_| output.status.success()) else {
        panic!(
            "wrk: {}\n{text}{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
    };
    serde_json::from_str(line).unwrap()
}

/// From microseconds.
pub(crate) fn milliseconds(microseconds: u64) -> f64 {
    float(microseconds) / 1000.0
}

#[expect(clippy::cast_precision_loss, reason = "counts of one run")]
fn float(number: u64) -> f64 {
    number as f64
}
