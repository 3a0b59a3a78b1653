//! A connection in use: runs statements with a timeout, and returns the connection to the pool or closes it.

use std::time::Instant;

use deadpool::managed::Object;
use sea_orm::{
    DbErr, ExecResult, QueryResult, Statement,
    sea_query::Values,
    sqlx::{self, AssertSqlSafe, PgConnection, Postgres, query::Query, raw_sql},
};
use sea_query_sqlx::SqlxValues;
use tokio::{runtime::Handle, sync::OwnedSemaphorePermit, time::timeout};

use super::{Manager, Pool, TEST_TIMEOUT, timed_out, with_test_timeout};
use crate::{
    connection::GRACE,
    error::{breaks_server_connection, executing, makes_connections_suspect, querying},
};

/// A connection in use.
pub(super) struct Lease {
    connection: Option<Object<Manager>>,
    /// When the running statement started.
    unanswered_since: Option<Instant>,
    /// Whether a transaction may be open on the connection.
    pub(super) in_transaction: bool,
    /// Whether the connection lost its server.
    is_lost: bool,
    /// Whether only [`Lease::recover`] still uses it. If it is dropped then, as when the runtime shuts down, the
    /// connection is closed.
    is_recovering: bool,
    pool: Pool,
    permit: Option<OwnedSemaphorePermit>,
}

impl Lease {
    pub(super) const fn new(
        connection: Object<Manager>,
        pool: Pool,
        permit: Option<OwnedSemaphorePermit>,
    ) -> Self {
        Self {
            connection: Some(connection),
            unanswered_since: None,
            in_transaction: false,
            is_lost: false,
            is_recovering: false,
            pool,
            permit,
        }
    }

    /// Runs one statement. Abandons it some time after the server's own timeout, in case the server or the network
    /// hangs.
    async fn run<'c, T, F>(
        &'c mut self,
        work: impl FnOnce(&'c mut PgConnection) -> F,
    ) -> Result<T, sqlx::Error>
    where
        F: Future<Output = Result<T, sqlx::Error>>,
    {
        let Self { connection: Some(connection), unanswered_since, is_lost, pool, .. } = self else {
            return Err(sqlx::Error::PoolClosed);
        };
        *unanswered_since = Some(Instant::now());
        let Ok(result) = timeout(pool.limit.saturating_add(GRACE), work(connection)).await else {
            return Err(timed_out());
        };
        *unanswered_since = None;
        *is_lost |= result.as_ref().is_err_and(breaks_server_connection);
        if result.as_ref().is_err_and(makes_connections_suspect) {
            pool.last_error().note();
        }
        result
    }

    pub(super) async fn execute(&mut self, statement: &Statement) -> Result<ExecResult, DbErr> {
        let start = Instant::now();
        let result = self.run(|raw| query(statement).execute(raw)).await;
        self.pool.report(statement, start, result.is_err());
        result.map(ExecResult::from).map_err(executing)
    }

    pub(super) async fn query_all(&mut self, statement: &Statement) -> Result<Vec<QueryResult>, DbErr> {
        let start = Instant::now();
        let result = self.run(|raw| query(statement).fetch_all(raw)).await;
        self.pool.report(statement, start, result.is_err());
        result.map(|rows| rows.into_iter().map(QueryResult::from).collect()).map_err(querying)
    }

    /// Returns the first row. Reads the whole result, because the rest would reach the next user of the connection.
    pub(super) async fn query_one(&mut self, statement: &Statement) -> Result<Option<QueryResult>, DbErr> {
        Ok(self.query_all(statement).await?.into_iter().next())
    }

    pub(super) async fn execute_unprepared(&mut self, sql: &str) -> Result<ExecResult, DbErr> {
        let statements = raw_sql(AssertSqlSafe(sql.to_owned()));
        let result = self.run(|raw| statements.execute(raw)).await;
        result.map(ExecResult::from).map_err(executing)
    }

    /// Runs `BEGIN` or `COMMIT`.
    pub(super) async fn control(&mut self, sql: impl Into<String>) -> Result<(), DbErr> {
        let statements = raw_sql(AssertSqlSafe(sql.into()));
        self.run(|raw| statements.execute(raw)).await.map(drop).map_err(executing)
    }

    /// Rolls the connection back so that it can return to the pool, or closes it.
    async fn recover(mut self) {
        let Some(connection) = self.connection.as_mut() else { return };
        // The server executes this only after the abandoned statement.
        let rolled_back = raw_sql("ROLLBACK").execute(&mut **connection);
        if with_test_timeout(self.pool.last_error(), rolled_back).await.is_ok() {
            (self.unanswered_since, self.in_transaction) = (None, false);
        }
    }

    const fn is_clean(&self) -> bool {
        self.unanswered_since.is_none() && !self.in_transaction && !self.is_lost
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        if self.is_clean() {
            // Dropping it returns it to the pool.
            return;
        }
        if self.unanswered_since.is_some_and(|since| since.elapsed() >= TEST_TIMEOUT) {
            self.pool.last_error().note();
        }
        match Handle::try_current() {
            Ok(runtime) if !self.is_lost && !self.is_recovering => {
                let rest = Self {
                    connection: Some(connection),
                    unanswered_since: self.unanswered_since,
                    in_transaction: self.in_transaction,
                    is_lost: false,
                    is_recovering: true,
                    pool: self.pool.clone(),
                    permit: self.permit.take(),
                };
                runtime.spawn(rest.recover());
            }
            _ => drop(Object::take(connection)),
        }
    }
}

fn query(statement: &Statement) -> Query<'_, Postgres, SqlxValues> {
    let values = statement.values.clone().unwrap_or(Values(Vec::new()));
    sqlx::query_with(AssertSqlSafe(statement.sql.as_str()), SqlxValues(values))
}
