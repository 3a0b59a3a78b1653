use sea_orm_migration::{
    prelude::{
        ColumnDef, DbErr, DeriveIden, DeriveMigrationName, ForeignKey, ForeignKeyAction, MigrationTrait,
        SchemaManager, Table, async_trait,
    },
    sea_orm::{self, ConnectionTrait},
};

use crate::count;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden, Clone, Copy)]
enum Posts {
    Table,
    Id,
    AuthorId,
    Text,
    Hashtags,
    Mentions,
    Visibility,
    LikeCount,
    CommentCount,
    CreatedAt,
    EditedAt,
}

#[derive(DeriveIden)]
enum Users {
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
            .table(Posts::Table)
            .col(ColumnDef::new(Posts::Id).uuid().not_null().primary_key())
            .col(ColumnDef::new(Posts::AuthorId).uuid().not_null())
            .col(ColumnDef::new(Posts::Text).text().not_null())
            // Read with the post and not searched here, so a page needs no join to show them.
            .col(ColumnDef::new(Posts::Hashtags).json_binary().not_null())
            .col(ColumnDef::new(Posts::Mentions).json_binary().not_null())
            .col(ColumnDef::new(Posts::Visibility).text().not_null())
            .col(count(Posts::LikeCount))
            .col(count(Posts::CommentCount))
            .col(ColumnDef::new(Posts::CreatedAt).big_integer().not_null())
            .col(ColumnDef::new(Posts::EditedAt).big_integer())
            .foreign_key(
                ForeignKey::create()
                    .from(Posts::Table, Posts::AuthorId)
                    .to(Users::Table, Users::Id)
                    .on_delete(ForeignKeyAction::Cascade),
            )
            .to_owned();
        manager.create_table(table).await?;
        let database = manager.get_connection();
        database.execute_unprepared("CREATE INDEX posts_author_id_id ON posts (author_id, id DESC)").await?;
        database
            .execute_unprepared("CREATE INDEX posts_public_id ON posts (id DESC) WHERE visibility = 'public'")
            .await?;
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Posts::Table).to_owned()).await
    }
}
