//! Runs durable background jobs, which are rows of the table `jobs`: see [`Job`].
//!
//! A worker claims a due job by pushing its `run_at` into the future, which is its lease. A job runs in steps of few
//! transactions and renews the lease between them; when a node crashes, the lease expires and another node claims the
//! job. A failed job is retried with backoff and never given up. Decision 12 says why.
//!
//! An idle worker waits until the next job is due, or a commit schedules another one (decision 34). Because it may miss
//! that, it also looks every ten seconds.

mod chat;
mod handlers;
mod mail;
mod media;
mod metrics;
mod provider;
mod site;
mod social;

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use anyhow::{Context, anyhow};
use blegram_auth::Auth;
use blegram_domain::{
    Clock, Job, Timestamp,
    job::{MailJob, ProviderJob, retry_after},
};
use blegram_media::Media;
use blegram_persistence::{
    Db, as_background_work,
    jobs::{self, LeasedJob},
};
use blegram_social::Social;
use futures_util::{
    FutureExt,
    future::{self, join_all},
};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

pub use self::metrics::{JobOutcome, JobsSnapshot};
use self::{handlers::Handlers, metrics::JobMetrics};
use crate::{clock::Retention, doctor::on_one_line};

/// Lease of a claimed job. Each step renews it and takes much less time.
const LEASE: Duration = Duration::from_secs(60);

/// The longest pause of an idle worker, for jobs of which no wake-up reaches it: those of commands such as
/// `blegram sweep`, and those of a node that crashed.
const MAX_PAUSE: Duration = Duration::from_secs(10);

/// The shortest pause, for a due job that another worker is about to claim.
const MIN_PAUSE: Duration = Duration::from_millis(100);

/// The pause after the database failed.
const PAUSE_AFTER_ERROR: Duration = Duration::from_secs(1);

/// Concurrent jobs of a node on PostgreSQL. On SQLite a second one would only wait for the writer.
const WORKERS_ON_POSTGRES: usize = 2;

/// Claims and runs jobs; cheap to clone.
#[derive(Clone)]
pub struct Runner {
    db: Db,
    clock: Arc<dyn Clock>,
    handlers: Handlers,
    shutdown: CancellationToken,
    max_pause: Duration,
    metrics: Arc<JobMetrics>,
}

impl std::fmt::Debug for Runner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runner").finish_non_exhaustive()
    }
}

impl Runner {
    /// Creates a runner that claims jobs until `shutdown`, and then stops running jobs after their current step.
    pub fn new(
        db: Db,
        clock: Arc<dyn Clock>,
        auth: Auth,
        social: Social,
        media: Media,
        shutdown: CancellationToken,
    ) -> Self {
        let handlers = Handlers::new(db.clone(), Arc::clone(&clock), auth, social, media);
        Self { db, clock, handlers, shutdown, max_pause: MAX_PAUSE, metrics: Arc::default() }
    }

    /// Replaces the longest pause of an idle worker.
    #[must_use]
    pub fn with_max_pause(self, max_pause: Duration) -> Self {
        Self { max_pause, ..self }
    }

    /// What this node ran since its start.
    pub fn snapshot(&self) -> JobsSnapshot {
        self.metrics.snapshot()
    }

    /// The clock check that guards deletions by age.
    pub const fn retention(&self) -> &Retention {
        &self.handlers.retention
    }

    /// Schedules the recurring jobs, then runs due jobs and watches the clock until the shutdown.
    pub async fn work(&self) {
        if let Err(error) = self.schedule().await {
            // An earlier start has scheduled them, or the next one will.
            tracing::warn!(error = &*on_one_line(error.as_ref()), "cannot schedule recurring jobs");
        }
        let workers = if self.db.is_sqlite() { 1 } else { WORKERS_ON_POSTGRES };
        let others = other_kinds();
        let working = join_all((0..workers).map(|_| self.run_worker(&others)));
        let working = future::join(working, join_all(WAITING.map(|kinds| self.run_worker(kinds))));
        let watching = self.retention().watch(&self.shutdown);
        self.db.relay_job_wakeups(future::join(working, watching)).await;
    }

    async fn run_worker(&self, kinds: &[&str]) {
        while !self.shutdown.is_cancelled() {
            // Before the queue is read, so that no later commit is missed.
            let wakeup = self.db.job_wakeup();
            let pause = self.run_until_idle(kinds).await.unwrap_or_else(|error| {
                tracing::warn!(error = &*on_one_line(error.as_ref()), "cannot claim or release a job");
                PAUSE_AFTER_ERROR
            });
            self.shutdown.run_until_cancelled(timeout(pause, wakeup)).await;
        }
    }

    /// Runs the due jobs, and returns how long to wait for the next one.
    async fn run_until_idle(&self, kinds: &[&str]) -> anyhow::Result<Duration> {
        self.run_due_of(kinds).await?;
        let next = jobs::find_next_run_at(&self.db, kinds).await?;
        let wait = next.map_or(self.max_pause, |run_at| run_at.since(self.clock.now()));
        Ok(wait.min(self.max_pause).max(MIN_PAUSE))
    }

    /// Inserts the recurring jobs that are missing. Checks the clock first, because their rows are dated by it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn schedule(&self) -> anyhow::Result<()> {
        self.retention().check().await?;
        let now = self.clock.now();
        let tx = self.db.write().await?;
        jobs::insert(&tx, Job::Retention, now, now).await?;
        Ok(tx.commit().await?)
    }

    /// Runs the due jobs one after the other and returns their number.
    ///
    /// # Errors
    /// When the database fails between jobs. The error of a job itself is stored in its row, and the job is retried.
    pub async fn run_due(&self) -> anyhow::Result<usize> {
        self.run_due_of(Job::KINDS).await
    }

    async fn run_due_of(&self, kinds: &[&str]) -> anyhow::Result<usize> {
        let mut count = 0;
        while !self.shutdown.is_cancelled() {
            let Some(claimed) = self.claim(kinds).await? else { break };
            self.run(&claimed).await?;
            count += 1;
        }
        Ok(count)
    }

    async fn claim(&self, kinds: &[&str]) -> anyhow::Result<Option<LeasedJob>> {
        let now = self.clock.now();
        if jobs::find_next_run_at(&self.db, kinds).await?.is_none_or(|run_at| run_at > now) {
            return Ok(None);
        }
        let tx = self.db.write().await?;
        let claimed = jobs::take(&tx, kinds, now, now + LEASE).await?;
        tx.commit().await?;
        Ok(claimed)
    }

    async fn run(&self, claimed: &LeasedJob) -> anyhow::Result<()> {
        let LeasedJob { kind, subject, attempts, .. } = claimed;
        let started = self.clock.monotonic();
        let outcome = AssertUnwindSafe(as_background_work(self.steps(claimed))).catch_unwind().await;
        let outcome = outcome.unwrap_or_else(|_| Err(anyhow!("the job panicked; see the log")));
        let now = self.clock.now();
        let took = self.clock.monotonic().saturating_sub(started);
        self.metrics.record(kind, JobOutcome::of(&outcome), took);
        let duration_ms = took.as_millis();
        let tx = self.db.write().await?;
        match outcome {
            Ok(Outcome::Done(again)) => {
                match again {
                    Some(period) => jobs::update_done(&tx, claimed, now + period).await?,
                    None => jobs::delete(&tx, claimed).await?,
                }
                tracing::debug!(kind, subject, attempts, duration_ms, "job finished");
            }
            // Due now, so that another node can claim it at once.
            Ok(Outcome::Interrupted) => jobs::update_released(&tx, claimed, now).await?,
            Ok(Outcome::Lost) => tracing::info!(kind, subject, attempts, "job taken over by another node"),
            Err(error) => {
                let (error, again) = (on_one_line(error.as_ref()), now + retry_after(*attempts));
                jobs::update_failed(&tx, claimed, again, &error).await?;
                tracing::warn!(kind, subject, attempts, duration_ms, error, again = %again, "job failed");
            }
        }
        Ok(tx.commit().await?)
    }

    async fn steps(&self, claimed: &LeasedJob) -> anyhow::Result<Outcome> {
        let job = Job::parse(&claimed.kind, &claimed.subject).context("invalid job kind or subject")?;
        while self.handlers.step(job).await? {
            if self.shutdown.is_cancelled() {
                return Ok(Outcome::Interrupted);
            }
            if !self.renew(claimed, self.clock.now() + LEASE).await? {
                return Ok(Outcome::Lost);
            }
        }
        Ok(Outcome::Done(job.period()))
    }

    async fn renew(&self, claimed: &LeasedJob, until: Timestamp) -> anyhow::Result<bool> {
        let tx = self.db.write().await?;
        let is_ours = jobs::update_run_at(&tx, claimed, until).await?;
        tx.commit().await?;
        Ok(is_ours)
    }
}

/// The kinds of jobs that wait for another server. Each group has a worker of its own: a mail server or a provider that does
/// not answer must not delay other jobs.
const WAITING: [&[&str]; 2] = [MailJob::KINDS, ProviderJob::KINDS];

/// The kinds of jobs that wait for no other server.
fn other_kinds() -> Vec<&'static str> {
    let waits = |kind: &&str| WAITING.iter().any(|kinds| kinds.contains(kind));
    Job::KINDS.iter().copied().filter(|kind| !waits(kind)).collect()
}

/// Outcome of a job that did not fail.
enum Outcome {
    /// It has finished. A recurring job is due again after this period.
    Done(Option<Duration>),
    /// The process is shutting down.
    Interrupted,
    /// Its lease expired, and another node claimed it.
    Lost,
}
