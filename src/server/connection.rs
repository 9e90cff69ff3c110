//! One connection: hyper's HTTP/1 with the filter behind it.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use http::header::CONNECTION;
use http::{HeaderValue, StatusCode};
use http_body_util::Empty;
use hyper::Request;
use hyper::body::{Body, Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tracing::{debug, error};
use warp::reply::Response;

use super::activity::Activity;
use super::body;
use super::stall::StallTimeout;
use super::target;

/// Bytes of a request's head.
const MAX_HEAD: usize = 64 * 1024;
/// Header lines of a request.
const MAX_HEADERS: usize = 128;

/// Serves a connection to its end. Once `activity` is asked to close, the connection ends as soon as it is idle.
///
/// hyper holds a buffer of 8 KiB for each direction, whatever is in it. Of many connections most are idle, and those are
/// without it.
pub(super) async fn serve<S>(stream: TcpStream, activity: Arc<Activity>, service: S)
where
    S: Service<Request<Empty<Bytes>>, Response = Response, Error = Infallible, Future: Send> + Clone,
{
    // Answers are small and written whole: waiting to fill a packet only delays
    // them. A connection that is gone already ends by itself.
    drop(stream.set_nodelay(true));
    let mut io = StallTimeout::new(stream, Arc::clone(&activity));
    loop {
        let arrived = tokio::select! {
            biased;
            arrived = io.arrival() => arrived,
            () = activity.closing() => return,
        };
        if let Err(error) = arrived {
            debug!(%error, "connection ended");
            return;
        }
        // Boxed, so that a connection at rest does not have room for it.
        match Box::pin(serve_until_rest(io, &activity, service.clone())).await {
            Ok(Some(at_rest)) => io = at_rest,
            Ok(None) => return,
            Err(error) => {
                debug!(%error, "connection ended");
                return;
            }
        }
    }
}

/// Answers requests until the connection may rest, and gives the stream back;
/// `None` when the connection has ended.
async fn serve_until_rest<S>(
    io: StallTimeout<TcpStream>,
    activity: &Arc<Activity>,
    service: S,
) -> hyper::Result<Option<StallTimeout<TcpStream>>>
where
    S: Service<Request<Empty<Bytes>>, Response = Response, Error = Infallible, Future: Send> + Clone,
{
    let of_requests = Arc::clone(activity);
    let answer = service_fn(move |request| answer(request, Arc::clone(&of_requests), service.clone()));
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // `StallTimeout` tells an idle connection from a slow head; hyper does
        // not.
        .header_read_timeout(None)
        .max_headers(MAX_HEADERS)
        .max_header_size(MAX_HEAD)
        .max_buf_size(MAX_HEAD)
        .serve_connection(TokioIo::new(io), answer);
    let until_rest = poll_fn(|cx| match Pin::new(&mut connection).poll(cx) {
        Poll::Pending if activity.may_rest() => Poll::Ready(Ok(true)),
        polled => polled.map_ok(|()| false),
    });
    let at_rest = tokio::select! {
        biased;
        at_rest = until_rest => at_rest?,
        () = activity.closing() => {
            Pin::new(&mut connection).graceful_shutdown();
            (&mut connection).await?;
            false
        }
    };
    if !at_rest {
        return Ok(None);
    }
    let parts = connection.into_parts();
    let mut io = parts.io.into_inner();
    io.unread(&parts.read_buf);
    Ok(Some(io))
}

/// Answers one request, and reads its body meanwhile.
async fn answer<S>(request: Request<Incoming>, activity: Arc<Activity>, service: S) -> Result<Response, Infallible>
where
    S: Service<Request<Empty<Bytes>>, Response = Response, Error = Infallible>,
{
    let running = activity.begin();
    let (head, body) = request.into_parts();
    let mut request = Request::from_parts(head, Empty::new());
    if target::normalise(&mut request).is_err() {
        // Like what the parser refuses: no body, and the connection ends.
        activity.mark_unread_body();
        return Ok(closing(status(StatusCode::BAD_REQUEST)));
    }
    // Called here and pinned where it stays: a future that is handed on before it is polled is copied at every step. The
    // filter itself runs when it is polled.
    let mut called = pin!(service.call(request));
    let responding = catch_panic(called.as_mut());
    let (response, is_read) = if body.is_end_stream() {
        (responding.await, true)
    } else {
        // Boxed, so that a request without a body does not have room for reading one.
        tokio::join!(responding, Box::pin(body::discard(body)))
    };
    let response = match response {
        Some(Ok(response)) => response,
        None => {
            error!("a request ended with a panic");
            status(StatusCode::INTERNAL_SERVER_ERROR)
        }
    };
    drop(running);
    if is_read {
        return Ok(response);
    }
    activity.mark_unread_body();
    Ok(closing(response))
}

/// The output of `future`; `None` when it panics. The request's own state is dropped with it, and what outlives a
/// request is either valid after a panic or poisoned.
async fn catch_panic<F: Future>(mut future: Pin<&mut F>) -> Option<F::Output> {
    poll_fn(move |cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)));
        polled.map_or(Poll::Ready(None), |polled| polled.map(Some))
    })
    .await
}

/// An answer that is nothing but its status.
pub(super) fn status(status: StatusCode) -> Response {
    let mut response = Response::default();
    *response.status_mut() = status;
    response
}

/// An answer that is the last of its connection.
pub(super) fn closing(mut response: Response) -> Response {
    response
        .headers_mut()
        .insert(CONNECTION, HeaderValue::from_static("close"));
    response
}
