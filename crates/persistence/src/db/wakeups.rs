//! Wakes the workers of the job queue after a transaction that scheduled a job.
//!
//! [`Tx::commit`](crate::Tx::commit) wakes those of this process. On PostgreSQL, [`Db::relay_job_wakeups`] notifies other
//! processes (`NOTIFY`) and receives their notifications. The `NOTIFY` is sent after the commit and outside of the transaction:
//! transactions that contain one commit one after the other, because each takes the same lock until its commit is on
//! disk. A wake-up may be lost, so workers poll as well. See `docs/decisions/0034-workers-are-woken.md`.
//!
//! The same connection receives the notices that the bus of a site without Redis sends ([`Db::send_notices`]).

use std::{convert::Infallible, fmt, pin::pin, sync::OnceLock, time::Duration};

use sea_orm::{ConnectionTrait, DbBackend, Statement};
use tokio::{
    sync::Notify,
    time::{sleep, timeout},
};

use super::{Db, Writer};
use crate::{
    Error, Result,
    postgres::{Pool, listener::Received},
};

const CHANNEL: &str = "blegram_jobs";

const NOTICES: &str = "blegram_events";

/// The shortest interval between two `NOTIFY` of a process. Commits within it share the second one.
const SEND_INTERVAL: Duration = Duration::from_millis(200);

/// How long the last `NOTIFY` may delay a shutdown.
const LAST_SEND_TIMEOUT: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(crate) struct Wakeups {
    workers: Notify,
    /// Remembers one wake-up while the relay is busy.
    relay: Notify,
    notices: OnceLock<NoticeHandler>,
}

/// What happens on the channel of notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice<'a> {
    /// This process has begun to listen: notices before that are lost.
    Begin,
    /// A process, perhaps this one, sent a notice.
    Received(&'a str),
    /// This process no longer listens.
    End,
}

struct NoticeHandler(Box<dyn Fn(Notice<'_>) + Send + Sync>);

impl fmt::Debug for NoticeHandler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NoticeHandler")
    }
}

impl Wakeups {
    /// Wakes the workers of all processes.
    pub(super) fn wake(&self) {
        self.workers.notify_waiters();
        self.relay.notify_one();
    }

    fn handle(&self, notice: Notice<'_>) {
        if let Some(NoticeHandler(handle)) = self.notices.get() {
            handle(notice);
        }
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

    /// Whether this process receives notices while it relays wake-ups: on PostgreSQL, with enough connections.
    pub fn receives_notices(&self) -> bool {
        matches!(&self.write, Writer::Postgres(pool) if pool.can_listen())
    }

    /// Passes notices to `handle`, while [`Db::relay_job_wakeups`] runs. Only the first call has an effect.
    pub fn on_notice(&self, handle: impl Fn(Notice<'_>) + Send + Sync + 'static) {
        let _ = self.wakeups.notices.set(NoticeHandler(Box::new(handle)));
    }

    /// Sends notices of less than 8,000 bytes to all processes. Not in a transaction, as explained above.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the database does not respond.
    pub async fn send_notices(&self, texts: &[String]) -> Result<()> {
        let Writer::Postgres(pool) = &self.write else { return Ok(()) };
        let sql =
            format!("SELECT pg_notify('{NOTICES}', text) FROM json_array_elements_text($1::json) AS text");
        let texts = serde_json::Value::from(texts).to_string();
        let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, [texts.into()]);
        pool.execute_raw(statement).await.map(drop).map_err(Error::from)
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
        self.wakeups.handle(Notice::End);
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
        let receive = |received: Received<'_>| match received {
            Received::Payload { channel: NOTICES, text } => self.wakeups.handle(Notice::Received(text)),
            // This process has woken its own workers already.
            Received::Payload { text, .. } if *text == *self.identity => {}
            Received::Payload { .. } => self.wakeups.workers.notify_waiters(),
            Received::Begin => {
                self.wakeups.workers.notify_waiters();
                self.wakeups.handle(Notice::Begin);
            }
            Received::End => self.wakeups.handle(Notice::End),
        };
        let notices = self.wakeups.notices.get().map(|_| NOTICES);
        let channels: Vec<&str> = std::iter::once(CHANNEL).chain(notices).collect();
        pool.listen(&channels, receive).await
    }
}
