//! What the emulator saw: counters, when each step was, and the last request of each kind.

use tokio::time::Instant;

/// A snapshot of what has happened since the start or the last reset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Vault requests without a valid token; they are answered with the 401 challenge.
    pub challenges: u64,
    /// Authorised `GET /secrets/{name}/{version?}` requests, those that a fault answered included.
    pub gets: u64,
    /// Those GETs that were answered with 200 and a value.
    pub served: u64,
    /// Requests to the identity endpoint, faults and refusals included.
    pub tokens: u64,
    /// Requests for Entra's metadata, faults and refusals included.
    pub metadata: u64,
    /// Requests for Entra's signing keys, faults and refusals included.
    pub keys: u64,
    /// TLS connections accepted by the vault.
    pub connections: u64,
    /// Authorised vault requests that are not GETs of a secret.
    pub others: u64,
    /// The greatest number of vault requests in flight at the same time.
    pub max_concurrent: u64,
}

/// What a client did with the vault or the identity endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A connection to the vault: from when it is accepted to the end of the TLS handshake.
    Handshake,
    /// A request to the vault without a valid token.
    Challenge,
    /// A request to the identity endpoint.
    Token,
    /// Any other request to the vault.
    Read,
}

/// When a step was: for a request, from when its head has arrived to when its answer leaves.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// Which step.
    pub step: Step,
    /// Its begin.
    pub began: Instant,
    /// Its end.
    pub ended: Instant,
}

/// The first steps since the start or the last reset: a soak test takes millions.
#[derive(Debug, Default)]
pub(crate) struct Timeline(Vec<Span>);

impl Timeline {
    const MOST: usize = 1000;

    /// Appends a step that ends now.
    pub(crate) fn push(&mut self, step: Step, began: Instant) {
        if self.0.len() < Self::MOST {
            let ended = Instant::now();
            self.0.push(Span { step, began, ended });
        }
    }

    pub(crate) fn spans(&self) -> Vec<Span> {
        self.0.clone()
    }
}

/// A request as it arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The method, in upper case.
    pub method: String,
    /// The request target as it was sent, nothing decoded.
    pub path_and_query: String,
    /// Header names in lower case with their values, in order of arrival for each name.
    pub headers: Vec<(String, String)>,
}

impl Recorded {
    /// The first value of a header, whose name is given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}
