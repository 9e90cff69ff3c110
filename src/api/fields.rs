//! The header fields of a request that this API reads for itself, found in one pass.
//!
//! Most requests have few of them or none, and a map of headers hashes a name byte by byte to find that out.

use http::{HeaderMap, HeaderValue};

use super::problem::Problem;

/// Longest identifier that is taken over from a header.
const MAX_ID: usize = 128;

/// What those fields say; every text is borrowed from the request.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fields<'a> {
    is_for_no_script: bool,
    invocation_id: Option<&'a HeaderValue>,
    trace_parent: Lines<'a>,
    client_request_id: Lines<'a>,
}

/// The lines of a field that is to have one.
#[derive(Clone, Copy, Debug, Default)]
enum Lines<'a> {
    #[default]
    None,
    One(&'a HeaderValue),
    Several,
}

impl<'a> Lines<'a> {
    fn and(self, line: &'a HeaderValue) -> Self {
        match self {
            Self::None => Self::One(line),
            Self::One(_) | Self::Several => Self::Several,
        }
    }

    fn only(self) -> Option<&'a HeaderValue> {
        match self {
            Self::One(line) => Some(line),
            Self::None | Self::Several => None,
        }
    }
}

impl<'a> Fields<'a> {
    pub(super) fn of(headers: &'a HeaderMap) -> Self {
        let mut fields = Self::default();
        for (name, line) in headers {
            match name.as_str() {
                "sec-fetch-mode" => fields.is_for_no_script |= members(line).any(is_mode_of_no_script),
                "sec-fetch-dest" => fields.is_for_no_script |= members(line).any(|member| member != b"empty"),
                // The last one: the Functions host appends it, and a client can send lines of its own in front.
                "x-azure-functions-invocationid" => fields.invocation_id = Some(line),
                "traceparent" => fields.trace_parent = fields.trace_parent.and(line),
                "x-ms-client-request-id" => fields.client_request_id = fields.client_request_id.and(line),
                _ => {}
            }
        }
        fields
    }

    /// Fetch metadata (W3C, §2): what a browser says it will do with the answer. A script's cross-origin `fetch` in CORS
    /// mode has the empty destination; a page that navigates to a secret, frames it or loads it as a script or an image
    /// does not get it, whatever its origin. Requests without these headers pass: curl and old browsers send none, and the
    /// other gates hold for them.
    pub(super) fn fetch_metadata(&self) -> Result<(), Problem> {
        if self.is_for_no_script {
            return Err(Problem::FetchMetadata);
        }
        Ok(())
    }

    /// The Functions host's id of this call.
    pub(super) fn invocation_id(&self) -> Option<&'a str> {
        let line = self.invocation_id?.to_str().ok()?;
        let id = line.rsplit(',').next().unwrap_or(line).trim();
        let of_form = id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        (of_form && (1..=MAX_ID).contains(&id.len())).then_some(id)
    }

    /// The trace id of a version 00 `traceparent` (W3C Trace Context §3.2.2).
    pub(super) fn trace_id(&self) -> Option<&'a str> {
        let parent = self.trace_parent.only()?.to_str().ok()?;
        let (trace_id, _) = parent.strip_prefix("00-")?.split_once('-')?;
        let of_form = trace_id.len() == 32 && trace_id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        (of_form && trace_id.bytes().any(|b| b != b'0')).then_some(trace_id)
    }

    /// `x-ms-client-request-id`, if it may be echoed: one line of 1 to 128 visible ASCII characters.
    pub(super) fn client_request_id(&self) -> Option<&'a HeaderValue> {
        let id = self.client_request_id.only()?;
        let visible = id.as_bytes().iter().all(u8::is_ascii_graphic);
        (visible && (1..=MAX_ID).contains(&id.len())).then_some(id)
    }
}

/// The members of one line of a list, without the white space around them.
fn members(line: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    line.as_bytes().split(|&b| b == b',').map(<[u8]>::trim_ascii)
}

fn is_mode_of_no_script(member: &[u8]) -> bool {
    member == b"navigate" || member == b"no-cors"
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    fn map(headers: &[(&'static str, &str)]) -> HeaderMap {
        let line = |(name, value): &(&'static str, &str)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
        };
        let mut map = HeaderMap::new();
        for (name, value) in headers.iter().map(line) {
            map.append(name, value);
        }
        map
    }

    fn lines(name: &'static str, lines: &[&str]) -> HeaderMap {
        let headers: Vec<_> = lines.iter().map(|line| (name, *line)).collect();
        map(&headers)
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
            (false, &[("sec-fetch-mode", "navigate"), ("sec-fetch-mode", "cors")]),
            (false, &[("sec-fetch-mode", "cors, no-cors")]),
            (false, &[("sec-fetch-mode", "cors"), ("sec-fetch-dest", "script")]),
            (false, &[("sec-fetch-dest", "")]),
            (false, &[("sec-fetch-dest", "Empty")]),
            (false, &[("sec-fetch-dest", "empty"), ("sec-fetch-dest", "image")]),
        ] {
            assert_eq!(
                Fields::of(&map(headers)).fetch_metadata().is_ok(),
                passes,
                "{headers:?}"
            );
        }
    }

    #[test]
    fn the_hosts_invocation_id_is_the_last_one() {
        for (ids, id) in [
            (&["a"][..], Some("a")),
            (&["spoofed", "b"], Some("b")),
            (&["spoofed, c"], Some("c")),
            (&["a b"], None),
            (&["a\tb"], None),
            (&[""], None),
        ] {
            let headers = lines("x-azure-functions-invocationid", ids);
            assert_eq!(Fields::of(&headers).invocation_id(), id, "{ids:?}");
        }
    }

    #[test]
    fn a_trace_id_is_32_hexadecimal_digits() {
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        for (parent, expected) in [
            (format!("00-{id}-00f067aa0ba902b7-01"), Some(id)),
            (format!("00-{}-00f067aa0ba902b7-01", id.to_uppercase()), None),
            (format!("01-{id}-00f067aa0ba902b7-01"), None),
            (format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)), None),
            ("00-abc-def-01".to_owned(), None),
            ("nonsense".to_owned(), None),
        ] {
            let headers = lines("traceparent", &[&parent]);
            assert_eq!(Fields::of(&headers).trace_id(), expected, "{parent}");
            let headers = lines("traceparent", &[&parent, &parent]);
            assert_eq!(Fields::of(&headers).trace_id(), None, "twice {parent}");
        }
    }

    #[test]
    fn a_client_request_id_is_echoed_whole_or_not_at_all() {
        let (longest, longer) = ("x".repeat(128), "x".repeat(129));
        for (ids, echoed) in [
            (&["a"][..], true),
            (&["~!{}"], true),
            (&[&longest], true),
            (&[&longer], false),
            (&[""], false),
            (&["a b"], false),
            (&["é"], false),
            (&["a", "b"], false),
        ] {
            let headers = lines("x-ms-client-request-id", ids);
            assert_eq!(Fields::of(&headers).client_request_id().is_some(), echoed, "{ids:?}");
        }
    }
}
