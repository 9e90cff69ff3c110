//! What can be made to go wrong: a queue of faults for each target.
//!
//! This module decides which fault applies to a request, and knows nothing about HTTP.

use std::collections::VecDeque;
use std::time::Duration;

/// The service that a fault is scripted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// The Key Vault data plane: authorised GETs, and for [`Fault::Hang`] and [`Fault::Reset`] any request.
    Vault,
    /// The Key Vault's challenge: requests without a good token.
    Challenge,
    /// The identity endpoint: every request.
    Token,
    /// Entra's metadata and keys: every request.
    Authority,
}

/// One way in which a service fails.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// An error in the target's own shape, with a message that names tenant, principal and vault as a real one does.
    Status {
        /// The HTTP status, 100 to 599; anything else is answered as 500.
        status: u16,
        /// `error.code` of the body.
        code: &'static str,
        /// `error.innererror.code` of the body.
        inner: Option<&'static str>,
        /// The `Retry-After` header.
        retry_after: Option<&'static str>,
    },
    /// The request is accepted and never answered.
    Hang,
    /// The connection is reset (RST) without an answer.
    Reset,
    /// 200 with a body that is not JSON, although it says so.
    Garbage,
    /// This status with exactly this body.
    Body {
        /// The HTTP status, 100 to 599; anything else is answered as 500.
        status: u16,
        /// The body, sent as it is.
        body: String,
    },
    /// 200 with a `Content-Length` larger than what is sent before the connection closes.
    Truncated,
    /// The normal answer, this much later.
    Latency(Duration),
}

impl Fault {
    /// 429 Throttled without `Retry-After`, which is how Key Vault throttles.
    #[must_use]
    pub fn throttled() -> Self {
        Self::Status {
            status: 429,
            code: "Throttled",
            inner: None,
            retry_after: None,
        }
    }

    /// 429 Throttled with this `Retry-After`.
    #[must_use]
    pub fn throttled_for(seconds: &'static str) -> Self {
        Self::Status {
            status: 429,
            code: "Throttled",
            inner: None,
            retry_after: Some(seconds),
        }
    }

    /// 503 without `Retry-After`.
    #[must_use]
    pub fn unavailable() -> Self {
        Self::Status {
            status: 503,
            code: "ServiceUnavailable",
            inner: None,
            retry_after: None,
        }
    }

    /// 403 Forbidden with this `innererror` (`ForbiddenByRbac`, `AccessDenied`, `ForbiddenByFirewall` …).
    #[must_use]
    pub fn forbidden(inner: &'static str) -> Self {
        Self::Status {
            status: 403,
            code: "Forbidden",
            inner: Some(inner),
            retry_after: None,
        }
    }

    /// 401 with the challenge, although the request carries a good token.
    #[must_use]
    pub fn unauthorized() -> Self {
        Self::Status {
            status: 401,
            code: "Unauthorized",
            inner: None,
            retry_after: None,
        }
    }

    /// Whether the fault makes sense for a request that is not an authorised GET.
    fn hits_any_request(&self) -> bool {
        matches!(self, Self::Hang | Self::Reset)
    }
}

/// How often a scripted fault applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Times {
    /// To one request.
    Once,
    /// To this many requests.
    Exactly(u32),
    /// Until the faults are cleared.
    Always,
}

/// The faults scripted for one target, in the order in which they were scripted.
#[derive(Debug, Default)]
pub(crate) struct Script(VecDeque<(Fault, Times)>);

impl Script {
    /// Appends an entry; it has its turn when those before it are used up.
    pub(crate) fn push(&mut self, fault: Fault, times: Times) {
        if times != Times::Exactly(0) {
            self.0.push_back((fault, times));
        }
    }

    /// Forgets all entries.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// Takes one turn of the first entry, if that entry concerns such a request.
    pub(crate) fn take(&mut self, is_authorised_get: bool) -> Option<Fault> {
        let (fault, times) = self.0.front_mut()?;
        if !is_authorised_get && !fault.hits_any_request() {
            return None;
        }
        let fault = fault.clone();
        match times {
            Times::Always => {}
            Times::Once | Times::Exactly(0 | 1) => drop(self.0.pop_front()),
            Times::Exactly(left) => *left -= 1,
        }
        Some(fault)
    }
}
