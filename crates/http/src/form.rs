//! Multipart forms with files (RFC 7578): the parser, with bounds on its memory. A surface decides which parts a form has,
//! and where their contents go (see [`Surface::read_form`](crate::Surface::read_form)).

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use futures_util::{Stream, TryStreamExt};
use multer::{Constraints, Field, Multipart, SizeLimit};
use poem::Request;

use crate::{Rejection, headers::RequestHeader};

/// The maximum number of bytes that the parser may read without completing anything, such as part headers: 64 KiB.
const MAX_UNREAD_BYTES: usize = 64 * 1024;

/// The multipart boundary from the Content-Type of the request.
pub(crate) fn boundary(request: &Request) -> Option<String> {
    multer::parse_boundary(request.content_type()?).ok()
}

/// The size of the body according to Content-Length, which may be missing or wrong.
pub fn announced_bytes(request: &Request) -> Option<u64> {
    RequestHeader::ContentLength.text(request.headers()).and_then(|length| length.parse().ok())
}

/// The form in the body of a request.
pub struct Form {
    parts: Multipart<'static>,
    unread: Arc<AtomicUsize>,
}

impl std::fmt::Debug for Form {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Form").finish_non_exhaustive()
    }
}

impl Form {
    /// Takes the body of `request`, which may have at most `max_bytes`.
    ///
    /// # Errors
    /// When the request has no form.
    pub fn take(request: &mut Request, max_bytes: u64) -> Result<Self, Rejection> {
        let boundary = boundary(request).ok_or(Rejection::UnsupportedMediaType)?;
        let limit = Constraints::new().size_limit(SizeLimit::new().whole_stream(max_bytes));
        let unread = Arc::new(AtomicUsize::new(0));
        let pieces = PacedStream {
            pieces: Box::pin(request.take_body().into_bytes_stream()),
            unread: Arc::clone(&unread),
            must_yield: false,
        };
        Ok(Self { parts: Multipart::with_constraints(pieces, boundary, limit), unread })
    }

    /// The next part. The previous one must have been dropped; what it did not read is skipped.
    pub async fn next_part(&mut self) -> Result<Option<Part>, Rejection> {
        let field = self.parts.next_field().await.map_err(unreadable)?;
        self.unread.store(0, Ordering::Relaxed);
        Ok(field.map(|field| Part { field, unread: Arc::clone(&self.unread) }))
    }
}

/// One part of a form.
pub struct Part {
    field: Field<'static>,
    unread: Arc<AtomicUsize>,
}

impl std::fmt::Debug for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Part").finish_non_exhaustive()
    }
}

impl Part {
    /// The name of the field.
    pub fn name(&self) -> Option<&str> {
        self.field.name()
    }

    /// The next piece of the content.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Rejection> {
        let piece = self.field.chunk().await.map_err(unreadable)?;
        self.unread.store(0, Ordering::Relaxed);
        Ok(piece)
    }

    /// The content. [`stream_rejection`] converts the errors of the stream.
    pub fn into_stream(self) -> impl Stream<Item = io::Result<Bytes>> + Send + Unpin {
        let Self { field, unread } = self;
        field.map_err(io::Error::other).inspect_ok(move |_| unread.store(0, Ordering::Relaxed))
    }
}

/// Converts an error of the stream of a part.
pub fn stream_rejection(error: io::Error) -> Rejection {
    match error.downcast::<multer::Error>() {
        Ok(cause) => unreadable(cause),
        Err(error) => Rejection::of_body(&error),
    }
}

fn unreadable(error: multer::Error) -> Rejection {
    match error {
        multer::Error::StreamSizeExceeded { .. } => Rejection::BodyTooLarge,
        multer::Error::StreamReadFailed(cause) => Rejection::of_body(&io::Error::other(cause)),
        other => Rejection::UnreadableForm(other.to_string()),
    }
}

/// A throttled body stream. multer reads all available data before it parses, and buffers what it cannot parse yet.
/// This stream yields after each chunk, so that multer parses it first, and fails once too many bytes remain unparsed.
struct PacedStream {
    pieces: Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>,
    /// The bytes received since the parser last produced something.
    unread: Arc<AtomicUsize>,
    must_yield: bool,
}

impl Stream for PacedStream {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if std::mem::take(&mut self.must_yield) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if self.unread.load(Ordering::Relaxed) > MAX_UNREAD_BYTES {
            return Poll::Ready(Some(Err(io::Error::other("the form has too much data outside its parts"))));
        }
        let piece = ready!(self.pieces.as_mut().poll_next(cx));
        if let Some(Ok(piece)) = &piece {
            self.unread.fetch_add(piece.len(), Ordering::Relaxed);
            self.must_yield = true;
        }
        Poll::Ready(piece)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::{StreamExt, stream};
    use poem::Body;
    use proptest::prelude::*;

    use super::*;

    /// Pieces of forms in any order.
    fn piece() -> impl Strategy<Value = Vec<u8>> {
        let known = prop_oneof![
            Just("--b"),
            Just("--b--"),
            Just("\r\n"),
            Just("\r\n--b\r\n"),
            Just("\r\n\r\n"),
            Just("Content-Disposition: form-data; name=\"file\"; filename=\"a\""),
            Just("Content-Disposition: form-data; name="),
            Just("content-type: image/png\r\n"),
            Just("\u{0}"),
        ];
        let known = known.prop_map(|text| text.as_bytes().to_vec());
        prop_oneof![known, proptest::collection::vec(any::<u8>(), 0..40)]
    }

    async fn read(pieces: Vec<Vec<u8>>, max_bytes: u64) -> Result<usize, Rejection> {
        let pieces = stream::iter(pieces.into_iter().map(|piece| Ok::<_, io::Error>(Bytes::from(piece))));
        let mut request = Request::builder()
            .content_type("multipart/form-data; boundary=b")
            .body(Body::from_bytes_stream(pieces.boxed()));
        let mut form = Form::take(&mut request, max_bytes)?;
        let mut bytes = 0;
        while let Some(mut part) = form.next_part().await? {
            bytes += part.name().map_or(0, str::len);
            while let Some(piece) = part.chunk().await? {
                bytes += piece.len();
            }
        }
        Ok(bytes)
    }

    proptest! {
        #[test]
        fn any_form_is_read_to_its_end_or_rejected(
            pieces in proptest::collection::vec(piece(), 0..24),
            max_bytes in prop_oneof![Just(1 << 20), 0..200_u64],
        ) {
            let size: usize = pieces.iter().map(Vec::len).sum();
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            if let Ok(bytes) = runtime.block_on(read(pieces, max_bytes)) {
                prop_assert!(bytes <= size && bytes as u64 <= max_bytes, "{} of {}", bytes, size);
            }
        }
    }
}
