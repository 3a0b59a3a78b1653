use sea_orm_migration::{
    prelude::{
        ColumnDef, DbErr, DeriveIden, DeriveMigrationName, MigrationTrait, SchemaManager, Table, async_trait,
    },
    sea_orm,
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum SigningKeys {
    Table,
    Id,
    PublicKey,
    SealedKey,
    CreatedAt,
    SignsFrom,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table(SigningKeys::Table)
            .col(ColumnDef::new(SigningKeys::Id).text().not_null().primary_key())
            .col(ColumnDef::new(SigningKeys::PublicKey).blob().not_null())
            // Encrypted with the site key, which is not in the database.
            .col(ColumnDef::new(SigningKeys::SealedKey).blob().not_null())
            .col(ColumnDef::new(SigningKeys::CreatedAt).big_integer().not_null())
            .col(ColumnDef::new(SigningKeys::SignsFrom).big_integer().not_null())
            .to_owned();
        manager.create_table(table).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(SigningKeys::Table).to_owned()).await
    }
}
