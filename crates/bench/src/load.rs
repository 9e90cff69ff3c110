//! Saturation: `wrk` on its own core, one peer at a time, round after round.

use std::fs::File;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::peer::{Bench, Log, Peer, Server};
use crate::process;
use crate::scenario::{PATH, Scenario};

/// Connections that wrk keeps busy: enough to saturate one core, and fewer than a host opens.
pub(crate) const CONNECTIONS: u32 = 64;
/// Seconds before the first round, unmeasured: node compiles what is hot.
const WARM_UP_SECONDS: u64 = 2;
/// A line of any log has more bytes than this.
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
        let report = wrk(self.server.port, scenario, seconds);
        let elapsed = started.elapsed().as_secs_f64();
        let cpu = process::cpu_seconds(pid) - cpu;

        let number = |name: &str| report[name].as_u64().unwrap();
        let requests = number("requests");
        let who = format!("{}, {}", self.peer.name(), scenario.name());
        let refused = if scenario == Scenario::Refused { requests } else { 0 };
        assert_eq!(number("refused"), refused, "{who}: answers with 4xx or 5xx");
        assert_eq!(number("broken"), 0, "{who}: connections that broke or timed out");
        assert_ne!(requests, 0, "{who}: answers");
        self.requests += requests;
        if let Some(before) = logged {
            self.check_log(bench, before + LINE * requests);
        }
        Load {
            requests_per_second: float(requests) / (float(number("microseconds")) / 1e6),
            p50_ms: float(number("p50")) / 1000.0,
            p99_ms: float(number("p99")) / 1000.0,
            busy: cpu / elapsed,
            cost_us: cpu * 1e6 / float(requests),
        }
    }

    /// Bytes logged so far, where that can be seen.
    fn logged(&self, bench: &Bench) -> Option<u64> {
        match (self.peer, bench.log_file(self.peer)) {
            (Peer::Handler(Log::Pipe), _) => Some(self.server.logged()),
            (_, Some(file)) => Some(process::size_on_disk(&file)),
            _ => None,
        }
    }

    /// A peer said to log that does not would be compared unfairly.
    fn check_log(&self, bench: &Bench, least: u64) {
        let asked = Instant::now();
        while self.logged(bench).is_some_and(|bytes| bytes < least) {
            assert!(
                asked.elapsed() < Duration::from_secs(30),
                "{}: its log",
                self.peer.name()
            );
            thread::sleep(Duration::from_millis(1));
        }
        if let Some(file) = bench.log_file(self.peer) {
            // The disk need not hold millions of lines; both append, so both go on at the new end.
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
        // Where the log goes is compared once.
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

fn wrk(port: u16, scenario: Scenario, seconds: u64) -> Value {
    let mut command = Command::new("wrk");
    command
        .args(["--threads", "1", "--timeout", "10s"])
        .args(["--connections", &CONNECTIONS.to_string()])
        .args(["--duration", &format!("{seconds}s")])
        .args(["--script", concat!(env!("CARGO_MANIFEST_DIR"), "/src/load.lua")]);
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

#[expect(clippy::cast_precision_loss, reason = "counts of one run")]
fn float(number: u64) -> f64 {
    number as f64
}
