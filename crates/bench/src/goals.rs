//! The goals, and whether they are met. A goal that is missed is a result, not a failure.

use crate::peer::{Bench, Peer};
use crate::process;
use crate::results::{HANDLER, NGINX, Results, milliseconds};
use crate::scenario::Scenario::Hit;
use crate::sizes::COLD_CALLERS;
use crate::startup::FirstSecret;

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
            format!("cached hits, logged: at least {least} × {name}, which logs nothing"),
            format!("{seen:.2} × as wrk saw it, {by_core_time:.2} × by core time"),
            seen.min(by_core_time) >= least,
        )
    };
    let p99 = results.load(HANDLER, Hit, |load| load.p99_ms);
    let p50 = results.load(Peer::Express, Hit, |load| load.p50_ms);
    vec![
        compare(NGINX, 0.8, "nginx"),
        compare(Peer::Express, 8.0, "express"),
        goal(
            "p99 at saturation below express's p50",
            format!("{p99:.2} ms, {p50:.2} ms"),
            p99 < p50,
        ),
    ]
}

fn start(results: &Results) -> Vec<Goal> {
    let handler = results.first_answer_ms(HANDLER);
    let ratio = results.first_answer_ms(Peer::Express) / handler;
    let secret = |figure: fn(&FirstSecret) -> f64| results.first_secret(HANDLER, figure).unwrap();
    let elapsed = secret(|first| milliseconds(first.elapsed));
    let own = secret(|first| milliseconds(first.elapsed.saturating_sub(first.slept)));
    let most = results.first_secret.iter().filter(|(peer, _)| *peer == HANDLER);
    let trips = most.map(|(_, first)| first.trips).max().unwrap();
    let later = results
        .prefetched
        .iter()
        .map(|prefetched| prefetched.trips)
        .max()
        .unwrap();
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
            "start to first secret: at most three round trips, and 15 ms",
            format!("{elapsed:.1} ms: {trips} round trips, and {own:.1} ms without the emulator's latency"),
            trips <= 3 && own <= 15.0,
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
