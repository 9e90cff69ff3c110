//! What a connection gets for which there is no room.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::time::Duration;

use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Request, StatusCode};
use http_body_util::Empty;
use hyper::body::Bytes;
use hyper::service::service_fn;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use warp::reply::Response;

use super::activity::Activity;
use super::connection;

/// How long a client may take to send its request and to take the answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// The contract's error for a process that sheds load.
const BODY: &str =
    r#"{"error":{"code":"VaultUnavailable","message":"Too many requests are in progress; try again later."}}"#;

/// Answers the connection's request with 503, and ends it.
pub(super) async fn refuse(stream: TcpStream) {
    let activity = Arc::new(Activity::new(Instant::now(), Arc::default()));
    let refused = connection::serve(stream, activity, service_fn(unavailable));
    // A client that takes longer is cut off.
    drop(timeout(PATIENCE, refused).await);
}

fn unavailable(_: Request<Empty<Bytes>>) -> Ready<Result<Response, Infallible>> {
    let mut response = Response::new(BODY.into());
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    for (name, value) in [
        (CONTENT_TYPE, "application/json; charset=utf-8"),
        (CACHE_CONTROL, "no-store"),
        (RETRY_AFTER, "1"),
    ] {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    ready(Ok(connection::closing(response)))
}
