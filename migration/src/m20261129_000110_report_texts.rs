//! A subject that was edited after a report can be reported again: a report is unique by reporter, subject and text.
//! The unique index uses a hash of the text, because PostgreSQL cannot index long texts.

use sea_orm_migration::{
    prelude::{DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, async_trait},
    sea_orm::DbBackend,
};

use crate::execute_all;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let add = match manager.get_database_backend() {
            DbBackend::Postgres => [
                "ALTER TABLE reports ADD COLUMN text_hash bytea NOT NULL DEFAULT ''",
                "UPDATE reports SET text_hash = sha256(convert_to(text, 'UTF8'))",
            ]
            .as_slice(),
            // SQLite has no SHA-256 function, so a subject reported before this migration can be reported once more
            // with the same text.
            _ => &["ALTER TABLE reports ADD COLUMN text_hash BLOB NOT NULL DEFAULT x''"],
        };
        execute_all(manager, add).await?;
        let index = [
            "DROP INDEX reports_once",
            "CREATE UNIQUE INDEX reports_once ON reports (reporter_id, subject_id, text_hash)",
        ];
        execute_all(manager, &index).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let statements = [
            "DELETE FROM reports WHERE EXISTS (SELECT 1 FROM reports AS earlier \
             WHERE earlier.reporter_id = reports.reporter_id AND earlier.subject_id = reports.subject_id \
             AND earlier.id < reports.id)",
            "DROP INDEX reports_once",
            "CREATE UNIQUE INDEX reports_once ON reports (reporter_id, subject_id)",
            "ALTER TABLE reports DROP COLUMN text_hash",
        ];
        execute_all(manager, &statements).await
    }
}
