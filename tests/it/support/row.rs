//! What a caller from the allowed origin sees of a failure.

use super::ORIGIN;
use super::client::Answer;
use super::expect::Headers;

/// Status, code and the inner code.
pub(crate) type Row = (u16, &'static str, Option<&'static str>);

pub(crate) const DENIED: Row = (502, "VaultAccessDenied", None);
pub(crate) const DISABLED: Row = (403, "Forbidden", Some("SecretDisabled"));
pub(crate) const NOT_FOUND: Row = (404, "SecretNotFound", None);
pub(crate) const THROTTLED: Row = (429, "Throttled", None);
pub(crate) const UNAVAILABLE: Row = (503, "VaultUnavailable", None);

/// Fails unless this is exactly that error.
pub(crate) fn assert_is(label: &str, answer: &Answer, (status, code, inner): Row) {
    let headers = Headers::json().readable_by(ORIGIN);
    let headers = if matches!(status, 429 | 503) {
        headers.retry_after()
    } else {
        headers
    };
    answer.must_refuse(label, status, (code, inner), &headers);
}
