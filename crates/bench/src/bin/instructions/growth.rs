//! What a hit takes as something else grows.

use std::fs;

use testkit::Secret;

use crate::plot::{Line, Panel};
use crate::rig::{Asked, Case, Rig, hit};
use crate::{credentials, kept};

/// Hits in the smaller run, and how many times as many in the larger one.
const HITS: u32 = 2000;
const TIMES: u32 = 5;

/// Something that grows: settings and names for a size of it.
type Prepare = fn(&Rig, u32) -> (Case, Vec<String>);

const GROWING: [(&str, &[u32], Prepare); 5] = [
    ("secrets in memory", &[1, 100, 1000], secrets),
    ("rules", &[1, 32], rules),
    ("names in `ALLOWED_SECRETS`", &[10, 100, 1000], names),
    ("bytes of the value", &[10, 1000, 25_000], bytes),
    ("connections", &[1, 64, 256, 1024, 4096], connections),
];

/// Measures all, with the memory of connections and the time of credentials, prints the tables, and writes the plot to this file.
pub(crate) async fn measure(rig: &Rig, plot: &str) {
    println!("## Growth\n\n![A hit's instructions and the memory of connections, by size](growth.svg)\n");
    println!("| what grows | to | instructions a hit |\n| --- | --- | --- |");
    let mut lines = Vec::new();
    for (what, sizes, prepare) in GROWING {
        let mut points = Vec::new();
        for &size in sizes {
            let (case, names) = prepare(rig, size);
            let instructions = instructions(rig, &case, &names).await;
            println!("| {what} | {size} | {instructions} |");
            points.push((f64::from(size), instructions));
        }
        lines.push(Line { what, points });
    }
    let memory = kept::measure(rig).await;
    credentials::measure(rig).await;
    let panels = [
        Panel {
            title: "instructions a hit",
            lines,
        },
        Panel {
            title: "resident memory of the process, kB",
            lines: vec![Line {
                what: "connections kept",
                points: memory,
            }],
        },
    ];
    fs::write(plot, crate::plot::svg(&panels)).unwrap();
}

fn setting(name: impl Into<String>, value: impl Into<String>) -> (String, String) {
    (name.into(), value.into())
}

/// All of them are read, in turn.
fn secrets(rig: &Rig, count: u32) -> (Case, Vec<String>) {
    let names: Vec<_> = (0..count).map(|index| format!("many-{index}")).collect();
    for name in &names {
        rig.emulator.put(name, Secret::new("benchmark"));
    }
    (Case::with(vec![setting("ALLOWED_SECRETS", "many-*")]), names)
}

fn names(_: &Rig, count: u32) -> (Case, Vec<String>) {
    let others = (1..count).map(|index| format!(",other-{index}"));
    let settings = vec![
        setting("ALLOWED_SECRETS", "maps-key".to_owned() + &others.collect::<String>()),
        setting("PREFETCH", "false"),
    ];
    (Case::with(settings), vec!["maps-key".to_owned()])
}

fn rules(_: &Rig, count: u32) -> (Case, Vec<String>) {
    let mut settings = vec![setting("ALLOWED_SECRETS", "maps-key,other-*")];
    for index in 0..count {
        // The first is the one that decides.
        let secrets = if index == 0 {
            "maps-key".to_owned()
        } else {
            format!("other-{index}")
        };
        settings.push(setting(format!("RULES__R{index}__SECRETS"), secrets));
        settings.push(setting(format!("RULES__R{index}__ORIGINS"), bench::scenario::ORIGIN));
    }
    (Case::with(settings), vec!["maps-key".to_owned()])
}

fn bytes(rig: &Rig, count: u32) -> (Case, Vec<String>) {
    let name = format!("long-{count}");
    let value = "x".repeat(usize::try_from(count).unwrap());
    rig.emulator.put(&name, Secret::new(value));
    (Case::with(vec![setting("ALLOWED_SECRETS", name.as_str())]), vec![name])
}

/// All of them are asked, in turn.
fn connections(_: &Rig, count: u32) -> (Case, Vec<String>) {
    let case = Case {
        connections: count,
        ..Case::with(Vec::new())
    };
    (case, vec!["maps-key".to_owned()])
}

async fn instructions(rig: &Rig, case: &Case, names: &[String]) -> u64 {
    let secrets = u32::try_from(names.len()).unwrap();
    // Each secret and each connection has the same share of them.
    let share = secrets.max(case.connections);
    let hits = HITS.div_ceil(share) * share;
    let asked = |hits: u32| -> Vec<Asked> { names.iter().map(|name| hit(name, hits / secrets)).collect() };
    let few = rig.run("growth-few", case, &asked(hits)).await;
    let times = if hits > HITS { 3 } else { TIMES };
    let many = rig.run("growth", case, &asked(times * hits)).await;
    (many - few) / u64::from((times - 1) * hits)
}
