//! The host's CORS middleware, which the consumption plans always have on.

use http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use http::{HeaderMap, HeaderValue, Method};

/// The platform's own list, with which it answers every preflight in the app's place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlatformCors {
    /// Exact origins, or `*`.
    pub origins: Vec<String>,
    /// `supportCredentials`.
    pub credentials: bool,
}

impl PlatformCors {
    fn any_origin(&self) -> bool {
        self.origins.iter().any(|listed| listed == "*")
    }

    /// Whether ASP.NET refuses the policy, which makes each request fail.
    pub(super) fn is_invalid(&self) -> bool {
        self.any_origin() && self.credentials
    }

    /// Adds what a listed origin earns to any answer: the app's, and the host's own 401, 404 and 500.
    pub(super) fn grant(&self, request: &HeaderMap, response: &mut HeaderMap) {
        let Some(origin) = request.get(ORIGIN) else {
            return;
        };
        let value = if self.any_origin() {
            HeaderValue::from_static("*")
        } else if self.origins.iter().any(|listed| origin == listed) {
            origin.clone()
        } else {
            return;
        };
        if value != "*" && self.origins.len() > 1 {
            response.append(VARY, HeaderValue::from_static("Origin"));
        }
        // Overwrites the app's value: the header is never doubled.
        response.insert(ACCESS_CONTROL_ALLOW_ORIGIN, value);
        if self.credentials {
            response.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
    }

    /// The headers of the answer to a preflight, for any path; `None` for any other request. An unlisted origin gets
    /// the same answer without a header.
    pub(super) fn preflight(&self, method: &Method, request: &HeaderMap) -> Option<HeaderMap> {
        let asked = request.get(ACCESS_CONTROL_REQUEST_METHOD)?;
        if method != Method::OPTIONS || !request.contains_key(ORIGIN) {
            return None;
        }
        let mut headers = HeaderMap::new();
        self.grant(request, &mut headers);
        if !headers.is_empty() {
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, asked.clone());
            if let Some(names) = request.get(ACCESS_CONTROL_REQUEST_HEADERS) {
                headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
            }
        }
        Some(headers)
    }
}
