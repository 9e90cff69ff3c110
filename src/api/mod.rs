//! From a request to its answer: one infallible warp filter.
//!
//! No warp rejection leaves it, so no answer can lose its CORS headers. The
//! order is the contract's: route, method, then for GET and HEAD the gates
//! (origin, fetch metadata, caller, name, allow-list, cache, vault). A gate that refuses ends
//! the request; nothing behind it is touched. This module knows neither Azure
//! nor the environment.

mod audit;
mod gate;
mod problem;
mod route;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use uuid::Uuid;
use warp::Filter;
use warp::path::FullPath;
use warp::reply::Response;

use self::audit::Entry;
use self::problem::Problem;
use self::route::Route;
use crate::cache::{Cache, Lookup};
use crate::caller::Callers;
use crate::cors::{Actual, Decision, Policy};
use crate::secret::{AllowList, Malformed, SecretKey, SecretName, SecretVersion};
use crate::vault::VaultError;

const CLIENT_REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-client-request-id");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-ms-request-id");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");
const SECRET_METHODS: &str = "GET, HEAD, OPTIONS";
const READINESS_METHODS: &str = "GET, HEAD";
/// Headers of an answer, at most: a 401 has 11, and hyper adds two.
const MAX_HEADERS: usize = 16;

/// What the API serves, from where, to whom.
#[derive(Debug)]
pub struct Api {
    /// Who may read the answers.
    pub cors: Policy,
    /// Whether requests without `Origin` are refused.
    pub require_origin: bool,
    /// Whether requests whose `Host` is not this machine are refused: there is
    /// no Functions host in front.
    pub require_loopback_host: bool,
    /// Who checks callers; `None` lets everybody in that the other gates let in.
    pub callers: Option<Callers>,
    /// The secrets that may be served.
    pub allowed_secrets: AllowList,
    /// Where they come from, ready to be served.
    pub secrets: Cache,
    /// How long a copy of a secret is fresh.
    pub cache_ttl: Duration,
    /// Wall time in Unix seconds, for `nbf` and `exp`.
    pub now: fn() -> i64,
}

/// What a request comes to, before headers.
#[derive(Debug)]
enum Answer {
    /// 200 with a secret bundle.
    Secret(Bytes),
    /// 204: an allowed preflight.
    Preflight,
    /// 204: an OPTIONS that is no preflight.
    Options,
    /// Everything else.
    Problem(Problem),
}

/// What a request is about, read from its path.
#[derive(Debug)]
enum Resource {
    /// The host's readiness probe.
    Readiness,
    /// A secret. Its key is read before the gates, so that the log can name
    /// what a refused request asked for; a malformed one is refused in its
    /// turn.
    Secret(Result<SecretKey, BadKey>),
    /// There is nothing.
    Unknown,
}

/// A key that no secret can have.
#[derive(Debug)]
struct BadKey {
    what: Malformed,
    /// The name, when it is the version that is malformed.
    name: Option<SecretName>,
}

impl Resource {
    fn of(path: &str) -> Self {
        match Route::of(path) {
            Route::Readiness => Self::Readiness,
            Route::Secret { name, version } => Self::Secret(SecretKey::parse(name, version).map_err(|what| BadKey {
                what,
                name: SecretName::parse(name).ok(),
            })),
            Route::Unknown => Self::Unknown,
        }
    }

    fn name(&self) -> Option<&SecretName> {
        match self {
            Self::Secret(Ok(key)) => Some(&key.name),
            Self::Secret(Err(bad)) => bad.name.as_ref(),
            Self::Readiness | Self::Unknown => None,
        }
    }

    fn version(&self) -> Option<&SecretVersion> {
        match self {
            Self::Secret(Ok(key)) => key.version.as_ref(),
            Self::Secret(Err(_)) | Self::Readiness | Self::Unknown => None,
        }
    }
}

impl Api {
    /// The API as a filter that takes every request and never rejects.
    pub fn into_filter(self) -> impl Filter<Extract = (Response,), Error = Infallible> + Clone {
        let api = Arc::new(self);
        warp::any()
            .map(move || Arc::clone(&api))
            .and(warp::method())
            .and(warp::path::full())
            .and(warp::header::headers_cloned())
            .then(
                async |api: Arc<Self>, method: Method, path: FullPath, headers: HeaderMap| {
                    api.respond(&method, path.as_str(), &headers).await
                },
            )
    }

    async fn respond(&self, method: &Method, path: &str, headers: &HeaderMap) -> Response {
        let resource = Resource::of(path);
        if matches!(resource, Resource::Readiness) && (method == Method::GET || method == Method::HEAD) {
            return Response::default();
        }
        let request_id = Uuid::new_v4();
        let decision = match resource {
            Resource::Secret(_) => self.cors.decide(method, headers),
            Resource::Readiness | Resource::Unknown => Decision::Actual(self.cors.actual(headers)),
        };
        let mut entry = Entry::begin(method, headers, &decision, request_id);
        entry.name = resource.name();
        entry.version = resource.version();
        let answer = match self.answer(&resource, method, headers, &decision, &mut entry).await {
            Ok(answer) => answer,
            Err(problem) => Answer::Problem(problem),
        };
        let verdict = answer.verdict();
        let mut response = answer.into_response();
        if response.status() == StatusCode::UNAUTHORIZED
            && let Some(callers) = &self.callers
        {
            response.headers_mut().insert(WWW_AUTHENTICATE, callers.challenge());
        }
        self.cors.apply(&decision, response.headers_mut());
        add_common_headers(response.headers_mut(), request_id, headers);
        entry.end(verdict, response.status());
        response
    }

    async fn answer(
        &self,
        resource: &Resource,
        method: &Method,
        headers: &HeaderMap,
        decision: &Decision,
        entry: &mut Entry<'_>,
    ) -> Result<Answer, Problem> {
        let key = match resource {
            Resource::Secret(key) => key,
            Resource::Unknown => return Err(Problem::NotFound),
            Resource::Readiness => {
                return Err(Problem::MethodNotAllowed {
                    allow: READINESS_METHODS,
                });
            }
        };
        let origin = match decision {
            Decision::Preflight(Ok(_)) => return Ok(Answer::Preflight),
            Decision::Preflight(Err(refusal)) => return Err((*refusal).into()),
            Decision::Actual(origin) => origin,
        };
        if method == Method::OPTIONS {
            return Ok(Answer::Options);
        }
        if method != Method::GET && method != Method::HEAD {
            return Err(Problem::MethodNotAllowed { allow: SECRET_METHODS });
        }
        self.gates(origin, headers)?;
        self.identify(headers, entry).await?;
        let key = key.as_ref().map_err(|bad| Problem::BadParameter(bad.what))?;
        if !self.allowed_secrets.allows(&key.name) {
            return Err(Problem::SecretNotFound);
        }
        let lookup = Lookup {
            ttl: self.cache_ttl,
            exact: self.allowed_secrets.names().any(|name| *name == key.name),
        };
        let found = self.secrets.get(key, lookup).await;
        entry.source = found.source;
        if let Err(VaultError::NotFound(absence)) = found.result {
            entry.reason = Some(absence.as_str());
        }
        let served = found.result?;
        // A copy may have expired since it was fetched.
        served.attributes().usable_at((self.now)()).map_err(Problem::Unusable)?;
        Ok(Answer::Secret(served.body()))
    }

    /// The gates that need no name.
    fn gates(&self, origin: &Actual, headers: &HeaderMap) -> Result<(), Problem> {
        if self.require_loopback_host {
            gate::loopback_host(headers)?;
        }
        match origin {
            Actual::Allowed(_) => {}
            Actual::NoOrigin if !self.require_origin => {}
            Actual::NoOrigin | Actual::Refused(_) => return Err(Problem::OriginNotAllowed),
        }
        gate::fetch_metadata(headers)
    }

    /// The gate that asks who calls.
    async fn identify(&self, headers: &HeaderMap, entry: &mut Entry<'_>) -> Result<(), Problem> {
        let Some(callers) = &self.callers else {
            return Ok(());
        };
        match callers.identify(headers).await {
            Ok(caller) => {
                entry.caller = Some(caller);
                Ok(())
            }
            Err(error) => {
                let problem = Problem::from(&error);
                entry.refuse(error);
                Err(problem)
            }
        }
    }
}

impl Answer {
    fn verdict(&self) -> &'static str {
        match self {
            Self::Secret(_) | Self::Preflight => "Allowed",
            Self::Options => "Options",
            Self::Problem(problem) => problem.verdict(),
        }
    }

    fn into_response(self) -> Response {
        match self {
            Self::Secret(body) => json(StatusCode::OK, body),
            Self::Preflight => empty(StatusCode::NO_CONTENT),
            Self::Options => {
                let mut response = empty(StatusCode::NO_CONTENT);
                response
                    .headers_mut()
                    .insert(ALLOW, HeaderValue::from_static(SECRET_METHODS));
                response
            }
            Self::Problem(problem) => {
                let mut response = json(problem.status(), problem.body());
                if let Some(seconds) = problem.retry_after() {
                    response.headers_mut().insert(RETRY_AFTER, seconds.into());
                }
                if let Some(allow) = problem.allow() {
                    response.headers_mut().insert(ALLOW, HeaderValue::from_static(allow));
                }
                response
            }
        }
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

/// With room for all headers that it will get: growing the map twice on the
/// way costs more than anything that is put into it.
fn with_room(status: StatusCode, mut response: Response) -> Response {
    *response.status_mut() = status;
    *response.headers_mut() = HeaderMap::with_capacity(MAX_HEADERS);
    response
}

/// What every answer but readiness carries. A secret must not be stored by
/// anybody on the way, nor be read by a page through something else than CORS.
fn add_common_headers(answer: &mut HeaderMap, request_id: Uuid, request: &HeaderMap) {
    answer.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    answer.insert(RESOURCE_POLICY, HeaderValue::from_static("same-origin"));
    let mut text = Uuid::encode_buffer();
    let request_id = request_id.hyphenated().encode_lower(&mut text);
    // Hexadecimal digits and hyphens are a header value.
    if let Ok(value) = HeaderValue::from_str(request_id) {
        answer.insert(REQUEST_ID, value);
    }
    if let Some(id) = audit::client_request_id(request) {
        answer.insert(CLIENT_REQUEST_ID, id.clone());
    }
}

#[cfg(test)]
mod tests;
