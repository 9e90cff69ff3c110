//! What an operator may write in `ALLOWED_ORIGINS`, and the set that a request
//! is looked up in.

use std::collections::HashMap;
use std::fmt;

use thiserror::Error;

use url::Host;

use super::origin::{self, MAX_HOST, Origin, OriginError, Scheme};
use crate::host;

/// Why a text is not an origin pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PatternError {
    /// Its fixed part is not a canonical origin.
    #[error(transparent)]
    Origin(#[from] OriginError),
    /// A `*` that is neither the whole first label nor the whole port.
    #[error("a wildcard may only be the whole first label of a domain or the whole port")]
    Wildcard,
}

/// Which ports a pattern accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Ports {
    /// This one; `None` is the scheme's default port.
    One(Option<u16>),
    /// Every port, the default one too.
    Any,
}

/// An origin, or a set of origins: `https://contoso.com`,
/// `https://*.contoso.com` (subdomains at any depth, not the apex),
/// `http://localhost:*` (any port, the implicit one too).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pattern {
    scheme: Scheme,
    subdomains: bool,
    host: Box<str>,
    ports: Ports,
}

impl Pattern {
    /// Reads one element of `ALLOWED_ORIGINS`.
    ///
    /// # Errors
    /// [`PatternError`] names the rule that it breaks.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(OriginError::Empty.into());
        }
        if text == "null" {
            return Err(OriginError::Null.into());
        }
        if !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(OriginError::NotAscii.into());
        }
        let (scheme, authority) = origin::split_scheme(text)?;
        origin::refuse_what_no_authority_has(authority)?;
        let (host, port) = origin::split_port(authority)?;
        let (subdomains, host) = match host.strip_prefix("*.") {
            Some(below) => (true, below),
            None => (false, host),
        };
        if host.contains('*') {
            return Err(PatternError::Wildcard);
        }
        let parsed = origin::parse_host(host)?;
        // An address has no subdomains, and a host below one of 252 characters
        // or more would be longer than any host can be.
        if subdomains && (!matches!(parsed, Host::Domain(_)) || host.len() + 2 > MAX_HOST) {
            return Err(PatternError::Wildcard);
        }
        let ports = match port {
            Some("*") => Ports::Any,
            Some(port) if port.contains('*') => return Err(PatternError::Wildcard),
            Some(port) => Ports::One(Some(origin::parse_port(port, scheme)?)),
            None => Ports::One(None),
        };
        Ok(Self {
            scheme,
            subdomains,
            host: host.into(),
            ports,
        })
    }

    /// The scheme of every origin that matches.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host, or the domain below which every host matches.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether it stands for the subdomains of its host.
    pub fn has_subdomains(&self) -> bool {
        self.subdomains
    }

    /// Whether it stands for every port.
    pub fn has_any_port(&self) -> bool {
        self.ports == Ports::Any
    }

    /// Whether it is exactly one origin.
    pub fn is_exact(&self) -> bool {
        !self.subdomains && !self.has_any_port()
    }

    /// Whether every origin that matches is on this machine.
    pub fn is_loopback(&self) -> bool {
        origin::parse_host(&self.host).is_ok_and(|host| host::is_loopback(&host))
    }

    /// Whether it stands for `origin`.
    pub fn matches(&self, origin: &Origin<'_>) -> bool {
        let host = if self.subdomains {
            matches!(origin.host, Host::Domain(name) if is_below(name, &self.host))
        } else {
            *origin.host_text == *self.host
        };
        host && self.beyond_host().accepts(origin)
    }

    fn beyond_host(&self) -> Beyond {
        Beyond {
            scheme: self.scheme,
            subdomains: self.subdomains,
            ports: self.ports,
        }
    }

    /// Whether every origin that `other` matches is matched by this one too.
    pub fn covers(&self, other: &Self) -> bool {
        let host = match (self.subdomains, other.subdomains) {
            (false, false) => self.host == other.host,
            (false, true) => false,
            (true, false) => is_below(&other.host, &self.host),
            (true, true) => self.host == other.host || is_below(&other.host, &self.host),
        };
        let ports = self.ports == Ports::Any || self.ports == other.ports;
        self.scheme == other.scheme && host && ports
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wildcard = if self.subdomains { "*." } else { "" };
        write!(f, "{}://{wildcard}{}", self.scheme, self.host)?;
        match self.ports {
            Ports::One(None) => Ok(()),
            Ports::One(Some(port)) => write!(f, ":{port}"),
            Ports::Any => f.write_str(":*"),
        }
    }
}

/// Whether `host` is a proper subdomain of `domain`, label by label.
fn is_below(host: &str, domain: &str) -> bool {
    parents(host).any(|parent| parent == domain)
}

/// The domains above `host`, the nearest first: `a.b.c` → `b.c`, `c`.
fn parents(host: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(host.split_once('.'), |(_, parent)| parent.split_once('.')).map(|(_, parent)| parent)
}

/// What a pattern asks of an origin, besides its host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Beyond {
    scheme: Scheme,
    subdomains: bool,
    ports: Ports,
}

impl Beyond {
    fn accepts(self, origin: &Origin<'_>) -> bool {
        let port = match self.ports {
            Ports::Any => true,
            Ports::One(port) => port == origin.port,
        };
        self.scheme == origin.scheme && port
    }
}

/// The listed origins by host. A look-up costs one hash for the host and one
/// for each domain above it, however many origins are listed.
#[derive(Clone, Debug, Default)]
pub struct OriginSet {
    by_host: HashMap<Box<str>, Vec<Beyond>>,
    /// Whether a wildcard label is listed; without one, parents are not looked up.
    wildcards: bool,
}

impl OriginSet {
    /// The set of everything that one of the patterns matches.
    pub fn new(patterns: impl IntoIterator<Item = Pattern>) -> Self {
        let mut set = Self::default();
        for pattern in patterns {
            set.wildcards |= pattern.subdomains;
            let beyond = pattern.beyond_host();
            set.by_host.entry(pattern.host).or_default().push(beyond);
        }
        set
    }

    /// Whether a pattern of the set matches `origin`.
    pub fn contains(&self, origin: &Origin<'_>) -> bool {
        let accepted = |host: &str, subdomains: bool| {
            self.by_host.get(host).is_some_and(|entries| {
                entries
                    .iter()
                    .any(|entry| entry.subdomains == subdomains && entry.accepts(origin))
            })
        };
        if accepted(origin.host_text, false) {
            return true;
        }
        // An address has dots but no domains above it.
        match origin.host {
            Host::Domain(name) if self.wildcards => parents(name).any(|parent| accepted(parent, true)),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    fn allows(patterns: &[&str], origin: &str) -> bool {
        let set = OriginSet::new(patterns.iter().map(|text| pattern(text)));
        Origin::parse(origin.as_bytes()).is_ok_and(|origin| set.contains(&origin))
    }

    #[test]
    fn a_pattern_is_written_as_it_is_read() {
        for text in [
            "https://contoso.com",
            "https://contoso.com:8443",
            "https://*.contoso.com",
            "https://*.contoso.com:8443",
            "https://*.contoso.com:*",
            "http://localhost:*",
            "http://[::1]:*",
            "http://127.0.0.1:3000",
        ] {
            assert_eq!(pattern(text).to_string(), text);
        }
    }

    #[test]
    fn wildcards_stand_for_a_whole_label_or_a_whole_port_only() {
        for text in [
            "https://*",
            "https://*contoso.com",
            "https://a*.contoso.com",
            "https://*.*.contoso.com",
            "https://a.*.contoso.com",
            "https://contoso.*",
            "https://*.127.0.0.1",
            "https://*.[::1]",
            "https://[*]",
            "http://localhost:30*",
            "http://localhost:**",
        ] {
            let error = Pattern::parse(text).expect_err(text);
            assert!(
                matches!(error, PatternError::Wildcard | PatternError::Origin(OriginError::Ipv6)),
                "{text}: {error}"
            );
        }
        for text in [
            "*",
            "*://contoso.com",
            "https://contoso.com/*",
            "https://*.contoso.com/",
        ] {
            assert!(Pattern::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn exact_origins_match_themselves_alone() {
        let list = ["https://contoso.com", "http://localhost:3000"];
        for (origin, allowed) in [
            ("https://contoso.com", true),
            ("http://localhost:3000", true),
            ("http://contoso.com", false),
            ("https://contoso.com:8443", false),
            ("https://www.contoso.com", false),
            ("https://contoso.com.evil.example", false),
            ("https://evilcontoso.com", false),
            ("https://contoso.co", false),
            ("http://localhost", false),
            ("http://localhost:3001", false),
            ("https://localhost:3000", false),
        ] {
            assert_eq!(allows(&list, origin), allowed, "{origin}");
        }
    }

    #[test]
    fn subdomain_patterns_match_any_depth_but_not_the_apex() {
        let list = ["https://*.contoso.com"];
        for (origin, allowed) in [
            ("https://a.contoso.com", true),
            ("https://a.b.contoso.com", true),
            ("https://xn--bcher-kva.contoso.com", true),
            ("https://contoso.com", false),
            ("https://evilcontoso.com", false),
            ("https://a.contoso.com.evil.example", false),
            ("https://a.contoso.com:8443", false),
            ("http://a.contoso.com", false),
            ("https://com", false),
        ] {
            assert_eq!(allows(&list, origin), allowed, "{origin}");
        }
    }

    #[test]
    fn port_patterns_match_every_port_and_the_implicit_one() {
        let list = ["http://localhost:*", "https://*.contoso.com:*"];
        for (origin, allowed) in [
            ("http://localhost", true),
            ("http://localhost:1", true),
            ("http://localhost:65535", true),
            ("http://app.localhost:1", false),
            ("https://localhost:1", false),
            ("https://a.contoso.com", true),
            ("https://a.contoso.com:8443", true),
        ] {
            assert_eq!(allows(&list, origin), allowed, "{origin}");
        }
    }

    #[test]
    fn an_address_has_no_domains_above_it() {
        assert!(!allows(&["https://*.contoso.com"], "https://10.0.0.1"));
        assert!(Pattern::parse("http://*.0.0.1").is_err());
    }

    #[test]
    fn covering_follows_matching() {
        for (outer, inner, covers) in [
            ("https://*.contoso.com", "https://a.contoso.com", true),
            ("https://*.contoso.com", "https://*.a.contoso.com", true),
            ("https://*.contoso.com", "https://*.contoso.com", true),
            ("https://*.contoso.com", "https://contoso.com", false),
            ("https://*.contoso.com", "https://a.contoso.com:8443", false),
            ("https://*.a.contoso.com", "https://*.contoso.com", false),
            ("http://localhost:*", "http://localhost", true),
            ("http://localhost:*", "http://localhost:3000", true),
            ("http://localhost:3000", "http://localhost:*", false),
            ("http://localhost:*", "https://localhost:3000", false),
        ] {
            assert_eq!(pattern(outer).covers(&pattern(inner)), covers, "{outer} {inner}");
        }
    }
}
