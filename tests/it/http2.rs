//! A vault that speaks HTTP/2, as Key Vault does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use testkit::{Emulator, Fault, Secret, Target, Times};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use crate::support::expect::Headers;
use crate::support::{ORIGIN, PATH, Rig, SECRET, VALUE, until};

const NAMES: [&str; 10] = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j"];

async fn emulator() -> Emulator {
    let emulator = Emulator::start().await.unwrap();
    emulator.offer_http2(true);
    emulator.put(SECRET, Secret::new(VALUE));
    emulator
}

#[tokio::test]
async fn reads_go_side_by_side_over_one_connection() {
    let emulator = emulator().await;
    for name in NAMES {
        emulator.put(name, Secret::new(VALUE));
    }
    emulator.script(Target::Vault, Fault::Latency(Duration::from_millis(300)), Times::Always);
    let names = NAMES.join(",");
    let rig = Rig::of(emulator, &[("ALLOWED_SECRETS", &names), ("CACHE_TTL_SECONDS", "60")]).await;
    until("all are read", || rig.emulator.counters().served == 10).await;
    let counters = rig.emulator.counters();
    assert_eq!((counters.connections, counters.max_concurrent), (1, 10), "{counters:?}");
}

/// Connections to the vault that can all die at once, as those through a balancer that forgets them: nothing gets through
/// any more, and no side is told. Later ones work.
#[derive(Clone, Default)]
struct Balancer {
    forgotten: Arc<Notify>,
    has_forgotten: Arc<AtomicBool>,
}

impl Balancer {
    /// Starts in front of this port of this machine, and says its own.
    async fn start(&self, vault_port: u16) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let balancer = self.clone();
        tokio::spawn(async move {
            while let Ok((outside, _)) = listener.accept().await {
                tokio::spawn(balancer.clone().pass(outside, vault_port));
            }
        });
        port
    }

    async fn pass(self, mut outside: TcpStream, vault_port: u16) {
        let mut inside = TcpStream::connect(("127.0.0.1", vault_port)).await.unwrap();
        if self.has_forgotten.load(Ordering::Relaxed) {
            drop(copy_bidirectional(&mut outside, &mut inside).await);
            return;
        }
        tokio::select! {
            _ = copy_bidirectional(&mut outside, &mut inside) => {}
            () = self.forgotten.notified() => std::future::pending().await,
        }
    }

    fn forget(&self) {
        self.has_forgotten.store(true, Ordering::Relaxed);
        self.forgotten.notify_waiters();
    }
}

#[tokio::test]
async fn a_connection_that_died_without_a_word_costs_no_answer() {
    let emulator = emulator().await;
    let vault_port = emulator.vault_url().rsplit(':').next().unwrap().parse().unwrap();
    let balancer = Balancer::default();
    let port = balancer.start(vault_port).await;
    let url = format!("https://localhost:{port}");
    let rig = Rig::of(emulator, &[("KEY_VAULT_URL", &url)]).await;
    let answer = rig.get(PATH).await;
    answer.must_be("before", 200, &Headers::json().readable_by(ORIGIN));
    balancer.forget();
    let answer = rig.get(PATH).await;
    answer.must_be("after", 200, &Headers::json().readable_by(ORIGIN));
    assert_eq!(rig.emulator.counters().connections, 2);
}
