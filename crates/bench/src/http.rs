//! One request at a time over a plain socket: to see that a peer answers what it should before it is measured.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

/// The page that may read the secret.
pub(crate) const ORIGIN: &str = "https://app.contoso.com";
/// Where the secret is.
pub(crate) const PATH: &str = "/api/secrets/maps-key";
/// Longest wait for a byte of an answer.
const READ: Duration = Duration::from_secs(30);

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

    pub(crate) fn status(self) -> u16 {
        match self {
            Self::Hit => 200,
            Self::Preflight => 204,
            Self::Refused => 403,
        }
    }
}

/// What came back.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    /// Reads an answer to its end, which is the connection's.
    pub(crate) fn read(mut stream: TcpStream) -> io::Result<Self> {
        stream.set_read_timeout(Some(READ))?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        Self::parse(&text).ok_or_else(|| io::Error::other(format!("no HTTP answer: {} bytes", text.len())))
    }

    fn parse(text: &str) -> Option<Self> {
        let (head, body) = text.split_once("\r\n\r\n")?;
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers = lines.filter_map(|line| line.split_once(": "));
        Some(Self {
            status,
            headers: headers
                .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
                .collect(),
            body: body.to_owned(),
        })
    }

    /// The header fields that say something about the answer rather than about the connection or the moment.
    pub(crate) fn lasting_headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let of_the_moment = ["connection", "content-length", "date"];
        self.headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .filter(move |(name, _)| !of_the_moment.contains(name))
    }

    pub(crate) fn to_json(&self) -> Value {
        let headers: Vec<_> = self.lasting_headers().map(|(name, value)| [name, value]).collect();
        json!({ "status": self.status, "headers": headers, "body": self.body })
    }
}

/// A request whose connection ends with its answer.
pub(crate) fn text(method: &str, path: &str, headers: &[(&'static str, &'static str)]) -> String {
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n");
    for (name, value) in headers {
        text.extend([name, ": ", value, "\r\n"]);
    }
    text.push_str("\r\n");
    text
}

/// Asks as `scenario` does.
pub(crate) fn ask(port: u16, scenario: Scenario) -> io::Result<Answer> {
    let mut stream = connect(port)?;
    stream.write_all(text(scenario.method(), PATH, scenario.headers()).as_bytes())?;
    Answer::read(stream)
}

/// Asks as the Functions host does to learn that a handler is there.
pub(crate) fn readiness(mut stream: TcpStream) -> io::Result<Answer> {
    stream.write_all(text("GET", "/", &[]).as_bytes())?;
    Answer::read(stream)
}

pub(crate) fn connect(port: u16) -> io::Result<TcpStream> {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port))
}
