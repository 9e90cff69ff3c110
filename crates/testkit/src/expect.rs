//! Exact expectations: an answer has these headers and no other.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::client::Answer;

/// Stands for a fresh UUID.
const UUID: &str = "<uuid>";

/// Stands for a whole number of seconds, one or more.
const SECONDS: &str = "<seconds>";

/// The whole set of header lines that an answer must have, but for `date` and `content-length`, which
/// [`Answer::must_be`] judges by themselves.
#[derive(Clone, Debug)]
pub struct Headers(Vec<(&'static str, String)>);

impl Headers {
    /// What every answer carries, errors included, and nothing more: no CORS header, no body's type.
    #[must_use]
    pub fn bare() -> Self {
        Self(Vec::new())
            .with("cache-control", "no-store")
            .with("cross-origin-resource-policy", "same-origin")
            .with("vary", "Origin")
            .with("x-content-type-options", "nosniff")
            .with("x-ms-request-id", UUID)
    }

    /// The common headers of an answer with a body.
    #[must_use]
    pub fn json() -> Self {
        Self::bare().with("content-type", "application/json; charset=utf-8")
    }

    /// Adds what an actual request from an allowed origin earns in the usual configuration.
    #[must_use]
    pub fn readable_by(self, origin: &str) -> Self {
        self.with("access-control-allow-origin", origin).with(
            "access-control-expose-headers",
            "retry-after,www-authenticate,x-ms-client-request-id,x-ms-request-id",
        )
    }

    /// What both kinds of answer to a preflight vary on.
    #[must_use]
    pub fn for_preflight(self) -> Self {
        self.without("vary").with(
            "vary",
            "Origin, Access-Control-Request-Method, Access-Control-Request-Headers",
        )
    }

    /// What every preflight of an allowed origin earns in the usual configuration, whatever it asks for.
    #[must_use]
    pub fn granting(origin: &str) -> Self {
        Self::bare()
            .for_preflight()
            .with("access-control-allow-origin", origin)
            .with("access-control-allow-methods", "GET,HEAD")
            .with(
                "access-control-allow-headers",
                "authorization,traceparent,tracestate,x-functions-key,x-ms-client-request-id,x-ms-useragent",
            )
            .with("access-control-max-age", "600")
    }

    /// Adds `Retry-After` with any whole number of seconds.
    #[must_use]
    pub fn retry_after(self) -> Self {
        self.with("retry-after", SECONDS)
    }

    /// Adds a line.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.0.push((name, value.to_owned()));
        self
    }

    /// Removes the lines of this name.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.0.retain(|(other, _)| *other != name);
        self
    }

    fn lines(&self) -> Vec<(String, String)> {
        let mut lines: Vec<_> = self
            .0
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.clone()))
            .collect();
        lines.sort();
        lines
    }
}

impl Answer {
    /// Fails unless the status and the whole header set are these.
    pub fn must_be(&self, label: &str, status: u16, headers: &Headers) {
        let shown = format!("{label}: {} {}", self.status, String::from_utf8_lossy(&self.body));
        assert_eq!(self.status, status, "{shown}");
        assert_eq!(self.comparable(), headers.lines(), "{shown}");
        assert_eq!(
            self.headers.get_all("date").iter().count(),
            1,
            "{shown}: {:?}",
            self.headers
        );

        let length = self
            .header("content-length")
            .map(|length| length.parse::<usize>().unwrap());
        if status == 204 {
            // RFC 9110, section 8.6: a 204 must not have one.
            assert_eq!(length, None, "{shown}");
        } else if self.method == "HEAD" {
            assert!(length.is_some_and(|length| length > 0), "{shown}: {length:?}");
            assert!(self.body.is_empty(), "{shown}");
        } else {
            assert_eq!(length, Some(self.body.len()), "{shown}");
        }
        if length.is_none() || self.method == "HEAD" {
            assert!(self.body.is_empty(), "{shown}");
        }
    }

    /// Fails unless it is exactly this error: status, header set and the members of the body.
    pub fn must_refuse(&self, label: &str, status: u16, error: (&str, Option<&str>), headers: &Headers) {
        self.must_be(label, status, headers);
        if self.method == "HEAD" {
            return;
        }
        let body = self.json();
        let message = body["error"]["message"].as_str().unwrap_or_default();
        assert!(!message.is_empty(), "{label}: {body}");
        assert_eq!(body, error_body(error, message), "{label}");
    }

    /// The header lines with what differs from answer to answer replaced by a placeholder, once it is well-formed.
    fn comparable(&self) -> Vec<(String, String)> {
        let mut lines = self.lines();
        lines.retain(|(name, _)| name != "date" && name != "content-length");
        for (name, value) in &mut lines {
            match name.as_str() {
                "x-ms-request-id" if value.len() == 36 && Uuid::try_parse(value).is_ok() => UUID.clone_into(value),
                "retry-after" if value.parse::<u32>().is_ok_and(|seconds| seconds >= 1) => SECONDS.clone_into(value),
                // The contract gives the names, and neither their order nor how they are joined.
                "access-control-expose-headers" => *value = sorted_names(value),
                _ => {}
            }
        }
        lines
    }
}

fn sorted_names(list: &str) -> String {
    let mut names: Vec<_> = list.split(',').map(|name| name.trim().to_ascii_lowercase()).collect();
    names.sort();
    names.join(",")
}

/// The one shape of an error.
fn error_body((code, inner): (&str, Option<&str>), message: &str) -> Value {
    match inner {
        Some(inner) => json!({"error": {"code": code, "message": message, "innererror": {"code": inner}}}),
        None => json!({"error": {"code": code, "message": message}}),
    }
}
