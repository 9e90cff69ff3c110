//! Request bodies: nothing here takes one, but a client that is still sending
//! must not lose the answer to a reset.

use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::{Body, Bytes};
use tokio::time::timeout;

/// Bytes of a body that are read and dropped; after a longer one the connection
/// ends.
const MAX_BODY: u64 = 64 * 1024;
/// How long a body may keep its answer waiting.
const PATIENCE: Duration = Duration::from_secs(1);

/// Reads a body to its end and drops it. False when it is too long, does not
/// arrive within 1 s, or breaks off: its connection cannot carry another
/// request.
pub(super) async fn discard<B: Body<Data = Bytes> + Unpin>(body: B) -> bool {
    // Known to be too long: not asking for it also spares a client that waits
    // for "100 Continue" from sending it.
    if body.size_hint().lower() > MAX_BODY {
        return false;
    }
    timeout(PATIENCE, read_to_end(body)).await.unwrap_or(false)
}

async fn read_to_end<B: Body<Data = Bytes> + Unpin>(mut body: B) -> bool {
    let mut left = MAX_BODY;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return false };
        let bytes = frame.data_ref().map_or(0, |data| data.len() as u64);
        let Some(rest) = left.checked_sub(bytes) else {
            return false;
        };
        left = rest;
    }
    true
}
