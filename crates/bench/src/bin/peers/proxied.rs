//! Behind a forwarder that keeps its connections, as the Functions host does: what of a caller's time is the server's.

use bench::process;
use bench::scenario::Scenario;

use crate::load::{Seen, milliseconds, wrk};
use crate::peer::{Bench, Peer, Server};
use crate::results::median;

/// Connections of the callers, and so at most as many between forwarder and server.
pub(crate) const CONNECTIONS: [u32; 3] = [1, 64, 1500];
/// The server behind the forwarder, and one that does nothing but answer.
pub(crate) const UPSTREAMS: [Peer; 2] = [Peer::Handler, Peer::BareWarp];
/// Seconds before the first round, unmeasured: the forwarder opens its connections.
const WARM_UP_SECONDS: u64 = 1;

/// One upstream at a number of connections, round by round.
#[derive(Debug)]
pub(crate) struct Lane {
    pub(crate) upstream: Peer,
    pub(crate) connections: u32,
    rounds: Vec<Round>,
}

#[derive(Clone, Copy, Debug)]
struct Round {
    seen: Seen,
    /// Processor time of the server for a request, in microseconds.
    cost_us: f64,
}

impl Lane {
    /// The median of a figure of the rounds.
    pub(crate) fn median(&self, figure: impl Fn(&Seen) -> f64) -> f64 {
        median(self.rounds.iter().map(|round| figure(&round.seen)))
    }

    /// The median of the server's processor time for a request, in microseconds.
    pub(crate) fn cost_us(&self) -> f64 {
        median(self.rounds.iter().map(|round| round.cost_us))
    }

    /// How much of a caller's time is there because this is the upstream and not `other`: the median of the rounds, each by
    /// its own median, which a moment's work elsewhere does not move.
    pub(crate) fn more_than(&self, other: &Self) -> f64 {
        let p50 = |round: &Round| milliseconds(round.seen.p50);
        let pairs = self.rounds.iter().zip(&other.rounds);
        median(pairs.map(|(round, other)| 1.0 - p50(other) / p50(round)))
    }
}

/// Both upstreams in turn at each number of connections, round after round; every other round begins with the other one.
pub(crate) fn measure(bench: &Bench, rounds: usize, seconds: u64) -> Vec<Lane> {
    let running = UPSTREAMS.map(|peer| {
        let mut server = bench.start(peer, true);
        server.become_ready();
        if peer == Peer::Handler {
            server.become_prefetched();
        }
        let mut forwarder = bench.start_forwarder(&server);
        forwarder.become_ready();
        (peer, server, forwarder)
    });
    let mut lanes: Vec<_> = CONNECTIONS
        .iter()
        .flat_map(|&connections| {
            UPSTREAMS.map(|upstream| Lane {
                upstream,
                connections,
                rounds: Vec::new(),
            })
        })
        .collect();
    for round in 1..=rounds {
        for pair in lanes.chunks_exact_mut(UPSTREAMS.len()) {
            let mut turns: Vec<_> = pair.iter_mut().zip(&running).collect();
            if round % 2 == 0 {
                turns.reverse();
            }
            for (lane, (peer, server, forwarder)) in turns {
                let who = format!("{} behind a forwarder, {} connections", peer.name(), lane.connections);
                eprintln!("round {round}: {who}");
                if round == 1 {
                    wrk(
                        forwarder.port(),
                        Scenario::Hit,
                        lane.connections,
                        WARM_UP_SECONDS.min(seconds),
                    );
                }
                lane.rounds
                    .push(one(server, forwarder, lane.connections, seconds, &who));
            }
        }
    }
    lanes
}

fn one(server: &Server, forwarder: &Server, connections: u32, seconds: u64, who: &str) -> Round {
    let before = process::cpu_seconds(server.pid());
    let seen = wrk(forwarder.port(), Scenario::Hit, connections, seconds);
    let used = process::cpu_seconds(server.pid()) - before;
    seen.check(who, Scenario::Hit);
    #[expect(clippy::cast_precision_loss, reason = "requests of a few seconds")]
    let cost_us = used * 1e6 / seen.requests as f64;
    Round { seen, cost_us }
}
