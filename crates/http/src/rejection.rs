//! Why the layers reject a request, without the words in which a surface says it.

use std::{error::Error, io};

use blegram_domain::{Violation, user::Role};
use blegram_limits::{RateLimitStatus, RateLimited};
use poem::{
    error::{ReadBodyError, ResponseError},
    http::StatusCode,
};

/// Why the layers reject a request. A surface turns it into a response of its own format.
#[derive(Debug, thiserror::Error)]
pub enum Rejection {
    /// No route has this path.
    #[error("not found")]
    NotFound,
    /// The path does not support this method. The edge adds `Allow` to the response.
    #[error("method not allowed")]
    MethodNotAllowed,
    /// The request line and the header fields are larger than the listener's limit.
    #[error("The request line and header fields may have at most {max_bytes} bytes in total.")]
    HeadersTooLarge {
        /// The limit.
        max_bytes: usize,
    },
    /// The request has no `Host`, several, or one that is not a host.
    #[error(
        "The request must have exactly one Host header, with a host name or an IP address, and a port if it is not the \
         default."
    )]
    MalformedHost,
    /// The server listens on loopback only, and the request is for the name of another host.
    #[error(
        "The request is for a host that this server does not know. It listens on loopback only, so it accepts IP \
         addresses, localhost and names below it, and the hosts of server.public_url and server.trusted_origins. Add \
         the host to one of these settings, or the proxy to server.trusted_proxies."
    )]
    ForeignHost,
    /// The body is larger than the limit of the operation.
    #[error("the body is too large")]
    BodyTooLarge,
    /// The body has another media type than the operation expects, or is compressed.
    #[error("unsupported media type")]
    UnsupportedMediaType,
    /// The body could not be read to its end.
    #[error("Cannot read the body: {0}")]
    UnreadableBody(String),
    /// The body is not a multipart form.
    #[error("The form cannot be read: {0}")]
    UnreadableForm(String),
    /// The body arrived too slowly.
    #[error("the body arrived too slowly")]
    BodyTimeout,
    /// A rate limit is exceeded.
    #[error("too many requests")]
    RateLimited(RateLimitStatus),
    /// The operation requires a login.
    #[error("not logged in")]
    Unauthenticated,
    /// The access token in `Authorization` is invalid.
    #[error("the access token is invalid")]
    InvalidToken,
    /// `Authorization` is not exactly one scheme that the server understands.
    #[error("Send Authorization once, as Bearer, a space and the access token, or omit the header.")]
    InvalidAuthorization,
    /// The operation requires a role that the user does not have.
    #[error("This requires the role {}.", .0.as_str())]
    Forbidden(Role),
    /// Another site may have caused the write.
    #[error("cross-site request")]
    CrossSite,
    /// `Idempotency-Key` is not a key.
    #[error("the idempotency key {0}")]
    InvalidKey(Violation),
    /// The first request with this `Idempotency-Key` is still running.
    #[error("a request with this idempotency key is running")]
    KeyInProgress,
    /// The `Idempotency-Key` was used with another body.
    #[error("the idempotency key was used with another body")]
    KeyReused,
    /// The operation did not complete within its deadline.
    #[error("the deadline has passed")]
    DeadlineExceeded {
        /// Whether it changes data: then its outcome is unknown.
        is_write: bool,
    },
    /// The accounts and sessions could not be read.
    #[error(transparent)]
    Auth(#[from] blegram_auth::Error),
    /// A bug, such as a panic. The cause is for the log only.
    #[error("internal error")]
    Internal(#[source] Box<dyn Error + Send + Sync>),
}

impl Rejection {
    /// Creates a rejection for a bug.
    pub fn internal(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Internal(cause.into())
    }

    /// Converts an error of poem itself. The gate rejects unknown routes first, so this occurs only where the two
    /// differ, such as for a path whose percent-encoding is not UTF-8.
    pub fn of_poem(error: &poem::Error) -> Self {
        match error.status() {
            StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST => Self::NotFound,
            StatusCode::METHOD_NOT_ALLOWED => Self::MethodNotAllowed,
            _ => Self::internal(error.to_string()),
        }
    }

    /// Converts the error of a body that could not be read to its end.
    pub fn of_body(error: &io::Error) -> Self {
        if is_timeout(error) { Self::BodyTimeout } else { Self::UnreadableBody(error.to_string()) }
    }
}

impl From<RateLimited> for Rejection {
    fn from(RateLimited(rate_limit): RateLimited) -> Self {
        Self::RateLimited(rate_limit)
    }
}

impl From<ReadBodyError> for Rejection {
    fn from(error: ReadBodyError) -> Self {
        match error {
            ReadBodyError::PayloadTooLarge => Self::BodyTooLarge,
            ReadBodyError::Io(cause) => Self::of_body(&cause),
            other => Self::UnreadableBody(other.to_string()),
        }
    }
}

impl ResponseError for Rejection {
    fn status(&self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::HeadersTooLarge { .. } => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::MalformedHost | Self::ForeignHost | Self::UnreadableBody(_) | Self::UnreadableForm(_) => {
                StatusCode::BAD_REQUEST
            }
            Self::BodyTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::RateLimited(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Unauthenticated | Self::InvalidToken | Self::InvalidAuthorization => {
                StatusCode::UNAUTHORIZED
            }
            Self::Forbidden(_) | Self::CrossSite => StatusCode::FORBIDDEN,
            Self::InvalidKey(_) | Self::KeyReused => StatusCode::UNPROCESSABLE_ENTITY,
            Self::KeyInProgress => StatusCode::CONFLICT,
            Self::DeadlineExceeded { .. } => StatusCode::SERVICE_UNAVAILABLE,
            Self::Auth(blegram_auth::Error::Storage(cause)) if cause.is_transient() => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Auth(_) | Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

// poem and other libraries wrap the listener's error in their own.
fn is_timeout(error: &(dyn Error + 'static)) -> bool {
    let is_own =
        error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::TimedOut);
    let inner = error.downcast_ref::<io::Error>().and_then(|error| error.get_ref());
    is_own || inner.is_some_and(|inner| is_timeout(inner)) || error.source().is_some_and(is_timeout)
}
