//! A connection in use: runs statements with a deadline, and returns the connection to the pool or closes it.

use std::{
    mem,
    sync::Arc,
    time::{Duration, Instant},
};

use sea_orm::{
    DbErr, ExecResult, QueryResult, Statement,
    sea_query::Values,
    sqlx::{self, AssertSqlSafe, Connection as _, Sqlite, SqliteConnection, query::Query},
};
use sea_query_sqlx::SqlxValues;
use tokio::{runtime::Handle, sync::OwnedSemaphorePermit, time::timeout};

use super::{CLOSE_TIMEOUT, Connection, Pool, Role, Watch, group::Group};
use crate::{
    budget::statement_limit,
    connection::GRACE,
    error::{breaks_connection, executing, querying},
};

/// The savepoint of a transaction that shares a SQLite transaction with others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Savepoint {
    /// None: the transaction is alone, or the first one.
    None,
    Open,
    /// Its release was requested. From then on its changes belong to the group.
    Releasing,
}

/// A connection in use.
pub(crate) struct Lease {
    connection: Option<Connection>,
    /// Whether no statement runs on it.
    is_idle: bool,
    /// Whether a transaction may be open on it.
    pub(super) in_transaction: bool,
    /// How far a transaction inside an open group is.
    pub(super) savepoint: Savepoint,
    /// Whether its view of the file may be wrong.
    is_lost: bool,
    /// Whether only [`Lease::recover`] still uses it. If it is dropped then, as when the runtime shuts down, the
    /// connection is closed.
    is_recovering: bool,
    pool: Arc<Pool>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Lease {
    pub(super) const fn new(connection: Connection, pool: Arc<Pool>, permit: OwnedSemaphorePermit) -> Self {
        Self {
            connection: Some(connection),
            is_idle: true,
            in_transaction: false,
            savepoint: Savepoint::None,
            is_lost: false,
            is_recovering: false,
            pool,
            permit: Some(permit),
        }
    }

    pub(super) const fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// The transactions that wait for the commit of this connection.
    pub(super) fn group(&self) -> &Group {
        static NONE: Group = Group::new();
        self.connection.as_ref().map_or(&NONE, |connection| &connection.group)
    }

    pub(super) fn take_group(&mut self) -> Group {
        let group = self.connection.as_mut().map(|connection| &mut connection.group);
        group.map_or_else(Group::new, |group| mem::replace(group, Group::new()))
    }

    /// Leaves the changes of this transaction to the group.
    pub(super) fn end_member(&mut self, add: impl FnOnce(&mut Group)) {
        (self.in_transaction, self.savepoint) = (false, Savepoint::None);
        if let Some(connection) = &mut self.connection {
            add(&mut connection.group);
        }
    }

    pub(super) fn watch(&self) -> Option<&Watch> {
        self.connection.as_ref().map(|connection| &*connection.watch)
    }

    pub(super) fn is(&self, phase: u8) -> bool {
        self.watch().is_some_and(|watch| watch.is(phase))
    }

    /// Runs one statement with the timeout `limit`, or a longer one in background work.
    async fn run<'c, T, F>(
        &'c mut self,
        limit: Duration,
        work: impl FnOnce(&'c mut SqliteConnection) -> F,
    ) -> Result<T, sqlx::Error>
    where
        F: Future<Output = Result<T, sqlx::Error>>,
    {
        let Self { connection: Some(connection), is_idle, is_lost, .. } = self else {
            return Err(sqlx::Error::PoolClosed);
        };
        let limit = statement_limit(limit);
        *is_idle = false;
        connection.watch.limit(limit);
        let watch = Arc::clone(&connection.watch);
        let Ok(result) = timeout(limit.saturating_add(GRACE), work(&mut connection.raw)).await else {
            // Not a lock timeout: SQLite would have returned `SQLITE_BUSY`.
            return Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()));
        };
        watch.unlimit();
        *is_idle = true;
        *is_lost |= result.as_ref().is_err_and(breaks_connection);
        result
    }

    pub(super) async fn execute(
        &mut self,
        statement: &Statement,
        limit: Duration,
    ) -> Result<ExecResult, DbErr> {
        let start = Instant::now();
        let result = self.run(limit, |raw| query(statement).execute(raw)).await;
        self.pool.report(statement, start, result.is_err());
        result.map(ExecResult::from).map_err(executing)
    }

    pub(super) async fn query_one(
        &mut self,
        statement: &Statement,
        limit: Duration,
    ) -> Result<Option<QueryResult>, DbErr> {
        let start = Instant::now();
        let result = self.run(limit, |raw| query(statement).fetch_optional(raw)).await;
        self.pool.report(statement, start, result.is_err());
        result.map(|row| row.map(QueryResult::from)).map_err(querying)
    }

    pub(super) async fn query_all(
        &mut self,
        statement: &Statement,
        limit: Duration,
    ) -> Result<Vec<QueryResult>, DbErr> {
        let start = Instant::now();
        let result = self.run(limit, |raw| query(statement).fetch_all(raw)).await;
        self.pool.report(statement, start, result.is_err());
        result.map(|rows| rows.into_iter().map(QueryResult::from).collect()).map_err(querying)
    }

    pub(super) async fn execute_unprepared(
        &mut self,
        sql: &str,
        limit: Duration,
    ) -> Result<ExecResult, DbErr> {
        let statements = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        self.run(limit, |raw| statements.execute(raw)).await.map(ExecResult::from).map_err(executing)
    }

    /// Runs `BEGIN IMMEDIATE`, `COMMIT` or `ROLLBACK`.
    pub(super) async fn control(&mut self, sql: &'static str, limit: Duration) -> Result<(), DbErr> {
        self.run(limit, |raw| sqlx::query(sql).execute(raw)).await.map(|_| ()).map_err(executing)
    }

    /// Rolls the connection back so that it can return to the pool, or closes it. `limit` is the timeout of the
    /// `ROLLBACK`.
    async fn recover(mut self, limit: Duration) {
        if let Some(connection) = self.connection.as_mut() {
            if self.pool.role == Role::Read {
                connection.watch.interrupt();
            }
            // The ping completes only after the abandoned statement has ended.
            if connection.raw.ping().await.is_ok() {
                connection.watch.unlimit();
                self.is_idle = true;
            }
        }
        if self.is_idle && !self.is_lost && self.in_transaction {
            self.in_transaction = self.roll_back(limit).await.is_err();
        }
        if self.is_clean() {
            return;
        }
        if let Some(connection) = self.connection.take() {
            tracing::debug!(role = ?self.pool.role, "closing a SQLite connection; the next user opens a new one");
            connection.close().await;
        }
    }

    async fn roll_back(&mut self, limit: Duration) -> Result<(), DbErr> {
        match self.savepoint {
            Savepoint::None => self.control("ROLLBACK", limit).await,
            // The others of the group are not affected.
            Savepoint::Open => {
                self.control("ROLLBACK TO member", limit).await?;
                self.control("RELEASE member", limit).await
            }
            // The caller does not know the outcome of its commit. The group decides it.
            Savepoint::Releasing => Ok(()),
        }
    }

    pub(super) const fn is_clean(&self) -> bool {
        self.is_idle && !self.in_transaction && !self.is_lost
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else { return };
        if self.is_clean() {
            // The permit is released after this, so the next user finds the connection.
            self.pool.idle().push_back(connection);
            return;
        }
        if self.is_recovering {
            return;
        }
        if self.savepoint == Savepoint::Open && !connection.group.is_empty() {
            connection.group.delay_reads(&self.pool.barrier);
        }
        let rest = Self {
            connection: Some(connection),
            is_idle: self.is_idle,
            in_transaction: self.in_transaction,
            savepoint: self.savepoint,
            is_lost: self.is_lost,
            is_recovering: true,
            pool: Arc::clone(&self.pool),
            permit: self.permit.take(),
        };
        recover_later(rest);
    }
}

fn recover_later(mut lease: Lease) {
    let Ok(runtime) = Handle::try_current() else {
        // Without a runtime there is no place to wait for it: dropping the connection closes it.
        drop(lease.connection.take());
        return;
    };
    runtime.spawn(lease.recover(CLOSE_TIMEOUT));
}

fn query(statement: &Statement) -> Query<'_, Sqlite, SqlxValues> {
    let values = statement.values.clone().unwrap_or(Values(Vec::new()));
    sqlx::query_with(AssertSqlSafe(statement.sql.as_str()), SqlxValues(values))
}
