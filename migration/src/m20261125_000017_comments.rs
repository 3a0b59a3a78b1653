use sea_orm_migration::{
    prelude::{
        ColumnDef, DbErr, DeriveIden, DeriveMigrationName, ForeignKey, ForeignKeyAction, MigrationTrait,
        SchemaManager, Table, async_trait,
    },
    sea_orm,
};

use crate::{count, execute_all};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden, Clone, Copy)]
enum Comments {
    Table,
    Id,
    PostId,
    ParentId,
    AuthorId,
    Text,
    Mentions,
    LikeCount,
    ReplyCount,
    CreatedAt,
    EditedAt,
    DeletedAt,
    Version,
}

#[derive(DeriveIden)]
enum Posts {
    Table,
    Id,
}

#[derive(DeriveIden)]
enum Users {
    Table,
    Id,
}

const INDEXES: [&str; 4] = [
    // PostgreSQL uses the first index for the top-level comments of a post, in order; SQLite uses either.
    "CREATE INDEX comments_post_id_id ON comments (post_id, id) WHERE parent_id IS NULL",
    "CREATE INDEX comments_parent_id_id ON comments (parent_id, id)",
    "CREATE INDEX comments_post_id_parent_id_id ON comments (post_id, parent_id, id)",
    "CREATE INDEX comments_author_id ON comments (author_id)",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let key_from = |from, to: ForeignKeyAction| {
            let mut key = ForeignKey::create();
            key.from(Comments::Table, from).on_delete(to);
            key
        };
        let table = Table::create()
            .table(Comments::Table)
            .col(ColumnDef::new(Comments::Id).uuid().not_null().primary_key())
            .col(ColumnDef::new(Comments::PostId).uuid().not_null())
            // The top-level comment of the thread: replies have one level.
            .col(ColumnDef::new(Comments::ParentId).uuid())
            // NULL once the comment is deleted.
            .col(ColumnDef::new(Comments::AuthorId).uuid())
            .col(ColumnDef::new(Comments::Text).text().not_null())
            .col(ColumnDef::new(Comments::Mentions).json_binary().not_null())
            .col(count(Comments::LikeCount))
            .col(count(Comments::ReplyCount))
            .col(ColumnDef::new(Comments::CreatedAt).big_integer().not_null())
            .col(ColumnDef::new(Comments::EditedAt).big_integer())
            .col(ColumnDef::new(Comments::DeletedAt).big_integer())
            .col(ColumnDef::new(Comments::Version).big_integer().not_null().default(0))
            .foreign_key(key_from(Comments::PostId, ForeignKeyAction::Cascade).to(Posts::Table, Posts::Id))
            .foreign_key(
                key_from(Comments::ParentId, ForeignKeyAction::Cascade).to(Comments::Table, Comments::Id),
            )
            .foreign_key(key_from(Comments::AuthorId, ForeignKeyAction::SetNull).to(Users::Table, Users::Id))
            .to_owned();
        manager.create_table(table).await?;
        execute_all(manager, &INDEXES).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Comments::Table).to_owned()).await
    }
}
