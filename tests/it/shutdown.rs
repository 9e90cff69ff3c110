//! How the process ends, and what its exit code tells the host.

use std::time::Duration;

use testkit::{Emulator, Secret};
use tokio::time::{Instant, timeout};

use crate::cache::{assert_serves, rig};
use crate::overload::start_with_limit;
use crate::support::client::Request;
use crate::support::handler::{EXECUTABLE, Environment, Handler, Launch, ReservedPort};
use crate::support::{ORIGIN, PATH, SECRET, VALUE};

#[tokio::test]
async fn under_the_host_a_signal_never_reads_as_do_not_restart() {
    for (signal, code) in [("TERM", 143), ("INT", 130)] {
        let rig = rig(&[]).await;

        rig.handler.signal(signal).await;

        let output = rig.handler.wait().await;
        assert_eq!(output.code, Some(code), "SIG{signal}: {}", output.all());
    }
}

/// Starts a handler from a shell that waits for it, and returns with its id.
async fn start_below_a_shell(environment: Environment, port: u16) -> (Handler, u32) {
    let launch = Launch::new(environment).executable("/bin/sh").argument("-c");
    let script = "\"$0\" & echo \"pid=$!\"; wait";
    let handler = launch.argument(script).argument(EXECUTABLE).serve(port).await;
    let stdout = handler.stdout();
    let pid = stdout.lines().find_map(|line| line.strip_prefix("pid=")).unwrap();
    let pid = pid.parse().unwrap();
    (handler, pid)
}

#[tokio::test]
async fn a_handler_whose_parent_is_gone_ends_within_ten_seconds() {
    let emulator = Emulator::start().await.unwrap();
    emulator.put(SECRET, Secret::new(VALUE));
    let port = ReservedPort::new();
    let environment = Environment::of(&emulator).with("FUNCTIONS_CUSTOMHANDLER_PORT", port.number().to_string());
    let (mut shell, _) = start_below_a_shell(environment, port.number()).await;
    let answer = Request::get(PATH).origin(ORIGIN).send(port.number()).await;
    assert_serves("with its parent", &answer, VALUE);
    let idle = crate::support::raw::begin(port.number(), b"").await;

    let begun = Instant::now();
    shell.kill().await;
    // Its streams end with it: the shell's own copies are gone already.
    let output = timeout(Duration::from_secs(10), shell.wait()).await;

    let output = output.unwrap_or_else(|_| panic!("still running after {:?}", begun.elapsed()));
    assert!(output.stderr.contains("gone"), "{}", output.all());
    drop(idle);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn secrets_get_into_no_core_dump() {
    let emulator = Emulator::start().await.unwrap();
    let port = ReservedPort::new();
    let handler = start_with_limit(Environment::of(&emulator), &port, "-S -c 1").await;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", handler.pid())).unwrap();
    let line = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"))
        .unwrap();
    assert_eq!(line.split_whitespace().nth(4), Some("0"), "{line}");
}

#[tokio::test]
async fn a_faulty_count_of_workers_in_the_environment_stops_nothing() {
    for workers in ["0", "-1", "many"] {
        let rig = rig(&[("TOKIO_WORKER_THREADS", workers)]).await;
        assert_serves(workers, &rig.get(PATH).await, VALUE);
        rig.handler.stop().await;
    }
}
