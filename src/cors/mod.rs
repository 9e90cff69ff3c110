//! The CORS decision: (policy, method, headers) → who may read the answer.
//!
//! Pure: no clock, log, environment, network or web framework. Everything that can be wrong about a
//! policy is found when it is built, so that a request cannot fail, only be
//! allowed or refused. The terms are the Fetch standard's (§3.3, "CORS
//! protocol"), those of header fields RFC 9110's.

mod headers;
mod origin;
mod pattern;

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
    ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

pub use self::headers::RequestHeaders;
pub use self::origin::{Origin, OriginError, Scheme};
use self::pattern::OriginSet;
pub use self::pattern::{Pattern, PatternError};

/// `Vary` of an answer to a preflight: the three fields that it depends on.
const VARY_PREFLIGHT: HeaderValue =
    HeaderValue::from_static("Origin, Access-Control-Request-Method, Access-Control-Request-Headers");
/// `Vary` of every other answer. It is sent to requests without `Origin` too:
/// a cache that stored their answer would give it to a cross-origin one.
const VARY_ACTUAL: HeaderValue = HeaderValue::from_static("Origin");

const ANY_ORIGIN: HeaderValue = HeaderValue::from_static("*");
const TRUE: HeaderValue = HeaderValue::from_static("true");

/// The origins that may read answers. A wildcard with credentials cannot be
/// expressed: browsers refuse it (Fetch §3.3.3), and reflecting every origin
/// instead would hand the user's session to every page.
#[derive(Clone, Debug)]
pub enum AllowedOrigins {
    /// Every origin but `null` and the malformed; answers say `*`.
    Any,
    /// The origins that one of the patterns matches.
    Listed {
        /// What is allowed.
        patterns: Vec<Pattern>,
        /// Whether requests may carry credentials.
        credentials: bool,
    },
}

impl AllowedOrigins {
    /// Whether requests may carry credentials.
    pub fn with_credentials(&self) -> bool {
        matches!(self, Self::Listed { credentials: true, .. })
    }
}

/// A CORS policy, ready for requests.
#[derive(Clone, Debug)]
pub struct Policy {
    /// `None` allows any origin.
    origins: Option<OriginSet>,
    credentials: bool,
    request_headers: RequestHeaders,
    exposed: Option<HeaderValue>,
    max_age: Option<HeaderValue>,
}

/// What a request may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The request is a CORS-preflight request.
    Preflight(Result<PreflightGrant, PreflightRefusal>),
    /// Every other request.
    Actual(Actual),
}

/// The verdict on a request that is no preflight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actual {
    /// It has no `Origin`: not a cross-origin request of a browser.
    NoOrigin,
    /// A script at its origin may read the answer.
    Allowed(AllowedOrigin),
    /// No script there may; the request ends.
    Refused(OriginRefusal),
}

/// The value of `Access-Control-Allow-Origin` that a request earned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedOrigin(HeaderValue);

/// Why an origin may not read the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OriginRefusal {
    /// `Origin` is there more than once (RFC 6454 §7.3 allows one).
    Repeated,
    /// It is not a canonical http or https origin.
    Malformed(OriginError),
    /// It is an origin, but not an allowed one.
    NotListed,
}

/// What a preflight that is allowed gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreflightGrant {
    origin: AllowedOrigin,
    method: HeaderValue,
    headers: Option<HeaderValue>,
}

/// Why a preflight is refused, in the order of the checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PreflightRefusal {
    /// The origin is not allowed.
    Origin(OriginRefusal),
    /// The method is not GET or HEAD, or is there more than once.
    Method,
    /// A header name is not allowed, or there are too many.
    Headers,
}

impl Policy {
    /// Builds the policy. `max_age` is in seconds; `None` leaves the header
    /// out, so that browsers use their own default (5 s, Fetch §4.9).
    pub fn new(
        origins: AllowedOrigins,
        request_headers: RequestHeaders,
        exposed: &[HeaderName],
        max_age: Option<u32>,
    ) -> Self {
        let (origins, credentials) = match origins {
            AllowedOrigins::Any => (None, false),
            AllowedOrigins::Listed { patterns, credentials } => (Some(OriginSet::new(patterns)), credentials),
        };
        Self {
            origins,
            credentials,
            request_headers,
            exposed: headers::join(exposed.iter().map(HeaderName::as_str)),
            max_age: max_age.map(HeaderValue::from),
        }
    }

    /// Decides on a request to a resource that scripts may read.
    pub fn decide(&self, method: &Method, headers: &HeaderMap) -> Decision {
        // Fetch §3.3.2: a CORS-preflight request is OPTIONS with these two.
        let preflight = method == Method::OPTIONS
            && headers.contains_key(ORIGIN)
            && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD);
        if preflight {
            Decision::Preflight(self.preflight(headers))
        } else {
            Decision::Actual(self.actual(headers))
        }
    }

    /// The verdict on a request that is taken as no preflight, whatever its
    /// method: one to a resource that does not exist, for example.
    pub fn actual(&self, headers: &HeaderMap) -> Actual {
        let mut lines = headers.get_all(ORIGIN).iter();
        let Some(line) = lines.next() else {
            return Actual::NoOrigin;
        };
        if lines.next().is_some() {
            return Actual::Refused(OriginRefusal::Repeated);
        }
        match self.check(line) {
            Ok(origin) => Actual::Allowed(origin),
            Err(refusal) => Actual::Refused(refusal),
        }
    }

    fn check(&self, line: &HeaderValue) -> Result<AllowedOrigin, OriginRefusal> {
        let origin = Origin::parse(line.as_bytes()).map_err(OriginRefusal::Malformed)?;
        match &self.origins {
            // The literal wildcard, so that caches and people see what is
            // configured; nothing is reflected.
            None => Ok(AllowedOrigin(ANY_ORIGIN)),
            Some(origins) if origins.contains(&origin) => Ok(AllowedOrigin(line.clone())),
            Some(_) => Err(OriginRefusal::NotListed),
        }
    }

    fn preflight(&self, headers: &HeaderMap) -> Result<PreflightGrant, PreflightRefusal> {
        let origin = match self.actual(headers) {
            Actual::Allowed(origin) => origin,
            Actual::Refused(refusal) => return Err(PreflightRefusal::Origin(refusal)),
            // `decide` has seen an `Origin`.
            Actual::NoOrigin => return Err(PreflightRefusal::Origin(OriginRefusal::NotListed)),
        };
        let mut methods = headers.get_all(ACCESS_CONTROL_REQUEST_METHOD).iter();
        let method = match (methods.next().map(HeaderValue::as_bytes), methods.next()) {
            // Methods are case-sensitive (RFC 9110 §9.1): `get` is another one.
            (Some(b"GET"), None) => HeaderValue::from_static("GET"),
            (Some(b"HEAD"), None) => HeaderValue::from_static("HEAD"),
            _ => return Err(PreflightRefusal::Method),
        };
        let headers = self
            .request_headers
            .grant(headers)
            .map_err(|headers::Refused| PreflightRefusal::Headers)?;
        Ok(PreflightGrant {
            origin,
            method,
            headers,
        })
    }

    /// Adds to an answer the headers that its request earned, and `Vary`,
    /// which it carries whatever the verdict: a cache must not give one
    /// origin's answer to another (Fetch §3.3.5, "CORS protocol and HTTP
    /// caches").
    pub fn apply(&self, decision: &Decision, answer: &mut HeaderMap) {
        match decision {
            Decision::Preflight(verdict) => {
                if let Ok(grant) = verdict {
                    self.allow(&grant.origin, answer);
                    answer.insert(ACCESS_CONTROL_ALLOW_METHODS, grant.method.clone());
                    if let Some(headers) = &grant.headers {
                        answer.insert(ACCESS_CONTROL_ALLOW_HEADERS, headers.clone());
                    }
                    if let Some(max_age) = &self.max_age {
                        answer.insert(ACCESS_CONTROL_MAX_AGE, max_age.clone());
                    }
                }
                answer.append(VARY, VARY_PREFLIGHT);
            }
            Decision::Actual(verdict) => {
                if let Actual::Allowed(origin) = verdict {
                    self.allow(origin, answer);
                    if let Some(exposed) = &self.exposed {
                        answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed.clone());
                    }
                }
                answer.append(VARY, VARY_ACTUAL);
            }
        }
    }

    fn allow(&self, origin: &AllowedOrigin, answer: &mut HeaderMap) {
        answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.0.clone());
        if self.credentials {
            answer.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE);
        }
    }
}

#[cfg(test)]
mod tests;
