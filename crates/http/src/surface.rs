//! What the layers leave to the surface behind them: its formats.

use blegram_domain::UserId;
use futures_util::{FutureExt, future::BoxFuture};
use poem::{Request, Response, http::StatusCode};

use crate::Rejection;

/// A set of routes that speaks one format, such as the API with its JSON. The layers reject requests with a
/// [`Rejection`]; the routes also fail with errors of their own.
pub trait Surface: Send + Sync + 'static {
    /// Renders the response to the request `request_id` for `path`, which failed with `error`. Logs the cause of the
    /// error, which nothing else does. Attaches an [`ErrorCode`] for the access log, if the surface has codes.
    fn render(&self, error: poem::Error, path: &str, request_id: &str) -> Response;

    /// Whether the same request would be rejected again. Only such errors are stored for an `Idempotency-Key`, and
    /// count against the limit of an operation for rejected calls.
    fn is_final(&self, error: &poem::Error) -> bool {
        is_final(error.status())
    }

    /// Reads the form of `_sender`'s request for a handler, and replaces the body with a fingerprint of the form: requests
    /// with different forms then have different bodies.
    fn read_form<'a>(
        &'a self,
        _request: &'a mut Request,
        _sender: UserId,
    ) -> BoxFuture<'a, poem::Result<()>> {
        async { Err(Rejection::UnsupportedMediaType.into()) }.boxed()
    }
}

/// Whether an error with `status` would occur again: false for server errors, rate limits and an `If-Match` that the
/// client can correct.
pub fn is_final(status: StatusCode) -> bool {
    let may_pass = [StatusCode::TOO_MANY_REQUESTS, StatusCode::PRECONDITION_FAILED].contains(&status);
    !status.is_server_error() && !may_pass
}

/// The code of a rendered error, for the access log: data of the response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ErrorCode(pub &'static str);
