//! The gates that look at a request's headers alone, besides CORS.

use http::header::HOST;
use http::{HeaderMap, HeaderName, HeaderValue};

use url::Host;

use super::problem::Problem;
use crate::host;

const MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const DESTINATION: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// Fetch metadata (W3C, §2): what a browser says it will do with the answer.
/// A script's cross-origin `fetch` in CORS mode has the empty destination; a
/// page that navigates to a secret, frames it or loads it as a script or an
/// image does not get it, whatever its origin. Requests without these headers
/// pass: curl and old browsers send none, and the other gates hold for them.
pub(super) fn fetch_metadata(headers: &HeaderMap) -> Result<(), Problem> {
    let refused_mode = words(headers, &MODE).any(|word| word == b"navigate" || word == b"no-cors");
    let other_destination = words(headers, &DESTINATION).any(|word| word != b"empty");
    if refused_mode || other_destination {
        return Err(Problem::FetchMetadata);
    }
    Ok(())
}

/// The members of all lines of a header, without the white space around them.
fn words<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a [u8]> {
    let lines = headers.get_all(name).iter().map(HeaderValue::as_bytes);
    lines
        .flat_map(|line| line.split(|&b| b == b','))
        .map(<[u8]>::trim_ascii)
}

/// Without the Functions host this process is reachable from every page that
/// resolves its own name to 127.0.0.1 (DNS rebinding); such a request names
/// that page's host.
pub(super) fn loopback_host(headers: &HeaderMap) -> Result<(), Problem> {
    let mut hosts = headers.get_all(HOST).iter();
    let (host, another) = (hosts.next(), hosts.next());
    let is_loopback = host
        .and_then(|host| host.to_str().ok())
        .is_some_and(is_loopback_authority);
    if is_loopback && another.is_none() {
        Ok(())
    } else {
        Err(Problem::HostNotAllowed)
    }
}

fn is_loopback_authority(authority: &str) -> bool {
    let Ok(authority) = authority.parse::<http::uri::Authority>() else {
        return false;
    };
    Host::parse(authority.host()).is_ok_and(|host| host::is_loopback(&host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(headers: &[(&'static str, &'static str)]) -> HeaderMap {
        headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn only_a_script_in_cors_mode_passes_fetch_metadata() {
        for (passes, headers) in [
            (true, &[][..]),
            (true, &[("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")]),
            (true, &[("sec-fetch-mode", "same-origin")]),
            (true, &[("sec-fetch-site", "cross-site")]),
            (false, &[("sec-fetch-mode", "navigate")]),
            (false, &[("sec-fetch-mode", "no-cors")]),
            (false, &[("sec-fetch-mode", "cors"), ("sec-fetch-mode", "navigate")]),
            (false, &[("sec-fetch-mode", "cors, no-cors")]),
            (false, &[("sec-fetch-mode", "cors"), ("sec-fetch-dest", "script")]),
            (false, &[("sec-fetch-dest", "")]),
            (false, &[("sec-fetch-dest", "Empty")]),
            (false, &[("sec-fetch-dest", "empty"), ("sec-fetch-dest", "image")]),
        ] {
            assert_eq!(fetch_metadata(&map(headers)).is_ok(), passes, "{headers:?}");
        }
    }

    #[test]
    fn only_this_machines_names_pass_as_host() {
        for (passes, headers) in [
            (true, &[("host", "localhost:7071")][..]),
            (true, &[("host", "LOCALHOST")]),
            (true, &[("host", "app.localhost:7071")]),
            (true, &[("host", "127.0.0.1:7071")]),
            (true, &[("host", "127.1.2.3")]),
            (true, &[("host", "[::1]:7071")]),
            (false, &[]),
            (false, &[("host", "")]),
            (false, &[("host", "evil.example:7071")]),
            (false, &[("host", "localhost.evil.example")]),
            (false, &[("host", "10.0.0.1")]),
            (false, &[("host", "user@evil.example")]),
            (false, &[("host", "localhost"), ("host", "evil.example")]),
        ] {
            assert_eq!(loopback_host(&map(headers)).is_ok(), passes, "{headers:?}");
        }
    }
}
