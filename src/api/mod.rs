//! From a request to its answer: one infallible warp filter.
//!
//! No warp rejection leaves it, so no answer can lose its CORS headers. A request is routed, passes the gates in the
//! contract's order (`gates`), becomes an `Outcome`, and that becomes both the response and its line in the log. This
//! module knows neither Azure nor the environment.

mod fields;
mod gates;
mod problem;
mod record;
mod response;
mod route;

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method};
use tokio::time::Instant;
use uuid::Uuid;
use warp::Filter;
use warp::path::FullPath;
use warp::reply::Response;

use self::fields::Fields;
use self::problem::Problem;
use self::record::Abandoned;
use self::response::Prepared;
use self::route::Route;
use crate::access::Access;
use crate::cache::{Cache, Source};
use crate::cors::{Decision, Policy, Unmet};
use crate::deliver::Given;
use crate::log::RefusalLimiter;
use crate::secret::SecretKey;
use crate::token::{Authenticator, Caller};

/// What the API asks of a request besides its origin and its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Whether requests without `Origin` are refused.
    pub require_origin: bool,
    /// Whether requests whose `Host` is not this machine are refused: there is no Functions host in front.
    pub require_loopback_host: bool,
}

/// What the API serves, from where, to whom.
#[derive(Debug)]
pub struct Api {
    /// What a request needs.
    pub options: Options,
    /// Who may read the answers.
    pub cors: Policy,
    /// Who verifies callers; `None` where nobody is asked who they are.
    pub authenticator: Option<Authenticator>,
    /// Which secrets may be had, and by whom.
    pub access: Access,
    /// Where they come from, ready to be served.
    pub secrets: Cache,
    /// Wall time in Unix seconds, for `nbf` and `exp`.
    pub now: fn() -> i64,
    /// The limit on lines about refused requests.
    pub refusals: Arc<RefusalLimiter>,
}

/// A request as the server hands it over.
#[derive(Clone, Copy, Debug)]
struct Request<'a> {
    method: &'a Method,
    route: Route<'a>,
    headers: &'a HeaderMap,
    fields: Fields<'a>,
    /// `x-ms-request-id` of the answer: a UUID.
    id: &'a str,
    started: Instant,
}

/// The outcome of a request, from which both its response and its line in the log are made.
#[derive(Debug)]
struct Outcome<'a> {
    answer: Answer,
    /// The secret asked for, where the gates let it be read.
    key: Option<SecretKey>,
    /// Who asks, where that is known.
    caller: Option<Box<Caller>>,
    /// The rule that decided.
    rule: Option<&'a str>,
    /// Where the answer to the secret came from.
    source: Source,
    /// Why a token was not accepted.
    reason: Option<&'static str>,
    /// What an allowed preflight asks for and does not get.
    unmet: Option<Unmet<'a>>,
}

/// An answer before its headers.
enum Answer {
    /// 200 with a secret bundle.
    Secret(Bytes),
    /// 200 with a credential in place of a secret.
    Credential(Given),
    /// 204: a preflight of an allowed origin.
    Preflight,
    /// 204: an OPTIONS that is no preflight.
    Options,
    /// Everything else.
    Problem(Problem),
}

/// Shows which answer it is, never its content.
impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secret(_) => f.write_str("Secret"),
            Self::Credential(_) => f.write_str("Credential"),
            Self::Preflight => f.write_str("Preflight"),
            Self::Options => f.write_str("Options"),
            Self::Problem(problem) => problem.fmt(f),
        }
    }
}

impl Api {
    /// The API as a filter that takes every request and never rejects.
    pub fn into_filter(self) -> impl Filter<Extract = (Response,), Error = Infallible> + Clone {
        let service = Arc::new(Service::new(self));
        warp::any()
            .map(move || Arc::clone(&service))
            .and(warp::method())
            .and(warp::path::full())
            .and(warp::header::headers_cloned())
            .then(
                async |service: Arc<Service>, method: Method, path: FullPath, headers: HeaderMap| {
                    service.respond(&method, path.as_str(), &headers).await
                },
            )
    }
}

/// The API, and what is made ready before its first request.
struct Service {
    api: Api,
    prepared: Prepared,
}

impl Service {
    fn new(api: Api) -> Self {
        Self {
            prepared: Prepared::new(&api.cors),
            api,
        }
    }

    async fn respond(&self, method: &Method, path: &str, headers: &HeaderMap) -> Response {
        let api = &self.api;
        let route = Route::of(path);
        if route == Route::Readiness && (method == Method::GET || method == Method::HEAD) {
            return Response::default();
        }
        let mut id = Uuid::encode_buffer();
        let request = Request {
            method,
            route,
            headers,
            fields: Fields::of(headers),
            id: Uuid::new_v4().hyphenated().encode_lower(&mut id),
            started: Instant::now(),
        };
        let decision = match route {
            Route::Secret { .. } => api.cors.decide(method, headers),
            Route::Readiness | Route::Unknown => Decision::Actual(api.cors.actual(headers)),
        };
        let abandoned = Abandoned::until_answered(&request, &decision);
        let outcome = api.outcome(&request, &decision).await;
        abandoned.disarm();
        let response = api.response(&self.prepared, &request, &decision, &outcome.answer);
        if api.refusals.admits(outcome.verdict(), response.status().as_u16()) {
            record::answered(&request, &decision, &outcome, response.status());
        }
        response
    }
}

impl Outcome<'_> {
    /// Why it was refused, for the log, where the verdict does not say it.
    fn reason(&self) -> Option<&'static str> {
        match self.answer {
            Answer::Problem(problem) => self.reason.or_else(|| problem.reason()),
            _ => None,
        }
    }

    /// The most specific word for it, for the log.
    fn verdict(&self) -> &'static str {
        match (&self.answer, &self.unmet) {
            (Answer::Preflight, Some(Unmet::Method(_))) => "MethodNotAllowed",
            (Answer::Preflight, Some(Unmet::Headers(_))) => "HeadersNotAllowed",
            (Answer::Secret(_) | Answer::Credential(_) | Answer::Preflight, _) => "Allowed",
            (Answer::Options, _) => "Options",
            (Answer::Problem(problem), _) => problem.verdict(),
        }
    }

    /// An answer about which there is nothing else to say.
    fn of(answer: Answer) -> Self {
        Self {
            answer,
            key: None,
            caller: None,
            rule: None,
            source: Source::None,
            reason: None,
            unmet: None,
        }
    }
}

impl From<Problem> for Outcome<'_> {
    fn from(problem: Problem) -> Self {
        Self::of(Answer::Problem(problem))
    }
}

#[cfg(test)]
mod tests;
