//! What a hit takes as something else grows, what a credential takes beside it, and what a kept connection takes of memory.

use std::fs;
use std::time::Duration;

use testkit::Secret;
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::plot::{Line, Panel};
use crate::rig::{Asked, Rig, ask, hit};

const PLOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/growth.svg");
/// Hits in the smaller run, and how many times as many in the larger one.
const HITS: u32 = 2000;
const TIMES: u32 = 5;
const CONNECTIONS: [u32; 6] = [1, 64, 256, 1024, 2048, 4096];

/// Measures all, prints the tables, and writes the plot.
pub(crate) async fn measure(rig: &Rig) {
    credentials(rig).await;
    println!("\n| connections, each asked once | resident memory | for each |\n| --- | --- | --- |");
    let memory = memory(rig).await;
    println!("\n| what grows | to | instructions a hit |\n| --- | --- | --- |");
    let mut lines = Vec::new();
    for (what, sizes, prepare) in [
        (
            "secrets in memory",
            &[1, 100, 1000][..],
            secrets as fn(&Rig, u32) -> Case,
        ),
        ("rules", &[1, 32], rules),
        ("names in `ALLOWED_SECRETS`", &[10, 100, 1000], names),
        ("bytes of the value", &[10, 1000, 25_000], bytes),
    ] {
        let mut points = Vec::new();
        for &size in sizes {
            let instructions = instructions(rig, &prepare(rig, size)).await;
            println!("| {what} | {size} | {instructions} |");
            points.push((f64::from(size), instructions));
        }
        lines.push(Line { what, points });
    }
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
    fs::write(PLOT, crate::plot::svg(&panels)).unwrap();
}

/// Settings, and the names that are read in turn.
struct Case {
    settings: Vec<(String, String)>,
    names: Vec<String>,
}

fn setting(name: impl Into<String>, value: impl Into<String>) -> (String, String) {
    (name.into(), value.into())
}

fn put(rig: &Rig, names: &[String]) {
    for name in names {
        rig.emulator.put(name, Secret::new("benchmark"));
    }
}

fn secrets(rig: &Rig, count: u32) -> Case {
    let names: Vec<_> = (0..count).map(|index| format!("many-{index}")).collect();
    put(rig, &names);
    Case {
        settings: vec![setting("ALLOWED_SECRETS", "many-*")],
        names,
    }
}

fn names(_: &Rig, count: u32) -> Case {
    let others = (1..count).map(|index| format!(",other-{index}"));
    Case {
        settings: vec![
            setting("ALLOWED_SECRETS", "maps-key".to_owned() + &others.collect::<String>()),
            setting("PREFETCH", "false"),
        ],
        names: vec!["maps-key".to_owned()],
    }
}

fn rules(_: &Rig, count: u32) -> Case {
    let mut settings = vec![setting("ALLOWED_SECRETS", "maps-key,other-*")];
    for index in 0..count {
        // The first is the one that decides.
        let secrets = if index == 0 {
            "maps-key".to_owned()
        } else {
            format!("other-{index}")
        };
        settings.push(setting(format!("RULES__R{index}__SECRETS"), secrets));
        settings.push(setting(format!("RULES__R{index}__ORIGINS"), testkit::handler::ORIGIN));
    }
    Case {
        settings,
        names: vec!["maps-key".to_owned()],
    }
}

fn bytes(rig: &Rig, count: u32) -> Case {
    let name = format!("long-{count}");
    let value = "x".repeat(usize::try_from(count).unwrap());
    rig.emulator.put(&name, Secret::new(value));
    Case {
        settings: vec![setting("ALLOWED_SECRETS", name.as_str())],
        names: vec![name],
    }
}

/// An account key as every Azurite has it, long enough for Web PubSub too.
const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
/// Rounds in which each kind is asked in turn, and requests of a kind in a round.
const ROUNDS: u32 = 5;
const ROUND: u32 = 10_000;

/// A key itself, and the credentials that this process makes out of one without asking anybody. Times are the process's
/// own: somebody else's work on the same core is not in them. Not counted below valgrind, whose processor lacks the
/// instructions that SHA-256 is made with.
async fn credentials(rig: &Rig) {
    let settings = [
        ("ALLOWED_SECRETS", "plain-key,storage-key,pubsub-key"),
        ("RULES__STORAGE__SECRETS", "storage-key"),
        ("RULES__STORAGE__GIVE", "blob-sas account=contoso path=photos allow=r"),
        ("RULES__PUBSUB__SECRETS", "pubsub-key"),
        (
            "RULES__PUBSUB__GIVE",
            "pubsub-token host=contoso.webpubsub.azure.com hub=chat user=none",
        ),
    ]
    .map(|(name, value)| setting(name, value));
    let kinds = [
        ("the key itself", "plain-key"),
        ("blob SAS", "storage-key"),
        ("Web PubSub token", "pubsub-key"),
    ];
    for (_, name) in kinds {
        rig.emulator.put(name, Secret::new(KEY));
    }
    let (handler, port) = rig.serve(&settings).await;
    let mut stream = TcpStream::connect(("127.0.0.1", port.number())).await.unwrap();
    let mut seconds = kinds.map(|_| 0.0);
    for (_, name) in kinds {
        ask(&mut stream, &hit(name, ROUND)).await;
    }
    for _ in 0..ROUNDS {
        for ((_, name), seconds) in kinds.iter().zip(&mut seconds) {
            let before = core_seconds(handler.pid());
            ask(&mut stream, &hit(name, ROUND)).await;
            *seconds += core_seconds(handler.pid()) - before;
        }
    }
    drop(stream);
    handler.stop().await;
    println!("\n| what is given | core time an answer | answers a core second, by the key's |\n| --- | --- | --- |");
    let plain = seconds[0];
    for ((what, _), seconds) in kinds.iter().zip(seconds) {
        let each = seconds * 1e6 / f64::from(ROUNDS * ROUND);
        println!("| {what} | {each:.1} µs | {:.2} × |", plain / seconds);
    }
}

/// Processor time of a process so far: fields 14 and 15 of `/proc/PID/stat`, in hundredths (proc(5)).
fn core_seconds(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let times = stat.rsplit(')').next().unwrap().split_whitespace().skip(11).take(2);
    times.map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / 100.0
}

async fn instructions(rig: &Rig, case: &Case) -> u64 {
    let secrets = u32::try_from(case.names.len()).unwrap();
    let asked = |hits: u32| -> Vec<Asked> { case.names.iter().map(|name| hit(name, hits / secrets)).collect() };
    let few = rig.run("growth-few", &case.settings, &asked(HITS)).await;
    let many = rig.run("growth", &case.settings, &asked(TIMES * HITS)).await;
    (many - few) / u64::from((TIMES - 1) * HITS)
}

/// Resident memory with so many connections, each of which was asked once.
async fn memory(rig: &Rig) -> Vec<(f64, u64)> {
    rlimit::increase_nofile_limit(8192).unwrap();
    let (handler, port) = rig.serve(&[]).await;
    let mut open = Vec::new();
    let mut points: Vec<(f64, u64)> = Vec::new();
    for connections in CONNECTIONS {
        while open.len() < usize::try_from(connections).unwrap() {
            let mut stream = TcpStream::connect(("127.0.0.1", port.number())).await.unwrap();
            ask(&mut stream, &hit("maps-key", 1)).await;
            open.push(stream);
        }
        // The allocator and the log's writer come to rest.
        sleep(Duration::from_secs(2)).await;
        let resident = resident(handler.pid());
        let each = points.first().map_or("–".to_owned(), |(_, first)| {
            format!("{} B", (resident.saturating_sub(*first)) / u64::from(connections - 1))
        });
        println!("| {connections} | {} kB | {each} |", resident / 1000);
        points.push((f64::from(connections), resident));
    }
    drop(open);
    handler.stop().await;
    points
        .into_iter()
        .map(|(connections, bytes)| (connections, bytes / 1000))
        .collect()
}

fn resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}
