use sea_orm_migration::{
    prelude::{
        ColumnDef, DbErr, DeriveIden, DeriveMigrationName, MigrationTrait, SchemaManager, Table, async_trait,
    },
    sea_orm,
};

use crate::count;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden, Clone, Copy)]
enum Users {
    Table,
    Id,
    Username,
    UsernameSkeleton,
    DisplayName,
    Bio,
    Email,
    EmailVerifiedAt,
    PasswordHash,
    Role,
    Status,
    IsPrivate,
    Discoverable,
    PostCount,
    FollowerCount,
    FollowingCount,
    CreatedAt,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table(Users::Table)
            .col(ColumnDef::new(Users::Id).uuid().not_null().primary_key())
            .col(ColumnDef::new(Users::Username).text().not_null().unique_key())
            // The skeleton decides which usernames are confusable with each other.
            .col(ColumnDef::new(Users::UsernameSkeleton).text().not_null().unique_key())
            .col(ColumnDef::new(Users::DisplayName).text().not_null())
            .col(ColumnDef::new(Users::Bio).text().not_null().default(""))
            .col(ColumnDef::new(Users::Email).text())
            .col(ColumnDef::new(Users::EmailVerifiedAt).big_integer())
            .col(ColumnDef::new(Users::PasswordHash).text())
            .col(ColumnDef::new(Users::Role).text().not_null())
            .col(ColumnDef::new(Users::Status).text().not_null())
            .col(ColumnDef::new(Users::IsPrivate).boolean().not_null())
            .col(ColumnDef::new(Users::Discoverable).boolean().not_null())
            .col(count(Users::PostCount))
            .col(count(Users::FollowerCount))
            .col(count(Users::FollowingCount))
            .col(ColumnDef::new(Users::CreatedAt).big_integer().not_null())
            .to_owned();
        manager.create_table(table).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(Users::Table).to_owned()).await
    }
}
