//! The readiness check: whether this node can serve requests.
//!
//! Anyone can request it, so the response only names the part that is missing. The log says why, once per change: an
//! orchestrator probes every few seconds.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};
use std::{error::Error, time::Duration};

use blegram_api::{NotReady, Readiness};
use blegram_media::Media;
use blegram_persistence::Db;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

/// Time limit of a readiness probe. Orchestrators give up soon after.
const PROBE_LIMIT: Duration = Duration::from_secs(2);

/// The part of [`PROBE_LIMIT`] within which the database must respond to a ping.
const DATABASE_LIMIT: Duration = Duration::from_millis(1_500);

const TIMED_OUT: &str = "it did not respond in time";

/// Builds the check. It fails once `shutdown` is cancelled.
pub(crate) fn readiness(db: Db, media: Media, shutdown: CancellationToken) -> Readiness {
    let check = Arc::new(Check {
        db,
        media,
        shutdown,
        is_foreign: AtomicBool::new(false),
        reported: Mutex::new(None),
    });
    Arc::new(move || {
        let check = Arc::clone(&check);
        Box::pin(async move { check.run().await })
    })
}

struct Check {
    db: Db,
    media: Media,
    shutdown: CancellationToken,
    /// Whether the storage was foreign at the last probe.
    is_foreign: AtomicBool,
    /// The failure of the last probe, which is in the log.
    reported: Mutex<Option<(NotReady, &'static str)>>,
}

/// Why a probe fails.
struct Failure {
    part: NotReady,
    /// Stays the same from probe to probe, unlike the error, which may contain times.
    reason: &'static str,
    error: Option<Box<dyn Error + Send + Sync>>,
}

impl Check {
    async fn run(&self) -> Result<(), NotReady> {
        if self.shutdown.is_cancelled() {
            return Err(NotReady::ShuttingDown);
        }
        let outcome = self.check_all().await;
        self.report(outcome.as_ref().err());
        outcome.map_err(|failure| failure.part)
    }

    async fn check_all(&self) -> Result<(), Failure> {
        let deadline = Instant::now() + PROBE_LIMIT;
        let too_slow = |part| Failure { part, reason: TIMED_OUT, error: None };
        let database = timeout_at(deadline, self.check_database());
        database.await.unwrap_or_else(|_| Err(too_slow(NotReady::Database)))?;
        let storage = timeout_at(deadline, self.check_storage());
        storage.await.unwrap_or_else(|_| Err(too_slow(NotReady::Storage)))
    }

    /// Checks that the database reads and commits. A node that can only read must leave the load balancer.
    async fn check_database(&self) -> Result<(), Failure> {
        let part = NotReady::Database;
        let failed = |error: blegram_persistence::Error| Failure {
            part,
            reason: error.reason(),
            error: Some(error.into()),
        };
        let ping = timeout(DATABASE_LIMIT, self.db.ping()).await;
        ping.map_err(|_| Failure { part, reason: TIMED_OUT, error: None })?.map_err(failed)?;
        self.db.check_commits().await.map_err(failed)
    }

    /// Checks that the storage responds and still has the marker of this site. A node that was started with a foreign
    /// storage counts as ready: it serves everything but images, and must not take the site down. It logs the error
    /// once, and `blegram doctor` reports it.
    async fn check_storage(&self) -> Result<(), Failure> {
        let answer = self.media.check_storage().await;
        let is_foreign = matches!(answer, Err(blegram_media::Error::ForeignStorage(_)));
        let is_new = !self.is_foreign.swap(is_foreign, Ordering::Relaxed);
        let Err(error) = answer else { return Ok(()) };
        if !is_foreign || self.media.has_found_storage() {
            let reason =
                if is_foreign { "it is not the storage of this site" } else { "it does not respond" };
            return Err(Failure { part: NotReady::Storage, reason, error: Some(error.into()) });
        }
        if is_new {
            tracing::error!(
                error = &error as &dyn Error,
                "foreign image storage: this node rejects uploads and deletes no files; all nodes of a site must share one storage"
            );
        }
        Ok(())
    }

    /// Logs the outcome of a probe, if it differs from the last one.
    fn report(&self, failure: Option<&Failure>) {
        let outcome = failure.map(|failure| (failure.part, failure.reason));
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        if *reported == outcome {
            return;
        }
        *reported = outcome;
        drop(reported);
        match failure {
            Some(Failure { part, reason, error }) => {
                let error = error.as_deref().map(|error| error as &dyn Error);
                tracing::warn!(%part, reason, error, "this node is not ready");
            }
            None => tracing::info!("this node is ready again"),
        }
    }
}
