//! Whether this process can commit, as its own transactions and the probes of [`crate::Db::check_commits`] show.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use tokio::sync::Mutex;

use crate::Error;

/// How long a commit proves that the next one is possible. Within that time, a lock or a slow response is no failure
/// yet.
const TRUSTED_FOR: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(crate) struct Health {
    base: Instant,
    /// Milliseconds since `base` plus one; 0 means never.
    committed: AtomicU64,
    is_failing: AtomicBool,
    /// Whether a write failed because the disk is full or the database read-only. Then a smaller commit proves nothing;
    /// only a probe does.
    is_write_rejected: AtomicBool,
    pub(crate) probe: Mutex<()>,
}

impl Health {
    pub(crate) fn new() -> Self {
        Self {
            base: Instant::now(),
            committed: AtomicU64::new(0),
            is_failing: AtomicBool::new(false),
            is_write_rejected: AtomicBool::new(false),
            probe: Mutex::new(()),
        }
    }

    /// Records a commit that changed something.
    pub(crate) fn note_commit(&self) {
        self.committed.store(self.now(), Ordering::Relaxed);
        if !self.is_write_rejected.load(Ordering::Relaxed) {
            self.is_failing.store(false, Ordering::Relaxed);
        }
    }

    pub(crate) fn note_failure(&self, error: &Error) {
        self.is_write_rejected.fetch_or(error.rejects_writes(), Ordering::Relaxed);
        self.is_failing.store(true, Ordering::Relaxed);
    }

    pub(crate) fn note_probe(&self) {
        self.is_write_rejected.store(false, Ordering::Relaxed);
        self.note_commit();
    }

    pub(crate) fn committed_recently(&self) -> bool {
        let committed = self.committed.load(Ordering::Relaxed);
        committed > 0 && u128::from(self.now().saturating_sub(committed)) <= TRUSTED_FOR.as_millis()
    }

    pub(crate) fn is_healthy(&self) -> bool {
        self.committed_recently() && !self.is_failing.load(Ordering::Relaxed)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.base.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
    }
}
