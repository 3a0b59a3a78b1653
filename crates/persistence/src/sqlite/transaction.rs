//! Write transactions on SQLite. They commit in groups: see [`group`].

use std::{fmt, sync::Arc, time::Duration};

use sea_orm::{
    ConnAcquireErr, ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, Statement,
    prelude::async_trait::async_trait,
};

use super::{
    Pool, group,
    lease::{Lease, Savepoint},
    phase,
};
use crate::{budget::WaitBudget, error::is_locked};

/// A write transaction. Dropping it rolls it back.
pub(crate) struct Transaction {
    lease: tokio::sync::Mutex<Lease>,
    limit: Duration,
}

impl Transaction {
    /// Begins a transaction that takes the write lock at once: one that reads first cannot upgrade to a writer while
    /// another connection writes. Joins the open group of transactions, if there is one.
    pub(crate) async fn begin(pool: &Arc<Pool>, limit: Duration) -> Result<Self, DbErr> {
        let budget = WaitBudget::current();
        let mut lease = group::acquire(pool, &budget, limit).await?;
        // Set before the statement is sent: if this future is dropped before the result arrives, the transaction may be
        // open.
        lease.in_transaction = true;
        if lease.group().is_empty() {
            begin_immediate(&mut lease, &budget, limit).await?;
        } else {
            lease.savepoint = Savepoint::Open;
            lease.control("SAVEPOINT member", limit).await?;
        }
        Ok(Self { lease: tokio::sync::Mutex::new(lease), limit })
    }

    /// Commits, together with other transactions. After `Ok`, the changes are durable.
    pub(crate) async fn commit(self) -> Result<(), DbErr> {
        let (mut lease, limit) = (self.lease.into_inner(), self.limit);
        if !lease.is(phase::OPEN) {
            return Err(ended());
        }
        if lease.savepoint == Savepoint::Open {
            lease.savepoint = Savepoint::Releasing;
            lease.control("RELEASE member", limit).await?;
        }
        group::join(lease, limit).await
    }

    /// The connection, unless SQLite has ended the transaction: a statement after that would run outside of it.
    async fn lease(&self) -> Result<tokio::sync::MutexGuard<'_, Lease>, DbErr> {
        let lease = self.lease.lock().await;
        if lease.is(phase::OPEN) { Ok(lease) } else { Err(ended()) }
    }
}

async fn begin_immediate(lease: &mut Lease, budget: &WaitBudget, limit: Duration) -> Result<(), DbErr> {
    let mut attempts = budget.attempts();
    loop {
        lease.in_transaction = true;
        let result = lease.control("BEGIN IMMEDIATE", limit).await;
        let was_locked = result.as_ref().is_err_and(is_locked);
        if was_locked {
            lease.in_transaction = false;
        }
        if !attempts.should_retry(was_locked).await {
            result?;
            break;
        }
    }
    if let Some(watch) = lease.watch() {
        watch.enter(phase::OPEN);
    }
    Ok(())
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").finish_non_exhaustive()
    }
}

/// The error after SQLite rolled the transaction back by itself.
pub(super) const fn ended() -> DbErr {
    DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed)
}

/// Logs when a statement made SQLite end the transaction by itself.
fn log_end<T>(lease: &Lease, result: &Result<T, DbErr>) {
    if let Err(error) = result
        && !lease.is(phase::OPEN)
    {
        let error = error as &dyn std::error::Error;
        tracing::warn!(error, "SQLite rolled back a transaction by itself; closing its connection");
    }
}

#[async_trait]
impl ConnectionTrait for Transaction {
    fn get_database_backend(&self) -> DbBackend {
        DbBackend::Sqlite
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let mut lease = self.lease().await?;
        let result = lease.execute(&statement, self.limit).await;
        log_end(&lease, &result);
        result
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let mut lease = self.lease().await?;
        let result = lease.execute_unprepared(sql, self.limit).await;
        log_end(&lease, &result);
        result
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let mut lease = self.lease().await?;
        let result = lease.query_one(&statement, self.limit).await;
        log_end(&lease, &result);
        result
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let mut lease = self.lease().await?;
        let result = lease.query_all(&statement, self.limit).await;
        log_end(&lease, &result);
        result
    }
}
