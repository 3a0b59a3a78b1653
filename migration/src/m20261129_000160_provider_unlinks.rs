//! Links of deleted accounts to their identities that wait to be ended at the provider.

use sea_orm_migration::{
    prelude::{
        ColumnDef, DbErr, DeriveIden, DeriveMigrationName, MigrationTrait, SchemaManager, Table, async_trait,
    },
    sea_orm,
};

use crate::{drop_tables, execute_all};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum ProviderUnlinks {
    Table,
    Id,
    Provider,
    Subject,
    CreatedAt,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table(ProviderUnlinks::Table)
            // The subject of the job. There is no account: it is deleted before the job runs.
            .col(ColumnDef::new(ProviderUnlinks::Id).uuid().not_null().primary_key())
            .col(ColumnDef::new(ProviderUnlinks::Provider).text().not_null())
            .col(ColumnDef::new(ProviderUnlinks::Subject).text().not_null())
            .col(ColumnDef::new(ProviderUnlinks::CreatedAt).big_integer().not_null())
            .to_owned();
        manager.create_table(table).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute_all(manager, &["DELETE FROM jobs WHERE kind = 'unlink-identity'"]).await?;
        drop_tables(manager, &["provider_unlinks"]).await
    }
}
