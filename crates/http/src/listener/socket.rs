//! A TCP stream with timeouts for clients that stop sending or reading. It owns a permit of the connection limit, so an
//! upgraded connection keeps counting.

use std::{
    io::{self, IoSlice},
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use hyper::body::{Body, Frame, SizeHint};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep},
};

use super::{BoxBody, Limits, accept::Places};

/// The error of a socket whose client sends a larger head than `max_head_bytes`.
pub(super) const HEAD_TOO_LARGE: io::ErrorKind = io::ErrorKind::InvalidData;

/// What a connection is doing. The service knows when a request begins and when its response is complete; the socket
/// knows when bytes arrive. hyper has a single timer for idle connections and for incomplete heads, so both are timed
/// here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Receiving the head of a request: of the first one from the moment the client connects, of later ones from their
    /// first byte.
    Head,
    /// A request is being processed.
    Exchange,
    /// Waiting for the next request.
    Idle,
    /// Upgraded, or about to be closed: the timeouts of this module do not apply.
    Unlimited,
}

/// The stage of one connection, shared by its service and its socket.
#[derive(Debug, Clone)]
pub(super) struct Progress(Arc<Mutex<Stage>>);

impl Progress {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(Stage::Head)))
    }

    fn get(&self) -> Stage {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, stage: Stage) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = stage;
    }

    /// The head of a request is complete.
    pub(super) fn begin_exchange(&self) {
        self.set(Stage::Exchange);
    }

    /// Ends all timeouts but `write_timeout`.
    pub(super) fn lift_limits(&self) {
        self.set(Stage::Unlimited);
    }

    fn end_exchange(&self) {
        let mut stage = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if *stage == Stage::Exchange {
            *stage = Stage::Idle;
        }
    }
}

/// The body of a response. hyper drops it once it has read it to its end, which ends the exchange.
pub(super) struct AnswerBody {
    inner: BoxBody,
    progress: Progress,
}

impl AnswerBody {
    pub(super) fn new(inner: BoxBody, progress: Progress) -> Self {
        Self { inner, progress }
    }
}

impl Drop for AnswerBody {
    fn drop(&mut self) {
        self.progress.end_exchange();
    }
}

impl Body for AnswerBody {
    type Data = bytes::Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<bytes::Bytes>>>> {
        Pin::new(&mut self.inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// A TCP stream with timeouts, and with a limit for the heads of requests.
pub(super) struct Socket {
    stream: TcpStream,
    limits: Limits,
    progress: Progress,
    /// The timer of the stage in `timed`.
    deadline: Pin<Box<Sleep>>,
    timed: Option<Timed>,
    /// The write timeout; `Some` while the client accepts no data.
    stall: Option<Pin<Box<Sleep>>>,
    /// The bytes received since the current head began. hyper has parsed all of them when it reads more, so the head is
    /// not complete yet.
    head_bytes: usize,
    places: Places,
}

/// A stage with a time limit, and when it began.
#[derive(Debug, Clone, Copy)]
struct Timed {
    stage: Stage,
    started: Instant,
}

impl Socket {
    pub(super) fn new(stream: TcpStream, limits: Limits, places: Places) -> Self {
        let deadline = Box::pin(sleep(limits.head_timeout));
        Self {
            stream,
            limits,
            progress: Progress::new(),
            deadline,
            timed: Some(Timed { stage: Stage::Head, started: Instant::now() }),
            stall: None,
            head_bytes: 0,
            places,
        }
    }

    pub(super) fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// Starts the timer of `stage`, unless it is running.
    fn time(&mut self, stage: Stage) {
        if self.timed.is_some_and(|timed| timed.stage == stage) {
            return;
        }
        self.timed =
            matches!(stage, Stage::Head | Stage::Idle).then(|| Timed { stage, started: Instant::now() });
        // Wakes an idle connection early, because free slots may have become scarce.
        let next_check = self.limits.head_timeout.min(self.limit(stage));
        self.deadline.as_mut().reset(Instant::now() + next_check);
    }

    fn limit(&self, stage: Stage) -> Duration {
        if stage == Stage::Idle { self.limits.keep_alive_timeout } else { self.limits.head_timeout }
    }

    /// The rest of the current stage's time limit after its timer has fired: zero for a head, and zero for an idle
    /// connection when less than a tenth of the slots is free. Free slots are worth more than saving an idle client its
    /// next handshake.
    fn remaining(&self) -> Duration {
        let Some(Timed { stage, started }) = self.timed else { return Duration::ZERO };
        let Limits { head_timeout, max_connections, .. } = self.limits;
        let free =
            self.places.slot.as_ref().map_or(max_connections, |slot| slot.semaphore().available_permits());
        let is_needed = stage == Stage::Idle && free < max_connections.div_ceil(10);
        if is_needed {
            Duration::ZERO
        } else {
            self.limit(stage).saturating_sub(started.elapsed()).min(head_timeout)
        }
    }

    /// Ready when the stage has exceeded its time limit.
    fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            ready!(self.deadline.as_mut().poll(cx));
            let remaining = self.remaining();
            if remaining.is_zero() {
                return Poll::Ready(());
            }
            self.deadline.as_mut().reset(Instant::now() + remaining);
        }
    }

    /// Applies the write timeout. Otherwise a client that reads nothing would hold its slot and its response for ever.
    fn bounded(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.stall = None;
            return written;
        }
        let stall = self.stall.get_or_insert_with(|| Box::pin(sleep(self.limits.write_timeout)));
        ready!(stall.as_mut().poll(cx));
        Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client stopped reading")))
    }

    /// Reads what the limit for heads allows, and one byte more: that one shows that the client exceeds it.
    fn poll_part(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
        stage: Stage,
    ) -> Poll<io::Result<()>> {
        let max = self.limits.max_head_bytes.saturating_add(1);
        let allowed = max.saturating_sub(self.head_bytes);
        let is_head = matches!(stage, Stage::Head | Stage::Idle);
        if is_head && allowed == 0 {
            return Poll::Ready(Err(io::Error::new(HEAD_TOO_LARGE, "the head is too large")));
        }
        if !is_head || allowed >= buf.remaining() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let mut part = ReadBuf::new(buf.initialize_unfilled_to(allowed));
        ready!(Pin::new(&mut self.stream).poll_read(cx, &mut part))?;
        let count = part.filled().len();
        buf.advance(count);
        Poll::Ready(Ok(()))
    }

    pub(super) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.stream.local_addr()
    }

    #[cfg(test)]
    pub(super) fn nodelay(&self) -> io::Result<bool> {
        self.stream.nodelay()
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        // hyper also polls for the end of the stream while a response waits for a slow client, when it has dropped the
        // body already. `write_timeout` limits that time, not the idle timeout.
        let stage = if self.stall.is_some() { Stage::Exchange } else { self.progress.get() };
        self.time(stage);
        if stage != Stage::Head {
            self.head_bytes = 0;
        }
        let filled = buf.filled().len();
        match self.poll_part(cx, buf, stage) {
            // hyper polls again after each part, so a head that trickles in is timed, too.
            Poll::Pending if self.timed.is_some() => {
                ready!(self.poll_expired(cx));
                Poll::Ready(Err(io::Error::new(io::ErrorKind::TimedOut, "the client stopped sending")))
            }
            Poll::Ready(Ok(())) => {
                let count = buf.filled().len() - filled;
                self.head_bytes += count;
                if stage == Stage::Idle && count > 0 {
                    self.progress.set(Stage::Head);
                    self.timed = None;
                }
                Poll::Ready(Ok(()))
            }
            other => other,
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.bounded(cx, written)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.bounded(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
