//! A hit beside the same answer by other servers.

use std::fs;

use bench::nginx::{self, Work};
use bench::process::which;
use bench::scenario::{Answers, ORIGIN, Scenario};
use testkit::ReservedPort;

use crate::rig::{Case, Rig, hit};

/// Hits in the smaller run, and in the larger one.
const FEW: u32 = 5000;
const MANY: u32 = 15_000;

/// Measures all, and prints the table.
pub(crate) async fn measure(rig: &Rig, bare_warp: &str) {
    let answers = learn(rig).await;
    let handler = handler(rig).await;
    let busy = nginx(rig, &answers, Work::IdAndLog).await;
    let nginx = nginx(rig, &answers, Work::Answers).await;
    let warp = warp(rig, &answers, bare_warp).await;
    println!("## Instructions of a cached hit\n\n| server | instructions | by nginx |\n| --- | --- | --- |");
    for (name, instructions) in [
        ("handler: decides, logs, makes an id", handler),
        ("nginx with an id and a buffered access log", busy),
        ("nginx: ready answers, no log, no id", nginx),
        ("bare warp: ready answers, no log, no id", warp),
    ] {
        let ratio = f64::from(u32::try_from(instructions).unwrap()) / f64::from(u32::try_from(nginx).unwrap());
        println!("| {name} | {instructions} | {ratio:.2} × |");
    }
}

/// The handler's answers, for those that have them ready.
async fn learn(rig: &Rig) -> Answers {
    let (handler, port) = rig.serve(&[]).await;
    let answer = async |scenario: Scenario| {
        let answer = scenario.request().send(port.number()).await;
        assert_eq!(answer.status, scenario.status(), "{}", scenario.name());
        answer
    };
    let answers = Answers {
        hit: answer(Scenario::Hit).await,
        preflight: answer(Scenario::Preflight).await,
        refused: answer(Scenario::Refused).await,
    };
    handler.stop().await;
    answers
}

fn a_hit(few: u64, many: u64) -> u64 {
    (many - few) / u64::from(MANY - FEW)
}

async fn handler(rig: &Rig) -> u64 {
    let case = Case::with(Vec::new());
    let few = rig.run("handler-few", &case, &[hit("maps-key", FEW)]).await;
    let many = rig.run("handler", &case, &[hit("maps-key", MANY)]).await;
    a_hit(few, many)
}

/// One process rather than a master and a worker, so that there is one file of callgrind's.
async fn nginx(rig: &Rig, answers: &Answers, work: Work) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let run = async |name: &str, hits| {
        let port = ReservedPort::new();
        let file = folder.path().join("nginx.conf");
        fs::write(&file, nginx::answering(folder.path(), port.number(), answers, work)).unwrap();
        let path = |path: &std::path::Path| path.to_str().unwrap().to_owned();
        let command = [
            path(&which("nginx")),
            "-g".to_owned(),
            "master_process off;".to_owned(),
            "-e".to_owned(),
            "stderr".to_owned(),
            "-p".to_owned(),
            path(folder.path()),
            "-c".to_owned(),
            path(&file),
        ];
        rig.run_other(name, &command, &port, &[hit("maps-key", hits)]).await
    };
    let few = run("nginx-few", FEW).await;
    let many = run("nginx", MANY).await;
    a_hit(few, many)
}

async fn warp(rig: &Rig, answers: &Answers, program: &str) -> u64 {
    let file = tempfile::NamedTempFile::new().unwrap();
    answers.write(file.path());
    // It runs in another folder.
    let program = fs::canonicalize(program).unwrap_or_else(|error| panic!("{program}: {error}"));
    let run = async |name: &str, hits| {
        let port = ReservedPort::new();
        let command = [
            program.to_str().unwrap(),
            &port.number().to_string(),
            ORIGIN,
            file.path().to_str().unwrap(),
        ]
        .map(str::to_owned);
        rig.run_other(name, &command, &port, &[hit("maps-key", hits)]).await
    };
    let few = run("warp-few", FEW).await;
    let many = run("warp", MANY).await;
    a_hit(few, many)
}
