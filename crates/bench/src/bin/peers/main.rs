//! The handler side by side with what users would pick instead. `scripts/bench` builds and runs it.
//!
//! In reading order: `sizes`, how much is measured; `peer`, how each server is started; `startup`, `cold`, `load` and
//! `proxied`, the measurements; `results`, what was found; `goals`, `micro`, `machine`, `tables` and `report`, the
//! document that comes of it.
//!
//! It panics when something could not be measured, and ends well when a goal is missed.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::disallowed_types,
    reason = "a benchmark prints, measures real time, and stops at the first surprise"
)]

mod cold;
mod goals;
mod load;
mod machine;
mod micro;
mod peer;
mod proxied;
mod report;
mod results;
mod sizes;
mod startup;
mod tables;

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use bench::process;
use bench::scenario::{Answers, ORIGIN, Scenario, VALUE};
use testkit::client::Answer;
use testkit::{Emulator, Secret};

use crate::cold::{Offer, Reader};
use crate::load::Running;
use crate::peer::{Bench, LOAD_CORE, Peer, Server};
use crate::results::{Memory, Results};
use crate::sizes::{COLD_CALLERS, FULL, QUICK, Sizes};

/// What the document has from here on is written by hand and stays.
const BY_HAND: &str = "\n# Explained\n";

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let (sizes, document, counted) = match arguments.as_slice() {
        ["--quick", counted] => (QUICK, None, counted),
        ["--write", document, counted] => (FULL, Some(PathBuf::from(document)), counted),
        _ => panic!("usage: peers --quick COUNTED | --write DOCUMENT COUNTED"),
    };
    // What would be missing at the end is missed now.
    let counted = fs::read_to_string(counted).unwrap_or_else(|error| panic!("{counted}: {error}"));
    for part in ["## Instructions of a cached hit\n", "## Growth\n"] {
        assert!(
            document.is_none() || counted.contains(part),
            "nothing was counted for {part}"
        );
    }
    let by_hand = document.as_ref().map(|document| {
        let old = fs::read_to_string(document).unwrap();
        let (_, by_hand) = old
            .split_once(BY_HAND)
            .unwrap_or_else(|| panic!("{}: no {BY_HAND:?}, behind which is what stays", document.display()));
        by_hand.to_owned()
    });
    // Before any thread is there: they and wrk inherit it.
    peer::pin(LOAD_CORE);
    let files = rlimit::increase_nofile_limit(8192).unwrap();
    assert!(
        files >= 8192,
        "8192 open files are needed, and {files} allowed: ulimit -n"
    );
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let mut bench = Bench {
        emulator: runtime.block_on(Emulator::start()).unwrap(),
        folder: tempfile::tempdir().unwrap(),
        root: Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../..")
            .canonicalize()
            .unwrap(),
        built: std::env::current_exe().unwrap().parent().unwrap().to_owned(),
        answers: None,
        runtime,
    };
    // As Key Vault does.
    bench.emulator.offer_http2(true);
    let most = cold::NAMES.into_iter().max().unwrap();
    for name in cold::names_of(most).into_iter().chain(["maps-key".to_owned()]) {
        bench.emulator.put(&name, Secret::new(VALUE).content_type("text/plain"));
    }
    bench.answers = Some(learn(&bench));

    let results = measure(&bench, sizes);
    let text = report::document(&bench, sizes, &results, &counted);
    println!("{text}");
    if let (Some(document), Some(by_hand)) = (document, by_hand) {
        // Whole or not at all.
        let new = document.with_extension("md.new");
        fs::write(&new, text + BY_HAND + &by_hand).unwrap();
        fs::rename(new, document).unwrap();
    }
}

/// What the handler answers, so that peers without code of their own can answer the same.
fn learn(bench: &Bench) -> Answers {
    let peer = Peer::Handler;
    let mut server = bench.start(peer, true);
    server.become_ready();
    server.become_prefetched();
    let answer = |scenario| verified(&server, peer, scenario);
    Answers {
        hit: answer(Scenario::Hit),
        preflight: answer(Scenario::Preflight),
        refused: answer(Scenario::Refused),
    }
}

/// Asks, and checks that the answer is what the scenario is about.
fn verified(server: &Server, peer: Peer, scenario: Scenario) -> Answer {
    let answer = server.ask(scenario);
    let who = format!("{}, {}", peer.name(), scenario.name());
    assert_eq!(answer.status, scenario.status(), "{who}");
    let allowed = answer.header("access-control-allow-origin");
    let expected = (scenario != Scenario::Refused).then_some(ORIGIN);
    assert_eq!(allowed, expected, "{who}: Access-Control-Allow-Origin");
    if scenario == Scenario::Hit {
        assert_eq!(answer.json()["value"], VALUE, "{who}");
    }
    answer
}

fn measure(bench: &Bench, sizes: Sizes) -> Results {
    let main_peers = || Peer::ALL.into_iter().filter(|peer| peer.is_main());
    let mut results = Results::default();
    for round in 1..=sizes.starts {
        eprintln!("start {round} of {}", sizes.starts);
        for peer in main_peers() {
            results.first_answer.push((peer, startup::first_answer(bench, peer)));
        }
        for reader in Reader::ALL {
            results.first_secret.push((reader, cold::first_secret(bench, reader)));
        }
        results.prefetched.push(startup::prefetched(bench));
    }
    for round in 1..=sizes.prefetches {
        eprintln!("prefetch {round} of {}", sizes.prefetches);
        for names in cold::NAMES {
            let prefetches = Offer::ALL.map(|offer| cold::prefetch(bench, names, offer));
            results.prefetches.extend(prefetches);
        }
    }
    for peer in main_peers().filter(|peer| peer.reads_vault()) {
        let reads = startup::reads_for_cold_callers(bench, peer, COLD_CALLERS);
        results.cold_reads.push((peer, reads));
    }

    let mut running: Vec<_> = Peer::ALL.map(|peer| begin(bench, peer)).into();
    let idle: Vec<_> = running
        .iter()
        .map(|running| process::memory(running.server.pid(), "VmRSS:"))
        .collect();
    bench.emulator.reset_counters();
    results.lanes = load::interleave(bench, &mut running, sizes.rounds, sizes.seconds);
    for (running, idle) in running
        .iter_mut()
        .zip(idle)
        .filter(|(running, _)| running.peer.is_main())
    {
        eprintln!("memory: {}", running.peer.name());
        while running.peer == Peer::Handler && running.requests < sizes.requests {
            running.load(bench, Scenario::Hit, sizes.seconds);
        }
        let pid = running.server.pid();
        let memory = Memory {
            idle,
            peak: process::memory(pid, "VmHWM:"),
            after: process::memory(pid, "VmRSS:"),
            requests: running.requests,
        };
        results.memory.push((running.peer, memory));
    }
    assert_eq!(bench.emulator.counters().gets, 0, "a cached hit read the vault");
    drop(running);
    results.proxied = proxied::measure(bench, sizes.forwarded_rounds, sizes.seconds);
    results
}

/// A peer that has its secret in memory, at rest.
fn begin(bench: &Bench, peer: Peer) -> Running {
    let mut server = bench.start(peer, true);
    server.become_ready();
    if peer == Peer::Handler {
        server.become_prefetched();
    }
    for scenario in Scenario::ALL {
        verified(&server, peer, scenario);
    }
    // Whatever the start left to do in the background.
    thread::sleep(Duration::from_secs(1));
    Running {
        peer,
        server,
        requests: 0,
    }
}
