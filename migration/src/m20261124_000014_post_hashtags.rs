use sea_orm_migration::{
    prelude::{
        ColumnDef, DbErr, DeriveIden, DeriveMigrationName, ForeignKey, ForeignKeyAction, Index,
        MigrationTrait, SchemaManager, Table, async_trait,
    },
    sea_orm::{self, ConnectionTrait, DbBackend},
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden, Clone, Copy)]
enum PostHashtags {
    Table,
    Hashtag,
    PostId,
}

#[derive(DeriveIden)]
enum Posts {
    Table,
    Id,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table(PostHashtags::Table)
            // The folded hashtag itself: in most cases shorter than an id, and inserted without a lookup.
            .col(ColumnDef::new(PostHashtags::Hashtag).text().not_null())
            .col(ColumnDef::new(PostHashtags::PostId).uuid().not_null())
            .primary_key(Index::create().col(PostHashtags::Hashtag).col(PostHashtags::PostId))
            .foreign_key(
                ForeignKey::create()
                    .from(PostHashtags::Table, PostHashtags::PostId)
                    .to(Posts::Table, Posts::Id)
                    .on_delete(ForeignKeyAction::Cascade),
            )
            .to_owned();
        manager.create_table(table).await?;
        // For the deletion of posts. A hash index on PostgreSQL, because it has no order: with an ordered one, the
        // planner may walk all posts from the newest to find those with a hashtag.
        let by_post = match manager.get_database_backend() {
            DbBackend::Postgres => "CREATE INDEX post_hashtags_post_id ON post_hashtags USING hash (post_id)",
            _ => "CREATE INDEX post_hashtags_post_id ON post_hashtags (post_id)",
        };
        manager.get_connection().execute_unprepared(by_post).await?;
        let elements = match manager.get_database_backend() {
            DbBackend::Postgres => "jsonb_array_elements_text(posts.hashtags) AS tag(value)",
            _ => "json_each(posts.hashtags) AS tag",
        };
        // Existing posts.
        let fill = format!(
            "INSERT INTO post_hashtags (hashtag, post_id) \
             SELECT tag.value, posts.id FROM posts CROSS JOIN {elements} WHERE posts.visibility = 'public'"
        );
        manager.get_connection().execute_unprepared(&fill).await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(PostHashtags::Table).to_owned()).await
    }
}
