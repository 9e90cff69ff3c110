//! Answers that both services give: JSON, and the faults that look the same from either.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, Response, StatusCode};
use http_body_util::{Either, Full};

use super::body::{Abort, BrokenOff, Payload};
use super::fault::Fault;

/// The status, codes and `Retry-After` of a [`Fault::Status`], for the service to put into its own shape.
pub(crate) struct ScriptedError {
    pub(crate) status: StatusCode,
    pub(crate) code: &'static str,
    pub(crate) inner: Option<&'static str>,
    pub(crate) retry_after: Option<&'static str>,
}

/// What is left to do once a fault has had its effect.
pub(crate) enum Next {
    /// Answer as usual.
    Normally,
    /// Send this.
    Send(Response<Payload>),
    /// Send an error in the service's own shape.
    Error(ScriptedError),
}

/// Lets a fault have its effect, which for [`Fault::Hang`] never ends.
pub(crate) async fn play(fault: Option<Fault>) -> Result<Next, Abort> {
    let Some(fault) = fault else { return Ok(Next::Normally) };
    Ok(match fault {
        Fault::Latency(delay) => {
            tokio::time::sleep(delay).await;
            Next::Normally
        }
        Fault::Hang => std::future::pending().await,
        Fault::Reset => return Err(Abort::Reset),
        Fault::Garbage => Next::Send(json(StatusCode::OK, "<html><body>Not what you asked for</body></html>")),
        Fault::Body { status, body } => Next::Send(json(status_code(status), body)),
        Fault::Truncated => {
            let mut response = json(StatusCode::OK, "");
            response
                .headers_mut()
                .insert(CONTENT_LENGTH, HeaderValue::from_static("2048"));
            *response.body_mut() = Either::Right(BrokenOff::after(Bytes::from_static(br#"{"value":"trunc"#)));
            Next::Send(response)
        }
        Fault::Status {
            status,
            code,
            inner,
            retry_after,
        } => Next::Error(ScriptedError {
            status: status_code(status),
            code,
            inner,
            retry_after,
        }),
    })
}

/// A response that says it is JSON.
pub(crate) fn json(status: StatusCode, body: impl Into<Bytes>) -> Response<Payload> {
    let mut response = Response::new(Either::Left(Full::new(body.into())));
    *response.status_mut() = status;
    response.headers_mut().insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/json; charset=utf-8"),
    );
    response
}

fn status_code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
