use sea_orm_migration::{
    prelude::{
        ColumnDef, DbErr, DeriveIden, DeriveMigrationName, IntoIden, MigrationTrait, SchemaManager, Table,
        async_trait,
    },
    sea_orm,
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden, Clone, Copy)]
enum Users {
    Table,
    Version,
}

#[derive(DeriveIden, Clone, Copy)]
enum Posts {
    Table,
    Version,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let users = Table::alter().table(Users::Table).add_column(version(Users::Version)).to_owned();
        manager.alter_table(users).await?;
        let posts = Table::alter().table(Posts::Table).add_column(version(Posts::Version)).to_owned();
        manager.alter_table(posts).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let posts = Table::alter().table(Posts::Table).drop_column(Posts::Version).to_owned();
        manager.alter_table(posts).await?;
        manager.alter_table(Table::alter().table(Users::Table).drop_column(Users::Version).to_owned()).await
    }
}

// The version that `If-Match` is compared with: how often the owner edited the row. Other changes do not increment it.
fn version(name: impl IntoIden) -> ColumnDef {
    ColumnDef::new(name).big_integer().not_null().default(0).to_owned()
}
