//! The vault's troubles, for a person to see what becomes of them in the page.

use std::sync::{Mutex, PoisonError};

use testkit::{Emulator, Fault, Target, Times};

/// What the page's demo controls change.
pub(crate) struct Vault(Mutex<&'static str>);

impl Default for Vault {
    fn default() -> Self {
        Self(Mutex::new("healthy"))
    }
}

impl Vault {
    /// What was set last.
    pub(crate) fn state(&self) -> &'static str {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts the vault into a state, until the next one; false when there is no such state.
    pub(crate) fn set(&self, emulator: &Emulator, state: &str) -> bool {
        let (state, fault) = match state {
            "healthy" => ("healthy", None),
            // A real vault names no time; one that is named shows that it comes through.
            "throttling" => ("throttling", Some(Fault::throttled_for("5"))),
            "down" => ("down", Some(Fault::Reset)),
            "refusing" => ("refusing", Some(Fault::forbidden("ForbiddenByRbac"))),
            _ => return false,
        };
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        emulator.clear_faults();
        if let Some(fault) = fault {
            emulator.script(Target::Vault, fault, Times::Always);
        }
        *current = state;
        true
    }
}
