//! Request targets, brought into the one form that routing reads.

use http::header::HOST;
use http::uri::PathAndQuery;
use http::{HeaderValue, Request, Uri};

/// A request with more than one `Host` line: a server in front that read another of them would have taken it for a
/// request to another host (RFC 9112 §3.2).
#[derive(Debug)]
pub(super) struct RepeatedHost;

/// Rewrites a request's target to a path (RFC 9112 §3.2):
///
/// - origin-form loses its query: it is ignored, and may hold a function key;
/// - absolute-form is served as its path, and its authority replaces `Host`,
///   as §3.2.2 demands;
/// - what has no path (`CONNECT x:443`, `GET api`) becomes `*`, which no route
///   matches: warp's path filters panic without one.
pub(super) fn normalise<B>(request: &mut Request<B>) -> Result<(), RepeatedHost> {
    if request.headers().get_all(HOST).iter().nth(1).is_some() {
        return Err(RepeatedHost);
    }
    let uri = request.uri();
    if uri.authority().is_none() && uri.query().is_none() {
        return Ok(());
    }
    let absolute = uri.scheme().is_some();
    let authority = uri.authority().filter(|_| absolute);
    let host = authority.and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
    let path = match uri.path_and_query() {
        Some(target) if absolute || uri.authority().is_none() => target.path().parse().ok(),
        _ => None,
    };
    *request.uri_mut() = Uri::from(path.unwrap_or_else(|| PathAndQuery::from_static("*")));
    if let Some(host) = host {
        request.headers_mut().insert(HOST, host);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_becomes_a_path() {
        for (target, path, host) in [
            ("/", "/", "original"),
            ("/api/secrets/a", "/api/secrets/a", "original"),
            ("/api/secrets/a?code=key", "/api/secrets/a", "original"),
            ("/?x", "/", "original"),
            (
                "http://app.example/api/secrets/a?code=key",
                "/api/secrets/a",
                "app.example",
            ),
            ("http://app.example:80", "/", "app.example:80"),
            ("x:443", "*", "original"),
            ("api", "*", "original"),
            ("*", "*", "original"),
        ] {
            let mut request = Request::builder()
                .uri(target)
                .header(HOST, "original")
                .body(())
                .expect("a request");
            normalise(&mut request).expect("one host");
            assert_eq!(
                request.uri().path_and_query().map(PathAndQuery::as_str),
                Some(path),
                "{target}"
            );
            assert_eq!(request.headers()[HOST], host, "{target}");
        }
    }

    #[test]
    fn two_host_lines_are_refused_whatever_the_target() {
        for target in ["/", "http://app.example/", "x:443"] {
            let request = Request::builder().uri(target).header(HOST, "a").header(HOST, "a");
            let mut request = request.body(()).expect("a request");
            assert!(normalise(&mut request).is_err(), "{target}");
        }
    }
}
