use sea_orm_migration::{
    prelude::{
        ColumnDef, DbErr, DeriveIden, DeriveMigrationName, ForeignKey, ForeignKeyAction, Index,
        MigrationTrait, SchemaManager, Table, async_trait,
    },
    sea_orm,
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum Sessions {
    Table,
    Id,
    UserId,
    TokenHash,
    DeviceName,
    UserAgent,
    CreatedAt,
    LastSeenAt,
    ExpiresAt,
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
            .table(Sessions::Table)
            .col(ColumnDef::new(Sessions::Id).uuid().not_null().primary_key())
            .col(ColumnDef::new(Sessions::UserId).uuid().not_null())
            // The SHA-256 hash of the token: read access to the database is not enough to log in.
            .col(ColumnDef::new(Sessions::TokenHash).blob().not_null().unique_key())
            .col(ColumnDef::new(Sessions::DeviceName).text())
            .col(ColumnDef::new(Sessions::UserAgent).text())
            .col(ColumnDef::new(Sessions::CreatedAt).big_integer().not_null())
            .col(ColumnDef::new(Sessions::LastSeenAt).big_integer().not_null())
            .col(ColumnDef::new(Sessions::ExpiresAt).big_integer().not_null())
            .foreign_key(
                ForeignKey::create()
                    .from(Sessions::Table, Sessions::UserId)
                    .to(Users::Table, Users::Id)
                    .on_delete(ForeignKeyAction::Cascade),
            )
            .to_owned();
        manager.create_table(table).await?;
        let by_user = Index::create()
            .name("sessions_user_id_id")
            .table(Sessions::Table)
            .col(Sessions::UserId)
            .col(Sessions::Id)
            .to_owned();
        manager.create_index(by_user).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Sessions::Table).to_owned()).await
    }
}
