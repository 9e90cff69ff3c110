//! What is asked of every peer, and what it should answer before it is measured.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use testkit::client::{Answer, Request};

/// The page that may read the secret.
pub const ORIGIN: &str = "https://app.contoso.com";
/// Where the secret is.
pub const PATH: &str = "/api/secrets/maps-key";

/// The secret: what has to be in memory, and nowhere in a log.
pub const VALUE: &str = "benchmark-maps-key-5f1d3c";

/// What is asked of every peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scenario {
    /// The allowed page reads a secret that is in memory.
    Hit,
    /// The allowed page's browser asks whether it may send a function key.
    Preflight,
    /// Another page asks for the secret.
    Refused,
}

impl Scenario {
    /// Each of them once.
    pub const ALL: [Self; 3] = [Self::Hit, Self::Preflight, Self::Refused];

    /// As reports name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Preflight => "preflight",
            Self::Refused => "refused",
        }
    }

    /// The request's method.
    pub fn method(self) -> &'static str {
        match self {
            Self::Hit | Self::Refused => "GET",
            Self::Preflight => "OPTIONS",
        }
    }

    /// The request's header fields, but for `Host`.
    pub fn headers(self) -> &'static [(&'static str, &'static str)] {
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

    /// The request.
    pub fn request(self) -> Request {
        Request::new(self.method(), PATH).headers(self.headers())
    }

    /// The answer's status.
    pub fn status(self) -> u16 {
        match self {
            Self::Hit => 200,
            Self::Preflight => 204,
            Self::Refused => 403,
        }
    }
}

/// What the handler was seen to answer, for the peers that answer from their configuration.
#[derive(Clone, Debug)]
pub struct Answers {
    /// With the secret.
    pub hit: Answer,
    /// To the browser's question.
    pub preflight: Answer,
    /// To the other page.
    pub refused: Answer,
}

impl Answers {
    /// Writes them for the program `bare_warp`.
    pub fn write(&self, file: &Path) {
        let text = json!({
            "hit": to_json(&self.hit),
            "preflight": to_json(&self.preflight),
            "refused": to_json(&self.refused),
        });
        fs::write(file, text.to_string()).unwrap();
    }
}

/// The header fields that say something about the answer rather than about the connection or the moment.
pub(crate) fn lasting_headers(answer: &Answer) -> Vec<(String, String)> {
    let mut lines = answer.lines();
    lines.retain(|(name, _)| !["connection", "content-length", "date"].contains(&name.as_str()));
    lines
}

fn to_json(answer: &Answer) -> Value {
    let headers = lasting_headers(answer);
    json!({ "status": answer.status, "headers": headers, "body": answer.text() })
}
