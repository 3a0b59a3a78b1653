use sea_orm_migration::prelude::{DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, async_trait};

use crate::execute_all;

/// A post with thousands of likes and comments cannot be deleted in one transaction: it is marked as deleted, and a job
/// deletes it.
const UP: [&str; 5] = [
    "ALTER TABLE posts ADD COLUMN deleted_at BIGINT",
    "DROP INDEX posts_author_id_id",
    "DROP INDEX posts_public_id",
    "CREATE INDEX posts_author_id_id ON posts (author_id, id DESC) WHERE deleted_at IS NULL",
    "CREATE INDEX posts_public_id ON posts (id DESC) WHERE visibility = 'public' AND deleted_at IS NULL",
];

const DOWN: [&str; 5] = [
    "DROP INDEX posts_author_id_id",
    "DROP INDEX posts_public_id",
    "ALTER TABLE posts DROP COLUMN deleted_at",
    "CREATE INDEX posts_author_id_id ON posts (author_id, id DESC)",
    "CREATE INDEX posts_public_id ON posts (id DESC) WHERE visibility = 'public'",
];

/// Finds an author's deleted posts, too, when the account is deleted.
const OF_AUTHOR: &str = "CREATE INDEX posts_deleted ON posts (author_id) WHERE deleted_at IS NOT NULL";

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute_all(manager, &UP).await?;
        execute_all(manager, &[OF_AUTHOR]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // Deletes the posts that are marked as deleted, because without the mark they would reappear.
        execute_all(manager, &["DELETE FROM posts WHERE deleted_at IS NOT NULL", "DROP INDEX posts_deleted"])
            .await?;
        execute_all(manager, &DOWN).await
    }
}
