//! A table of one row: the marker of this site's image storage, and whether the storage has it.

use sea_orm_migration::{
    prelude::{
        ColumnDef, DbErr, DeriveIden, DeriveMigrationName, Expr, ExprTrait, MigrationTrait, SchemaManager,
        Table, async_trait,
    },
    sea_orm,
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum StorageMarker {
    Table,
    Id,
    Marker,
    IsWritten,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table(StorageMarker::Table)
            .col(
                ColumnDef::new(StorageMarker::Id)
                    .integer()
                    .not_null()
                    .primary_key()
                    .check(Expr::col(StorageMarker::Id).eq(1)),
            )
            .col(ColumnDef::new(StorageMarker::Marker).text().not_null())
            .col(ColumnDef::new(StorageMarker::IsWritten).boolean().not_null())
            .to_owned();
        manager.create_table(table).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(StorageMarker::Table).to_owned()).await
    }
}
