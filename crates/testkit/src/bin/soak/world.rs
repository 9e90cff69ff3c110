//! What is known about both sides: what the vault holds, what the handler has shown, what was not as it must be.

use std::collections::{BTreeMap, HashSet};
use std::io;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use testkit::handler::{Environment, ORIGIN};
use testkit::{Emulator, ReservedPort, Secret};

/// The exact name, and names that a prefix allows.
pub(crate) const NAMES: [&str; 6] = ["maps-key", "geo-1", "geo-2", "geo-3", "geo-4", "geo-5"];

const AUDIENCE: &str = "api://keyvault-cors-soak";
const SCOPE: &str = "secrets.read";

/// Short enough for its renewal to meet faults.
const TOKEN_LIFE: Duration = Duration::from_secs(20);

/// Violations that are printed; the rest is counted.
const PRINTED: usize = 20;

pub(crate) struct World {
    pub(crate) emulator: Emulator,
    pub(crate) port: ReservedPort,
    state: Mutex<State>,
}

/// What a request must know when it begins, to be judged when it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) generation: u32,
    pub(crate) is_serving: bool,
}

#[derive(Default)]
struct State {
    /// Which handler it is, from 1.
    generation: u32,
    /// Not between a signal and the next handler's readiness.
    is_serving: bool,
    /// The names that this handler has served: it holds a copy of each.
    held: HashSet<&'static str>,
    /// How often the values have changed.
    version: u32,
    bearer: String,
    outcomes: BTreeMap<&'static str, u64>,
    facts: Vec<String>,
    violations: Vec<String>,
}

impl World {
    pub(crate) async fn start() -> io::Result<Arc<Self>> {
        let emulator = Emulator::start().await?;
        emulator.set_token_life(TOKEN_LIFE);
        let world = Self {
            emulator,
            port: ReservedPort::new(),
            state: Mutex::default(),
        };
        world.rotate();
        world.sign_in();
        Ok(Arc::new(world))
    }

    /// The environment of a handler, as the host gives it.
    pub(crate) fn environment(&self) -> Environment {
        Environment::of(&self.emulator)
            .with("FUNCTIONS_CUSTOMHANDLER_PORT", self.port.number().to_string())
            .with("CACHE_TTL_SECONDS", "2")
            .with("CACHE_STALE_SECONDS", "3600")
            .with("UPSTREAM_TIMEOUT_SECONDS", "2")
            .with("ENTRA_TENANT_ID", self.emulator.tenant())
            .with("ENTRA_AUDIENCE", AUDIENCE)
            .with("ENTRA_REQUIRED_SCOPES", SCOPE)
            .with("ENTRA_AUTHORITY_HOST", self.emulator.authority())
            .with("ALLOWED_ORIGINS", ORIGIN)
    }

    /// A new version of every secret.
    pub(crate) fn rotate(&self) {
        let version = {
            let mut state = self.lock();
            state.version += 1;
            state.version
        };
        for name in NAMES {
            self.emulator.put(name, Secret::new(format!("{name}#{version}")));
        }
    }

    /// A token for the callers, signed by the key that signs now.
    pub(crate) fn sign_in(&self) {
        let bearer = self.emulator.mint(&self.emulator.user_claims(AUDIENCE, SCOPE));
        self.lock().bearer = bearer;
    }

    pub(crate) fn bearer(&self) -> String {
        self.lock().bearer.clone()
    }

    pub(crate) fn version(&self) -> u32 {
        self.lock().version
    }

    pub(crate) fn moment(&self) -> Moment {
        let state = self.lock();
        Moment {
            generation: state.generation,
            is_serving: state.is_serving,
        }
    }

    pub(crate) fn begin_generation(&self) {
        let mut state = self.lock();
        state.generation += 1;
        state.is_serving = true;
    }

    pub(crate) fn end_generation(&self) {
        let mut state = self.lock();
        state.is_serving = false;
        state.held.clear();
    }

    pub(crate) fn holds(&self, name: &str) -> bool {
        self.lock().held.contains(name)
    }

    /// This handler has served this name.
    pub(crate) fn has_served(&self, name: &'static str, since: Moment) {
        let mut state = self.lock();
        if state.generation == since.generation && state.is_serving {
            state.held.insert(name);
        }
    }

    pub(crate) fn count(&self, outcome: &'static str) {
        *self.lock().outcomes.entry(outcome).or_default() += 1;
    }

    pub(crate) fn note(&self, fact: String) {
        self.lock().facts.push(fact);
    }

    pub(crate) fn violation(&self, what: String) {
        self.lock().violations.push(what);
    }

    /// Prints what was seen; the exit code says whether all of it may be.
    pub(crate) fn report(&self) -> ExitCode {
        let state = self.lock();
        for fact in &state.facts {
            println!("{fact}");
        }
        for (outcome, count) in &state.outcomes {
            println!("{count:>8}  {outcome}");
        }
        for violation in state.violations.iter().take(PRINTED) {
            println!("VIOLATION: {violation}");
        }
        println!("{} violations", state.violations.len());
        ExitCode::from(u8::from(!state.violations.is_empty()))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
