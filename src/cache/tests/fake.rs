//! A vault that does as it is told and writes down what it was asked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{Instant, sleep, sleep_until};
use zeroize::Zeroizing;

use crate::secret::{Attributes, Bundle, SecretKey, SecretValue};
use crate::vault::{self, Vault, VaultError};

/// What the vault does with a read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Behaviour {
    /// Returns a value that is new with every read.
    Serve,
    /// Fails at once, or after the latency.
    Fail(VaultError),
    /// Answers at the deadline, as the real one does when its peer hangs.
    Hang,
    /// Panics: a defect.
    Panic,
}

/// One read that has ended.
#[derive(Clone, Debug)]
pub(super) struct Read {
    pub(super) key: SecretKey,
    pub(super) began: Instant,
    pub(super) ended: Instant,
    /// The value, or the error.
    pub(super) outcome: Result<usize, VaultError>,
}

#[derive(Default)]
struct State {
    behaviour: HashMap<SecretKey, Behaviour>,
    otherwise: Option<Behaviour>,
    latency: Duration,
    begun: usize,
    in_flight: HashMap<SecretKey, usize>,
    most_in_flight: usize,
    ended: Vec<Read>,
    refusal: Option<VaultError>,
    asked: Vec<vault::Read>,
}

#[derive(Clone, Default)]
pub(super) struct Fake(Arc<Mutex<State>>);

impl Fake {
    pub(super) fn with_latency(latency: Duration) -> Self {
        let fake = Self::default();
        fake.0.lock().unwrap().latency = latency;
        fake
    }

    /// From now on, for every key that has no behaviour of its own.
    pub(super) fn behave(&self, behaviour: Behaviour) {
        self.0.lock().unwrap().otherwise = Some(behaviour);
    }

    pub(super) fn behave_for(&self, key: &SecretKey, behaviour: Behaviour) {
        self.0.lock().unwrap().behaviour.insert(key.clone(), behaviour);
    }

    /// From now on no read would be made.
    pub(super) fn refuse(&self, refusal: Option<VaultError>) {
        self.0.lock().unwrap().refusal = refusal;
    }

    /// What was said about each read that has begun.
    pub(super) fn asked(&self) -> Vec<vault::Read> {
        self.0.lock().unwrap().asked.clone()
    }

    /// Reads that have begun.
    pub(super) fn reads(&self) -> usize {
        self.0.lock().unwrap().begun
    }

    /// Reads that have ended, in that order.
    pub(super) fn ended(&self) -> Vec<Read> {
        self.0.lock().unwrap().ended.clone()
    }

    /// The most reads that were under way at once.
    pub(super) fn most_in_flight(&self) -> usize {
        self.0.lock().unwrap().most_in_flight
    }
}

#[async_trait::async_trait]
impl Vault for Fake {
    fn refusal(&self) -> Option<VaultError> {
        self.0.lock().unwrap().refusal
    }

    async fn fetch(&self, key: &SecretKey, read: vault::Read) -> Result<Bundle, VaultError> {
        let deadline = read.deadline;
        let began = Instant::now();
        let (value, latency) = {
            let mut state = self.0.lock().unwrap();
            state.begun += 1;
            state.asked.push(read);
            let of_key = state.in_flight.entry(key.clone()).or_default();
            *of_key += 1;
            assert_eq!(*of_key, 1, "two fetches at once for {key:?}");
            let in_flight = state.in_flight.values().sum();
            state.most_in_flight = state.most_in_flight.max(in_flight);
            (state.begun, state.latency)
        };
        sleep(latency.min(deadline - began)).await;
        // As it is told at the end: a fetch that was under way meets what
        // happened meanwhile.
        let behaviour = {
            let state = self.0.lock().unwrap();
            let own = state.behaviour.get(key).copied();
            own.or(state.otherwise).unwrap_or(Behaviour::Serve)
        };
        let outcome = match behaviour {
            Behaviour::Serve => Ok(value),
            Behaviour::Fail(error) => Err(error),
            Behaviour::Hang => {
                sleep_until(deadline).await;
                Err(VaultError::Unavailable { retry_after: None })
            }
            Behaviour::Panic => {
                self.0.lock().unwrap().in_flight.clear();
                panic!("told to")
            }
        };
        let mut state = self.0.lock().unwrap();
        state.in_flight.remove(key);
        state.ended.push(Read {
            key: key.clone(),
            began,
            ended: Instant::now(),
            outcome,
        });
        outcome.map(|value| Bundle {
            value: SecretValue::new(Zeroizing::new(value.to_string())),
            version: None,
            content_type: None,
            attributes: Attributes::default(),
        })
    }
}
