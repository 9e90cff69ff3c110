//! Everything that was measured, and the medians and ratios of it.

use std::time::Duration;

use bench::nginx::Work;
use bench::scenario::Scenario;

use crate::cold::{FirstSecret, Offer, Prefetch, Reader};
use crate::load::{Lane, Load};
use crate::peer::Peer;
use crate::proxied;
use crate::startup::Prefetched;

/// The peers that others are compared with.
pub(crate) const HANDLER: Peer = Peer::Handler;
pub(crate) const NGINX: Peer = Peer::Nginx(Work::Answers);
pub(crate) const BUSY_NGINX: Peer = Peer::Nginx(Work::IdAndLog);

#[derive(Debug, Default)]
pub(crate) struct Results {
    pub(crate) first_answer: Vec<(Peer, Duration)>,
    pub(crate) first_secret: Vec<(Reader, FirstSecret)>,
    pub(crate) prefetches: Vec<Prefetch>,
    pub(crate) prefetched: Vec<Prefetched>,
    pub(crate) cold_reads: Vec<(Peer, u64)>,
    pub(crate) lanes: Vec<Lane>,
    pub(crate) proxied: Vec<proxied::Lane>,
    pub(crate) memory: Vec<(Peer, Memory)>,
}

/// Bytes that a server's processes had in memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    pub(crate) idle: u64,
    pub(crate) peak: u64,
    pub(crate) after: u64,
    /// Requests that it had answered by then.
    pub(crate) requests: u64,
}

impl Results {
    /// The rounds of a peer, if it was measured so.
    pub(crate) fn rounds(&self, peer: Peer, scenario: Scenario) -> Option<&[Load]> {
        let lane = self
            .lanes
            .iter()
            .find(|lane| lane.peer == peer && lane.scenario == scenario)?;
        Some(&lane.rounds)
    }

    /// The median of one figure of the rounds under load.
    pub(crate) fn load(&self, peer: Peer, scenario: Scenario, figure: impl Fn(&Load) -> f64) -> f64 {
        median(self.rounds(peer, scenario).unwrap().iter().map(figure))
    }

    /// A figure of `peer` by that of `other`: the median of the rounds' ratios, because the machine's pace may change
    /// from round to round, and changes less within one.
    pub(crate) fn ratio(&self, peer: Peer, other: Peer, scenario: Scenario, figure: impl Fn(&Load) -> f64) -> f64 {
        let rounds = self.rounds(peer, scenario).unwrap();
        let others = self.rounds(other, scenario).unwrap();
        let pairs = rounds.iter().zip(others);
        median(pairs.map(|(round, other)| figure(round) / figure(other)))
    }

    /// Throughput of `peer` by that of `other`, as wrk saw it.
    pub(crate) fn throughput(&self, peer: Peer, other: Peer, scenario: Scenario) -> f64 {
        self.ratio(peer, other, scenario, |load| load.requests_per_second)
    }

    /// The same by the processor time that a request takes, which the load generator's pace does not hide.
    pub(crate) fn by_core_time(&self, peer: Peer, other: Peer, scenario: Scenario) -> f64 {
        self.ratio(other, peer, scenario, |load| load.cost_us)
    }

    /// Median of start to first answer, in milliseconds.
    pub(crate) fn first_answer_ms(&self, peer: Peer) -> f64 {
        median(of(peer, &self.first_answer).map(|elapsed| milliseconds(*elapsed)))
    }

    /// Median of one figure of the starts to the first secret, in milliseconds.
    pub(crate) fn first_secret(&self, reader: Reader, figure: impl Fn(&FirstSecret) -> Duration) -> f64 {
        median(of(reader, &self.first_secret).map(|first| milliseconds(figure(first))))
    }

    /// Most requests to the vault and the identity endpoint for a first secret.
    pub(crate) fn trips(&self, reader: Reader) -> usize {
        of(reader, &self.first_secret).map(|first| first.trips).max().unwrap()
    }

    /// Median of one figure of the starts that fetch so many names from a vault that offers this.
    pub(crate) fn prefetch(&self, names: usize, offer: Offer, figure: impl Fn(&Prefetch) -> f64) -> f64 {
        let all = self.prefetches.iter();
        let same = all.filter(|prefetch| prefetch.names == names && prefetch.offer == offer);
        median(same.map(figure))
    }

    /// What was measured behind a forwarder.
    pub(crate) fn proxied(&self, upstream: Peer, connections: u32) -> &proxied::Lane {
        let mut lanes = self.proxied.iter();
        lanes
            .find(|lane| lane.upstream == upstream && lane.connections == connections)
            .unwrap()
    }

    pub(crate) fn memory(&self, peer: Peer) -> Memory {
        *of(peer, &self.memory).next().unwrap()
    }

    pub(crate) fn cold_reads(&self, peer: Peer) -> Option<u64> {
        of(peer, &self.cold_reads).next().copied()
    }
}

fn of<K: Copy + PartialEq, T>(key: K, pairs: &[(K, T)]) -> impl Iterator<Item = &T> {
    pairs
        .iter()
        .filter(move |(other, _)| *other == key)
        .map(|(_, value)| value)
}

pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    let (low, high) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
    f64::midpoint(low, high)
}

pub(crate) fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
