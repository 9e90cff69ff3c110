//! A stream that does not wait for ever.
//!
//! hyper has one timeout for the head of a request, and it runs on an idle
//! connection too. The Functions host keeps idle connections for about a
//! minute, so that timeout would have to be long, and a client that sends half
//! a head could hold its connection as long. Here the two are told apart. A
//! head whose first bytes came together with the request before it counts as
//! idle until more of it arrives: hyper does not say what it has buffered.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

/// How long a connection may be idle between requests.
const IDLE: Duration = Duration::from_secs(90);
/// How long a head may take from its first byte.
const HEAD: Duration = Duration::from_secs(10);
/// How long a client may refuse to take more of an answer.
const WRITE: Duration = Duration::from_secs(30);

/// How many requests of a connection have begun and have been answered: odd
/// while one is being answered.
#[derive(Debug, Default)]
pub(super) struct Activity(AtomicU64);

impl Activity {
    /// Marks a request as begun; dropping the result marks it as answered.
    pub(super) fn begin(self: &Arc<Self>) -> Busy {
        self.0.fetch_add(1, Ordering::Relaxed);
        Busy(Arc::clone(self))
    }

    fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub(super) struct Busy(Arc<Activity>);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// A stream that ends with an error when its peer is too slow.
#[derive(Debug)]
pub(super) struct Timed<S> {
    stream: S,
    activity: Arc<Activity>,
    /// The count that `head_begun` and `reading` belong to.
    seen: u64,
    /// Whether a byte of the next head has arrived.
    head_begun: bool,
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

impl<S> Timed<S> {
    pub(super) fn new(stream: S, activity: Arc<Activity>) -> Self {
        Self {
            stream,
            activity,
            seen: 0,
            head_begun: false,
            reading: Deadline::default(),
            writing: Deadline::default(),
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Timed<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let count = this.activity.count();
        if count != this.seen {
            this.seen = count;
            this.head_begun = false;
            this.reading.clear();
        }
        let filled = buffer.filled().len();
        if let Poll::Ready(result) = Pin::new(&mut this.stream).poll_read(cx, buffer) {
            if buffer.filled().len() > filled && !this.head_begun {
                this.head_begun = true;
                this.reading.clear();
            }
            return Poll::Ready(result);
        }
        // While a request is answered, hyper reads only to notice that the
        // client has gone; that may take as long as the answer.
        if count % 2 == 1 {
            return Poll::Pending;
        }
        let limit = if this.head_begun { HEAD } else { IDLE };
        this.reading.poll(limit, cx).map(Err)
    }
}

impl<S: AsyncWrite + Unpin> Timed<S> {
    /// Bounds how long writing stays pending.
    fn bound<T>(&mut self, written: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.writing.clear();
            return written;
        }
        self.writing.poll(WRITE, cx).map(Err)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Timed<S> {
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
        let shut = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.bound(shut, cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    /// Reads one byte, and tells how long that took and whether it worked.
    async fn read<S: AsyncRead + Unpin>(stream: &mut Timed<S>) -> (u64, bool) {
        let started = Instant::now();
        let ok = stream.read_u8().await.is_ok();
        (started.elapsed().as_secs(), ok)
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_lives_longer_than_the_hosts_pool_and_then_ends() {
        let (stream, _peer) = duplex(64);
        let mut stream = Timed::new(stream, Arc::default());
        assert_eq!(read(&mut stream).await, (90, false));
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_has_ten_seconds_from_its_first_byte() {
        let (stream, mut peer) = duplex(64);
        let activity = Arc::new(Activity::default());
        let mut stream = Timed::new(stream, Arc::clone(&activity));
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
        let mut stream = Timed::new(stream, Arc::default());
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
        let activity = Arc::new(Activity::default());
        let mut stream = Timed::new(stream, Arc::clone(&activity));
        let busy = activity.begin();
        let send = async {
            tokio::time::sleep(Duration::from_secs(200)).await;
            peer.write_u8(1).await.unwrap();
        };
        let (read, ()) = tokio::join!(read(&mut stream), send);
        assert_eq!(read, (200, true));
        drop(busy);
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_nobody_takes_ends_the_connection() {
        let (stream, _peer) = duplex(1);
        let mut stream = Timed::new(stream, Arc::default());
        let started = Instant::now();
        assert!(stream.write_all(b"more than fits").await.is_err());
        assert_eq!(started.elapsed().as_secs(), 30);
    }
}
