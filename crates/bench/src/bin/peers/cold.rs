//! A cold process's first secret, step by step, and what a handler fetches at its start.

use std::time::{Duration, Instant};

use bench::scenario::VALUE;
use testkit::{Span, Step};

use crate::peer::{Bench, Peer};
use crate::startup::{Delayed, LATENCY, ask};

/// Who reads a first secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    /// A peer, asked as soon as its port is open.
    Peer(Peer),
    /// The SDK in Rust, as its own samples have it: no server, the process ends with the secret.
    Sdk,
}

impl Reader {
    pub(crate) const ALL: [Self; 3] = [Self::Peer(Peer::Handler), Self::Sdk, Self::Peer(Peer::Express)];

    /// As reports name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Peer(peer) => peer.name(),
            Self::Sdk => "the SDK alone",
        }
    }
}

/// A stretch of time since the process was started.
pub(crate) type Stretch = (Duration, Duration);

/// When each step of a first secret was, since before the process was created.
#[derive(Clone, Debug)]
pub(crate) struct FirstSecret {
    /// Whoever has a port answers `GET /`.
    pub(crate) ready: Option<Duration>,
    pub(crate) token: Stretch,
    pub(crate) handshake: Stretch,
    pub(crate) challenge: Stretch,
    pub(crate) read: Stretch,
    /// The caller has all of it.
    pub(crate) answered: Duration,
    /// How much of it the emulator was asked for something and had not answered.
    pub(crate) waited: Duration,
    /// Requests to the vault and to the identity endpoint.
    pub(crate) trips: usize,
}

impl FirstSecret {
    /// What is not waiting for others.
    pub(crate) fn own(&self) -> Duration {
        self.answered.saturating_sub(self.waited)
    }
}

/// Start to the first secret, fetched because it is asked for.
pub(crate) fn first_secret(bench: &Bench, reader: Reader) -> FirstSecret {
    let _delayed = Delayed::by(bench, LATENCY);
    let (started, ready, ended) = match reader {
        Reader::Peer(peer) => {
            let mut server = bench.start(peer, false);
            server.become_ready();
            let ready = Instant::now();
            ask(&server);
            (server.started, Some(ready), Instant::now())
        }
        Reader::Sdk => {
            let (started, ended) = bench.read_with_sdk(VALUE);
            (started, None, ended)
        }
    };
    let spans = bench.emulator.timeline();
    let stretch = |span: &Span| -> Stretch {
        let since = |at: tokio::time::Instant| at.into_std().duration_since(started);
        (since(span.began), since(span.ended))
    };
    let first = |step: Step| {
        let span = spans.iter().find(|span| span.step == step);
        stretch(span.unwrap_or_else(|| panic!("{}: no {step:?}", reader.name())))
    };
    let asked: Vec<_> = spans.iter().filter(|span| span.step != Step::Handshake).collect();
    FirstSecret {
        ready: ready.map(|ready| ready.duration_since(started)),
        token: first(Step::Token),
        handshake: first(Step::Handshake),
        challenge: first(Step::Challenge),
        read: first(Step::Read),
        answered: ended.duration_since(started),
        waited: covered(asked.iter().map(|span| stretch(span)).collect()),
        trips: asked.len(),
    }
}

/// How much time the stretches cover together.
fn covered(mut stretches: Vec<Stretch>) -> Duration {
    stretches.sort();
    let (mut sum, mut end) = (Duration::ZERO, Duration::ZERO);
    for (from, to) in stretches {
        sum += to.saturating_sub(from.max(end));
        end = end.max(to);
    }
    sum
}

/// How many secrets a handler fetches at its start.
pub(crate) const NAMES: [usize; 3] = [1, 10, 32];

/// What the emulated vault may speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Offer {
    Http1,
    Http2,
}

impl Offer {
    pub(crate) const ALL: [Self; 2] = [Self::Http1, Self::Http2];

    /// As reports name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Http1 => "HTTP/1.1",
            Self::Http2 => "HTTP/2",
        }
    }
}

/// Names fetched at the start of a process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Prefetch {
    pub(crate) names: usize,
    pub(crate) offer: Offer,
    /// From the first request to the last answer.
    pub(crate) elapsed: Duration,
    pub(crate) connections: u64,
    /// Most requests to the vault in flight at once.
    pub(crate) at_once: u64,
    /// Requests to the vault, the challenge and the names together.
    pub(crate) requests: u64,
}

pub(crate) fn prefetch(bench: &Bench, names: usize, offer: Offer) -> Prefetch {
    let _delayed = Delayed::by(bench, LATENCY);
    bench.emulator.offer_http2(offer == Offer::Http2);
    let server = bench.start_prefetching(&names_of(names));
    server.become_prefetched();
    bench.emulator.offer_http2(true);
    let spans = bench.emulator.timeline();
    let began = spans.iter().map(|span| span.began).min().unwrap();
    let ended = spans.iter().map(|span| span.ended).max().unwrap();
    let counters = bench.emulator.counters();
    assert_eq!(
        counters.served,
        u64::try_from(names).unwrap(),
        "names that were fetched"
    );
    Prefetch {
        names,
        offer,
        elapsed: ended.duration_since(began),
        connections: counters.connections,
        at_once: counters.max_concurrent,
        requests: counters.challenges + counters.gets,
    }
}

/// Names that are in the vault.
pub(crate) fn names_of(count: usize) -> Vec<String> {
    (0..count).map(|index| format!("first-{index}")).collect()
}
