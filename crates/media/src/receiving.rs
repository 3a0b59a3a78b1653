//! Limits for receiving files over slow connections: memory, disk and time per file, and the number of concurrent
//! requests.
//!
//! A request takes a [`Permit`](blegram_limits::Permit) before it reads the first byte. Dropping the permit releases it,
//! however the request ends: a broken connection drops the future, and with it the permit. The limit per account prevents
//! one account from taking all permits.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use blegram_domain::UploadId;

use crate::{Error, Result};

/// Limits for receiving files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceiveLimits {
    /// The number of requests of each kind (direct uploads, forms, completions) that this process handles concurrently.
    /// Further ones fail with [`Error::Overloaded`].
    pub at_once: usize,
    /// The same limit for one account. Further requests fail with [`Error::TooManyAtOnce`].
    pub per_account: usize,
    /// The minimum average rate of a body, after the [`ReceiveLimits::grace`] period.
    pub min_bytes_per_second: u64,
    /// The time that any body may take, whatever its size.
    pub grace: Duration,
}

impl Default for ReceiveLimits {
    fn default() -> Self {
        Self { at_once: 64, per_account: 8, min_bytes_per_second: 16 * 1024, grace: Duration::from_secs(60) }
    }
}

impl ReceiveLimits {
    /// The longest time for a body of `bytes`.
    pub fn patience(&self, bytes: u64) -> Duration {
        self.grace + Duration::from_secs(bytes / self.min_bytes_per_second.max(1))
    }
}

/// The uploads whose files are being received; cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct InProgress(Arc<Mutex<HashSet<UploadId>>>);

impl InProgress {
    /// Marks an upload as being received until the guard is dropped.
    pub(crate) fn begin(&self, id: UploadId) -> Result<InProgressGuard> {
        if !lock(&self.0).insert(id) {
            return Err(Error::InProgress);
        }
        Ok(InProgressGuard { all: self.clone(), id })
    }
}

#[derive(Debug)]
pub(crate) struct InProgressGuard {
    all: InProgress,
    id: UploadId,
}

impl Drop for InProgressGuard {
    fn drop(&mut self) {
        lock(&self.all.0).remove(&self.id);
    }
}

/// Ignores poisoning: no panic can leave these maps inconsistent.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
