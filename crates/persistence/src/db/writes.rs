//! The statements of a write transaction, dispatched to SQLite or PostgreSQL.
//!
//! Remembers whether a statement failed or was abandoned, which prevents the commit, and whether one changed a row.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, Statement, prelude::async_trait::async_trait,
};

use crate::{Error, health::Health, postgres, sqlite};

/// A write transaction's statements.
#[derive(Debug)]
pub struct Writes {
    pub(super) inner: Transaction,
    /// Whether a statement failed, or was abandoned before its result, and so may have failed. PostgreSQL then answers
    /// `COMMIT` with a rollback, which sqlx does not check; SQLite would commit the rest.
    pub(super) has_failed: AtomicBool,
    /// Whether a statement changed a row.
    pub(super) has_changed: AtomicBool,
    pub(super) health: Arc<Health>,
}

#[derive(Debug)]
pub(super) enum Transaction {
    Sqlite(sqlite::Transaction),
    Postgres(postgres::Transaction),
}

impl Writes {
    async fn noted<T>(&self, statement: impl Future<Output = Result<T, DbErr>>) -> Result<T, DbErr> {
        let mut outcome = StatementOutcome { has_failed: &self.has_failed, is_success: false };
        let result = statement.await;
        outcome.is_success = result.is_ok();
        result.inspect_err(|error| {
            let error = Error::from(error.clone());
            if error.is_unreachable() {
                self.health.note_failure(&error);
            }
        })
    }

    fn note_change(&self, is_change: bool) {
        self.has_changed.fetch_or(is_change, Ordering::Relaxed);
    }

    /// See [`postgres::Transaction::take_turn`]. A no-op on SQLite, where only one transaction writes.
    pub(crate) async fn take_turn(&self) -> Result<(), DbErr> {
        match &self.inner {
            Transaction::Sqlite(_) => Ok(()),
            Transaction::Postgres(transaction) => transaction.take_turn().await,
        }
    }
}

/// Dropped when the statement ends, or when its caller abandons it.
struct StatementOutcome<'a> {
    has_failed: &'a AtomicBool,
    is_success: bool,
}

impl Drop for StatementOutcome<'_> {
    fn drop(&mut self) {
        self.has_failed.fetch_or(!self.is_success, Ordering::Relaxed);
    }
}

#[async_trait]
impl ConnectionTrait for Writes {
    fn get_database_backend(&self) -> DbBackend {
        match &self.inner {
            Transaction::Sqlite(_) => DbBackend::Sqlite,
            Transaction::Postgres(_) => DbBackend::Postgres,
        }
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let reads = is_select(&statement.sql);
        let result = self
            .noted(async {
                match &self.inner {
                    Transaction::Sqlite(transaction) => transaction.execute_raw(statement).await,
                    Transaction::Postgres(transaction) => transaction.execute_raw(statement).await,
                }
            })
            .await?;
        self.note_change(result.rows_affected() > 0 && !reads);
        Ok(result)
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let result = self
            .noted(async {
                match &self.inner {
                    Transaction::Sqlite(transaction) => transaction.execute_unprepared(sql).await,
                    Transaction::Postgres(transaction) => transaction.execute_unprepared(sql).await,
                }
            })
            .await?;
        self.note_change(result.rows_affected() > 0 && !is_select(sql));
        Ok(result)
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let reads = is_select(&statement.sql);
        let result = self
            .noted(async {
                match &self.inner {
                    Transaction::Sqlite(transaction) => transaction.query_one_raw(statement).await,
                    Transaction::Postgres(transaction) => transaction.query_one_raw(statement).await,
                }
            })
            .await?;
        self.note_change(result.is_some() && !reads);
        Ok(result)
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let reads = is_select(&statement.sql);
        let result = self
            .noted(async {
                match &self.inner {
                    Transaction::Sqlite(transaction) => transaction.query_all_raw(statement).await,
                    Transaction::Postgres(transaction) => transaction.query_all_raw(statement).await,
                }
            })
            .await?;
        self.note_change(!result.is_empty() && !reads);
        Ok(result)
    }
}

/// Whether a statement is a `SELECT`: it changes nothing, even if it returns rows, such as one that locks them.
fn is_select(sql: &str) -> bool {
    sql.trim_start().get(.."SELECT".len()).is_some_and(|word| word.eq_ignore_ascii_case("SELECT"))
}
