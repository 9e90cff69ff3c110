//! The CORS decision: (policy, method, headers) → who may read the answer.
//!
//! Pure: no clock, log, environment, network or web framework. Everything that can be wrong about a policy is found
//! when it is built, so that a request cannot fail, only be allowed or refused. The terms are the Fetch standard's
//! (§3.3, "CORS protocol"), those of header fields RFC 9110's.

mod exact;
mod origin;
mod pattern;
mod preflight;
mod suffixes;

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method};

use self::exact::ExactOrigins;
pub use self::origin::{Origin, OriginError, Scheme};
pub use self::pattern::{OriginSet, Pattern, PatternError};
use self::preflight::PreflightAnswer;
pub use self::preflight::Unmet;
pub use self::suffixes::is_shared_suffix;

/// `Vary` of every answer but a preflight's. It is sent to requests without `Origin` too: a cache that stored their
/// answer would give it to a cross-origin one.
const VARY_ACTUAL: HeaderValue = HeaderValue::from_static("Origin");

const ANY_ORIGIN: HeaderValue = HeaderValue::from_static("*");
const TRUE: HeaderValue = HeaderValue::from_static("true");

/// What a policy is built from.
#[derive(Clone, Debug)]
pub struct Options {
    /// The origins that may read answers.
    pub origins: AllowedOrigins,
    /// The request headers that scripts may send.
    pub request_headers: Vec<HeaderName>,
    /// The response headers that scripts may read.
    pub exposed_headers: Vec<HeaderName>,
    /// Seconds for which browsers may keep a preflight's answer; `None` leaves the header out, so that browsers use
    /// their own default (5 s, Fetch §4.9).
    pub max_age: Option<u32>,
}

/// The origins that may read answers. A wildcard with credentials cannot be expressed: browsers refuse it (Fetch
/// §3.3.3), and reflecting every origin instead would hand the user's session to every page.
#[derive(Clone, Debug)]
pub enum AllowedOrigins {
    /// Every origin but `null` and the malformed; answers say `*`.
    Any,
    /// The origins that one of the patterns matches.
    Listed {
        /// What is allowed; none allows no origin.
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

    /// The pattern that allows `origin`; `None` where no pattern does, or none is needed.
    pub fn matching(&self, origin: &Origin<'_>) -> Option<&Pattern> {
        match self {
            Self::Any => None,
            Self::Listed { patterns, .. } => patterns.iter().find(|pattern| pattern.matches(origin)),
        }
    }
}

/// A CORS policy, ready for requests.
#[derive(Clone, Debug)]
pub struct Policy {
    /// `None` allows any origin.
    origins: Option<OriginSet>,
    /// Those of them that are listed in full.
    exact: ExactOrigins,
    credentials: bool,
    exposed: Option<HeaderValue>,
    preflight: PreflightAnswer,
}

/// The verdict on a request, which borrows from its headers and the policy.
#[derive(Clone, Debug)]
pub enum Decision<'a> {
    /// The request is a CORS-preflight request: an allowed origin gets one answer, whatever it asks for.
    Preflight(Result<AllowedOrigin<'a>, OriginRefusal>),
    /// Every other request.
    Actual(Actual<'a>),
}

/// The verdict on a request that is no preflight.
#[derive(Clone, Debug)]
pub enum Actual<'a> {
    /// It has no `Origin`: not a cross-origin request of a browser.
    NoOrigin,
    /// A script at its origin may read the answer.
    Allowed(AllowedOrigin<'a>),
    /// No script there may; the request ends.
    Refused(OriginRefusal),
}

/// What an answer earns by the verdict on its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Earned {
    /// A preflight's answer.
    Preflight,
    /// Nothing, as the answer to a preflight.
    NoPreflight,
    /// That a script may read it.
    Actual,
    /// Nothing.
    Nothing,
}

/// An origin that the policy allows, as it stands in the request.
#[derive(Clone, Debug)]
pub struct AllowedOrigin<'a> {
    /// The origin by its parts.
    pub origin: Origin<'a>,
    /// The origin as the request writes it.
    pub text: &'a str,
    /// The header that it was read from, which the answer repeats byte for byte.
    line: &'a HeaderValue,
}

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

impl Policy {
    /// Builds the policy.
    pub fn new(options: Options) -> Self {
        let preflight = PreflightAnswer::new(options.request_headers, options.max_age);
        let (exact, origins, credentials) = match options.origins {
            AllowedOrigins::Any => (ExactOrigins::default(), None, false),
            AllowedOrigins::Listed { patterns, credentials } => {
                (ExactOrigins::of(&patterns), Some(OriginSet::new(patterns)), credentials)
            }
        };
        Self {
            origins,
            exact,
            credentials,
            exposed: join(&options.exposed_headers),
            preflight,
        }
    }

    /// Decides on a request to a resource that scripts may read.
    pub fn decide<'a>(&'a self, method: &Method, headers: &'a HeaderMap) -> Decision<'a> {
        let verdict = self.actual(headers);
        // Fetch §3.3.2: a CORS-preflight request is OPTIONS with `Origin` and this one.
        if method != Method::OPTIONS || !headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
            return Decision::Actual(verdict);
        }
        match verdict {
            Actual::NoOrigin => Decision::Actual(verdict),
            Actual::Allowed(origin) => Decision::Preflight(Ok(origin)),
            Actual::Refused(refusal) => Decision::Preflight(Err(refusal)),
        }
    }

    /// The verdict on a request that is taken as no preflight, whatever its method: one to a resource that does not
    /// exist, for example.
    pub fn actual<'a>(&'a self, headers: &'a HeaderMap) -> Actual<'a> {
        let mut lines = headers.get_all(ORIGIN).iter();
        let Some(line) = lines.next() else {
            return Actual::NoOrigin;
        };
        if lines.next().is_some() {
            return Actual::Refused(OriginRefusal::Repeated);
        }
        if let Some(listed) = self.exact.get(line.as_bytes()) {
            return Actual::Allowed(AllowedOrigin {
                origin: listed.origin(),
                text: listed.text(),
                line,
            });
        }
        let origin = match Origin::parse(line.as_bytes()) {
            Ok(origin) => origin,
            Err(error) => return Actual::Refused(OriginRefusal::Malformed(error)),
        };
        match &self.origins {
            Some(origins) if !origins.contains(&origin) => Actual::Refused(OriginRefusal::NotListed),
            Some(_) | None => Actual::Allowed(AllowedOrigin {
                origin,
                // An origin is ASCII.
                text: line.to_str().unwrap_or_default(),
                line,
            }),
        }
    }

    /// What an allowed preflight asks for and its answer does not have, for the log: the browser compares the two
    /// itself, and tells its developer.
    pub fn unmet<'a>(&self, headers: &'a HeaderMap) -> Option<Unmet<'a>> {
        self.preflight.unmet(headers)
    }

    /// Adds to an answer what a verdict earns, but for the origin's own header ([`allow_origin`](Self::allow_origin)): it
    /// is the same for every request. `Vary` it carries whatever the verdict: a cache must not give one origin's answer to
    /// another (Fetch §3.3.5, "CORS protocol and HTTP caches").
    pub fn apply(&self, earned: Earned, answer: &mut HeaderMap) {
        if self.credentials && matches!(earned, Earned::Preflight | Earned::Actual) {
            answer.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, TRUE);
        }
        match earned {
            Earned::Preflight => self.preflight.apply(answer),
            Earned::Actual => {
                if let Some(exposed) = &self.exposed {
                    answer.insert(ACCESS_CONTROL_EXPOSE_HEADERS, exposed.clone());
                }
            }
            Earned::NoPreflight | Earned::Nothing => {}
        }
        let vary = match earned {
            Earned::Preflight | Earned::NoPreflight => preflight::VARY_PREFLIGHT,
            Earned::Actual | Earned::Nothing => VARY_ACTUAL,
        };
        answer.append(VARY, vary);
    }

    /// `Access-Control-Allow-Origin` of the answer, where the verdict earns it.
    pub fn allow_origin(&self, decision: &Decision<'_>) -> Option<HeaderValue> {
        let allowed = decision.allowed()?;
        // The literal wildcard where any origin is allowed, so that caches and people see what is configured; nothing
        // is reflected then.
        Some(match self.origins {
            Some(_) => allowed.line.clone(),
            None => ANY_ORIGIN,
        })
    }
}

impl<'a> Decision<'a> {
    /// What the answer earns by it.
    pub fn earned(&self) -> Earned {
        match self {
            Self::Preflight(Ok(_)) => Earned::Preflight,
            Self::Preflight(Err(_)) => Earned::NoPreflight,
            Self::Actual(Actual::Allowed(_)) => Earned::Actual,
            Self::Actual(Actual::NoOrigin | Actual::Refused(_)) => Earned::Nothing,
        }
    }

    /// The origin that may read the answer.
    pub fn allowed(&self) -> Option<&AllowedOrigin<'a>> {
        match self {
            Self::Preflight(Ok(origin)) | Self::Actual(Actual::Allowed(origin)) => Some(origin),
            Self::Preflight(Err(_)) | Self::Actual(Actual::NoOrigin | Actual::Refused(_)) => None,
        }
    }

    /// Why no origin may.
    pub fn refusal(&self) -> Option<OriginRefusal> {
        match self {
            Self::Preflight(Err(refusal)) | Self::Actual(Actual::Refused(refusal)) => Some(*refusal),
            Self::Preflight(Ok(_)) | Self::Actual(Actual::NoOrigin | Actual::Allowed(_)) => None,
        }
    }
}

/// Names joined into one field value, `None` when there are none.
fn join(names: &[HeaderName]) -> Option<HeaderValue> {
    let names: Vec<_> = names.iter().map(HeaderName::as_str).collect();
    // Header names joined by commas are a header value.
    HeaderValue::try_from(names.join(","))
        .ok()
        .filter(|joined| !joined.is_empty())
}

#[cfg(test)]
mod tests;
