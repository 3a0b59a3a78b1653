//! Doing the work that must not be lost: see [`Job`].

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use anyhow::{Context, anyhow};
use blegram_auth::Auth;
use blegram_chat::Chat;
use blegram_domain::{Clock, Job, Timestamp, job::retry_after};
use blegram_media::Media;
use blegram_persistence::{
    Db,
    jobs::{self, Taken},
    unhurried,
};
use blegram_social::Social;
use futures_util::{FutureExt, future::join_all};
use tokio_util::sync::CancellationToken;

use crate::{clock::Retention, doctor::on_one_line};

/// How long a job is kept from other nodes while this one is on it; each step renews it, and takes much less.
const LEASE: Duration = Duration::from_secs(60);

/// How often a node with nothing to do looks for something.
const PAUSE: Duration = Duration::from_secs(1);

/// Jobs at once on a node. On SQLite one more would only wait for the writer.
const WORKERS_ON_POSTGRES: usize = 2;

/// Does jobs; cheap to clone.
#[derive(Clone)]
pub struct Runner {
    db: Db,
    clock: Arc<dyn Clock>,
    auth: Auth,
    social: Social,
    chat: Chat,
    media: Media,
    retention: Retention,
    shutdown: CancellationToken,
}

impl Runner {
    /// One that takes jobs until `shutdown`, and leaves the one that it is on after its present step.
    pub fn new(
        db: Db,
        clock: Arc<dyn Clock>,
        auth: Auth,
        social: Social,
        media: Media,
        shutdown: CancellationToken,
    ) -> Self {
        // It needs nothing but the database and the time.
        let chat = Chat::new(db.clone(), Arc::clone(&clock));
        let retention = Retention::new(db.clone(), Arc::clone(&clock));
        Self { db, clock, auth, social, chat, media, retention, shutdown }
    }

    /// What the clock is trusted with.
    pub const fn retention(&self) -> &Retention {
        &self.retention
    }

    /// Works until the shutdown.
    pub async fn work(&self) {
        if let Err(error) = self.schedule().await {
            // They are there from an earlier start, or the next one adds them.
            tracing::warn!(error = &*on_one_line(error.as_ref()), "recurring jobs were not scheduled");
        }
        let workers = if self.db.is_sqlite() { 1 } else { WORKERS_ON_POSTGRES };
        let working = join_all((0..workers).map(|_| self.work_alone()));
        tokio::join!(working, self.retention.watch(&self.shutdown));
    }

    async fn work_alone(&self) {
        while !self.shutdown.is_cancelled() {
            if let Err(error) = self.run_due().await {
                tracing::warn!(error = &*on_one_line(error.as_ref()), "no job could be taken or put back");
            }
            self.shutdown.run_until_cancelled(tokio::time::sleep(PAUSE)).await;
        }
    }

    /// Adds the jobs that come back by themselves, where they are missing, after a first look at the clock: their rows are
    /// written by it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn schedule(&self) -> anyhow::Result<()> {
        self.retention.check().await?;
        let now = self.clock.now();
        let tx = self.db.write().await?;
        jobs::insert(&tx, Job::Retention, now, now).await?;
        Ok(tx.commit().await?)
    }

    /// Runs every job that is due, one after the other; says how many were.
    ///
    /// # Errors
    /// When the database fails between jobs. What a job itself fails of is written to its row, and tried again.
    pub async fn run_due(&self) -> anyhow::Result<usize> {
        let mut count = 0;
        while !self.shutdown.is_cancelled() {
            let Some(taken) = self.take().await? else { break };
            self.run(&taken).await?;
            count += 1;
        }
        Ok(count)
    }

    async fn take(&self) -> anyhow::Result<Option<Taken>> {
        let now = self.clock.now();
        if !jobs::is_any_due(&self.db, &Job::KINDS, now).await? {
            return Ok(None);
        }
        let tx = self.db.write().await?;
        let taken = jobs::take(&tx, &Job::KINDS, now, now + LEASE).await?;
        tx.commit().await?;
        Ok(taken)
    }

    async fn run(&self, taken: &Taken) -> anyhow::Result<()> {
        let Taken { kind, subject, attempts, .. } = taken;
        let began = self.clock.monotonic();
        let outcome = AssertUnwindSafe(unhurried(self.steps(taken))).catch_unwind().await;
        let outcome = outcome.unwrap_or_else(|_| Err(anyhow!("it panicked; the log has more")));
        let now = self.clock.now();
        let duration_ms = self.clock.monotonic().saturating_sub(began).as_millis();
        let tx = self.db.write().await?;
        match outcome {
            Ok(Outcome::Done(again)) => {
                match again {
                    Some(period) => jobs::update_done(&tx, taken, now + period).await?,
                    None => jobs::delete(&tx, taken).await?,
                }
                tracing::debug!(kind, subject, attempts, duration_ms, "a job is done");
            }
            // Free at once for another node.
            Ok(Outcome::Interrupted) => {
                jobs::update_run_at(&tx, taken, now).await?;
            }
            Ok(Outcome::Lost) => tracing::info!(kind, subject, attempts, "another node took the job over"),
            Err(error) => {
                let (error, again) = (on_one_line(error.as_ref()), now + retry_after(*attempts));
                jobs::update_failed(&tx, taken, again, &error).await?;
                tracing::warn!(kind, subject, attempts, duration_ms, error, again = %again, "a job failed");
            }
        }
        Ok(tx.commit().await?)
    }

    async fn steps(&self, taken: &Taken) -> anyhow::Result<Outcome> {
        let job = Job::parse(&taken.kind, &taken.subject).context("its row names no job")?;
        while self.step(job).await? {
            if self.shutdown.is_cancelled() {
                return Ok(Outcome::Interrupted);
            }
            if !self.renew(taken, self.clock.now() + LEASE).await? {
                return Ok(Outcome::Lost);
            }
        }
        Ok(Outcome::Done(job.period()))
    }

    /// A part of `job` that takes few transactions of few rows each; says whether there is more.
    async fn step(&self, job: Job) -> anyhow::Result<bool> {
        Ok(match job {
            Job::EraseAccount(user) => {
                // Images before what shows them: a row that went first would leave its files behind.
                self.media.erase_user(user).await?
                    || self.chat.erase_user(user).await?
                    || self.social.erase_user(user).await?
                    || self.auth.erase_account(user).await?
            }
            Job::ErasePost(post) => {
                self.media.erase_post(post).await? || self.social.erase_post(post).await?
            }
            Job::EraseMedia(media) => self.media.erase_media(media).await?,
            Job::EraseFiles(key) => {
                self.media.erase_files(key).await?;
                false
            }
            Job::EraseConversation(id) => self.chat.erase_conversation(id).await?,
            Job::MoveMedia(user) => self.media.move_media(user).await?,
            Job::MoveImage(media) => self.media.move_image(media).await?,
            Job::EraseComment(comment) => self.social.erase_comment(comment).await?,
            Job::AcceptFollowRequests(user) => self.social.accept_follow_requests(user).await?,
            Job::Reindex => self.social.reindex().await?,
            Job::Retention => self.forget_old().await?,
        })
    }

    /// Every deletion for age alone is here, by a time that was checked, and does not happen while the clock is in doubt.
    async fn forget_old(&self) -> anyhow::Result<bool> {
        let Some(now) = self.retention.check().await? else { return Ok(false) };
        Ok(self.auth.forget_old(now).await?
            || self.social.forget_old(now).await?
            || self.chat.forget_old(now).await?
            || self.media.forget_old(now).await?)
    }

    async fn renew(&self, taken: &Taken, until: Timestamp) -> anyhow::Result<bool> {
        let tx = self.db.write().await?;
        let is_ours = jobs::update_run_at(&tx, taken, until).await?;
        tx.commit().await?;
        Ok(is_ours)
    }
}

/// How a job went that did not fail.
enum Outcome {
    /// It is done; due again after this.
    Done(Option<Duration>),
    /// The process ends.
    Interrupted,
    /// It took longer than its lease, and somebody else is on it.
    Lost,
}
