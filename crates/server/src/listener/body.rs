//! A request body that must arrive at a minimum pace.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use super::{BoxBody, Limits};

/// Fails with [`io::ErrorKind::TimedOut`] once the client has used up its credit of waiting.
///
/// The credit begins as the grace, is spent by waiting and earned back by bytes at the minimum pace, but never
/// beyond the grace: a fast start buys no long pause. Only time between a poll that found nothing and the next data counts, so a handler that is itself slow to
/// read (a full disk, a busy pool) is not held against the client.
pub(super) struct Paced {
    inner: BoxBody,
    credit: Duration,
    grace: Duration,
    per_byte: Duration,
    wait: Option<Wait>,
}

struct Wait {
    since: Instant,
    deadline: Pin<Box<Sleep>>,
}

impl Paced {
    pub(super) fn new(inner: BoxBody, limits: &Limits) -> Self {
        let pace = u32::try_from(limits.min_body_bytes_per_second.max(1)).unwrap_or(u32::MAX);
        let per_byte = Duration::from_secs(1) / pace;
        Self { inner, credit: limits.body_grace, grace: limits.body_grace, per_byte, wait: None }
    }

    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let credit = self.credit;
        let wait = self.wait.get_or_insert_with(|| Wait::of(credit));
        ready!(wait.deadline.as_mut().poll(cx));
        Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, "the request body arrives too slowly"))
    }

    fn settle(&mut self, received_bytes: usize) {
        let waited = self.wait.take().map_or(Duration::ZERO, |wait| wait.since.elapsed());
        let earned = self.per_byte.saturating_mul(u32::try_from(received_bytes).unwrap_or(u32::MAX));
        self.credit = self.credit.saturating_sub(waited).saturating_add(earned).min(self.grace);
    }
}

impl Wait {
    fn of(credit: Duration) -> Self {
        let since = Instant::now();
        Self { since, deadline: Box::pin(sleep_until(since + credit)) }
    }
}

impl Body for Paced {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(cx) else {
            return self.poll_deadline(cx).map(|error| Some(Err(error)));
        };
        let received = frame.as_ref().and_then(|it| it.as_ref().ok()?.data_ref()).map_or(0, Bytes::len);
        self.settle(received);
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt, stream};
    use http_body_util::{BodyExt, StreamBody};

    use super::*;

    /// 10 ms are earned by each byte, and 300 ms may be waited without any.
    const LIMITS: Limits = Limits {
        body_grace: Duration::from_millis(300),
        min_body_bytes_per_second: 100,
        max_connections: 1,
        head_timeout: Duration::ZERO,
        max_head_bytes: 0,
        write_timeout: Duration::ZERO,
        drain_timeout: Duration::ZERO,
    };

    /// A body of chunks, each after a pause of so many milliseconds.
    fn body(chunks: &'static [(u64, usize)]) -> Paced {
        let frames = stream::iter(chunks).then(|&(pause_ms, bytes)| async move {
            tokio::time::sleep(Duration::from_millis(pause_ms)).await;
            Ok(Frame::data(Bytes::from(vec![0; bytes])))
        });
        Paced::new(BoxBody::new(StreamBody::new(frames)), &LIMITS)
    }

    async fn length(body: Paced) -> io::Result<usize> {
        body.collect().await.map(|it| it.to_bytes().len())
    }

    #[tokio::test]
    async fn a_body_at_the_minimum_pace_passes_however_long_it_takes() {
        assert_eq!(length(body(&[(60, 30); 10])).await.unwrap(), 300);
    }

    #[tokio::test]
    async fn a_trickle_ends_when_the_grace_is_used_up() {
        let error = length(body(&[(60, 1); 10])).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_fast_start_buys_no_long_pause() {
        let error = length(body(&[(0, 100_000), (2_000, 1)])).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_slow_reader_is_not_held_against_the_client() {
        let mut body = body(&[(0, 1), (0, 1)]);
        body.frame().await.unwrap().unwrap();
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert!(body.frame().await.unwrap().is_ok());
    }
}
