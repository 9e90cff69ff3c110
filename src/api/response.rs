//! From an answer to a response: status, body and headers.

use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use warp::reply::Response;

use super::problem::Problem;
use super::{Answer, Api, Request};
use crate::cors::{Decision, Earned, Policy};
use crate::token::Authenticator;

const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-client-request-id");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-request-id");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");
const SECRET_METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");
const READINESS_METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD");
/// Headers of an answer, at most: a 401 has 11, and hyper can add one.
const MAX_HEADERS: usize = 12;

/// The headers that are the same for every request, by what its verdict earns.
///
/// An answer gets a clone of them, which costs a third of what inserting each into an empty map does: that hashes every
/// name and takes more memory than is used.
#[derive(Debug)]
pub(super) struct Prepared {
    preflight: HeaderMap,
    no_preflight: HeaderMap,
    actual: HeaderMap,
    nothing: HeaderMap,
}

impl Prepared {
    pub(super) fn new(policy: &Policy) -> Self {
        let prepared = |earned| {
            let mut headers = HeaderMap::with_capacity(MAX_HEADERS);
            // Their values are the request's, but their places are taken: a map that grows is built anew.
            headers.insert(REQUEST_ID, HeaderValue::from_static(""));
            if matches!(earned, Earned::Preflight | Earned::Actual) {
                headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static(""));
            }
            // An allowed preflight is answered without a body, and everything else with one, but for an OPTIONS.
            if earned != Earned::Preflight {
                headers.insert(CONTENT_TYPE, JSON);
            }
            // Nothing on the way may store a secret, and a page may read one only through CORS.
            headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
            headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
            headers.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
            policy.apply(earned, &mut headers);
            headers
        };
        Self {
            preflight: prepared(Earned::Preflight),
            no_preflight: prepared(Earned::NoPreflight),
            actual: prepared(Earned::Actual),
            nothing: prepared(Earned::Nothing),
        }
    }

    /// The headers that every answer to `request` has but readiness.
    fn headers(&self, request: &Request<'_>, policy: &Policy, decision: &Decision<'_>) -> HeaderMap {
        let mut headers = match decision.earned() {
            Earned::Preflight => self.preflight.clone(),
            Earned::NoPreflight => self.no_preflight.clone(),
            Earned::Actual => self.actual.clone(),
            Earned::Nothing => self.nothing.clone(),
        };
        if let (Some(place), Some(origin)) = (
            headers.get_mut(ACCESS_CONTROL_ALLOW_ORIGIN),
            policy.allow_origin(decision),
        ) {
            *place = origin;
        }
        // Hexadecimal digits and hyphens are a header value.
        if let (Some(place), Ok(id)) = (headers.get_mut(REQUEST_ID), HeaderValue::from_str(request.id)) {
            *place = id;
        }
        if let Some(id) = request.fields.client_request_id() {
            headers.insert(CLIENT_REQUEST_ID, id.clone());
        }
        headers
    }
}

impl Api {
    /// The response to a request.
    pub(super) fn response(
        &self,
        prepared: &Prepared,
        request: &Request<'_>,
        decision: &Decision<'_>,
        answer: &Answer,
    ) -> Response {
        let (status, mut response) = match answer {
            Answer::Secret(body) => (StatusCode::OK, Response::new(body.clone().into())),
            Answer::Credential(given) => (StatusCode::OK, Response::new(given.body.clone().into())),
            Answer::Preflight | Answer::Options => (StatusCode::NO_CONTENT, Response::default()),
            Answer::Problem(problem) => (problem.status(), Response::new(problem.body().into())),
        };
        let mut headers = prepared.headers(request, &self.cors, decision);
        match answer {
            Answer::Secret(_) | Answer::Credential(_) | Answer::Preflight => {}
            Answer::Options => {
                headers.remove(CONTENT_TYPE);
                headers.insert(ALLOW, SECRET_METHODS);
            }
            Answer::Problem(problem) => self.add_remedy(*problem, &mut headers),
        }
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        response
    }

    /// What a client can do about a problem.
    fn add_remedy(&self, problem: Problem, headers: &mut HeaderMap) {
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
    }
}
