use sea_orm_migration::{
    prelude::{
        ColumnDef, DbErr, DeriveIden, DeriveMigrationName, ForeignKey, ForeignKeyAction, MigrationTrait,
        SchemaManager, Table, async_trait,
    },
    sea_orm,
};

use crate::execute_all;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden, Clone, Copy)]
enum Revisions {
    Table,
    Id,
    PostId,
    CommentId,
    Text,
    CreatedAt,
}

#[derive(DeriveIden, Clone, Copy)]
enum PostRevisions {
    Table,
    Id,
    PostId,
    Text,
    CreatedAt,
}

#[derive(DeriveIden)]
enum Posts {
    Table,
    Id,
}

#[derive(DeriveIden)]
enum Comments {
    Table,
    Id,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    /// One table for the revisions of posts and comments.
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table(Revisions::Table)
            .col(ColumnDef::new(Revisions::Id).uuid().not_null().primary_key())
            // Exactly one of the two is set.
            .col(ColumnDef::new(Revisions::PostId).uuid())
            .col(ColumnDef::new(Revisions::CommentId).uuid())
            .col(ColumnDef::new(Revisions::Text).text().not_null())
            .col(ColumnDef::new(Revisions::CreatedAt).big_integer().not_null())
            .foreign_key(
                ForeignKey::create()
                    .from(Revisions::Table, Revisions::PostId)
                    .to(Posts::Table, Posts::Id)
                    .on_delete(ForeignKeyAction::Cascade),
            )
            .foreign_key(
                ForeignKey::create()
                    .from(Revisions::Table, Revisions::CommentId)
                    .to(Comments::Table, Comments::Id)
                    .on_delete(ForeignKeyAction::Cascade),
            )
            .to_owned();
        manager.create_table(table).await?;
        execute_all(
            manager,
            &[
                "CREATE INDEX revisions_post_id_id ON revisions (post_id, id DESC)",
                "CREATE INDEX revisions_comment_id_id ON revisions (comment_id, id DESC)",
                "INSERT INTO revisions (id, post_id, text, created_at) SELECT id, post_id, text, created_at FROM post_revisions",
                "DROP TABLE post_revisions",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table(PostRevisions::Table)
            .col(ColumnDef::new(PostRevisions::Id).uuid().not_null().primary_key())
            .col(ColumnDef::new(PostRevisions::PostId).uuid().not_null())
            .col(ColumnDef::new(PostRevisions::Text).text().not_null())
            .col(ColumnDef::new(PostRevisions::CreatedAt).big_integer().not_null())
            .foreign_key(
                ForeignKey::create()
                    .from(PostRevisions::Table, PostRevisions::PostId)
                    .to(Posts::Table, Posts::Id)
                    .on_delete(ForeignKeyAction::Cascade),
            )
            .to_owned();
        manager.create_table(table).await?;
        execute_all(
            manager,
            &[
                "CREATE INDEX post_revisions_post_id_id ON post_revisions (post_id, id DESC)",
                "INSERT INTO post_revisions (id, post_id, text, created_at) \
                 SELECT id, post_id, text, created_at FROM revisions WHERE post_id IS NOT NULL",
                "DROP TABLE revisions",
            ],
        )
        .await
    }
}
