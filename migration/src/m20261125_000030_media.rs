use sea_orm_migration::{
    prelude::{
        ColumnDef, DbErr, DeriveIden, DeriveMigrationName, ForeignKey, MigrationTrait, SchemaManager, Table,
        async_trait,
    },
    sea_orm::{self, DbBackend},
};

use crate::{drop_tables, execute_all};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden, Clone, Copy)]
enum Media {
    Table,
    Id,
    OwnerId,
    Key,
    IsPublic,
    IsLinked,
    Blurhash,
    Alt,
    Variants,
    PostId,
    IsAvatar,
    CreatedAt,
    Version,
    DeletedAt,
}

#[derive(DeriveIden, Clone, Copy)]
enum Uploads {
    Table,
    Id,
    OwnerId,
    ContentType,
    ByteSize,
    Sha256,
    CreatedAt,
    MediaId,
}

#[derive(DeriveIden)]
enum Users {
    Table,
    Id,
}

#[derive(DeriveIden)]
enum Posts {
    Table,
    Id,
}

const INDEXES: [&str; 6] = [
    "CREATE INDEX media_owner_id ON media (owner_id)",
    "CREATE INDEX media_post_id ON media (post_id) WHERE post_id IS NOT NULL",
    "CREATE UNIQUE INDEX media_avatar ON media (owner_id) WHERE is_avatar",
    // Images that are deleted if they stay unused for a day.
    "CREATE INDEX media_unused ON media (created_at) \
     WHERE post_id IS NULL AND NOT is_avatar AND deleted_at IS NULL",
    "CREATE INDEX uploads_owner_id ON uploads (owner_id)",
    "CREATE INDEX uploads_created_at ON uploads (created_at)",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let media = Table::create()
            .table(Media::Table)
            .col(ColumnDef::new(Media::Id).uuid().not_null().primary_key())
            .col(ColumnDef::new(Media::OwnerId).uuid().not_null())
            .col(ColumnDef::new(Media::Key).text().not_null().unique_key())
            // The storage area of the key, again, so that SQL can compare it.
            .col(ColumnDef::new(Media::IsPublic).boolean().not_null())
            // Whether permanent links to it in that area were given out.
            .col(ColumnDef::new(Media::IsLinked).boolean().not_null())
            .col(ColumnDef::new(Media::Blurhash).text().not_null())
            .col(ColumnDef::new(Media::Alt).text())
            .col(ColumnDef::new(Media::Variants).json_binary().not_null())
            .col(ColumnDef::new(Media::PostId).uuid())
            .col(ColumnDef::new(Media::IsAvatar).boolean().not_null())
            .col(ColumnDef::new(Media::CreatedAt).big_integer().not_null())
            .col(ColumnDef::new(Media::Version).big_integer().not_null())
            .col(ColumnDef::new(Media::DeletedAt).big_integer())
            // No cascade: if a row were deleted before its files, they would be orphaned.
            .foreign_key(ForeignKey::create().from(Media::Table, Media::OwnerId).to(Users::Table, Users::Id))
            .foreign_key(ForeignKey::create().from(Media::Table, Media::PostId).to(Posts::Table, Posts::Id))
            .to_owned();
        manager.create_table(media).await?;
        let uploads = Table::create()
            .table(Uploads::Table)
            .col(ColumnDef::new(Uploads::Id).uuid().not_null().primary_key())
            .col(ColumnDef::new(Uploads::OwnerId).uuid().not_null())
            .col(ColumnDef::new(Uploads::ContentType).text().not_null())
            .col(ColumnDef::new(Uploads::ByteSize).big_integer().not_null())
            .col(ColumnDef::new(Uploads::Sha256).text())
            .col(ColumnDef::new(Uploads::CreatedAt).big_integer().not_null())
            // No foreign key: the image may have been deleted.
            .col(ColumnDef::new(Uploads::MediaId).uuid())
            .foreign_key(
                ForeignKey::create().from(Uploads::Table, Uploads::OwnerId).to(Users::Table, Users::Id),
            )
            .to_owned();
        manager.create_table(uploads).await?;
        execute_all(manager, &INDEXES).await?;
        let lists = match manager.get_database_backend() {
            DbBackend::Postgres => [
                "ALTER TABLE posts ADD COLUMN media JSONB NOT NULL DEFAULT '[]'",
                "ALTER TABLE revisions ADD COLUMN media JSONB NOT NULL DEFAULT '[]'",
            ],
            _ => [
                "ALTER TABLE posts ADD COLUMN media JSONB_TEXT NOT NULL DEFAULT '[]'",
                "ALTER TABLE revisions ADD COLUMN media JSONB_TEXT NOT NULL DEFAULT '[]'",
            ],
        };
        execute_all(manager, &lists).await?;
        // Beside the username, so that showing both needs no join.
        execute_all(manager, &["ALTER TABLE users ADD COLUMN avatar_key TEXT"]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute_all(
            manager,
            &[
                "ALTER TABLE users DROP COLUMN avatar_key",
                "ALTER TABLE revisions DROP COLUMN media",
                "ALTER TABLE posts DROP COLUMN media",
            ],
        )
        .await?;
        drop_tables(manager, &["uploads", "media"]).await
    }
}
