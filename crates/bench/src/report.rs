//! The document: goals, tables, machine and method.

use std::path::Path;

use crate::goals::{self, megabytes};
use crate::load::{CONNECTIONS, Load};
use crate::machine;
use crate::micro;
use crate::peer::{self, Bench, Peer};
use crate::process;
use crate::results::{HANDLER, NGINX, Results, median, milliseconds};
use crate::scenario::Scenario;
use crate::sizes::{COLD_CALLERS, Sizes};
use crate::startup::VAULT_LATENCY;

const NONE: &str = "–";

pub(crate) fn document(bench: &Bench, sizes: Sizes, results: &Results) -> String {
    let parts = [
        introduction(),
        goal_table(bench, results),
        load_tables(results),
        start_table(results),
        memory_table(results),
        size_table(bench),
        in_process(&bench.built),
        machine_table(bench),
        method(sizes),
    ];
    parts.join("\n")
}

fn introduction() -> String {
    "# Performance

Written by `scripts/bench`, which measures every figure here again. The ratios are the result: they should be much the
same elsewhere. Absolute figures are those of the machine named below.
"
    .to_owned()
}

/// A section with a table; the cells of the first column are names.
fn table(title: &str, head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let head: Vec<_> = head.iter().map(|&cell| cell.to_owned()).collect();
    let rule: Vec<_> = head.iter().map(|_| "---".to_owned()).collect();
    let mut text = format!("## {title}\n\n{}{}", line(&head), line(&rule));
    text.extend(rows.into_iter().map(|row| line(&row)));
    text
}

fn goal_table(bench: &Bench, results: &Results) -> String {
    let goals = goals::judge(bench, results).into_iter();
    let rows = goals.map(|goal| {
        let met = if goal.met { "met" } else { "**not met**" };
        vec![goal.what, goal.measured, met.to_owned()]
    });
    table("Goals", &["goal", "measured", ""], rows)
}

fn load_tables(results: &Results) -> String {
    let titles = [
        (Scenario::Hit, "Cached hit"),
        (Scenario::Preflight, "Preflight"),
        (Scenario::Refused, "Refused origin"),
    ];
    let head = [
        "peer",
        "by nginx",
        "by express",
        "requests a second (lowest to highest round)",
        "p50",
        "p99",
        "core in use",
        "core time a request",
    ];
    let tables = titles.map(|(scenario, title)| {
        let measured = Peer::ALL
            .into_iter()
            .filter(|&peer| results.rounds(peer, scenario).is_some());
        table(title, &head, measured.map(|peer| load_row(results, peer, scenario)))
    });
    tables.join("\n")
}

fn load_row(results: &Results, peer: Peer, scenario: Scenario) -> Vec<String> {
    let median_of = |figure: fn(&Load) -> f64| results.load(peer, scenario, figure);
    let rounds = || results.rounds(peer, scenario).unwrap().iter();
    let rates = || rounds().map(|load| load.requests_per_second);
    let (lowest, highest) = (rates().fold(f64::INFINITY, f64::min), rates().fold(0.0, f64::max));
    vec![
        peer.name().to_owned(),
        format!("{:.2} ×", results.throughput(peer, NGINX, scenario)),
        format!("{:.1} ×", results.throughput(peer, Peer::Express, scenario)),
        format!(
            "{:.0} ({lowest:.0} to {highest:.0})",
            median_of(|load| load.requests_per_second)
        ),
        format!("{:.2} ms", median_of(|load| load.p50_ms)),
        format!("{:.2} ms", median_of(|load| load.p99_ms)),
        format!("{:.0} %", median_of(|load| load.busy) * 100.0),
        format!("{:.1} µs", median_of(|load| load.cost_us)),
    ]
}

fn main_peers() -> impl Iterator<Item = Peer> {
    Peer::ALL.into_iter().filter(|peer| peer.is_main())
}

fn start_table(results: &Results) -> String {
    let handler = results.first_answer_ms(HANDLER);
    let head = [
        "peer",
        "to first `GET /`",
        "by handler",
        "to first secret",
        "without the vault's latency",
        "round trips",
        "reads of the vault for cold callers",
    ];
    let rows = main_peers().map(|peer| {
        let answer = results.first_answer_ms(peer);
        let secret = |text: fn(f64) -> String, figure: fn(&crate::startup::FirstSecret) -> f64| {
            results.first_secret(peer, figure).map_or(NONE.to_owned(), text)
        };
        let in_ms = |value: f64| format!("{value:.1} ms");
        vec![
            peer.name().to_owned(),
            in_ms(answer),
            format!("{:.1} ×", answer / handler),
            secret(in_ms, |first| milliseconds(first.elapsed)),
            secret(in_ms, |first| milliseconds(first.elapsed.saturating_sub(first.slept))),
            secret(
                |trips| format!("{trips:.0}"),
                #[expect(clippy::cast_precision_loss, reason = "a handful")]
                |first| first.trips as f64,
            ),
            results
                .cold_reads(peer)
                .map_or(NONE.to_owned(), |reads| reads.to_string()),
        ]
    });
    let later = median(
        results
            .prefetched
            .iter()
            .map(|prefetched| milliseconds(prefetched.elapsed)),
    );
    let note =
        format!("\nA handler that has prefetched answers its first caller in {later:.2} ms, connection included.\n");
    table("From the start", &head, rows) + &note
}

fn memory_table(results: &Results) -> String {
    let rows = main_peers().map(|peer| {
        let memory = results.memory(peer);
        let name = peer.name().to_owned();
        vec![
            name,
            megabytes(memory.idle),
            megabytes(memory.peak),
            megabytes(memory.after),
        ]
    });
    let head = [
        "peer",
        "idle, secret in memory",
        "most, under load",
        "after the requests",
    ];
    table("Memory", &head, rows)
}

fn size_table(bench: &Bench) -> String {
    let express = [peer::node(), bench.express().join("node_modules")];
    let row = |peer: &str, bytes| vec![peer.to_owned(), megabytes(bytes)];
    let rows = [
        row("handler", process::size_on_disk(&bench.handler())),
        row("bare warp", process::size_on_disk(&bench.bare_warp())),
        row("nginx", process::size_on_disk(&peer::nginx())),
        row(
            "node and express's packages",
            express.iter().map(|path| process::size_on_disk(path)).sum(),
        ),
    ];
    table("Size on disk", &["what", "size"], rows)
}

fn in_process(built: &Path) -> String {
    let measured = micro::read(&built.join("../criterion"));
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
        seconds,
        starts,
        requests,
    } = sizes;
    let latency = VAULT_LATENCY.as_millis();
    format!(
        "## Method

- **Cores.** Each server runs on core {server} alone, one at a time; wrk, the emulated vault and the program that drives
  them on core {load}. \"Core in use\" is the server's share of its core: well below 100 %, the load generator was the
  limit, and the server could have done more.
- **Load.** wrk, one thread, {CONNECTIONS} connections kept alive, as fast as answers come. {rounds} rounds; in each every
  peer and scenario in turn for {seconds} s, and each round begins with another one. Figures are medians of the rounds,
  ratios the medians of the ratios within a round. All answers were checked: status, CORS header and value before, status
  of every one during, and no read of the vault during cached hits.
- **Handler.** The release binary, as the Functions host starts it, all settings at their defaults but a long
  `CACHE_TTL_SECONDS`, so that no refresh falls into a round. It logs one line a request, as it does by default. The line
  goes to a pipe that is read on core {load} and thrown away: that is how the Functions host takes it, and waking a
  reader is part of what logging costs. The goals are judged with it; a file on disk and the null device are the other rows.
- **Peers.** nginx (one worker) and bare warp (`warp::serve`) answer the handler's own bytes and header fields, ready in
  memory, without deciding more than which of three answers; nginx makes up a request id, as the handler does. They are
  the floor, not products that do the same. express is `cors`, the Azure SDK, one read of the vault kept for ever, in
  production mode. These three log nothing, but for nginx's row with its access log.
- **Start.** Median of {starts} starts, from before the process is created to the whole answer. The emulated vault and
  identity endpoint answer {latency} ms late (a challenge, which carries no secret, at once). Cold callers: {COLD_CALLERS}
  connections ask a fresh process before the vault has answered anything.
- **Memory.** Resident memory of the server's processes: after the start with the secret in memory, at its highest, and
  after at least {requests} requests.
",
        server = peer::SERVER_CORE,
        load = peer::LOAD_CORE,
    )
}
