//! An origin as a browser writes it, read strictly and by component.
//!
//! The `Origin` header carries an ASCII serialisation (RFC 6454 §6.2, Fetch
//! §3.2): `scheme "://" host [ ":" port ]`, with the host as the URL standard's
//! host serialiser leaves it. A browser sends nothing else, so whatever differs
//! by one byte from that canonical form was not written by a browser, and is
//! refused rather than repaired: a repair is where prefix, suffix and userinfo
//! attacks live.

use std::fmt;
use std::net::Ipv6Addr;

use thiserror::Error;
use url::Host;

/// Longest host of an origin, in characters (RFC 1035 §3.1, less the root).
pub(crate) const MAX_HOST: usize = 253;
/// Longest label of a domain, in characters (RFC 1035 §2.3.4).
const MAX_LABEL: usize = 63;

/// Why a text is not a canonical origin of scheme http or https.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OriginError {
    /// No characters at all.
    #[error("it is empty")]
    Empty,
    /// The literal `null`: a sandboxed frame, a file, a redirect chain. Any
    /// page can make its origin `null`, so it stands for everybody.
    #[error("`null` stands for every sandboxed page")]
    Null,
    /// A byte outside printable ASCII, or a space.
    #[error("it has a character outside printable ASCII")]
    NotAscii,
    /// Not `http://` or `https://`.
    #[error("the scheme is not http or https")]
    Scheme,
    /// An upper-case letter; an origin is serialised in lower case.
    #[error("it has an upper-case letter")]
    UpperCase,
    /// A user name or password before the host.
    #[error("it has userinfo (`@`)")]
    Userinfo,
    /// A path, a query or a fragment behind the host, a trailing slash
    /// included.
    #[error("it has a path, a query or a fragment")]
    Path,
    /// A backslash, which URL parsers read as a slash.
    #[error("it has a backslash")]
    Backslash,
    /// A percent sign: a serialised host has no percent-encoding.
    #[error("it has a percent sign")]
    Percent,
    /// Nothing between the scheme and the port.
    #[error("the host is empty")]
    EmptyHost,
    /// More than 253 characters of host, or 63 of a label.
    #[error("the host is longer than 253 characters, or a label than 63")]
    TooLong,
    /// The host ends with a dot: another origin than the one without.
    #[error("the host ends with a dot")]
    TrailingDot,
    /// An empty label, or a character that no host name has.
    #[error("the host is not a host name")]
    HostName,
    /// A label that begins `xn--` and is not what its Unicode form encodes to.
    #[error("the host is not valid punycode")]
    Punycode,
    /// A host that ends in a number (URL standard, "ends in a number
    /// checker") and is not four decimal parts without leading zeros.
    #[error("the host is not a canonical IPv4 address")]
    Ipv4,
    /// Brackets around something else than RFC 5952's form.
    #[error("the host is not a canonical IPv6 address")]
    Ipv6,
    /// Not 1 to 65535 in decimal without leading zeros.
    #[error("the port is not 1 to 65535")]
    Port,
    /// Port 80 of http or 443 of https, which a serialised origin omits.
    #[error("the port is its scheme's default one")]
    DefaultPort,
}

/// The schemes that an allowed origin can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// `http`, for loopback only where an operator lists it.
    Http,
    /// `https`.
    Https,
}

impl Scheme {
    /// The port that a serialised origin omits.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    /// The scheme as an origin begins.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A canonical origin of scheme http or https, borrowed from the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin<'a> {
    /// The scheme.
    pub scheme: Scheme,
    /// The host as serialised, an IPv6 address with its brackets.
    pub host_text: &'a str,
    /// The host by its kind: a wildcard label stands in domains only.
    pub host: Host<&'a str>,
    /// The port, when it is not the scheme's default one.
    pub port: Option<u16>,
}

impl<'a> Origin<'a> {
    /// Reads the value of one `Origin` header.
    ///
    /// # Errors
    /// What makes it other than a canonical http or https origin. The error
    /// never repeats the text.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, OriginError> {
        if bytes.is_empty() {
            return Err(OriginError::Empty);
        }
        let text = std::str::from_utf8(bytes)
            .ok()
            .filter(|text| text.bytes().all(|b| b.is_ascii_graphic()))
            .ok_or(OriginError::NotAscii)?;
        if text == "null" {
            return Err(OriginError::Null);
        }
        let (scheme, authority) = split_scheme(text)?;
        refuse_what_no_authority_has(authority)?;
        let (host_text, port) = split_port(authority)?;
        Ok(Self {
            scheme,
            host_text,
            host: parse_host(host_text)?,
            port: port.map(|port| parse_port(port, scheme)).transpose()?,
        })
    }
}

/// `https://host:port` → the scheme and `host:port`.
pub(crate) fn split_scheme(text: &str) -> Result<(Scheme, &str), OriginError> {
    if let Some(rest) = text.strip_prefix("https://") {
        return Ok((Scheme::Https, rest));
    }
    if let Some(rest) = text.strip_prefix("http://") {
        return Ok((Scheme::Http, rest));
    }
    match text.split_once("://") {
        Some((scheme, _)) if scheme.eq_ignore_ascii_case("https") || scheme.eq_ignore_ascii_case("http") => {
            Err(OriginError::UpperCase)
        }
        _ => Err(OriginError::Scheme),
    }
}

/// One pass over the authority for the characters that would make it another
/// URL than it looks like, each with its own name.
pub(crate) fn refuse_what_no_authority_has(authority: &str) -> Result<(), OriginError> {
    for byte in authority.bytes() {
        match byte {
            b'/' | b'?' | b'#' => return Err(OriginError::Path),
            b'\\' => return Err(OriginError::Backslash),
            b'@' => return Err(OriginError::Userinfo),
            b'%' => return Err(OriginError::Percent),
            b'A'..=b'Z' => return Err(OriginError::UpperCase),
            _ => {}
        }
    }
    Ok(())
}

/// `host:port` → both; the colons inside an IPv6 address are not separators.
pub(crate) fn split_port(authority: &str) -> Result<(&str, Option<&str>), OriginError> {
    if authority.starts_with('[') {
        let end = authority.find(']').ok_or(OriginError::Ipv6)?;
        let (host, rest) = authority.split_at_checked(end + 1).ok_or(OriginError::Ipv6)?;
        return match rest.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if rest.is_empty() => Ok((host, None)),
            None => Err(OriginError::HostName),
        };
    }
    Ok(match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    })
}

/// Reads a host that is in canonical form.
pub(crate) fn parse_host(host: &str) -> Result<Host<&str>, OriginError> {
    if host.is_empty() {
        return Err(OriginError::EmptyHost);
    }
    if host.len() > MAX_HOST {
        return Err(OriginError::TooLong);
    }
    if let Some(inner) = host.strip_prefix('[') {
        let inner = inner.strip_suffix(']').ok_or(OriginError::Ipv6)?;
        return canonical_ipv6(inner).map(Host::Ipv6);
    }
    if host.ends_with('.') {
        return Err(OriginError::TrailingDot);
    }
    let mut last = "";
    let mut punycode = false;
    for label in host.split('.') {
        let of_form = label
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'));
        if label.is_empty() || !of_form {
            return Err(OriginError::HostName);
        }
        if label.len() > MAX_LABEL {
            return Err(OriginError::TooLong);
        }
        punycode |= label.starts_with("xn--");
        last = label;
    }
    if ends_in_a_number(last) {
        // `Ipv4Addr` reads four decimal parts without leading zeros and no
        // other of the forms that the URL standard's parser repairs.
        return host.parse().map(Host::Ipv4).map_err(|_| OriginError::Ipv4);
    }
    if punycode && idna::domain_to_ascii(host).ok().as_deref() != Some(host) {
        return Err(OriginError::Punycode);
    }
    Ok(Host::Domain(host))
}

/// The URL standard's "ends in a number checker", for the last label of a
/// host without a trailing dot.
fn ends_in_a_number(label: &str) -> bool {
    let hex = label.strip_prefix("0x");
    label.bytes().all(|b| b.is_ascii_digit()) || hex.is_some_and(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))
}

/// An IPv6 address, if `text` is how the URL standard's serialiser writes it. `Display` of `Ipv6Addr` is another one:
/// it prints IPv4-mapped addresses in the dotted form.
fn canonical_ipv6(text: &str) -> Result<Ipv6Addr, OriginError> {
    let address: Ipv6Addr = text.parse().map_err(|_| OriginError::Ipv6)?;
    let serialised = Host::<&str>::Ipv6(address).to_string();
    if serialised.trim_matches(['[', ']']) == text {
        Ok(address)
    } else {
        Err(OriginError::Ipv6)
    }
}

/// A port in canonical decimal that is not `scheme`'s default one.
pub(crate) fn parse_port(text: &str, scheme: Scheme) -> Result<u16, OriginError> {
    let canonical = !text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit());
    let port: u16 = text.parse().map_err(|_| OriginError::Port)?;
    if !canonical {
        Err(OriginError::Port)
    } else if port == scheme.default_port() {
        Err(OriginError::DefaultPort)
    } else {
        Ok(port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One vector a line: the verdict, a tab, the text.
    const VECTORS: &str = include_str!("../../crates/fuzz/seeds/origins.txt");

    #[test]
    fn every_vector_gets_its_verdict() {
        let vectors = VECTORS.lines().filter_map(|line| line.split_once('\t'));
        let mut count = 0;
        for (expected, text) in vectors {
            let verdict = match Origin::parse(text.as_bytes()) {
                Ok(_) => "Ok".to_owned(),
                Err(error) => format!("{error:?}"),
            };
            assert_eq!(verdict, expected, "{text}");
            count += 1;
        }
        assert!(count > 150, "{count} vectors");
    }

    #[test]
    fn an_origin_is_read_by_component() {
        let parts = |text: &'static str| {
            let origin = Origin::parse(text.as_bytes()).unwrap();
            (origin.scheme, origin.host_text, origin.port)
        };
        assert_eq!(parts("https://contoso.com"), (Scheme::Https, "contoso.com", None));
        assert_eq!(
            parts("https://contoso.com:80"),
            (Scheme::Https, "contoso.com", Some(80))
        );
        assert_eq!(parts("http://127.0.0.1:443"), (Scheme::Http, "127.0.0.1", Some(443)));
        assert_eq!(parts("http://[::1]:3000"), (Scheme::Http, "[::1]", Some(3000)));
    }

    #[test]
    fn bytes_outside_printable_ascii_are_refused() {
        for bytes in [
            &b"https://contoso.com\xff"[..],
            b"https://contoso.com\0",
            b"https://contoso.com\t",
            b"https://contoso.com\x7f",
            "https://bücher.example".as_bytes(),
        ] {
            assert_eq!(Origin::parse(bytes), Err(OriginError::NotAscii), "{bytes:?}");
        }
    }
}
