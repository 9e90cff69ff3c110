//! What an answer lacks, or has too much.

use http::HeaderName;
use uuid::Uuid;

use super::answer::Answer;

/// The headers by which two refusals could differ, ids and the time apart.
const TELLING_HEADERS: [&str; 12] = [
    "access-control-allow-credentials",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "cache-control",
    "content-length",
    "content-type",
    "cross-origin-resource-policy",
    "etag",
    "retry-after",
    "vary",
    "www-authenticate",
    "x-content-type-options",
];
/// What the handler's answer to a preflight varies on.
pub(super) const PREFLIGHT_VARY: [&str; 3] = [
    "origin",
    "access-control-request-method",
    "access-control-request-headers",
];
pub(super) const REQUEST_ID: &str = "x-ms-request-id";
/// Longest that a preflight may be kept: `PREFLIGHT_MAX_AGE_SECONDS` goes no further.
const MAX_AGE: u32 = 86_400;

/// What differs from what has to come.
#[derive(Debug, Default)]
pub(super) struct Differences {
    pub(super) expected: Vec<String>,
    pub(super) came: Vec<String>,
    /// The first header that differs.
    pub(super) header: Option<&'static str>,
}

impl Differences {
    /// The answer is this error of the handler.
    pub(super) fn want_error(&mut self, answer: &Answer, error: &str) {
        let came = answer.describe();
        if came != error {
            self.add(error, came);
        }
    }

    /// One difference.
    pub(super) fn of(expected: impl Into<String>, came: impl Into<String>) -> Self {
        let mut differences = Self::default();
        differences.add(expected, came);
        differences
    }

    pub(super) fn is_empty(&self) -> bool {
        self.expected.is_empty()
    }

    pub(super) fn add(&mut self, expected: impl Into<String>, came: impl Into<String>) {
        for (list, text) in [(&mut self.expected, expected.into()), (&mut self.came, came.into())] {
            if !list.contains(&text) {
                list.push(text);
            }
        }
    }

    fn add_header(&mut self, answer: &Answer, name: &'static str, expected: &str) {
        let came = answer.header(name);
        let came = came.map_or_else(|| format!("no {name}"), |value| format!("{name}: {value}"));
        self.add(format!("{name}: {expected}"), came);
        self.header.get_or_insert(name);
    }

    /// The header has this value and no other.
    pub(super) fn want(&mut self, answer: &Answer, name: &'static str, value: &str) {
        if answer.header(name).as_deref() != Some(value) {
            self.add_header(answer, name, value);
        }
    }

    /// The header has a value of the form that `description` tells.
    pub(super) fn want_form(
        &mut self,
        answer: &Answer,
        name: &'static str,
        is_of_form: impl FnOnce(&str) -> bool,
        description: &str,
    ) {
        if !answer.header(name).as_deref().is_some_and(is_of_form) {
            self.add_header(answer, name, description);
        }
    }

    /// The header is a list with these members, in lower case. The host may have split it into lines.
    pub(super) fn want_members(&mut self, answer: &Answer, name: &'static str, members: &[&str]) {
        let came = answer.members(name);
        if !members.iter().all(|member| came.iter().any(|own| own == member)) {
            self.add_header(answer, name, &members.join(", "));
        }
    }

    /// No page may read the answer.
    pub(super) fn want_unreadable(&mut self, answer: &Answer) {
        let names = answer.headers.keys().map(HeaderName::as_str);
        for name in names.filter(|name| name.starts_with("access-control-")) {
            let value = answer.header(name).unwrap_or_default();
            self.add("no Access-Control header", format!("{name}: {value}"));
            self.header.get_or_insert("access-control-allow-origin");
        }
    }

    /// A page of `origin` may read the answer, and the headers that it needs.
    pub(super) fn want_readable_by(&mut self, answer: &Answer, origin: &str) {
        self.want(answer, "access-control-allow-origin", origin);
        let is_list = |value: &str| value.split(',').all(|name| is_name(name.trim()));
        let name = "access-control-expose-headers";
        self.want_form(answer, name, is_list, "the names in EXPOSED_HEADERS");
        self.want_credentials_of_form(answer);
    }

    /// Credentials are allowed, or not mentioned (Fetch, "CORS check").
    pub(super) fn want_credentials_of_form(&mut self, answer: &Answer) {
        let name = "access-control-allow-credentials";
        if answer.headers.contains_key(name) {
            self.want(answer, name, "true");
        }
    }

    /// Two refusals are the same but for ids.
    pub(super) fn want_same(&mut self, one: &Answer, other: &Answer) {
        if !one.has_body_of(other) {
            self.add("the body that a made-up name gets", "another body");
        }
        for name in TELLING_HEADERS {
            let [one, other] = [one, other].map(|answer| {
                let mut members = answer.members(name);
                members.sort_unstable();
                members.join(", ")
            });
            if one != other {
                self.add(format!("{name}: {one}"), format!("{name}: {other}"));
            }
        }
    }

    /// The handler's answer to a preflight has all that it allows, whatever it is asked.
    pub(super) fn want_full_lists(&mut self, answer: &Answer) {
        self.want(answer, "access-control-allow-methods", "GET,HEAD");
        // A list that was sorted and in lower case when it was sent.
        let names = "access-control-allow-headers";
        if let Some(list) = answer.header(names) {
            let mut sorted = answer.members(names);
            sorted.sort_unstable();
            sorted.dedup();
            let sorted = sorted.join(",");
            if list != sorted {
                self.want(answer, names, &sorted);
            }
        }
        let is_age = |value: &str| value.parse::<u32>().is_ok_and(|age| age <= MAX_AGE);
        self.want_form(answer, "access-control-max-age", is_age, "0 to 86400");
        self.want_members(answer, "vary", &PREFLIGHT_VARY);
    }

    /// What every answer of the handler has, whatever it says.
    pub(super) fn want_common_headers(&mut self, answer: &Answer) {
        self.want_members(answer, "vary", &["origin"]);
        self.want_members(answer, "cache-control", &["no-store"]);
        self.want(answer, "x-content-type-options", "nosniff");
        self.want(answer, "cross-origin-resource-policy", "same-origin");
        let is_id = |value: &str| Uuid::try_parse(value).is_ok();
        self.want_form(answer, REQUEST_ID, is_id, "a UUID");
        if let Some(id) = &answer.client_request_id {
            self.want_form(
                answer,
                "x-ms-client-request-id",
                |value| value == id,
                "the request's own",
            );
        }
        if !answer.is_empty() {
            self.want(answer, "content-type", "application/json; charset=utf-8");
        }
    }
}

/// Whether `text` is the name of a header.
fn is_name(text: &str) -> bool {
    HeaderName::from_bytes(text.as_bytes()).is_ok()
}
