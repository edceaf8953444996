//! The byte stream of a connection: records when bytes arrive, and holds back its end while a response is due.
//!
//! An HTTP/1 client may close its half of the connection after a request and still read the response (RFC
//! 9112, section 9.6). A client that has disconnected looks the same until the server writes to it. hyper
//! either cancels the request of both, or of neither; here the request of both continues for a while.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Instant, Sleep, sleep_until},
};

use super::activity::{Activity, Due};
use crate::limits::HALF_CLOSED_MAX;

/// How long the end of the stream is held back while the body seems incomplete: the handler may not have read
/// the end of it yet.
const BODY_END_MAX: Duration = Duration::from_millis(100);

/// A byte stream whose reads are recorded in an [`Activity`], which thus knows when a request's head begins.
pub(super) struct TrackedIo<IO> {
    io: IO,
    activity: Activity,
    /// Set once the stream has ended while a response was due.
    half_closed: Option<HalfClosed>,
}

struct HalfClosed {
    since: Instant,
    timer: Pin<Box<Sleep>>,
}

impl<IO> TrackedIo<IO> {
    pub(super) fn new(io: IO, activity: Activity) -> Self {
        Self { io, activity, half_closed: None }
    }

    /// Completes when the end of the stream is to be reported.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let max = match self.activity.response_due() {
            None => return Poll::Ready(()),
            Some(Due::BodyArrives) => BODY_END_MAX,
            Some(Due::BodyArrived) => HALF_CLOSED_MAX,
        };
        let HalfClosed { since, timer } = self.half_closed.get_or_insert_with(|| {
            let since = Instant::now();
            HalfClosed { since, timer: Box::pin(sleep_until(since + max)) }
        });
        if timer.deadline() != *since + max {
            timer.as_mut().reset(*since + max);
        }
        self.activity.wake_after_response(cx.waker());
        timer.as_mut().poll(cx)
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for TrackedIo<IO> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.half_closed.is_none() {
            let filled = buffer.filled().len();
            ready!(Pin::new(&mut self.io).poll_read(cx, buffer))?;
            if buffer.filled().len() > filled {
                self.activity.record_read();
                return Poll::Ready(Ok(()));
            }
        }
        self.poll_end(cx).map(Ok)
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for TrackedIo<IO> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use http::Version;
    use tokio::{
        io::{AsyncReadExt, DuplexStream, duplex},
        time::timeout,
    };

    use super::*;

    /// A connection whose client has closed its half, with a request in flight.
    fn half_closed() -> (TrackedIo<DuplexStream>, Activity) {
        let activity = Activity::new(Duration::from_secs(75));
        let (client, server) = duplex(64);
        drop(client);
        (TrackedIo::new(server, activity.clone()), activity)
    }

    /// How long the end of the stream is held back.
    async fn held_back(io: &mut TrackedIo<DuplexStream>) -> Duration {
        let began = Instant::now();
        assert_eq!(io.read(&mut [0; 8]).await.unwrap(), 0);
        began.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_is_held_back_while_a_response_is_due() {
        let (mut io, activity) = half_closed();
        let _request = activity.begin_request(Version::HTTP_11, false);
        assert!((HALF_CLOSED_MAX..2 * HALF_CLOSED_MAX).contains(&held_back(&mut io).await));
        let (mut io, _activity) = half_closed();
        assert!(held_back(&mut io).await.is_zero(), "no response is due");
    }

    #[tokio::test(start_paused = true)]
    async fn the_end_is_reported_right_after_the_response() {
        let (mut io, activity) = half_closed();
        let request = activity.begin_request(Version::HTTP_11, false);
        let reading = tokio::spawn(async move { held_back(&mut io).await });
        tokio::task::yield_now().await;
        drop(request.track(axum::response::Response::default()));
        assert!(reading.await.unwrap().is_zero());
    }

    #[tokio::test(start_paused = true)]
    async fn an_incomplete_body_ends_at_once_unless_its_end_is_read_late() {
        let (mut io, activity) = half_closed();
        let _request = activity.begin_request(Version::HTTP_11, true);
        assert!((BODY_END_MAX..2 * BODY_END_MAX).contains(&held_back(&mut io).await));
        let (mut io, activity) = half_closed();
        let _request = activity.begin_request(Version::HTTP_11, true);
        assert!(timeout(BODY_END_MAX / 2, io.read(&mut [0; 8])).await.is_err());
        activity.end_body();
        assert!(held_back(&mut io).await > HALF_CLOSED_MAX / 2);
    }
}
