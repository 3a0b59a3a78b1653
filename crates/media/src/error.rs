use blegram_domain as domain;

use crate::Refusal;

/// Why a use-case of this crate did not happen.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is none that is taken in.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// No such image or upload, or not this person's; no such file, or none that the link opens.
    #[error("no such image")]
    NotFound,
    /// The actor's account is gone.
    #[error("no such account")]
    AccountNotFound,
    /// The image is in a post, or somebody's picture.
    #[error("the image is in use")]
    InUse,
    /// The image is not, or not any more, what the change was meant for.
    #[error("it was changed meanwhile")]
    PreconditionFailed,
    /// The file that was announced has not arrived.
    #[error("the file has not arrived")]
    NotArrived,
    /// The time in which the file might arrive is over.
    #[error("the upload has expired")]
    Expired,
    /// Another request is sending the file of the same upload.
    #[error("the file of this upload is being received already")]
    InProgress,
    /// The account sends as many files as it may at the same time.
    #[error("an account may send {0} files or forms at the same time")]
    TooManyAtOnce(usize),
    /// The account has announced more files than it completed, or more bytes, than it may.
    #[error("at most {files} announced files, of {mib} MiB together, may wait to be completed; you have {pending_files} of {pending_bytes} bytes", files = domain::media::Upload::MAX_PENDING, mib = domain::media::Upload::MAX_PENDING_BYTES / 1024 / 1024)]
    TooManyPending {
        /// How many wait.
        pending_files: u64,
        /// How many bytes they have together.
        pending_bytes: u64,
    },
    /// The range lies outside of the file, which has so many bytes.
    #[error("no such range")]
    RangeNotSatisfiable(u64),
    /// As many images wait already as may wait.
    #[error("too many images wait already")]
    Overloaded,
    /// What came over the wire broke off.
    #[error("the file broke off")]
    BrokeOff(#[source] std::io::Error),
    /// Work on an image failed in a way that is nobody's fault but ours.
    #[error("{0}")]
    Internal(String),
    /// The storage cannot be as it is configured.
    #[error("{0}")]
    Configuration(String),
    /// The storage of files failed.
    #[error("the storage failed")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The storage is not the one that this site wrote to, or a part of it is missing: nothing that is not found there is
    /// known to be gone.
    #[error("the storage of images is not the one that this site wrote to: {0}")]
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

impl From<blegram_workers::Error> for Error {
    fn from(error: blegram_workers::Error) -> Self {
        match error {
            blegram_workers::Error::Full => Self::Overloaded,
            blegram_workers::Error::Panicked => Self::Internal(error.to_string()),
        }
    }
}
