//! The document: goals, tables, machine and method.

use std::path::Path;

use crate::goals;
use crate::load::CONNECTIONS;
use crate::machine;
use crate::micro;
use crate::peer::{self, Bench};
use crate::results::Results;
use crate::sizes::{COLD_CALLERS, Sizes};
use crate::startup::LATENCY;
use crate::tables::{self, table};

pub(crate) fn document(bench: &Bench, sizes: Sizes, results: &Results, counted: &str) -> String {
    let parts = [
        introduction(),
        goal_table(bench, results),
        tables::load(results),
        tables::start(results),
        tables::first_secret(results),
        tables::prefetch(results),
        tables::proxied(results),
        tables::memory(results),
        tables::size(bench),
        counted.to_owned(),
        in_process(&bench.built),
        machine_table(bench),
        method(sizes),
    ];
    parts.join("\n")
}

fn introduction() -> String {
    "# Performance

Up to [Explained](#explained) written by `scripts/bench`, which measures every figure here again. The ratios are the
result: they should be much the same elsewhere. Absolute figures are those of the machine named below.
"
    .to_owned()
}

fn goal_table(bench: &Bench, results: &Results) -> String {
    let goals = goals::judge(bench, results).into_iter();
    let rows = goals.map(|goal| {
        let met = if goal.met { "met" } else { "**not met**" };
        vec![goal.what, goal.measured, met.to_owned()]
    });
    table("Goals", &["goal", "measured", ""], rows)
}

fn in_process(built: &Path) -> String {
    let measured = micro::read(&built.join("../criterion"));
    assert!(!measured.is_empty(), "criterion has measured nothing");
    let time = |nanoseconds: f64| match nanoseconds {
        less if less < 1000.0 => format!("{less:.0} ns"),
        more => format!("{:.2} µs", more / 1000.0),
    };
    let rows = measured.into_iter().map(|(name, median)| vec![name, time(median)]);
    table("In process, without sockets (criterion)", &["what", "median"], rows)
}

fn machine_table(bench: &Bench) -> String {
    let rows = machine::describe(&bench.express()).into_iter();
    table(
        "Machine",
        &["what", "which"],
        rows.map(|(what, which)| vec![what.to_owned(), which]),
    )
}

fn method(sizes: Sizes) -> String {
    let Sizes {
        rounds,
        forwarded_rounds,
        seconds,
        starts,
        prefetches,
        requests: _,
    } = sizes;
    let latency = LATENCY.as_millis();
    format!(
        "## Method

- **Cores.** Each server runs on core {server} alone, one at a time; wrk, the emulated vault and the program that drives
  them on core {load}. \"Core in use\" is the server's share of its core: well below 100 %, the load generator was the
  limit, and the server could have done more.
- **Load.** wrk, one thread, {CONNECTIONS} connections kept alive, as fast as answers come. {rounds} rounds; in each every
  peer and scenario in turn for {seconds} s, and each round begins with another one. Figures are medians of the rounds,
  ratios the medians of the ratios within a round. All answers were checked: status, CORS header and value before, status
  of every one during, and no read of the vault during cached hits.
- **Handler.** What scripts/package builds, as the Functions host starts it, all settings at their defaults but a long
  `CACHE_TTL_SECONDS`, so that no refresh falls into a round. It logs one line a request, as it does by default, but for
  refusals above 100 a second, which it counts. The line goes to a pipe that is read on core {load} and thrown away: that is
  how the Functions host takes it, and waking a reader is part of what logging costs.
- **Peers.** nginx (one worker) and bare warp (`warp::serve`, built with the handler's optimisations) answer the handler's
  own bytes and header fields, ready in memory, without deciding more than which of three answers, with an id that is
  always the same one, and log nothing. \"nginx, with an id and a log\" makes up an id for each answer, as the handler
  does, and writes its usual line for each request, shorter than the handler's, to a file on disk, 64 KiB at a time or
  every second. They are the floor, not products that do the same. express is `cors`, the Azure SDK, one read of the vault
  kept for ever, in production mode, without a log.
- **Start.** Median of {starts} starts, from before the process is created to the whole answer. Cold callers:
  {COLD_CALLERS} connections ask a fresh process before the vault has answered anything.
- **First secret, prefetch.** The emulated vault, with its challenge too, and the identity endpoint answer {latency} ms late.
  Medians of {starts} starts, and of {prefetches} with each number of names. The vault offers HTTP/2 where nothing else is
  said; of these the handler alone speaks it. The SDK alone is a Rust program as in the
  SDK's own samples (crates/bench/src/bin/plain_sdk.rs), with the time that it takes to end.
- **Behind a forwarder.** nginx on core {load}, beside wrk, passes requests on over connections that it keeps, to the server
  on core {server}. {forwarded_rounds} rounds of {seconds} s at each number of connections, the two servers in turn.
- **Memory.** Resident memory of the server's processes: after the start with the secret in memory, at its highest, and
  after all requests of the rounds.
- **Instructions.** `scripts/instructions --peers`: each server below valgrind on one core, asked on one kept connection,
  one request after the other; a run with 15,000 requests less one with 5,000. The kernel's part is not among them. One at
  a time, each request also wakes and parks the handler's worker and its log's writer; under load they do so once a batch.
",
        server = peer::SERVER_CORE,
        load = peer::LOAD_CORE,
    )
}
