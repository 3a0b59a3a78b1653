//! The stream of a connection, shared by its task, which reads and answers control frames, and by tasks that write the
//! queued frames of many connections without waking the task of each.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};
use tokio_tungstenite::tungstenite::Bytes;

use crate::peer::Peer;

/// Writes the queued frames of a connection outside of its task.
pub(crate) trait Flush: Send + Sync {
    /// Writes the queued frames of `peer`. Returns `false` if its task has to do it: because the stream does not accept
    /// them all, or is in use.
    fn try_flush(&self, peer: &Peer) -> bool;
}

/// A stream that a task shares with [`Flush`]. Frames of the outbox are encoded already, so tungstenite only writes
/// control frames: this type puts those between the others, never within one.
pub(crate) struct SharedStream<S>(Arc<Mutex<Line<S>>>);

struct Line<S> {
    stream: S,
    /// What is not yet written of a batch of frames from the outbox. Precedes everything else.
    rest: Bytes,
    /// Whether tungstenite has written only a part of its frames; it writes the rest before the outbox continues.
    is_within_frame: bool,
    is_flushed: bool,
    /// Since when the stream does not accept what has to be written.
    blocked_since: Option<Instant>,
}

impl<S> SharedStream<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self(Arc::new(Mutex::new(Line {
            stream,
            rest: Bytes::new(),
            is_within_frame: false,
            is_flushed: true,
            blocked_since: None,
        })))
    }

    fn line(&self) -> MutexGuard<'_, Line<S>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Since when the stream does not accept what has to be written; `None` if it does.
    pub(crate) fn blocked_since(&self) -> Option<Instant> {
        self.line().blocked_since
    }

    /// Whether tungstenite has to be flushed before [`SharedStream::poll_send`].
    pub(crate) fn is_within_frame(&self) -> bool {
        self.line().is_within_frame
    }
}

impl<S: AsyncWrite + Unpin + Send + 'static> SharedStream<S> {
    /// For [`Peer::attach`].
    pub(crate) fn flusher(&self) -> Arc<dyn Flush> {
        Arc::<Mutex<Line<S>>>::clone(&self.0)
    }

    /// Writes the queued frames of `peer`, until none is left.
    pub(crate) fn poll_send(&self, cx: &mut Context<'_>, peer: &Peer) -> Poll<io::Result<()>> {
        self.line().poll_send(cx, peer)
    }
}

impl<S: AsyncWrite + Unpin + Send> Flush for Mutex<Line<S>> {
    fn try_flush(&self, peer: &Peer) -> bool {
        let Ok(mut line) = self.try_lock() else { return false };
        if line.blocked_since.is_some() {
            // The task waits for the stream. Polling it here would replace the waker of the task.
            return true;
        }
        // The waker has no effect, because the task polls the stream again if this does not complete.
        let result = line.poll_send(&mut Context::from_waker(Waker::noop()), peer);
        matches!(result, Poll::Ready(Ok(())))
    }
}

impl<S: AsyncWrite + Unpin> Line<S> {
    fn poll_send(&mut self, cx: &mut Context<'_>, peer: &Peer) -> Poll<io::Result<()>> {
        let sent = self.poll_batches(cx, peer);
        self.note_blocked(sent.is_pending());
        sent
    }

    fn poll_batches(&mut self, cx: &mut Context<'_>, peer: &Peer) -> Poll<io::Result<()>> {
        loop {
            ready!(self.poll_rest(cx))?;
            if self.is_within_frame {
                return Poll::Pending;
            }
            if !self.is_flushed {
                ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
                self.is_flushed = true;
            }
            // The time limit applies to each batch.
            self.blocked_since = None;
            match peer.take_batch() {
                Some(batch) => (self.rest, self.is_flushed) = (batch, false),
                None => return Poll::Ready(Ok(())),
            }
        }
    }

    fn poll_rest(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.rest.is_empty() {
            let count = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.rest))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            let _ = self.rest.split_to(count);
        }
        Poll::Ready(Ok(()))
    }

    fn note_blocked(&mut self, is_blocked: bool) {
        if is_blocked && self.blocked_since.is_none() {
            self.blocked_since = Some(Instant::now());
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for SharedStream<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.line().stream).poll_read(cx, buf)
    }
}

/// How tungstenite writes control frames.
impl<S: AsyncWrite + Unpin> AsyncWrite for SharedStream<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let line = &mut *self.line();
        let written = match line.poll_rest(cx) {
            Poll::Ready(Ok(())) => Pin::new(&mut line.stream).poll_write(cx, buf),
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => Poll::Pending,
        };
        if let Poll::Ready(Ok(count)) = &written {
            // tungstenite writes all its frames at once.
            line.is_within_frame = *count < buf.len();
            line.blocked_since = line.blocked_since.filter(|_| line.is_within_frame);
        }
        line.note_blocked(written.is_pending());
        written
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let line = &mut *self.line();
        ready!(line.poll_rest(cx))?;
        Pin::new(&mut line.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.line().stream).poll_shutdown(cx)
    }
}
