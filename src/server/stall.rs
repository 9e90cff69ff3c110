//! I/O wrapper with idle, request-head and write timeouts, and a lingering close.
//!
//! hyper has one timeout for the head of a request, and it runs on an idle
//! connection too. The Functions host keeps idle connections for about a
//! minute, so that timeout would have to be long, and a client that sends half
//! a head could hold its connection as long. Here the two are told apart. A
//! head whose first bytes came together with the request before it counts as
//! idle until more of it arrives: hyper does not say what it has buffered.
//!
//! A close while the client is still sending makes the system answer with a
//! reset, and the client can lose an answer that it has not read yet. So the
//! writing side is closed first, and what still arrives is read and dropped.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::body::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

use super::activity::Activity;

/// How long a connection may be idle between requests.
const IDLE: Duration = Duration::from_secs(90);
/// How long a head may take from its first byte.
const HEAD: Duration = Duration::from_secs(10);
/// How long a client may refuse to take more of an answer, or go on sending
/// after the last one.
const WRITE: Duration = Duration::from_secs(30);
/// How long a client may be silent before a lingering close ends.
const LINGER: Duration = Duration::from_secs(2);

/// A stream that ends with an error when its peer is too slow.
#[derive(Debug)]
pub(super) struct StallTimeout<S> {
    stream: S,
    activity: Arc<Activity>,
    /// What was read and not used: it comes before what the stream has.
    unread: Bytes,
    /// The number of answered requests that `head_begun` and `reading` belong to.
    seen: u64,
    /// Whether a byte of the next head has arrived.
    head_begun: bool,
    /// Whether the writing side is closed.
    is_shut: bool,
    reading: Deadline,
    writing: Deadline,
}

/// When to stop waiting. Its timer is kept from one wait to the next and only
/// ever wakes too early: setting one up and taking it down again costs more
/// than everything else that is done here for a request.
#[derive(Debug, Default)]
struct Deadline {
    at: Option<Instant>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl Deadline {
    /// Nothing is waited for.
    fn clear(&mut self) {
        self.at = None;
    }

    /// Ready with an error when `limit` has gone since the wait began, which is
    /// now if nothing was waited for.
    fn poll(&mut self, limit: Duration, cx: &mut Context<'_>) -> Poll<io::Error> {
        let at = *self.at.get_or_insert_with(|| Instant::now() + limit);
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if timer.deadline() > at {
            timer.as_mut().reset(at);
        }
        loop {
            ready!(timer.as_mut().poll(cx));
            if timer.deadline() >= at {
                return Poll::Ready(io::ErrorKind::TimedOut.into());
            }
            timer.as_mut().reset(at);
        }
    }
}

impl<S> StallTimeout<S> {
    pub(super) fn new(stream: S, activity: Arc<Activity>) -> Self {
        Self {
            stream,
            activity,
            unread: Bytes::new(),
            seen: 0,
            head_begun: false,
            is_shut: false,
            reading: Deadline::default(),
            writing: Deadline::default(),
        }
    }

    /// After an answer, what is read next begins another head.
    fn forget_answered(&mut self) {
        let answered = self.activity.answered();
        if answered != self.seen {
            self.seen = answered;
            self.head_begun = false;
            self.reading.clear();
        }
    }

    /// Puts bytes back that were read too far.
    pub(super) fn unread(&mut self, bytes: &[u8]) {
        // A copy: the bytes are few, and their buffer is what is to go.
        self.unread = Bytes::copy_from_slice(bytes);
    }
}

impl StallTimeout<TcpStream> {
    /// Completes when there is something to read.
    ///
    /// # Errors
    ///
    /// When the connection has been idle for too long.
    pub(super) async fn arrival(&mut self) -> io::Result<()> {
        poll_fn(|cx| {
            if !self.unread.is_empty() {
                return Poll::Ready(Ok(()));
            }
            self.forget_answered();
            match self.stream.poll_read_ready(cx) {
                Poll::Pending => self.reading.poll(IDLE, cx).map(Err),
                arrived @ Poll::Ready(_) => arrived,
            }
        })
        .await
    }
}

impl<S: AsyncRead + Unpin> StallTimeout<S> {
    /// Reads what was put back, else from the stream.
    fn poll_bytes(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.unread.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buffer);
        }
        let count = self.unread.len().min(buffer.remaining());
        buffer.put_slice(&self.unread.split_to(count));
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for StallTimeout<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        this.forget_answered();
        let filled = buffer.filled().len();
        if let Poll::Ready(result) = this.poll_bytes(cx, buffer) {
            if buffer.filled().len() > filled && !this.head_begun {
                this.head_begun = true;
                this.reading.clear();
                this.activity.mark_not_idle();
            }
            return Poll::Ready(result);
        }
        // While a request is answered, hyper reads only to notice that the
        // client has gone; that may take as long as the answer.
        if this.activity.is_running() {
            return Poll::Pending;
        }
        let limit = if this.head_begun { HEAD } else { IDLE };
        this.reading.poll(limit, cx).map(Err)
    }
}

impl<S: AsyncWrite + Unpin> StallTimeout<S> {
    /// Bounds how long writing stays pending.
    fn bound<T>(&mut self, written: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        self.activity.mark_writing(written.is_pending());
        if written.is_ready() {
            self.writing.clear();
            return written;
        }
        self.writing.poll(WRITE, cx).map(Err)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> StallTimeout<S> {
    /// Whether the client may still be sending: a body, or a head that was
    /// refused before its end.
    fn must_linger(&self) -> bool {
        let is_mid_head = self.head_begun && self.seen == self.activity.answered();
        is_mid_head || self.activity.has_unread_body()
    }

    /// Closes the writing side, and then reads and drops until the client has
    /// closed its own or is silent.
    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.is_shut {
            ready!(Pin::new(&mut self.stream).poll_shutdown(cx))?;
            self.is_shut = true;
            self.reading.clear();
        }
        if !self.must_linger() {
            return Poll::Ready(Ok(()));
        }
        let mut dropped = [0; 8 * 1024];
        loop {
            let mut buffer = ReadBuf::new(&mut dropped);
            let Poll::Ready(read) = Pin::new(&mut self.stream).poll_read(cx, &mut buffer) else {
                return self.reading.poll(LINGER, cx).map(|_| Ok(()));
            };
            if read.is_err() || buffer.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            self.reading.clear();
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for StallTimeout<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.bound(written, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.bound(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.bound(flushed, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let closed = self.poll_close(cx);
        self.bound(closed, cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    fn activity() -> Arc<Activity> {
        Arc::new(Activity::new(Instant::now(), Arc::default()))
    }

    /// Reads one byte, and tells how long that took and whether it worked.
    async fn read<S: AsyncRead + Unpin>(stream: &mut StallTimeout<S>) -> (u64, bool) {
        let started = Instant::now();
        let ok = stream.read_u8().await.is_ok();
        (started.elapsed().as_secs(), ok)
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_lives_longer_than_the_hosts_pool_and_then_ends() {
        let (stream, _peer) = duplex(64);
        let mut stream = StallTimeout::new(stream, activity());
        assert_eq!(read(&mut stream).await, (90, false));
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_has_ten_seconds_from_its_first_byte() {
        let (stream, mut peer) = duplex(64);
        let activity = activity();
        let mut stream = StallTimeout::new(stream, Arc::clone(&activity));
        for _ in 0..2 {
            let send = async {
                tokio::time::sleep(Duration::from_secs(80)).await;
                peer.write_u8(1).await.unwrap();
            };
            let (first, ()) = tokio::join!(read(&mut stream), send);
            assert_eq!(first, (80, true));
            // The head is complete and answered; the next one may take its time.
            drop(activity.begin());
        }
        peer.write_u8(1).await.unwrap();
        assert_eq!(read(&mut stream).await, (0, true));
        assert_eq!(read(&mut stream).await, (10, false));
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_that_drip_do_not_extend_a_head() {
        let (stream, mut peer) = duplex(64);
        let mut stream = StallTimeout::new(stream, activity());
        let drip = async {
            while peer.write_u8(1).await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        let slow = async {
            let started = Instant::now();
            while read(&mut stream).await.1 {}
            let elapsed = started.elapsed().as_secs();
            drop(stream);
            elapsed
        };
        let (elapsed, ()) = tokio::join!(slow, drip);
        assert!((10..=11).contains(&elapsed), "{elapsed}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_being_answered_has_no_limit_here() {
        let (stream, mut peer) = duplex(64);
        let activity = activity();
        let mut stream = StallTimeout::new(stream, Arc::clone(&activity));
        let running = activity.begin();
        let send = async {
            tokio::time::sleep(Duration::from_secs(200)).await;
            peer.write_u8(1).await.unwrap();
        };
        let (read, ()) = tokio::join!(read(&mut stream), send);
        assert_eq!(read, (200, true));
        drop(running);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_nobody_takes_ends_the_connection() {
        let (stream, _peer) = duplex(1);
        let mut stream = StallTimeout::new(stream, activity());
        let started = Instant::now();
        assert!(stream.write_all(b"more than fits").await.is_err());
        assert_eq!(started.elapsed().as_secs(), 30);
    }

    #[tokio::test(start_paused = true)]
    async fn a_connection_is_idle_until_a_head_begins() {
        let (stream, mut peer) = duplex(64);
        let activity = activity();
        let mut stream = StallTimeout::new(stream, Arc::clone(&activity));
        assert_eq!(activity.idle_since(), Some(0));
        peer.write_u8(1).await.unwrap();
        read(&mut stream).await;
        assert_eq!(activity.idle_since(), None);
        let running = activity.begin();
        tokio::time::sleep(Duration::from_secs(5)).await;
        drop(running);
        assert_eq!(activity.idle_since(), Some(5_000_000));
    }

    #[tokio::test(start_paused = true)]
    async fn a_close_reads_what_still_arrives_until_the_client_is_silent() {
        let (stream, mut peer) = duplex(64);
        let activity = activity();
        activity.mark_unread_body();
        let mut stream = StallTimeout::new(stream, activity);
        let send = async {
            // The answer's end is seen at once, and the rest of the body is taken.
            assert_eq!(peer.read(&mut [0]).await.unwrap(), 0);
            for _ in 0..3 {
                tokio::time::sleep(Duration::from_secs(1)).await;
                peer.write_all(&[0; 1000]).await.unwrap();
            }
        };
        let started = Instant::now();
        let (closed, ()) = tokio::join!(stream.shutdown(), send);
        closed.unwrap();
        assert_eq!(started.elapsed().as_secs(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_close_waits_for_nobody_who_has_sent_all() {
        let (stream, mut peer) = duplex(64);
        let activity = activity();
        let mut stream = StallTimeout::new(stream, Arc::clone(&activity));
        peer.write_u8(1).await.unwrap();
        assert_eq!(read(&mut stream).await, (0, true));
        drop(activity.begin());
        let started = Instant::now();
        stream.shutdown().await.unwrap();
        assert_eq!(started.elapsed().as_secs(), 0);
    }
}
