//! What a credential takes of a core beside the key that it is made with.

use bench::process::cpu_seconds;
use testkit::Secret;
use tokio::net::TcpStream;

use crate::rig::{Rig, ask, hit};

/// An account key as every Azurite has it, long enough for Web PubSub too.
const KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
/// Rounds in which each kind is asked in turn, and requests of a kind in a round.
const ROUNDS: u32 = 5;
const ROUND: u32 = 10_000;

/// A key itself, and the credentials that this process makes out of one without asking anybody; prints the table. Times are
/// the process's own: somebody else's work on the same core is not in them. Not counted below valgrind, whose processor
/// lacks the instructions that SHA-256 is made with.
pub(crate) async fn measure(rig: &Rig) {
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
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
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
            let before = cpu_seconds(handler.pid());
            ask(&mut stream, &hit(name, ROUND)).await;
            *seconds += cpu_seconds(handler.pid()) - before;
        }
    }
    drop(stream);
    handler.stop().await;
    println!("\n## Credentials\n");
    println!("| what is given | core time an answer | answers a core second, by the key's |\n| --- | --- | --- |");
    let plain = seconds[0];
    for ((what, _), seconds) in kinds.iter().zip(seconds) {
        let each = seconds * 1e6 / f64::from(ROUNDS * ROUND);
        println!("| {what} | {each:.1} µs | {:.2} × |", plain / seconds);
    }
}
