//! The requests, and what each must be answered.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use testkit::client::{Answer, Request};
use testkit::handler::ORIGIN;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::world::{Moment, NAMES, World};

/// What no answer may take: the vault's deadline is 2 s, and a restart takes less.
const LONGEST: Duration = Duration::from_secs(6);

#[derive(Clone, Copy, Debug)]
enum Kind {
    /// A secret that is in the vault.
    Secret(&'static str),
    /// A name that a prefix allows and the vault does not have.
    MadeUp(u32),
    NotAllowed,
    OtherOrigin,
    NoToken,
    Preflight,
}

impl Kind {
    fn draw(random: &mut Rng) -> Self {
        match random.u32(0..100) {
            0..50 => Self::Secret("maps-key"),
            50..70 => Self::Secret(random.choice(NAMES).unwrap_or_default()),
            70..75 => Self::MadeUp(random.u32(..)),
            75..80 => Self::NotAllowed,
            80..85 => Self::OtherOrigin,
            85..90 => Self::NoToken,
            _ => Self::Preflight,
        }
    }

    fn request(self, bearer: &str) -> Request {
        let get = |name: &str| {
            Request::get(&format!("/api/secrets/{name}"))
                .origin(ORIGIN)
                .bearer(bearer)
        };
        match self {
            Self::Secret(name) => get(name),
            Self::MadeUp(number) => get(&format!("geo-made-up-{number}")),
            Self::NotAllowed => get("other"),
            Self::OtherOrigin => Request::get("/api/secrets/maps-key")
                .origin("https://evil.example")
                .bearer(bearer),
            Self::NoToken => Request::get("/api/secrets/maps-key").origin(ORIGIN),
            Self::Preflight => Request::preflight("/api/secrets/maps-key", ORIGIN, "GET"),
        }
    }
}

/// Sends requests at this distance, each on its own, until the task is aborted.
pub(crate) async fn send(world: Arc<World>, seed: u64, distance: Duration) {
    let mut random = Rng::with_seed(seed ^ 1);
    let mut ticks = interval(distance);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let kind = Kind::draw(&mut random);
        tokio::spawn(judge(Arc::clone(&world), kind));
    }
}

/// Sends one request and judges its answer.
async fn judge(world: Arc<World>, kind: Kind) {
    let moment = world.moment();
    let is_held = matches!(kind, Kind::Secret(name) if world.holds(name));
    let begun = Instant::now();
    let sent = kind.request(&world.bearer()).try_send(world.port.number());
    let outcome = match timeout(LONGEST, sent).await {
        Err(_) => Err(format!("no answer within {LONGEST:?}")),
        Ok(Err(error)) if is_restarting(&world, moment) => {
            drop(error);
            Ok("no connection, while it was restarted")
        }
        Ok(Err(error)) => Err(format!("no answer: {error}")),
        Ok(Ok(answer)) => judge_answer(&world, kind, moment, is_held, &answer),
    };
    match outcome {
        Ok(outcome) => world.count(outcome),
        Err(what) => world.violation(format!("{kind:?} after {:?}: {what}", begun.elapsed())),
    }
}

fn is_restarting(world: &World, moment: Moment) -> bool {
    !moment.is_serving || world.moment() != moment
}

fn judge_answer(
    world: &World,
    kind: Kind,
    moment: Moment,
    is_held: bool,
    answer: &Answer,
) -> Result<&'static str, String> {
    let of_another_handler = is_restarting(world, moment);
    match (kind, answer.status) {
        (Kind::Secret(name), 200) => {
            must_be_the_secrets(world, name, answer)?;
            world.has_served(name, moment);
            Ok("served")
        }
        (Kind::Secret(_), 429 | 503) if !is_held || of_another_handler => Ok("not served: no copy yet, and a fault"),
        (Kind::Secret(_), 429 | 503) => Err(format!("{} although a copy is held", answer.status)),
        (Kind::MadeUp(_), 404 | 429 | 503) | (Kind::NotAllowed, 404) => Ok("unknown name"),
        (Kind::OtherOrigin, 403) | (Kind::NoToken, 401) => Ok("refused"),
        (Kind::Preflight, 204) => Ok("preflight"),
        (Kind::NoToken | Kind::NotAllowed, 503) if of_another_handler => Ok("no signing keys yet"),
        (_, status) => Err(format!("{status} {}", answer.text())),
    }
}

/// The value names its secret and its version: one that the vault has had.
fn must_be_the_secrets(world: &World, name: &str, answer: &Answer) -> Result<u32, String> {
    let body = answer.json();
    let value = body.get("value").and_then(|value| value.as_str()).unwrap_or_default();
    let version = value.strip_prefix(name).and_then(|rest| rest.strip_prefix('#'));
    match version.and_then(|version| version.parse().ok()) {
        Some(version) if version <= world.version() => Ok(version),
        _ => Err(format!("a wrong secret: {value:?}")),
    }
}

/// Everything is served, and as it is in the vault now.
pub(crate) async fn must_all_be_current(world: &World) {
    for name in NAMES {
        let request = Kind::Secret(name).request(&world.bearer());
        let current = match request.try_send(world.port.number()).await {
            Ok(answer) if answer.status == 200 => must_be_the_secrets(world, name, &answer),
            Ok(answer) => Err(format!("{} {}", answer.status, answer.text())),
            Err(error) => Err(error.to_string()),
        };
        match current {
            Ok(version) if version == world.version() => world.count("current at the end"),
            Ok(version) => world.violation(format!("{name} at the end: {version}, not {}", world.version())),
            Err(what) => world.violation(format!("{name} at the end: {what}")),
        }
    }
}
