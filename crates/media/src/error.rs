use blegram_domain::media::quota::QuotaExceeded;
use blegram_limits::{Full, RateLimited};

use crate::ImageRejection;

/// An error of a use-case of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is rejected.
    #[error(transparent)]
    Refused(#[from] ImageRejection),
    /// The image or upload does not exist or belongs to another account; or the file does not exist or the link does
    /// not open it.
    #[error("the image, upload or file does not exist")]
    NotFound,
    /// The actor's account was deleted.
    #[error("the account does not exist")]
    AccountNotFound,
    /// The image is in a post or message, or is a profile picture.
    #[error("the image is in use")]
    InUse,
    /// The image was changed since the client read it.
    #[error("the image was changed in the meantime; reload it and try again")]
    PreconditionFailed,
    /// The announced file has not arrived.
    #[error("the file has not arrived; upload it first")]
    NotArrived,
    /// The time to send the file is over, or the upload was completed.
    #[error("the upload has expired or is complete; create a new one")]
    Expired,
    /// Another request is sending the file of the same upload.
    #[error("another request is already sending the file of this upload")]
    InProgress,
    /// The account sends as many files concurrently as it may.
    #[error("an account may send at most {0} files or forms at the same time")]
    TooManyAtOnce(usize),
    /// The image or upload does not fit into the account's quota.
    #[error(transparent)]
    QuotaExceeded(#[from] QuotaExceeded),
    /// The range lies outside the file, whose size in bytes is given.
    #[error("the range lies outside the file")]
    RangeNotSatisfiable(u64),
    /// A rate limit is exceeded.
    #[error(transparent)]
    RateLimited(#[from] RateLimited),
    /// The node is at its limit of concurrent uploads, or the queue of images is full.
    #[error("too many images are being uploaded or processed; try again later")]
    Overloaded,
    /// The connection broke while a file was received.
    #[error("the connection broke before the file was complete")]
    Interrupted(#[source] std::io::Error),
    /// Processing an image failed because of an internal error.
    #[error("{0}")]
    Internal(String),
    /// The storage is misconfigured.
    #[error("{0}")]
    Configuration(String),
    /// The storage failed.
    #[error("the file storage failed")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The storage is not the one that this site wrote to, or is incomplete: a file that is not found there may still
    /// exist elsewhere.
    #[error("the image storage is not the one that this site wrote to: {0}")]
    ForeignStorage(String),
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] blegram_persistence::Error),
}

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl From<object_store::Error> for Error {
    fn from(error: object_store::Error) -> Self {
        match error {
            object_store::Error::NotFound { .. } => Self::NotFound,
            other => Self::Unavailable(other.into()),
        }
    }
}

impl From<Full> for Error {
    fn from(full: Full) -> Self {
        match full {
            Full::All => Self::Overloaded,
            Full::Own(share) => Self::TooManyAtOnce(share),
        }
    }
}

impl From<blegram_cpu_pool::Error> for Error {
    fn from(error: blegram_cpu_pool::Error) -> Self {
        match error {
            blegram_cpu_pool::Error::Full { .. } | blegram_cpu_pool::Error::ShareFull { .. } => {
                Self::Overloaded
            }
            blegram_cpu_pool::Error::Panicked => Self::Internal(error.to_string()),
        }
    }
}
