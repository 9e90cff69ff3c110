//! Whoever is refused cannot fill the log; whoever is served has a line.

use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::cache::rig;
use crate::overload::Connection;
use crate::support::PATH;

/// The sum of the counts that stand behind this verdict.
fn counted(stdout: &str, verdict: &str) -> usize {
    let name = format!("{verdict}=");
    let counts = stdout.split(&name).skip(1);
    counts
        .filter_map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse::<usize>().ok())
        .sum()
}

#[tokio::test]
async fn refusals_above_a_hundred_a_second_are_counted_by_verdict_and_nothing_is_lost() {
    const EACH: usize = 1_500;
    let rig = rig(&[("LOG_FORMAT", "text")]).await;
    let mut clients = JoinSet::new();
    let begun = Instant::now();
    for mut connection in Connection::open_many(rig.handler.port(), 3).await {
        clients.spawn(async move {
            for _ in 0..EACH / 3 {
                let unknown = connection.get("/api/secrets/not-allowed").await;
                let refused = connection.get_with(PATH, &[("sec-fetch-mode", "navigate")]).await;
                let served = connection.get(PATH).await;
                assert_eq!((unknown.status, refused.status, served.status), (404, 403, 200));
            }
        });
    }
    clients.join_all().await;
    let seconds = usize::try_from(begun.elapsed().as_secs()).unwrap() + 2;
    let stdout = rig.handler.stop().await.stdout;

    let lines = |verdict: &str| stdout.matches(&format!("verdict=\"{verdict}\"")).count();
    assert_eq!(lines("Allowed"), EACH, "a served secret is always its own line");
    for verdict in ["SecretNotFound", "FetchMetadata"] {
        assert_eq!(lines(verdict) + counted(&stdout, verdict), EACH, "{verdict}");
    }
    let own = lines("SecretNotFound") + lines("FetchMetadata");
    assert!(own <= 100 * seconds, "{own} lines in {seconds} s");
    assert!(own >= 100, "{own} lines");
}

#[tokio::test]
async fn what_was_counted_is_told_although_nothing_follows() {
    const REQUESTS: usize = 1_000;
    let rig = rig(&[("LOG_FORMAT", "text")]).await;
    let mut connection = Connection::open(rig.handler.port()).await;
    for _ in 0..REQUESTS {
        assert_eq!(connection.get("/api/secrets/not-allowed").await.status, 404);
    }

    let told = || {
        let stdout = rig.handler.stdout();
        let counted = counted(&stdout, "SecretNotFound");
        counted > 0 && stdout.matches("verdict=\"SecretNotFound\"").count() + counted == REQUESTS
    };
    let begun = Instant::now();
    while !told() {
        assert!(begun.elapsed() < Duration::from_secs(5), "{}", rig.handler.stdout());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
