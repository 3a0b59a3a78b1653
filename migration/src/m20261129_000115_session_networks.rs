//! Sessions remember the network in which they were last renewed, as a tag that only this site can compute: logins from
//! it have a limit of their own.

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
            DbBackend::Postgres => "ALTER TABLE sessions ADD COLUMN network bytea",
            _ => "ALTER TABLE sessions ADD COLUMN network BLOB",
        };
        execute_all(manager, &[add]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute_all(manager, &["ALTER TABLE sessions DROP COLUMN network"]).await
    }
}
