//! The check that the database accepts writes: derived from this process's own transactions; without recent ones, from
//! a probe that commits and leaves nothing behind.

use std::time::Duration;

use sea_orm::ConnectionTrait;
use tokio::time::timeout;

use super::{Db, sealed::Sealed};
use crate::{Error, Result, budget::with_budget};

/// The timeout of a probe. Callers give up after two seconds.
const PROBE_TIMEOUT: Duration = Duration::from_millis(1_500);

/// How long a probe waits for a connection and for locks: less than its timeout, so that it can report the lock.
const PROBE_BUDGET: Duration = Duration::from_secs(1);

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
