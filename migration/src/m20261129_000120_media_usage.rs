//! Counts the images of each account, for its quota, and indexes those that are not attached to anything.

use sea_orm_migration::{
    prelude::{
        ColumnDef, DbErr, DeriveIden, DeriveMigrationName, ForeignKey, ForeignKeyAction, MigrationTrait,
        SchemaManager, Table, async_trait,
    },
    sea_orm::{self, DbBackend},
};

use crate::{count, drop_tables, execute_all};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden, Clone, Copy)]
enum MediaUsage {
    Table,
    UserId,
    Files,
    Bytes,
}

#[derive(DeriveIden)]
enum Users {
    Table,
    Id,
}

/// The size of all variants. A migration that adds a fourth variant has to replace the column.
const BYTE_SIZE: &str = "coalesce(CAST(variants -> 0 ->> 'byte_size' AS bigint), 0) \
    + coalesce(CAST(variants -> 1 ->> 'byte_size' AS bigint), 0) \
    + coalesce(CAST(variants -> 2 ->> 'byte_size' AS bigint), 0)";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // PostgreSQL 17 and earlier compute no column on reads, and SQLite adds no stored one to a table.
        let kind = if manager.get_database_backend() == DbBackend::Postgres { "STORED" } else { "VIRTUAL" };
        let byte_size =
            format!("ALTER TABLE media ADD COLUMN byte_size bigint GENERATED ALWAYS AS ({BYTE_SIZE}) {kind}");
        let usage = Table::create()
            .table(MediaUsage::Table)
            .col(ColumnDef::new(MediaUsage::UserId).uuid().not_null().primary_key())
            .col(count(MediaUsage::Files))
            .col(count(MediaUsage::Bytes))
            .foreign_key(
                ForeignKey::create()
                    .from(MediaUsage::Table, MediaUsage::UserId)
                    .to(Users::Table, Users::Id)
                    .on_delete(ForeignKeyAction::Cascade),
            )
            .to_owned();
        manager.create_table(usage).await?;
        execute_all(
            manager,
            &[
                &byte_size,
                "INSERT INTO media_usage (user_id, files, bytes) \
                 SELECT owner_id, count(*), CAST(sum(byte_size) AS bigint) FROM media WHERE deleted_at IS NULL \
                 GROUP BY owner_id",
                "CREATE INDEX media_unattached ON media (owner_id, byte_size) WHERE post_id IS NULL \
                 AND message_id IS NULL AND NOT is_avatar AND deleted_at IS NULL",
                "CREATE INDEX uploads_pending ON uploads (owner_id, byte_size) WHERE media_id IS NULL",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute_all(
            manager,
            &[
                "DROP INDEX uploads_pending",
                "DROP INDEX media_unattached",
                "ALTER TABLE media DROP COLUMN byte_size",
            ],
        )
        .await?;
        drop_tables(manager, &["media_usage"]).await
    }
}
