//! Reads, dispatched to SQLite or PostgreSQL.

use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, Statement, prelude::async_trait::async_trait,
};

use crate::{postgres, sqlite};

/// Reads in autocommit mode: sees committed data only.
#[derive(Debug, Clone)]
pub struct Reads(pub(super) Source);

#[derive(Debug, Clone)]
pub(super) enum Source {
    Sqlite(sqlite::Reads),
    Postgres(postgres::Pool),
}

#[async_trait]
impl ConnectionTrait for Reads {
    fn get_database_backend(&self) -> DbBackend {
        match &self.0 {
            Source::Sqlite(_) => DbBackend::Sqlite,
            Source::Postgres(_) => DbBackend::Postgres,
        }
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        match &self.0 {
            Source::Sqlite(reads) => reads.execute_raw(statement).await,
            Source::Postgres(pool) => pool.execute_raw(statement).await,
        }
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        match &self.0 {
            Source::Sqlite(reads) => reads.execute_unprepared(sql).await,
            Source::Postgres(pool) => pool.execute_unprepared(sql).await,
        }
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        match &self.0 {
            Source::Sqlite(reads) => reads.query_one_raw(statement).await,
            Source::Postgres(pool) => pool.query_one_raw(statement).await,
        }
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        match &self.0 {
            Source::Sqlite(reads) => reads.query_all_raw(statement).await,
            Source::Postgres(pool) => pool.query_all_raw(statement).await,
        }
    }
}
