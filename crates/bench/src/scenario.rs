//! What is asked of every peer, and what it should answer before it is measured.

use serde_json::{Value, json};
use testkit::client::{Answer, Request};

/// The page that may read the secret.
pub(crate) const ORIGIN: &str = "https://app.contoso.com";
/// Where the secret is.
pub(crate) const PATH: &str = "/api/secrets/maps-key";
/// What is asked of every peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scenario {
    /// The allowed page reads a secret that is in memory.
    Hit,
    /// The allowed page's browser asks whether it may send a function key.
    Preflight,
    /// Another page asks for the secret.
    Refused,
}

impl Scenario {
    pub(crate) const ALL: [Self; 3] = [Self::Hit, Self::Preflight, Self::Refused];

    /// As reports name it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Preflight => "preflight",
            Self::Refused => "refused",
        }
    }

    pub(crate) fn method(self) -> &'static str {
        match self {
            Self::Hit | Self::Refused => "GET",
            Self::Preflight => "OPTIONS",
        }
    }

    pub(crate) fn headers(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Hit => &[("Origin", ORIGIN)],
            Self::Preflight => &[
                ("Origin", ORIGIN),
                ("Access-Control-Request-Method", "GET"),
                ("Access-Control-Request-Headers", "x-functions-key"),
            ],
            Self::Refused => &[("Origin", "https://app.contoso.com.evil.example")],
        }
    }

    pub(crate) fn request(self) -> Request {
        Request::new(self.method(), PATH).headers(self.headers())
    }

    pub(crate) fn status(self) -> u16 {
        match self {
            Self::Hit => 200,
            Self::Preflight => 204,
            Self::Refused => 403,
        }
    }
}

/// What the handler was seen to answer, for the peers that answer from their configuration.
#[derive(Clone, Debug)]
pub(crate) struct Answers {
    pub(crate) hit: Answer,
    pub(crate) preflight: Answer,
    pub(crate) refused: Answer,
}

/// The header fields that say something about the answer rather than about the connection or the moment.
pub(crate) fn lasting_headers(answer: &Answer) -> Vec<(String, String)> {
    let mut lines = answer.lines();
    lines.retain(|(name, _)| !["connection", "content-length", "date"].contains(&name.as_str()));
    lines
}

pub(crate) fn to_json(answer: &Answer) -> Value {
    let headers = lasting_headers(answer);
    json!({ "status": answer.status, "headers": headers, "body": answer.text() })
}
