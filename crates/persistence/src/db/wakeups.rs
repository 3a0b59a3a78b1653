//! Wakes the workers of the job queue after a transaction that scheduled a job.
//!
//! [`Tx::commit`](crate::Tx::commit) wakes those of this process. On PostgreSQL, [`Db::relay_job_wakeups`] notifies other
//! processes (`NOTIFY`) and receives their notifications. The `NOTIFY` is sent after the commit and outside of the transaction:
//! transactions that contain one commit one after the other, because each takes the same lock until its commit is on
//! disk. A wake-up may be lost, so workers poll as well. See `docs/decisions/0034-workers-are-woken.md`.

use std::{convert::Infallible, pin::pin, time::Duration};

use sea_orm::ConnectionTrait;
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};

use super::{Db, Writer};
use crate::postgres::Pool;

const CHANNEL: &str = "blegram_jobs";

/// The shortest interval between two `NOTIFY` of a process. Commits within it share the second one.
const SEND_INTERVAL: Duration = Duration::from_millis(200);

/// How long the last `NOTIFY` may delay a shutdown.
const LAST_SEND_TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(crate) struct Wakeups {
    workers: Notify,
    /// Remembers one wake-up while the relay is busy.
    relay: Notify,
}

impl Wakeups {
    /// Wakes the workers of all processes.
    pub(super) fn wake(&self) {
        self.workers.notify_waiters();
        self.relay.notify_one();
    }

    fn take_unsent(&self) -> bool {
        pin!(self.relay.notified()).enable()
    }
}

impl Db {
    /// Waits until a transaction that scheduled a job, for now or for later, has committed. Counts from this call on,
    /// not from the first poll.
    pub fn job_wakeup(&self) -> impl Future<Output = ()> {
        self.wakeups.workers.notified()
    }

    /// Runs `work`, and relays wake-ups of the job queue between this process and others meanwhile. On SQLite, only
    /// runs `work`.
    pub async fn relay_job_wakeups<F: Future>(&self, work: F) -> F::Output {
        let Writer::Postgres(pool) = &self.write else { return work.await };
        let relaying = async { tokio::join!(self.send_wakeups(pool), self.receive_wakeups(pool)) };
        let output = tokio::select! {
            output = work => output,
            (never, _) = relaying => match never {},
        };
        // For jobs that a shutdown leaves to other processes.
        if self.wakeups.take_unsent() && timeout(LAST_SEND_TIMEOUT, self.notify(pool)).await.is_err() {
            tracing::debug!("cannot wake the workers of other nodes in time");
        }
        output
    }

    async fn send_wakeups(&self, pool: &Pool) -> Infallible {
        loop {
            self.wakeups.relay.notified().await;
            self.notify(pool).await;
            sleep(SEND_INTERVAL).await;
        }
    }

    async fn notify(&self, pool: &Pool) {
        let sql = format!("NOTIFY {CHANNEL}, '{}'", self.identity);
        if let Err(error) = pool.execute_unprepared(&sql).await {
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                "cannot wake the workers of other nodes"
            );
        }
    }

    async fn receive_wakeups(&self, pool: &Pool) -> Infallible {
        let receive = |sender: Option<&str>| {
            // This process has woken its own workers already.
            if sender != Some(&self.identity) {
                self.wakeups.workers.notify_waiters();
            }
        };
        pool.listen(CHANNEL, receive).await
    }
}
