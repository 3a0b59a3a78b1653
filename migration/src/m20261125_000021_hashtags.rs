use sea_orm_migration::{
    prelude::{
        ColumnDef, DbErr, DeriveIden, DeriveMigrationName, MigrationTrait, SchemaManager, Table, async_trait,
    },
    sea_orm,
};

use crate::{count, execute_all};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden, Clone, Copy)]
enum Hashtags {
    Table,
    Name,
    PostCount,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    /// Counts how many posts that everyone may see have each hashtag.
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table(Hashtags::Table)
            .col(ColumnDef::new(Hashtags::Name).text().not_null().primary_key())
            .col(count(Hashtags::PostCount))
            .to_owned();
        manager.create_table(table).await?;
        execute_all(
            manager,
            &["INSERT INTO hashtags (name, post_count) \
               SELECT hashtag, count(*) FROM post_hashtags JOIN posts ON posts.id = post_id JOIN users ON users.id = author_id \
               WHERE users.status = 'active' AND NOT users.is_private GROUP BY hashtag"],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Hashtags::Table).to_owned()).await
    }
}
