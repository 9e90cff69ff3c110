//! The origins that are listed in full, by their text.
//!
//! A browser writes an origin in one way only, so a text that is equal to a listed one byte for byte is that origin, and
//! need not be parsed. Most requests are such; every other text is still parsed and compared by component.

use url::Host;

use super::origin::{Origin, Scheme};
use super::pattern::Pattern;

/// Listed origins, sorted by their text: of a few the right one is found with one or two comparisons, of ten thousand
/// with fourteen.
#[derive(Clone, Debug, Default)]
pub(super) struct ExactOrigins(Vec<Listed>);

/// An origin that was parsed when the policy was built.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    text: String,
    scheme: Scheme,
    host_text: String,
    host: Host<String>,
    port: Option<u16>,
}

impl ExactOrigins {
    /// Those of the patterns that are exactly one origin.
    pub(super) fn of(patterns: &[Pattern]) -> Self {
        let exact = patterns.iter().filter(|pattern| pattern.is_exact());
        let mut listed: Vec<_> = exact.filter_map(|pattern| Listed::parse(pattern.to_string())).collect();
        listed.sort_unstable_by(|a, b| a.text.cmp(&b.text));
        Self(listed)
    }

    /// The listed origin that is written like this.
    pub(super) fn get(&self, text: &[u8]) -> Option<&Listed> {
        let found = self.0.binary_search_by(|listed| listed.text.as_bytes().cmp(text));
        self.0.get(found.ok()?)
    }
}

impl Listed {
    fn parse(text: String) -> Option<Self> {
        let Origin {
            scheme,
            host_text,
            host,
            port,
        } = Origin::parse(text.as_bytes()).ok()?;
        Some(Self {
            scheme,
            host_text: host_text.to_owned(),
            host: host.to_owned(),
            port,
            text,
        })
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn origin(&self) -> Origin<'_> {
        let host = match &self.host {
            Host::Domain(name) => Host::Domain(name.as_str()),
            Host::Ipv4(address) => Host::Ipv4(*address),
            Host::Ipv6(address) => Host::Ipv6(*address),
        };
        Origin {
            scheme: self.scheme,
            host_text: &self.host_text,
            host,
            port: self.port,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listed_text_is_the_origin_that_it_parses_to_and_no_other_text_is_one() {
        let texts = [
            "https://contoso.com",
            "https://contoso.com:8443",
            "http://localhost:3000",
            "http://127.0.0.1:5173",
            "http://[::1]:5173",
        ];
        let wildcards = ["https://*.contoso.com", "http://localhost:*"];
        let patterns: Vec<_> = texts
            .iter()
            .chain(&wildcards)
            .map(|text| Pattern::parse(text).unwrap())
            .collect();
        let exact = ExactOrigins::of(&patterns);
        for text in texts {
            let listed = exact.get(text.as_bytes()).unwrap();
            assert_eq!(
                (listed.text(), listed.origin()),
                (text, Origin::parse(text.as_bytes()).unwrap())
            );
        }
        for text in [
            "",
            "null",
            "https://contoso.co",
            "https://contoso.com.evil.example",
            "https://contoso.com/",
            "https://CONTOSO.com",
            "https://contoso.com:443",
            "https://a.contoso.com",
            "http://localhost:3001",
            "https://*.contoso.com",
            "http://localhost:*",
        ] {
            assert!(exact.get(text.as_bytes()).is_none(), "{text}");
        }
        assert!(ExactOrigins::default().get(b"https://contoso.com").is_none());
    }
}
