//! What the tests stand on: processes, clients, a Functions host, and exact expectations.

pub(crate) mod app;
pub(crate) mod check;
pub(crate) mod config;
pub(crate) mod entra;
pub(crate) mod handler;
pub(crate) mod host;
pub(crate) mod row;
pub(crate) mod smoke;
pub(crate) mod table;

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use testkit::{Emulator, Secret};
use tokio::time::{Instant, sleep};

pub(crate) use testkit::handler::ORIGIN;
pub(crate) use testkit::{client, expect, raw};

use client::{Answer, Request};
use handler::{Environment, Handler};

/// A secret that the usual configuration allows, and where it is served.
pub(crate) const SECRET: &str = "maps-key";
pub(crate) const PATH: &str = "/api/secrets/maps-key";

/// What the vault of a [`Rig`] holds under [`SECRET`].
pub(crate) const VALUE: &str = "pk.a-publishable-key";

/// One emulator with one handler in front of it.
pub(crate) struct Rig {
    pub(crate) emulator: Emulator,
    pub(crate) handler: Handler,
}

impl Rig {
    /// The usual configuration, and one secret in the vault.
    pub(crate) async fn start() -> Self {
        Self::with(&[]).await
    }

    /// The usual configuration with these settings over it.
    pub(crate) async fn with(settings: &[(&str, &str)]) -> Self {
        let emulator = Emulator::start().await.unwrap();
        emulator.put(SECRET, Secret::new(VALUE));
        Self::of(emulator, settings).await
    }

    /// The usual configuration with these settings over it, in front of this emulator as it is.
    pub(crate) async fn of(emulator: Emulator, settings: &[(&str, &str)]) -> Self {
        let environment = settings
            .iter()
            .fold(Environment::of(&emulator), |environment, (name, value)| {
                environment.with(name, value)
            });
        let handler = Handler::start(environment).await;
        Self { emulator, handler }
    }

    /// Sends a request as it is.
    pub(crate) async fn send(&self, request: Request) -> Answer {
        request.send(self.handler.port()).await
    }

    /// GET from the allowed origin.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).origin(ORIGIN)).await
    }

    /// HEAD from the allowed origin.
    pub(crate) async fn head(&self, path: &str) -> Answer {
        self.send(Request::head(path).origin(ORIGIN)).await
    }

    /// Fails when anything behind the gates was asked since the last reset of the counters.
    pub(crate) fn assert_untouched(&self, label: &str) {
        let counters = self.emulator.counters();
        assert_eq!(
            (
                counters.connections,
                counters.challenges,
                counters.gets,
                counters.others,
                counters.tokens
            ),
            (0, 0, 0, 0, 0),
            "{label}: the vault or the identity endpoint was asked: {counters:?}"
        );
    }
}

/// Waits, in small steps and not for ever, until something observable is true.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < Duration::from_secs(10), "not within 10 s: {what}");
        sleep(Duration::from_millis(5)).await;
    }
}

/// The time in Unix seconds, as Key Vault writes it.
pub(crate) fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}
