//! The goals, and whether they are met. A goal that is missed is a result, not a failure.

use bench::process;
use bench::scenario::Scenario::Hit;

use crate::cold::{FirstSecret, Offer, Prefetch, Reader};
use crate::peer::{Bench, Peer};
use crate::results::{BUSY_NGINX, HANDLER, NGINX, Results};
use crate::sizes::COLD_CALLERS;
use crate::startup::LATENCY;

/// What the handler's own work may add to its first secret, in milliseconds.
const OWN_MS: f64 = 15.0;

/// A row: what should be, what was, and whether that is so.
pub(crate) struct Goal {
    pub(crate) what: String,
    pub(crate) measured: String,
    pub(crate) met: bool,
}

pub(crate) fn judge(bench: &Bench, results: &Results) -> Vec<Goal> {
    [load(results), start(results), memory(bench, results)]
        .into_iter()
        .flatten()
        .collect()
}

fn goal(what: impl Into<String>, measured: impl Into<String>, met: bool) -> Goal {
    Goal {
        what: what.into(),
        measured: measured.into(),
        met,
    }
}

fn load(results: &Results) -> Vec<Goal> {
    // Whichever is less: where wrk was the limit, throughput flatters the slower peer.
    let compare = |peer, least: f64, name: &str| {
        let seen = results.throughput(HANDLER, peer, Hit);
        let by_core_time = results.by_core_time(HANDLER, peer, Hit);
        goal(
            format!("cached hits, logged and with an id: at least {least} × {name}"),
            format!("{seen:.2} × as wrk saw it, {by_core_time:.2} × by core time"),
            seen.min(by_core_time) >= least,
        )
    };
    let core_time = results.ratio(HANDLER, Peer::BareWarp, Hit, |load| load.cost_us);
    let p99 = |peer| results.load(peer, Hit, |load| load.p99_ms);
    let p99_ratio = results.ratio(HANDLER, NGINX, Hit, |load| load.p99_ms);
    let p50 = results.load(Peer::Express, Hit, |load| load.p50_ms);
    vec![
        compare(NGINX, 1.0, "nginx, which does neither"),
        compare(BUSY_NGINX, 1.15, "nginx that does both"),
        goal(
            "their core time: at most 1.05 × bare warp's, which does neither",
            format!("{core_time:.2} ×"),
            core_time <= 1.05,
        ),
        goal(
            "their p99: not above nginx's, which does neither",
            format!("{:.2} ms, {:.2} ms: {p99_ratio:.2} ×", p99(HANDLER), p99(NGINX)),
            p99_ratio <= 1.0,
        ),
        compare(Peer::Express, 8.0, "express, which does neither"),
        goal(
            "their p99: below express's p50",
            format!("{:.2} ms, {p50:.2} ms", p99(HANDLER)),
            p99(HANDLER) < p50,
        ),
    ]
}

fn start(results: &Results) -> Vec<Goal> {
    let handler = results.first_answer_ms(HANDLER);
    let ratio = results.first_answer_ms(Peer::Express) / handler;
    let reader = Reader::Peer(HANDLER);
    let elapsed = results.first_secret(reader, |first| first.answered);
    let own = results.first_secret(reader, FirstSecret::own);
    let waited = results.first_secret(reader, |first| first.waited);
    let latency = LATENCY.as_secs_f64() * 1000.0;
    let later = results
        .prefetched
        .iter()
        .map(|prefetched| prefetched.trips)
        .max()
        .unwrap();
    let prefetch = |figure: fn(&Prefetch) -> u64| {
        results.prefetch(10, Offer::Http2, |prefetch| {
            f64::from(u32::try_from(figure(prefetch)).unwrap())
        })
    };
    let at_once = prefetch(|prefetch| prefetch.at_once);
    let connections = prefetch(|prefetch| prefetch.connections);
    let reads = results.cold_reads(HANDLER).unwrap();
    vec![
        goal(
            "start to first answer: at most 5 ms",
            format!("{handler:.1} ms"),
            handler <= 5.0,
        ),
        goal(
            "start to first answer: 50 × faster than express",
            format!("{ratio:.0} ×"),
            ratio >= 50.0,
        ),
        goal(
            format!(
                "first secret of a cold process: token and challenge side by side, then its own trip, and {OWN_MS:.0} ms"
            ),
            format!(
                "{elapsed:.1} ms: {:.1} trips of {latency:.0} ms, and {own:.1} ms",
                waited / latency
            ),
            // Two trips, and what answering late by a timer adds.
            waited < 2.25 * latency && own <= OWN_MS,
        ),
        goal(
            "prefetch of 10 names: side by side, over one connection",
            format!("{at_once:.0} at once, over {connections:.0}"),
            at_once >= 10.0 && connections <= 1.0,
        ),
        goal(
            "first secret after prefetch: no round trip",
            format!("{later}"),
            later == 0,
        ),
        goal(
            format!("{COLD_CALLERS} cold callers at once: one read of the vault"),
            format!("{reads}"),
            reads == 1,
        ),
    ]
}

fn memory(bench: &Bench, results: &Results) -> Vec<Goal> {
    let memory = results.memory(HANDLER);
    let binary = process::size_on_disk(&bench.handler());
    let at_most = |what: &str, most: u64, bytes: u64| {
        goal(
            format!("{what}: at most {most} MB"),
            megabytes(bytes),
            bytes <= most * 1_000_000,
        )
    };
    vec![
        at_most("memory, idle", 12, memory.idle),
        at_most("memory, after a million requests", 16, memory.after),
        at_most("binary", 8, binary),
    ]
}

/// Millions of bytes.
#[expect(clippy::cast_precision_loss, reason = "one decimal is shown")]
pub(crate) fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}
