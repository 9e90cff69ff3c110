//! `Access-Control-Request-Headers`: which names a preflight may ask for.

use bytes::{BufMut, Bytes, BytesMut};
use http::header::ACCESS_CONTROL_REQUEST_HEADERS;
use http::{HeaderMap, HeaderName, HeaderValue};

/// Bytes of all `Access-Control-Request-Headers` lines together.
const MAX_BYTES: usize = 4096;
/// Lines of `Access-Control-Request-Headers`.
const MAX_LINES: usize = 32;
/// Names in all lines together, repeated ones counted each time.
const MAX_NAMES: usize = 64;
/// Empty list elements; RFC 9110 §5.6.1 asks a recipient to accept "a
/// reasonable number" of them.
const MAX_EMPTY: usize = 32;

/// The names that a preflight may ask for.
#[derive(Clone, Debug, Default)]
pub struct RequestHeaders {
    /// Sorted, so that a name is found without folding it into a new string.
    names: Vec<HeaderName>,
}

/// The header names asked for are not all allowed, or are over the limits.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused;

impl RequestHeaders {
    /// Allows these names; `HeaderName` holds them in lower case.
    pub fn new(names: impl IntoIterator<Item = HeaderName>) -> Self {
        let mut names: Vec<_> = names.into_iter().collect();
        names.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        names.dedup();
        Self { names }
    }

    /// The value of `Access-Control-Allow-Headers` for a preflight, `None`
    /// when it asks for no name. Names come out in lower case, in the order of
    /// the request, each once: a browser compares them case-insensitively
    /// (Fetch §4.8, step 7.6) and need not be told more than it asked.
    pub(super) fn grant(&self, headers: &HeaderMap) -> Result<Option<HeaderValue>, Refused> {
        let lines = || headers.get_all(ACCESS_CONTROL_REQUEST_HEADERS).iter();
        let (mut bytes, mut count) = (0, 0);
        for line in lines() {
            bytes += line.len();
            count += 1;
        }
        if bytes > MAX_BYTES || count > MAX_LINES {
            return Err(Refused);
        }
        let mut granted = BytesMut::with_capacity(bytes + count);
        // Positions in `names` that are granted already: at most MAX_NAMES.
        let mut seen = [usize::MAX; MAX_NAMES];
        let (mut names, mut empty) = (0, 0);
        for element in lines().flat_map(|line| line.as_bytes().split(|&b| b == b',')) {
            let element = trim_whitespace(element);
            if element.is_empty() {
                empty += 1;
                if empty > MAX_EMPTY {
                    return Err(Refused);
                }
                continue;
            }
            let position = self.position(element).ok_or(Refused)?;
            let repeated = seen.iter().take(names).any(|&earlier| earlier == position);
            *seen.get_mut(names).ok_or(Refused)? = position;
            names += 1;
            if !repeated {
                if !granted.is_empty() {
                    granted.put_u8(b',');
                }
                granted.extend(element.iter().map(u8::to_ascii_lowercase));
            }
        }
        to_value(granted)
    }

    fn position(&self, name: &[u8]) -> Option<usize> {
        self.names
            .binary_search_by(|allowed| {
                let asked = name.iter().map(u8::to_ascii_lowercase);
                allowed.as_str().bytes().cmp(asked)
            })
            .ok()
    }
}

/// Names joined into one field value, `None` when there are none.
pub(super) fn join<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<HeaderValue> {
    let mut joined = BytesMut::new();
    for name in names {
        if !joined.is_empty() {
            joined.put_u8(b',');
        }
        joined.extend_from_slice(name.as_bytes());
    }
    to_value(joined).ok().flatten()
}

fn to_value(joined: BytesMut) -> Result<Option<HeaderValue>, Refused> {
    if joined.is_empty() {
        return Ok(None);
    }
    HeaderValue::from_maybe_shared(Bytes::from(joined))
        .map(Some)
        .map_err(|_| Refused)
}

/// Optional white space of a list element is SP and HTAB (RFC 9110 §5.6.3).
fn trim_whitespace(mut element: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = element {
        element = rest;
    }
    element
}
