use sea_orm_migration::prelude::{
    Alias, ColumnDef, DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, Table, async_trait,
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const TABLES: [&str; 2] = ["conversations", "messages"];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in TABLES {
            // The version that `If-Match` is compared with: how often the row was edited.
            let version =
                ColumnDef::new(Alias::new("version")).big_integer().not_null().default(0).to_owned();
            let alter = Table::alter().table(Alias::new(table)).add_column(version).to_owned();
            manager.alter_table(alter).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in TABLES {
            let alter = Table::alter().table(Alias::new(table)).drop_column(Alias::new("version")).to_owned();
            manager.alter_table(alter).await?;
        }
        Ok(())
    }
}
