//! From an answer to a response: status, body and the headers that do not depend on the origin.

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use uuid::Uuid;
use warp::reply::Response;

use super::problem::Problem;
use super::record::MAX_ID;
use super::{Answer, Api, Request};
use crate::token::Authenticator;

const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-client-request-id");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-request-id");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");
const SECRET_METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");
const READINESS_METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD");
/// Headers of an answer, at most: a 401 has 11, and hyper adds two.
const MAX_HEADERS: usize = 16;

impl Api {
    /// The response to a request, without the headers that every response has.
    pub(super) fn response(&self, answer: &Answer) -> Response {
        match answer {
            Answer::Secret(body) => json(StatusCode::OK, body.clone()),
            Answer::Credential(given) => json(StatusCode::OK, given.body.clone()),
            Answer::Preflight => empty(StatusCode::NO_CONTENT),
            Answer::Options => {
                let mut response = empty(StatusCode::NO_CONTENT);
                response.headers_mut().insert(ALLOW, SECRET_METHODS);
                response
            }
            Answer::Problem(problem) => self.refusal(*problem),
        }
    }

    fn refusal(&self, problem: Problem) -> Response {
        let mut response = json(problem.status(), problem.body());
        let headers = response.headers_mut();
        if let Some(seconds) = problem.retry_after() {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        match problem {
            // A 401 must have a challenge (RFC 9110 §15.5.2), and a 405 must say what is allowed (§15.5.6).
            Problem::Unauthorized => {
                let challenge = self.authenticator.as_ref().map(Authenticator::challenge);
                headers.extend(challenge.map(|challenge| (WWW_AUTHENTICATE, challenge)));
            }
            Problem::SecretMethodNotAllowed => {
                headers.insert(ALLOW, SECRET_METHODS);
            }
            Problem::ReadinessMethodNotAllowed => {
                headers.insert(ALLOW, READINESS_METHODS);
            }
            _ => {}
        }
        response
    }
}

fn empty(status: StatusCode) -> Response {
    with_room(status, Response::default())
}

fn json(status: StatusCode, body: Bytes) -> Response {
    let mut response = with_room(status, Response::new(body.into()));
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}

/// An empty response with room for all headers that it will get: growing the map twice would cost more than adding the
/// headers.
fn with_room(status: StatusCode, mut response: Response) -> Response {
    *response.status_mut() = status;
    *response.headers_mut() = HeaderMap::with_capacity(MAX_HEADERS);
    response
}

/// The headers of every answer but readiness. Nothing on the way may store a secret, and a page may read one only
/// through CORS.
pub(super) fn add_common_headers(answer: &mut HeaderMap, request: &Request<'_>) {
    answer.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
    let mut text = Uuid::encode_buffer();
    let id = request.id.hyphenated().encode_lower(&mut text);
    // Hexadecimal digits and hyphens are a header value.
    if let Ok(value) = HeaderValue::from_str(id) {
        answer.insert(REQUEST_ID, value);
    }
    if let Some(id) = client_request_id(request.headers) {
        answer.insert(CLIENT_REQUEST_ID, id.clone());
    }
}

/// `x-ms-client-request-id`, if it may be echoed: one line of 1 to 128 visible ASCII characters.
fn client_request_id(headers: &HeaderMap) -> Option<&HeaderValue> {
    let mut lines = headers.get_all(CLIENT_REQUEST_ID).iter();
    let id = lines.next()?;
    let visible = id.as_bytes().iter().all(u8::is_ascii_graphic);
    (visible && (1..=MAX_ID).contains(&id.len()) && lines.next().is_none()).then_some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_request_id_is_echoed_whole_or_not_at_all() {
        let (longest, longer) = ("x".repeat(128), "x".repeat(129));
        for (lines, echoed) in [
            (&["a"][..], true),
            (&["~!{}"], true),
            (&[&longest], true),
            (&[&longer], false),
            (&[""], false),
            (&["a b"], false),
            (&["é"], false),
            (&["a", "b"], false),
        ] {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(CLIENT_REQUEST_ID, HeaderValue::from_str(line).unwrap());
            }
            assert_eq!(client_request_id(&headers).is_some(), echoed, "{lines:?}");
        }
    }
}
