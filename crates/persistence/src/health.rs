//! Whether this process can commit. Derived from its own transactions; without recent ones, from a probe that commits
//! and leaves nothing behind.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use sea_orm::ConnectionTrait;
use tokio::{sync::Mutex, time::timeout};

use crate::{Db, Error, Result, budget::with_budget, db::sealed::Sealed};

/// How long a commit proves that the next one is possible. Within that time, a lock or a slow response is no failure
/// yet.
const TRUSTED_FOR: Duration = Duration::from_secs(5);

/// The timeout of a probe. Callers give up after two seconds.
const PROBE_TIMEOUT: Duration = Duration::from_millis(1_500);

/// How long a probe waits for a connection and for locks: less than its timeout, so that it can report the lock.
const PROBE_BUDGET: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(crate) struct Health {
    base: Instant,
    /// Milliseconds since `base` plus one; 0 means never.
    committed: AtomicU64,
    is_failing: AtomicBool,
    /// Whether a write failed because the disk is full or the database read-only. Then a smaller commit proves nothing;
    /// only a probe does.
    is_write_rejected: AtomicBool,
    probe: Mutex<()>,
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

    fn note_probe(&self) {
        self.is_write_rejected.store(false, Ordering::Relaxed);
        self.note_commit();
    }

    fn committed_recently(&self) -> bool {
        let committed = self.committed.load(Ordering::Relaxed);
        committed > 0 && u128::from(self.now().saturating_sub(committed)) <= TRUSTED_FOR.as_millis()
    }

    fn is_healthy(&self) -> bool {
        self.committed_recently() && !self.is_failing.load(Ordering::Relaxed)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.base.elapsed().as_millis()).unwrap_or(u64::MAX).saturating_add(1)
    }
}

impl Db {
    /// Checks that the database accepts writes. Writes only if this process has not committed for five seconds, or
    /// failed to.
    ///
    /// # Errors
    /// Why the database accepts no writes. A lock of another process counts only after five seconds without a commit.
    pub async fn check_commits(&self) -> Result<()> {
        if self.health.is_healthy() {
            return Ok(());
        }
        // One probe at a time, so that frequent health checks do not block SQLite's only writer.
        let _probe = self.health.probe.lock().await;
        if self.health.is_healthy() {
            return Ok(());
        }
        let probe = with_budget(PROBE_BUDGET, self.commit_probe());
        let outcome = timeout(PROBE_TIMEOUT, probe).await.unwrap_or(Err(Error::TimedOut));
        match outcome {
            Err(error) if error.is_wait() && self.health.committed_recently() => Ok(()),
            outcome => outcome,
        }
    }

    /// Commits a transaction that inserts a row larger than a post and deletes it again.
    async fn commit_probe(&self) -> Result<()> {
        let sql = if self.is_sqlite() { PROBE_SQLITE } else { PROBE_POSTGRES };
        let tx = self.write().await?;
        tx.inner().execute_unprepared(sql).await?;
        tx.commit().await?;
        self.health.note_probe();
        Ok(())
    }
}

// About 50 KB of incompressible data. PostgreSQL compresses (TOAST) what it can, and a compressed probe would fit where
// a post does not.

const PROBE_SQLITE: &str = "INSERT INTO jobs (id, kind, subject, run_at, attempts, last_error, created_at) \
     VALUES (randomblob(16), 'commit_probe', hex(randomblob(16)), 0, 0, hex(randomblob(25000)), 0); \
     DELETE FROM jobs WHERE rowid = last_insert_rowid()";

const PROBE_POSTGRES: &str = "DO $$ DECLARE probe uuid := gen_random_uuid(); BEGIN \
     INSERT INTO jobs (id, kind, subject, run_at, attempts, last_error, created_at) \
     VALUES (probe, 'commit_probe', probe::text, 0, 0, \
       (SELECT string_agg(encode(uuid_send(gen_random_uuid()), 'base64'), '') FROM generate_series(1, 2000)), 0); \
     DELETE FROM jobs WHERE id = probe; END $$";
