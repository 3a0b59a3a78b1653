use sea_orm_migration::{
    prelude::{
        ColumnDef, DbErr, DeriveIden, DeriveMigrationName, ForeignKey, ForeignKeyAction, Index,
        MigrationTrait, SchemaManager, Table, async_trait,
    },
    sea_orm,
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden, Clone, Copy)]
enum IdempotencyKeys {
    Table,
    Scope,
    UserId,
    Fingerprint,
    ClaimedBy,
    LeaseUntil,
    CreatedAt,
    Status,
    Headers,
    Body,
}

#[derive(DeriveIden)]
enum Users {
    Table,
    Id,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table(IdempotencyKeys::Table)
            // SHA-256 of the user, the method, the path and the key.
            .col(ColumnDef::new(IdempotencyKeys::Scope).blob().not_null().primary_key())
            .col(ColumnDef::new(IdempotencyKeys::UserId).uuid().not_null())
            .col(ColumnDef::new(IdempotencyKeys::Fingerprint).blob().not_null())
            .col(ColumnDef::new(IdempotencyKeys::ClaimedBy).uuid().not_null())
            .col(ColumnDef::new(IdempotencyKeys::LeaseUntil).big_integer().not_null())
            .col(ColumnDef::new(IdempotencyKeys::CreatedAt).big_integer().not_null())
            // The response; NULL while the request is running.
            .col(ColumnDef::new(IdempotencyKeys::Status).integer())
            .col(ColumnDef::new(IdempotencyKeys::Headers).text())
            .col(ColumnDef::new(IdempotencyKeys::Body).blob())
            .foreign_key(
                ForeignKey::create()
                    .from(IdempotencyKeys::Table, IdempotencyKeys::UserId)
                    .to(Users::Table, Users::Id)
                    .on_delete(ForeignKeyAction::Cascade),
            )
            .to_owned();
        manager.create_table(table).await?;
        for (name, column) in [
            ("idempotency_keys_user_id", IdempotencyKeys::UserId),
            ("idempotency_keys_created_at", IdempotencyKeys::CreatedAt),
        ] {
            let index = Index::create().name(name).table(IdempotencyKeys::Table).col(column).to_owned();
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(IdempotencyKeys::Table).to_owned()).await
    }
}
