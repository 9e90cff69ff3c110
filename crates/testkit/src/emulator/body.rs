//! Bodies: whole, or ended in the middle on purpose.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Response;
use http_body_util::{Either, Full};
use hyper::body::{Body, Frame};

/// A response body: whole, or one that breaks off.
pub(crate) type Payload = Either<Full<Bytes>, BrokenOff>;

/// What a service gives back: an answer, or an end without one.
pub(crate) type Outcome = Result<Response<Payload>, Abort>;

/// Why a connection ends before its answer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Abort {
    /// The peer is to see a TCP reset.
    Reset,
    /// The peer is to see the end of the stream in the middle of a body.
    BrokenOff,
}

impl fmt::Display for Abort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reset => "scripted reset",
            Self::BrokenOff => "scripted end in the middle of a body",
        })
    }
}

impl Error for Abort {}

/// A body that sends what it has and then fails, so that the connection closes before `Content-Length` is reached.
pub(crate) struct BrokenOff {
    rest: Option<Bytes>,
    is_flushed: bool,
}

impl BrokenOff {
    pub(crate) fn after(bytes: Bytes) -> Self {
        Self {
            rest: Some(bytes),
            is_flushed: false,
        }
    }
}

impl Body for BrokenOff {
    type Data = Bytes;
    type Error = Abort;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Some(bytes) = self.rest.take() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        if self.is_flushed {
            return Poll::Ready(Some(Err(Abort::BrokenOff)));
        }
        // hyper drops what it has buffered when a body fails, and flushes when a body is not ready yet: pausing once
        // lets the head and the first bytes out.
        self.is_flushed = true;
        context.waker().wake_by_ref();
        Poll::Pending
    }
}
