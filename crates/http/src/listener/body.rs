//! Enforces a minimum rate for request bodies, and drains the part of a body that the endpoint did not read so that the
//! connection can be reused.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use super::{BoxBody, Limits};

/// Largest unread rest of a body that is drained after the response, so that the connection can be reused.
const DRAIN_BYTES: u64 = 256 * 1024;

/// Time limit of that. The response waits for it, because its head says whether the connection is closed.
const DRAIN_TIME: Duration = Duration::from_secs(1);

/// A body shared by the endpoint and the connection: the connection can drain what the endpoint leaves unread.
#[derive(Clone)]
pub(super) struct RequestBody(Arc<Mutex<Paced>>);

impl RequestBody {
    /// `expects_continue`: the client waits for an interim response (RFC 9110, 10.1.1) before it sends the body.
    pub(super) fn new(inner: BoxBody, limits: &Limits, expects_continue: bool) -> Self {
        Self(Arc::new(Mutex::new(Paced::new(inner, limits, expects_continue))))
    }

    /// Reads and discards the rest of the body, within limits. Returns whether the body is at its end: only then are
    /// the next bytes on the connection a new request.
    pub(super) async fn drain(self) -> bool {
        let body = match Arc::try_unwrap(self.0) {
            Ok(body) => body.into_inner().unwrap_or_else(PoisonError::into_inner),
            // A task that outlives the response still owns the body, and may have read it to its end.
            Err(shared) => return shared.lock().unwrap_or_else(PoisonError::into_inner).is_at_end(),
        };
        if body.is_at_end() {
            return true;
        }
        body.is_worth_draining() && timeout(DRAIN_TIME, body.discard()).await.unwrap_or(false)
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let mut body = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Pin::new(&mut *body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).size_hint()
    }
}

/// A body with a minimum rate: fails with [`io::ErrorKind::TimedOut`] once the client has used up its time credit.
///
/// The credit starts at `body_grace`. Waiting for data spends it, and each received byte earns the time that it takes
/// at the minimum rate. It never exceeds `body_grace`, so a fast start does not allow a long pause. Only the time
/// between a poll without data and the next data counts, so a handler that reads slowly (a full disk, a busy pool)
/// costs the client nothing.
struct Paced {
    inner: BoxBody,
    credit: Duration,
    grace: Duration,
    per_byte: Duration,
    wait: Option<Wait>,
    progress: Progress,
}

/// The state of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// The client waits for `100 Continue`, which the first read sends.
    Expected,
    /// The body is being read.
    Reading,
    /// The body was read to its end.
    Complete,
    /// The body was too slow or malformed, or the client disconnected.
    Failed,
}

struct Wait {
    since: Instant,
    deadline: Pin<Box<Sleep>>,
}

impl Paced {
    fn new(inner: BoxBody, limits: &Limits, expects_continue: bool) -> Self {
        let progress = if expects_continue { Progress::Expected } else { Progress::Reading };
        let pace = u32::try_from(limits.min_body_bytes_per_second.max(1)).unwrap_or(u32::MAX);
        let per_byte = Duration::from_secs(1) / pace;
        Self { inner, credit: limits.body_grace, grace: limits.body_grace, per_byte, wait: None, progress }
    }

    fn is_at_end(&self) -> bool {
        match self.progress {
            Progress::Complete => true,
            Progress::Reading => self.inner.is_end_stream(),
            Progress::Expected | Progress::Failed => false,
        }
    }

    /// Whether to drain the rest. Not if that would send `100 Continue` for a body that no one reads, and not if the
    /// announced length exceeds the limit.
    fn is_worth_draining(&self) -> bool {
        self.progress == Progress::Reading && self.inner.size_hint().lower() <= DRAIN_BYTES
    }

    /// Reads and discards up to [`DRAIN_BYTES`]; returns whether the end was reached.
    async fn discard(mut self) -> bool {
        let mut remaining = DRAIN_BYTES;
        while let Some(Ok(frame)) = self.frame().await {
            let length = frame.data_ref().map_or(0, |data| data.len() as u64);
            let Some(rest) = remaining.checked_sub(length) else { return false };
            remaining = rest;
        }
        self.is_at_end()
    }

    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        let credit = self.credit;
        let wait = self.wait.get_or_insert_with(|| Wait::of(credit));
        ready!(wait.deadline.as_mut().poll(cx));
        Poll::Ready(io::Error::new(io::ErrorKind::TimedOut, "the request body arrived too slowly"))
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
        if self.progress == Progress::Expected {
            self.progress = Progress::Reading;
        }
        let Poll::Ready(frame) = Pin::new(&mut self.inner).poll_frame(cx) else {
            let error = ready!(self.poll_deadline(cx));
            self.progress = Progress::Failed;
            return Poll::Ready(Some(Err(error)));
        };
        match &frame {
            None => self.progress = Progress::Complete,
            Some(Err(_)) => self.progress = Progress::Failed,
            Some(Ok(frame)) => self.settle(frame.data_ref().map_or(0, Bytes::len)),
        }
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
    use http_body_util::StreamBody;

    use super::*;

    /// Each byte earns 10 ms, and the client may pause for 300 ms.
    const LIMITS: Limits = Limits {
        proxy_grace: Duration::from_secs(5),
        body_grace: Duration::from_millis(300),
        min_body_bytes_per_second: 100,
        max_connections: 1,
        max_connections_per_address: 1,
        head_timeout: Duration::ZERO,
        keep_alive_timeout: Duration::ZERO,
        max_head_bytes: 0,
        write_timeout: Duration::ZERO,
        drain_timeout: Duration::ZERO,
    };

    /// A body of chunks, given as the pause before each in milliseconds and its size.
    fn body(chunks: &'static [(u64, usize)]) -> Paced {
        let frames = stream::iter(chunks).then(|&(pause_ms, bytes)| async move {
            tokio::time::sleep(Duration::from_millis(pause_ms)).await;
            Ok(Frame::data(Bytes::from(vec![0; bytes])))
        });
        Paced::new(BoxBody::new(StreamBody::new(frames)), &LIMITS, false)
    }

    async fn length(body: Paced) -> io::Result<usize> {
        body.collect().await.map(|body| body.to_bytes().len())
    }

    #[tokio::test]
    async fn body_at_the_minimum_rate_has_no_time_limit() {
        assert_eq!(length(body(&[(60, 30); 10])).await.unwrap(), 300);
    }

    #[tokio::test]
    async fn slow_body_times_out_after_the_grace_period() {
        let error = length(body(&[(60, 1); 10])).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn fast_start_does_not_extend_the_grace_period() {
        let error = length(body(&[(0, 100_000), (2_000, 1)])).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn slow_reading_by_the_server_does_not_count() {
        let mut body = body(&[(0, 1), (0, 1)]);
        body.frame().await.unwrap().unwrap();
        tokio::time::sleep(Duration::from_millis(500)).await;
        assert!(body.frame().await.unwrap().is_ok());
    }
}
