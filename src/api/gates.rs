//! The gates between a request and a secret, in the contract's order. A gate that refuses ends the request: nothing
//! behind it is touched.

use std::sync::Arc;

use http::header::HOST;
use http::{HeaderMap, HeaderName, Method};
use url::Host;

use super::problem::{NotFound, Problem};
use super::route::Route;
use super::{Answer, Api, Outcome, Request};
use crate::access::Denial;
use crate::cache::{Lookup, Source};
use crate::cors::{Actual, Decision};
use crate::deliver::{Delivery, Recipient};
use crate::host;
use crate::secret::SecretKey;
use crate::token::{Caller, TokenError};

/// What Static Web Apps adds to a request when it replaces the page's `Authorization` with a token of its own.
const CLIENT_PRINCIPAL: HeaderName = HeaderName::from_static("x-ms-client-principal");
const REPLACED_BY_STATIC_WEB_APPS: &str =
    "the token is not Entra's: x-ms-client-principal is present, so Static Web Apps replaced Authorization";

impl Api {
    /// The outcome of a request: route, method, then for GET and HEAD the gates.
    pub(super) async fn outcome<'a>(&'a self, request: &Request<'a>, decision: &Decision<'a>) -> Outcome<'a> {
        let Route::Secret { name, version } = request.route else {
            return match request.route {
                Route::Readiness => Problem::ReadinessMethodNotAllowed.into(),
                Route::Unknown | Route::Secret { .. } => Problem::NotFound.into(),
            };
        };
        let origin = match decision {
            Decision::Preflight(Ok(_)) => {
                return Outcome {
                    unmet: self.cors.unmet(request.headers),
                    ..Outcome::of(Answer::Preflight)
                };
            }
            Decision::Preflight(Err(_)) => return Problem::OriginNotAllowed.into(),
            Decision::Actual(origin) => origin,
        };
        match *request.method {
            Method::GET | Method::HEAD => {}
            Method::OPTIONS => return Outcome::of(Answer::Options),
            _ => return Problem::SecretMethodNotAllowed.into(),
        }
        if let Err(problem) = self.admit_page(origin, request) {
            return problem.into();
        }
        let caller = match self.caller(request.headers).await {
            Ok(caller) => caller,
            Err((problem, reason)) => {
                return Outcome {
                    reason,
                    ..problem.into()
                };
            }
        };
        if !self.access.admits(caller.as_deref()) {
            return Outcome {
                caller,
                ..Problem::CallerNotAllowed.into()
            };
        }
        match SecretKey::parse(name, version) {
            Ok(key) => {
                let read = self.read(&key, origin, caller.as_deref()).await;
                Outcome {
                    key: Some(key),
                    caller,
                    ..read
                }
            }
            Err(malformed) => Outcome {
                caller,
                ..Problem::BadParameter(malformed).into()
            },
        }
    }

    /// The gates that look at the page alone: host, origin, fetch metadata.
    fn admit_page(&self, origin: &Actual<'_>, request: &Request<'_>) -> Result<(), Problem> {
        if self.options.require_loopback_host {
            loopback_host(request.headers)?;
        }
        match origin {
            Actual::Allowed(_) => {}
            Actual::NoOrigin if !self.options.require_origin => {}
            Actual::NoOrigin | Actual::Refused(_) => return Err(Problem::OriginNotAllowed),
        }
        request.fields.fetch_metadata()
    }

    /// The verified caller, `None` where no token is required; or the problem, with its reason for the log.
    async fn caller(&self, headers: &HeaderMap) -> Result<Option<Box<Caller>>, (Problem, Option<&'static str>)> {
        let Some(authenticator) = &self.authenticator else {
            return Ok(None);
        };
        // Boxed, so that a request without a caller does not have room for one's verification.
        match Box::pin(authenticator.authenticate(headers)).await {
            Ok(caller) => Ok(Some(Box::new(caller))),
            Err(TokenError::Unauthorized(_)) if headers.contains_key(CLIENT_PRINCIPAL) => {
                Err((Problem::Unauthorized, Some(REPLACED_BY_STATIC_WEB_APPS)))
            }
            Err(TokenError::Unauthorized(reason)) => Err((Problem::Unauthorized, Some(reason))),
            Err(TokenError::AuthorityUnavailable) => Err((Problem::AuthorityUnavailable, None)),
        }
    }

    /// The allow-list and the rules, then the cache and the vault behind it, then the attributes of what they have.
    async fn read<'a>(&'a self, key: &SecretKey, origin: &Actual<'_>, caller: Option<&Caller>) -> Outcome<'a> {
        let origin = match origin {
            Actual::Allowed(allowed) => Some(&allowed.origin),
            Actual::NoOrigin | Actual::Refused(_) => None,
        };
        let (answer, source, rule) = match self.access.grant(key, origin, caller) {
            Ok(grant) => {
                let lookup = Lookup {
                    ttl: grant.ttl,
                    exact: grant.exact,
                };
                let found = self.secrets.get(key, lookup).await;
                let answer = match found.result {
                    Ok(delivery) => self.deliver(key, lookup, &delivery, caller).await,
                    Err(error) => Answer::Problem(error.into()),
                };
                (answer, found.source, grant.rule)
            }
            Err(denial) => {
                let (reason, rule) = match denial {
                    Denial::NotListed => (NotFound::NotListed, None),
                    Denial::Origin(rule) => (NotFound::RuleOrigin, Some(rule)),
                    Denial::Caller(rule) => (NotFound::RuleCaller, Some(rule)),
                    Denial::Version(rule) => (NotFound::RuleVersion, Some(rule)),
                };
                (Answer::Problem(Problem::SecretNotFound(reason)), Source::None, rule)
            }
        };
        Outcome {
            rule,
            source,
            ..Outcome::of(answer)
        }
    }

    /// The answer made from a secret that the cache has found: the secret itself, or a credential.
    async fn deliver(
        &self,
        key: &SecretKey,
        lookup: Lookup,
        delivery: &Arc<Delivery>,
        caller: Option<&Caller>,
    ) -> Answer {
        let now = (self.now)();
        // A cached secret may have expired since it was fetched.
        if let Err(unusable) = delivery.attributes().usable_at(now) {
            return Answer::Problem(Problem::Unusable(unusable));
        }
        if let Some(body) = delivery.body() {
            return Answer::Secret(body);
        }
        let oid = caller.and_then(|caller| caller.oid.as_deref());
        let (secrets, key) = (self.secrets.clone(), key.clone());
        let read_again = move || async move { secrets.read_again(&key, lookup).await.ok() };
        // Boxed, so that a request for a secret itself does not pay for what a credential needs.
        let given = Box::pin(delivery.give(Recipient { oid, now }, read_again)).await;
        given.map_or_else(|error| Answer::Problem(error.into()), Answer::Credential)
    }
}

/// Without the Functions host this process is reachable from every page that
/// resolves its own name to 127.0.0.1 (DNS rebinding); such a request names
/// that page's host.
fn loopback_host(headers: &HeaderMap) -> Result<(), Problem> {
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
    use http::HeaderValue;

    use super::*;

    fn map(headers: &[(&'static str, &'static str)]) -> HeaderMap {
        headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn only_this_machines_names_pass_as_host() {
        for (passes, headers) in [
            (true, &[("host", "localhost:7071")][..]),
            (true, &[("host", "LOCALHOST")]),
            (true, &[("host", "app.localhost:5173")]),
            (true, &[("host", "127.0.0.1:7071")]),
            (true, &[("host", "127.1.2.3")]),
            (true, &[("host", "[::1]:7071")]),
            (false, &[]),
            (false, &[("host", "")]),
            (false, &[("host", "evil.example:7071")]),
            (false, &[("host", "localhost.evil.example")]),
            (false, &[("host", "127.0.0.1.evil.example")]),
            (false, &[("host", "10.0.0.1")]),
            (false, &[("host", "0.0.0.0:7071")]),
            (false, &[("host", "user@evil.example")]),
            (false, &[("host", "localhost"), ("host", "evil.example")]),
        ] {
            assert_eq!(loopback_host(&map(headers)).is_ok(), passes, "{headers:?}");
        }
    }
}
