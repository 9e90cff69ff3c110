//! What goes wrong, and when.

use std::error::Error;
use std::time::Duration;

use fastrand::Rng;
use testkit::{Fault, Target, Times};
use tokio::time::{Instant, interval, sleep_until};

use crate::process::Process;
use crate::world::World;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Card {
    VaultFails,
    VaultThrottles,
    VaultHangs,
    VaultResets,
    TokenHangs,
    TokenRefused,
    TokensRevoked,
    KeyRollover,
    UnreadPipe,
    Restart,
    RestartInOutage,
}

const DECK: [Card; 11] = [
    Card::VaultFails,
    Card::VaultThrottles,
    Card::VaultHangs,
    Card::VaultResets,
    Card::TokenHangs,
    Card::TokenRefused,
    Card::TokensRevoked,
    Card::KeyRollover,
    Card::UnreadPipe,
    Card::Restart,
    Card::RestartInOutage,
];

/// Keys are refreshed once in 5 minutes at most, but for the first time.
const BETWEEN_ROLLOVERS: Duration = Duration::from_secs(310);
/// A refused token is replaced once in 30 s at most.
const BETWEEN_REVOCATIONS: Duration = Duration::from_secs(35);

/// Tries of the vault in any second: the budget for keys never yet seen good (a burst of 100, and 50), and what is known.
const MOST_TRIES: u64 = 170;
/// Tries in a second of a vault that has failed for some: a probe at a time, or after a pause one try for each of those
/// who wait.
const MOST_PROBES: u64 = 6;
const MOST_AFTER_A_PAUSE: u64 = 32;
/// After how long a failing vault must be left alone: five tries that hang fail after 2 s, and the seconds before are
/// judged at their end.
const PATIENCE: Duration = Duration::from_secs(4);

pub(crate) struct Schedule {
    random: Rng,
    process: Process,
    deck: Vec<Card>,
    /// The longest fault, in milliseconds.
    longest: u64,
    keys_refreshed: Option<Instant>,
    tokens_revoked: Option<Instant>,
    most_tries: u64,
}

impl Schedule {
    /// In a minute each fault comes once; a longer run has longer ones.
    pub(crate) fn new(seed: u64, process: Process, seconds: u64) -> Self {
        Self {
            random: Rng::with_seed(seed),
            process,
            deck: Vec::new(),
            longest: if seconds < 300 { 5500 } else { 10_000 },
            keys_refreshed: None,
            tokens_revoked: None,
            most_tries: 0,
        }
    }

    /// Deals faults until `end`, each of them once before any comes again, with calm in between.
    pub(crate) async fn run(&mut self, world: &World, end: Instant) -> Result<(), Box<dyn Error>> {
        while Instant::now() < end {
            let calm = Duration::from_millis(self.random.u64(500..1500));
            self.watch(world, calm, MOST_TRIES, None).await;
            if self.deck.is_empty() {
                self.deck = DECK.to_vec();
                self.random.shuffle(&mut self.deck);
            }
            if let Some(card) = self.deck.pop() {
                self.play(world, card).await?;
            }
        }
        world.note(format!("most tries of the vault in a second: {}", self.most_tries));
        Ok(())
    }

    /// Ends the handler, and judges what it wrote.
    pub(crate) async fn end(self, world: &World) -> Result<(), Box<dyn Error>> {
        self.process.end(world).await
    }

    async fn play(&mut self, world: &World, card: Card) -> Result<(), Box<dyn Error>> {
        let length = Duration::from_millis(self.random.u64(3000..self.longest));
        let scripted = self.script(card);
        if let Some((target, fault)) = scripted {
            world.emulator.script(target, fault, Times::Always);
        }
        match card {
            Card::Restart | Card::RestartInOutage => {
                self.process.restart(world).await?;
                self.keys_refreshed = None;
            }
            Card::KeyRollover if is_due(self.keys_refreshed, BETWEEN_ROLLOVERS) => {
                world.emulator.rotate_keys();
                world.sign_in();
                self.keys_refreshed = Some(Instant::now());
            }
            Card::TokensRevoked if is_due(self.tokens_revoked, BETWEEN_REVOCATIONS) => {
                world.emulator.revoke_tokens();
                self.tokens_revoked = Some(Instant::now());
            }
            Card::UnreadPipe => self.process.stop_reading(),
            _ => {}
        }
        let most = match card {
            Card::VaultFails | Card::VaultHangs | Card::VaultResets | Card::RestartInOutage => MOST_PROBES,
            Card::VaultThrottles => MOST_AFTER_A_PAUSE,
            _ => MOST_TRIES,
        };
        self.watch(world, length, most, Some(card)).await;
        world.emulator.clear_faults();
        self.process.read_on();
        Ok(())
    }

    fn script(&mut self, card: Card) -> Option<(Target, Fault)> {
        let internal = |code| Fault::Status {
            status: 500,
            code,
            inner: None,
            retry_after: None,
        };
        match card {
            Card::VaultFails | Card::RestartInOutage => Some((Target::Vault, internal("InternalServerError"))),
            Card::VaultThrottles => {
                let seconds = self.random.choice(["0", "1", "3"])?;
                Some((Target::Vault, Fault::throttled_for(seconds)))
            }
            Card::VaultHangs => Some((Target::Vault, Fault::Hang)),
            Card::VaultResets => Some((Target::Vault, Fault::Reset)),
            Card::TokenHangs => Some((Target::Token, Fault::Hang)),
            Card::TokenRefused => Some((Target::Token, internal("internal_error"))),
            _ => None,
        }
    }

    /// Judges each second of the time that passes; `most` tries of the vault are for one that has had time to be noticed.
    async fn watch(&mut self, world: &World, length: Duration, most: u64, card: Option<Card>) {
        let begun = Instant::now();
        let end = begun + length;
        let mut seconds = interval(Duration::from_secs(1));
        seconds.tick().await;
        let mut before = world.emulator.counters().gets;
        loop {
            tokio::select! {
                () = sleep_until(end) => return,
                _ = seconds.tick() => {}
            }
            let gets = world.emulator.counters().gets;
            let tries = gets - before;
            before = gets;
            self.most_tries = self.most_tries.max(tries);
            let most = if begun.elapsed() > PATIENCE { most } else { MOST_TRIES };
            if tries > most {
                let elapsed = begun.elapsed();
                world.violation(format!(
                    "{tries} tries in a second, at most {most}: {card:?}, {elapsed:.1?}"
                ));
            }
            self.process.must_be_flat(world);
        }
    }
}

fn is_due(last: Option<Instant>, distance: Duration) -> bool {
    last.is_none_or(|last| last.elapsed() > distance)
}
