//! The tables of the document.

use bench::process::{self, which};
use bench::scenario::Scenario;

use crate::cold::{FirstSecret, NAMES, Offer, Prefetch, Reader, Stretch};
use crate::goals::megabytes;
use crate::load::{self, Load};
use crate::peer::{Bench, Peer};
use crate::proxied;
use crate::results::{HANDLER, NGINX, Results, median, milliseconds};

const NONE: &str = "–";

/// A section with a table; the cells of the first column are names.
pub(crate) fn table(title: &str, head: &[&str], rows: impl IntoIterator<Item = Vec<String>>) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let head: Vec<_> = head.iter().map(|&cell| cell.to_owned()).collect();
    let rule: Vec<_> = head.iter().map(|_| "---".to_owned()).collect();
    let mut text = format!("## {title}\n\n{}{}", line(&head), line(&rule));
    text.extend(rows.into_iter().map(|row| line(&row)));
    text
}

fn main_peers() -> impl Iterator<Item = Peer> {
    Peer::ALL.into_iter().filter(|peer| peer.is_main())
}

pub(crate) fn load(results: &Results) -> String {
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

pub(crate) fn start(results: &Results) -> String {
    let handler = results.first_answer_ms(HANDLER);
    let head = [
        "peer",
        "to first `GET /`",
        "by handler",
        "reads of the vault for cold callers",
    ];
    let rows = main_peers().map(|peer| {
        let answer = results.first_answer_ms(peer);
        let reads = results.cold_reads(peer);
        vec![
            peer.name().to_owned(),
            in_ms(answer),
            format!("{:.1} ×", answer / handler),
            reads.map_or(NONE.to_owned(), |reads| reads.to_string()),
        ]
    });
    table("From the start", &head, rows)
}

fn in_ms(value: f64) -> String {
    format!("{value:.1} ms")
}

/// A row of the steps: what it is, and what a start says of it.
type Row = (&'static str, fn(&Results, Reader) -> String);

pub(crate) fn first_secret(results: &Results) -> String {
    let rows: [Row; 9] = [
        ("port open", |results, reader| match reader {
            Reader::Peer(_) => in_ms(results.first_secret(reader, |first| first.ready.unwrap())),
            Reader::Sdk => NONE.to_owned(),
        }),
        ("token asked for, given", |results, reader| {
            stretch(results, reader, |first| first.token)
        }),
        ("connection to the vault, TLS handshake", |results, reader| {
            stretch(results, reader, |first| first.handshake)
        }),
        ("challenge", |results, reader| {
            stretch(results, reader, |first| first.challenge)
        }),
        ("read", |results, reader| stretch(results, reader, |first| first.read)),
        ("**the caller has it**", |results, reader| {
            format!("**{}**", in_ms(results.first_secret(reader, |first| first.answered)))
        }),
        ("of that waiting for vault and identity endpoint", |results, reader| {
            in_ms(results.first_secret(reader, |first| first.waited))
        }),
        ("the rest", |results, reader| {
            in_ms(results.first_secret(reader, FirstSecret::own))
        }),
        ("requests to both", |results, reader| results.trips(reader).to_string()),
    ];
    let head: Vec<_> = ["since the start of the process"]
        .into_iter()
        .chain(Reader::ALL.map(Reader::name))
        .collect();
    let rows = rows.map(|(what, cell)| {
        let cells = Reader::ALL.map(|reader| cell(results, reader));
        [what.to_owned()].into_iter().chain(cells).collect()
    });
    let later = median(
        results
            .prefetched
            .iter()
            .map(|prefetched| milliseconds(prefetched.elapsed)),
    );
    let note =
        format!("\nA handler that has prefetched answers its first caller in {later:.2} ms, connection included.\n");
    table("The first secret of a cold process", &head, rows) + &note
}

/// From when to when, in milliseconds.
fn stretch(results: &Results, reader: Reader, of: fn(&FirstSecret) -> Stretch) -> String {
    let from = results.first_secret(reader, |first| of(first).0);
    let to = results.first_secret(reader, |first| of(first).1);
    format!("{from:.1} to {to:.1} ms")
}

pub(crate) fn prefetch(results: &Results) -> String {
    let head = [
        "names",
        "the vault offers",
        "from the first request to the last answer",
        "requests to the vault",
        "at once",
        "connections to the vault",
    ];
    let lanes = NAMES
        .into_iter()
        .flat_map(|names| Offer::ALL.map(|offer| (names, offer)));
    let rows = lanes.map(|(names, offer)| {
        let median = |figure: &dyn Fn(&Prefetch) -> f64| results.prefetch(names, offer, figure);
        let count = |figure: fn(&Prefetch) -> u64| {
            let figure = median(&|prefetch| f64::from(u32::try_from(figure(prefetch)).unwrap()));
            format!("{figure:.0}")
        };
        vec![
            names.to_string(),
            offer.name().to_owned(),
            in_ms(median(&|prefetch| milliseconds(prefetch.elapsed))),
            count(|prefetch| prefetch.requests),
            count(|prefetch| prefetch.at_once),
            count(|prefetch| prefetch.connections),
        ]
    });
    let note = "\nAt most 24 of the 32 reads that may go at once are a prefetch's, so that callers find room: 32 names take two trips.\n";
    table("Prefetch", &head, rows) + note
}

pub(crate) fn proxied(results: &Results) -> String {
    let head = [
        "connections",
        "server",
        "p50",
        "p99",
        "longest",
        "requests a second",
        "server's core time a request",
        "handler's share of p50",
    ];
    let rows = proxied::CONNECTIONS.into_iter().flat_map(|connections| {
        proxied::UPSTREAMS.map(|upstream| {
            let lane = results.proxied(upstream, connections);
            let time = |figure: fn(&load::Seen) -> u64| {
                format!("{:.2} ms", lane.median(|seen| load::milliseconds(figure(seen))))
            };
            let share = if upstream == HANDLER {
                let trivial = results.proxied(Peer::BareWarp, connections);
                format!("{:.0} %", lane.more_than(trivial) * 100.0)
            } else {
                NONE.to_owned()
            };
            vec![
                connections.to_string(),
                upstream.name().to_owned(),
                time(|seen| seen.p50),
                time(|seen| seen.p99),
                time(|seen| seen.max),
                format!("{:.0}", lane.median(load::Seen::requests_per_second)),
                format!("{:.1} µs", lane.cost_us()),
                share,
            ]
        })
    });
    let note = "\nThe share is how much of a caller's time is there because the handler answers and not bare warp, which has the answer \
                ready.\n";
    table("Behind a forwarder", &head, rows) + note
}

pub(crate) fn memory(results: &Results) -> String {
    let rows = main_peers().map(|peer| {
        let memory = results.memory(peer);
        vec![
            peer.name().to_owned(),
            megabytes(memory.idle),
            megabytes(memory.peak),
            megabytes(memory.after),
            memory.requests.to_string(),
        ]
    });
    let head = [
        "peer",
        "idle, secret in memory",
        "most, under load",
        "after the requests",
        "so many",
    ];
    table("Memory", &head, rows)
}

pub(crate) fn size(bench: &Bench) -> String {
    let express = [which("node"), bench.express().join("node_modules")];
    let row = |peer: &str, bytes| vec![peer.to_owned(), megabytes(bytes)];
    let rows = [
        row("handler", process::size_on_disk(&bench.handler())),
        row("bare warp", process::size_on_disk(&bench.bare_warp())),
        row("nginx", process::size_on_disk(&which("nginx"))),
        row(
            "node and express's packages",
            express.iter().map(|path| process::size_on_disk(path)).sum(),
        ),
    ];
    table("Size on disk", &["what", "size"], rows)
}
