//! Instructions that the handler executes for a request: `scripts/instructions` builds and runs it.
//!
//! Times on a shared machine are noisy, counts are not. The whole process runs below valgrind's callgrind, with its start,
//! its log and one kept connection; a run with more requests, less the same run with fewer, is what those took. The
//! kernel's instructions are not among them.
//!
//! `rig` runs the process; `peers` is a hit beside the same answer by other servers; `growth` is what one takes as
//! something grows, with `kept`, the memory of connections, `credentials`, their time, and `plot`. Called as
//! `instructions VALGRIND HANDLER` it compares a hit and a preflight with crates/bench/instructions.json, and fails 5 %
//! above it; `--write` after that writes the file, and `--peers BARE_WARP` and `--growth PLOT` print what docs/performance.md
//! has of them.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a benchmark prints, and stops at the first surprise"
)]

mod credentials;
mod growth;
mod kept;
mod peers;
mod plot;
mod rig;

use std::fs;
use std::process::{Command, ExitCode};

use bench::scenario::ORIGIN;
use serde::{Deserialize, Serialize};

use crate::rig::{Asked, Case, Rig, hit};

/// Where the counts are that the code had when somebody last looked.
const RECORDED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/instructions.json");
/// Requests of a kind in the smallest run, after which nothing is done for the first time any more.
const FEW: u32 = 200;
/// Requests that a run has more of: what differs from one start to the next is then about 1 % of them.
const MORE: u32 = 10_000;
/// Per cent of a recorded count that a change may add.
const BOUND: u64 = 5;
/// For `scripts/test`: it cannot be told here.
const NOT_RUN: u8 = 75;

/// Instructions a request, and the compiler that they belong to: another one generates other code.
#[derive(Debug, Deserialize, Serialize)]
struct Counts {
    rust: String,
    hit: u64,
    preflight: u64,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let [valgrind, handler, option @ ..] = arguments.as_slice() else {
        panic!("usage: instructions VALGRIND HANDLER [--write | --growth PLOT | --peers BARE_WARP]");
    };
    // For connections: a process below valgrind has the limit that it was started with.
    rlimit::increase_nofile_limit(8192).unwrap();
    let rig = Rig::start(valgrind, handler).await;
    match option {
        [] => return compare(&rig).await,
        ["--growth", plot] => growth::measure(&rig, plot).await,
        ["--peers", bare_warp] => peers::measure(&rig, bare_warp).await,
        ["--write"] => {
            let counts = count(&rig).await;
            println!("{counts:?}");
            fs::write(RECORDED, serde_json::to_string_pretty(&counts).unwrap() + "\n").unwrap();
        }
        _ => panic!("unknown: {option:?}"),
    }
    ExitCode::SUCCESS
}

async fn count(rig: &Rig) -> Counts {
    let hits = |times| hit("maps-key", times);
    let preflights = |times| Asked {
        request: format!(
            "OPTIONS /api/secrets/maps-key HTTP/1.1\r\nHost: localhost\r\nOrigin: {ORIGIN}\r\n\
             Access-Control-Request-Method: GET\r\nAccess-Control-Request-Headers: x-functions-key\r\n\r\n"
        ),
        status: 204,
        times,
    };
    let case = Case::with(Vec::new());
    let few = rig.run("few", &case, &[hits(FEW), preflights(FEW)]).await;
    let more_hits = rig.run("hit", &case, &[hits(FEW + MORE), preflights(FEW)]).await;
    let more_preflights = rig.run("preflight", &case, &[hits(FEW), preflights(FEW + MORE)]).await;
    Counts {
        rust: rust(),
        hit: (more_hits - few) / u64::from(MORE),
        preflight: (more_preflights - few) / u64::from(MORE),
    }
}

async fn compare(rig: &Rig) -> ExitCode {
    let recorded: Counts = serde_json::from_slice(&fs::read(RECORDED).unwrap()).unwrap();
    let rust = rust();
    if recorded.rust != rust {
        println!(
            "recorded with {}, and this is {rust}: write the counts again",
            recorded.rust
        );
        return ExitCode::from(NOT_RUN);
    }
    let counts = count(rig).await;
    let mut code = ExitCode::SUCCESS;
    for (what, now, then) in [
        ("hit", counts.hit, recorded.hit),
        ("preflight", counts.preflight, recorded.preflight),
    ] {
        println!("{what}: {now} instructions, {then} recorded");
        if now * 100 > then * (100 + BOUND) {
            println!("  more than {BOUND} % above: find out why, or say why it has to be and write the counts again");
            code = ExitCode::FAILURE;
        } else if now * (100 + BOUND) < then * 100 {
            println!("  more than {BOUND} % below: write the counts again, so that nothing uses it up unseen");
        }
    }
    code
}

/// The compiler's version, as it says it.
fn rust() -> String {
    let output = Command::new("rustc").arg("--version").output().unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
