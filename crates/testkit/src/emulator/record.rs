//! What the emulator saw: counters and the last request of each kind.

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
