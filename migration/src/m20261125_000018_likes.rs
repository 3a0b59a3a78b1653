use sea_orm_migration::prelude::{DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, async_trait};

use crate::{Pairs, drop_tables};

/// Likes and bookmarks.
const TABLES: [Pairs; 3] = [
    Pairs { table: "post_likes", first: ("user_id", "users"), second: ("post_id", "posts") },
    Pairs { table: "comment_likes", first: ("user_id", "users"), second: ("comment_id", "comments") },
    Pairs { table: "bookmarks", first: ("user_id", "users"), second: ("post_id", "posts") },
];

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in TABLES {
            table.create(manager).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        drop_tables(manager, &TABLES.map(|pairs| pairs.table)).await
    }
}
