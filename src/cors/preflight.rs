//! The answer to a preflight: one for every request of an allowed origin.
//!
//! An answer that depended on what is asked would need a parser for hostile lists in front of it, and a preflight that
//! is refused without CORS headers reaches no developer: browsers name the missing method or header in the console
//! only when the answer is a readable one. With the full lists they do, and one cached answer serves every request of
//! the page.

use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    ACCESS_CONTROL_REQUEST_METHOD,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

/// `Vary` of an answer to a preflight: the three fields that mark a preflight, or that a browser compares its answer with.
pub(super) const VARY_PREFLIGHT: HeaderValue =
    HeaderValue::from_static("Origin, Access-Control-Request-Method, Access-Control-Request-Headers");

/// `Access-Control-Allow-Methods`: methods are case-sensitive (RFC 9110 §9.1).
const METHODS: HeaderValue = HeaderValue::from_static("GET,HEAD");

/// Names that are told of one preflight, at most.
const MAX_NAMES: usize = 8;
/// Characters of a name that is told, at most.
const MAX_NAME: usize = 64;

/// What every allowed preflight gets, besides its origin.
#[derive(Clone, Debug)]
pub(super) struct PreflightAnswer {
    /// Sorted, in lower case, as `HeaderName` holds them.
    names: Vec<HeaderName>,
    allow_headers: Option<HeaderValue>,
    max_age: Option<HeaderValue>,
}

/// What a preflight asks for and does not get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unmet<'a> {
    /// A method other than GET and HEAD, where it is one; `None` is anything else, such as two of them.
    Method(Option<&'a str>),
    /// These header names, the first 8 of them; what is no header name is left out.
    Headers(Vec<&'a str>),
}

impl PreflightAnswer {
    pub(super) fn new(mut names: Vec<HeaderName>, max_age: Option<u32>) -> Self {
        names.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
        names.dedup();
        Self {
            allow_headers: super::join(&names),
            names,
            max_age: max_age.map(HeaderValue::from),
        }
    }

    pub(super) fn apply(&self, answer: &mut HeaderMap) {
        answer.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        if let Some(names) = &self.allow_headers {
            answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
        }
        if let Some(max_age) = &self.max_age {
            answer.insert(ACCESS_CONTROL_MAX_AGE, max_age.clone());
        }
    }

    /// See [`Policy::unmet`](super::Policy::unmet). At most 64 KiB of names are read: the server's bound on a head.
    pub(super) fn unmet<'a>(&self, headers: &'a HeaderMap) -> Option<Unmet<'a>> {
        let mut methods = headers.get_all(ACCESS_CONTROL_REQUEST_METHOD).iter();
        match (methods.next().map(HeaderValue::as_bytes), methods.next()) {
            (Some(b"GET" | b"HEAD"), None) => {}
            (Some(method), None) if method.len() <= MAX_NAME && Method::from_bytes(method).is_ok() => {
                return Some(Unmet::Method(std::str::from_utf8(method).ok()));
            }
            _ => return Some(Unmet::Method(None)),
        }
        let mut names = Vec::new();
        let mut all_allowed = true;
        let lines = headers.get_all(ACCESS_CONTROL_REQUEST_HEADERS).iter();
        // Empty elements are ignored (RFC 9110 §5.6.1).
        for element in lines
            .flat_map(|line| line.as_bytes().split(|&b| b == b','))
            .map(<[u8]>::trim_ascii)
            .filter(|element| !element.is_empty())
        {
            if self.allows(element) {
                continue;
            }
            all_allowed = false;
            if names.len() == MAX_NAMES {
                break;
            }
            if element.len() <= MAX_NAME && HeaderName::from_bytes(element).is_ok() {
                names.extend(std::str::from_utf8(element));
            }
        }
        (!all_allowed).then_some(Unmet::Headers(names))
    }

    fn allows(&self, name: &[u8]) -> bool {
        let is_listed = |name: &[u8]| {
            let found = self
                .names
                .binary_search_by(|allowed| allowed.as_str().as_bytes().cmp(name));
            found.is_ok()
        };
        // Browsers send names in lower case (Fetch §4.9, "CORS-unsafe request-header names").
        is_listed(name) || (name.iter().any(u8::is_ascii_uppercase) && is_listed(&name.to_ascii_lowercase()))
    }
}
