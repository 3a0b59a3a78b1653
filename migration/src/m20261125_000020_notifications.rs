use sea_orm_migration::{
    prelude::{
        ColumnDef, DbErr, DeriveIden, DeriveMigrationName, ForeignKey, ForeignKeyAction, MigrationTrait,
        SchemaManager, Table, async_trait,
    },
    sea_orm::{self, DbBackend},
};

use crate::execute_all;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden, Clone, Copy)]
enum Notifications {
    Table,
    Id,
    UserId,
    Kind,
    ActorId,
    PostId,
    CommentId,
    ObjectId,
    CreatedAt,
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

#[derive(DeriveIden)]
enum Comments {
    Table,
    Id,
}

const INDEXES: [&str; 5] = [
    // One row per action of an actor, however often it is repeated.
    "CREATE UNIQUE INDEX notifications_once ON notifications (object_id, actor_id, user_id, kind)",
    "CREATE INDEX notifications_user_id_id ON notifications (user_id, id DESC)",
    // For deletion.
    "CREATE INDEX notifications_actor_id ON notifications (actor_id)",
    "CREATE INDEX notifications_post_id ON notifications (post_id)",
    "CREATE INDEX notifications_comment_id ON notifications (comment_id)",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let key_from = |from| {
            let mut key = ForeignKey::create();
            key.from(Notifications::Table, from).on_delete(ForeignKeyAction::Cascade);
            key
        };
        let table = Table::create()
            .table(Notifications::Table)
            .col(ColumnDef::new(Notifications::Id).uuid().not_null().primary_key())
            .col(ColumnDef::new(Notifications::UserId).uuid().not_null())
            .col(ColumnDef::new(Notifications::Kind).text().not_null())
            .col(ColumnDef::new(Notifications::ActorId).uuid().not_null())
            .col(ColumnDef::new(Notifications::PostId).uuid())
            .col(ColumnDef::new(Notifications::CommentId).uuid())
            // The subject again: the comment, else the post, else the actor. A unique index over nullable columns would
            // not detect duplicates.
            .col(ColumnDef::new(Notifications::ObjectId).uuid().not_null())
            .col(ColumnDef::new(Notifications::CreatedAt).big_integer().not_null())
            .foreign_key(key_from(Notifications::UserId).to(Users::Table, Users::Id))
            .foreign_key(key_from(Notifications::ActorId).to(Users::Table, Users::Id))
            .foreign_key(key_from(Notifications::PostId).to(Posts::Table, Posts::Id))
            .foreign_key(key_from(Notifications::CommentId).to(Comments::Table, Comments::Id))
            .to_owned();
        manager.create_table(table).await?;
        execute_all(manager, &INDEXES).await?;
        // The read mark: the newest notification that was read, on any device.
        let mark = match manager.get_database_backend() {
            DbBackend::Postgres => "ALTER TABLE users ADD COLUMN notifications_read UUID",
            _ => "ALTER TABLE users ADD COLUMN notifications_read BLOB",
        };
        execute_all(manager, &[mark]).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute_all(
            manager,
            &["ALTER TABLE users DROP COLUMN notifications_read", "DROP TABLE notifications"],
        )
        .await
    }
}
