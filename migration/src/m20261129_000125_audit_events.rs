use sea_orm_migration::{
    prelude::{
        ColumnDef, DbErr, DeriveIden, DeriveMigrationName, MigrationTrait, SchemaManager, Table, async_trait,
    },
    sea_orm,
};

use crate::{drop_tables, execute_all};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden, Clone, Copy)]
enum AuditEvents {
    Table,
    Id,
    Kind,
    ActorId,
    TargetId,
    Address,
    CreatedAt,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table(AuditEvents::Table)
            .col(ColumnDef::new(AuditEvents::Id).uuid().not_null().primary_key())
            .col(ColumnDef::new(AuditEvents::Kind).text().not_null())
            // No foreign keys: entries outlive the accounts that they name.
            .col(ColumnDef::new(AuditEvents::ActorId).uuid())
            .col(ColumnDef::new(AuditEvents::TargetId).uuid())
            .col(ColumnDef::new(AuditEvents::Address).text())
            .col(ColumnDef::new(AuditEvents::CreatedAt).big_integer().not_null())
            .to_owned();
        manager.create_table(table).await?;
        execute_all(
            manager,
            &[
                "CREATE INDEX audit_events_kind ON audit_events (kind, id)",
                "CREATE INDEX audit_events_actor_id ON audit_events (actor_id, id)",
                "CREATE INDEX audit_events_target_id ON audit_events (target_id, id)",
                "CREATE INDEX audit_events_created_at ON audit_events (created_at)",
                // The network of the login, for the owner's list of sessions: shortened, because owners show it to
                // others.
                "ALTER TABLE sessions ADD COLUMN address text",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute_all(manager, &["ALTER TABLE sessions DROP COLUMN address"]).await?;
        drop_tables(manager, &["audit_events"]).await
    }
}
