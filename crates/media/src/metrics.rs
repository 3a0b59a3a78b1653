//! What the image service counts: uploads by their outcome, and how long their steps take.

use blegram_metrics::{Counter, Histogram, HistogramSnapshot};

use crate::{Error, Result};

/// How an upload ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UploadOutcome {
    /// The image was stored.
    Stored,
    /// The file is not an acceptable image, or is not there.
    Rejected,
    /// A quota, a rate limit or the capacity of the node was reached.
    Limited,
    /// The server failed.
    Failed,
}

impl UploadOutcome {
    /// All outcomes.
    pub const ALL: &[Self] = &[Self::Stored, Self::Rejected, Self::Limited, Self::Failed];

    /// The name in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::Rejected => "rejected",
            Self::Limited => "limited",
            Self::Failed => "failed",
        }
    }

    pub(crate) const fn of<T>(result: &Result<T>) -> Self {
        match result {
            Ok(_) => Self::Stored,
            Err(
                Error::Refused(_)
                | Error::NotFound
                | Error::AccountNotFound
                | Error::InUse
                | Error::PreconditionFailed
                | Error::NotArrived
                | Error::Expired
                | Error::InProgress
                | Error::RangeNotSatisfiable(_)
                | Error::Interrupted(_),
            ) => Self::Rejected,
            Err(
                Error::TooManyAtOnce(_) | Error::QuotaExceeded(_) | Error::RateLimited(_) | Error::Overloaded,
            ) => Self::Limited,
            Err(
                Error::Internal(_)
                | Error::Configuration(_)
                | Error::Unavailable(_)
                | Error::ForeignStorage(_)
                | Error::Storage(_),
            ) => Self::Failed,
        }
    }
}

/// A step of an upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Decoding the file, on a thread of a pool.
    Decode,
    /// Resizing it and encoding the variants, on the same thread.
    Variants,
    /// Writing the files of all variants to the storage.
    Store,
}

impl Step {
    /// The name in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Decode => "decode",
            Self::Variants => "variants",
            Self::Store => "store",
        }
    }
}

/// The counters of the service.
#[derive(Debug, Default)]
pub(crate) struct MediaMetrics {
    pub(crate) decoding: Histogram,
    pub(crate) encoding: Histogram,
    pub(crate) storing: Histogram,
    /// In the order of [`UploadOutcome::ALL`].
    uploads: [Counter; UploadOutcome::ALL.len()],
}

/// What the service did since its start, and what its threads do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaSnapshot {
    /// Uploads by outcome, direct ones when they are completed.
    pub uploads: Vec<(UploadOutcome, u64)>,
    /// The durations of the steps of uploads that got that far.
    pub steps: [(Step, HistogramSnapshot); 3],
    /// The threads that decode and encode: those for all images, and the one for images that are cheap to process.
    pub pools: [blegram_cpu_pool::Snapshot; 2],
}

impl MediaMetrics {
    pub(crate) fn record_upload(&self, outcome: UploadOutcome) {
        let outcomes = UploadOutcome::ALL.iter().zip(&self.uploads);
        outcomes.filter(|(other, _)| **other == outcome).for_each(|(_, count)| count.increment());
    }

    pub(crate) fn snapshot(&self, pools: [blegram_cpu_pool::Snapshot; 2]) -> MediaSnapshot {
        MediaSnapshot {
            uploads: UploadOutcome::ALL.iter().copied().zip(self.uploads.iter().map(Counter::get)).collect(),
            steps: [
                (Step::Decode, self.decoding.snapshot()),
                (Step::Variants, self.encoding.snapshot()),
                (Step::Store, self.storing.snapshot()),
            ],
            pools,
        }
    }
}
