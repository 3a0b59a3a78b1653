//! The queue of mails, the tokens in them, and what accounts store about their address: the key that makes verified
//! addresses unique, and which notices were or will be sent.

use sea_orm_migration::{
    prelude::{
        ColumnDef, DbErr, DeriveIden, DeriveMigrationName, ForeignKey, ForeignKeyAction, Index,
        MigrationTrait, SchemaManager, Table, async_trait,
    },
    sea_orm,
};

use crate::{drop_tables, execute_all};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden, Clone, Copy)]
enum Mails {
    Table,
    Id,
    UserId,
    Kind,
    Address,
    Language,
    Details,
    CreatedAt,
}

#[derive(DeriveIden, Clone, Copy)]
enum EmailTokens {
    Table,
    Id,
    UserId,
    Purpose,
    Address,
    TokenHash,
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
        let mails = Table::create()
            .table(Mails::Table)
            // The subject of the job that sends the mail.
            .col(ColumnDef::new(Mails::Id).uuid().not_null().primary_key())
            // NULL while it is not known whether an account has the address.
            .col(ColumnDef::new(Mails::UserId).uuid())
            .col(ColumnDef::new(Mails::Kind).text().not_null())
            .col(ColumnDef::new(Mails::Address).text().not_null())
            // NULL: the mail is in all languages.
            .col(ColumnDef::new(Mails::Language).text())
            .col(ColumnDef::new(Mails::Details).text())
            .col(ColumnDef::new(Mails::CreatedAt).big_integer().not_null())
            .foreign_key(
                ForeignKey::create()
                    .from(Mails::Table, Mails::UserId)
                    .to(Users::Table, Users::Id)
                    .on_delete(ForeignKeyAction::Cascade),
            )
            .to_owned();
        manager.create_table(mails).await?;
        let tokens = Table::create()
            .table(EmailTokens::Table)
            // The mail that contains the token.
            .col(ColumnDef::new(EmailTokens::Id).uuid().not_null().primary_key())
            .col(ColumnDef::new(EmailTokens::UserId).uuid().not_null())
            .col(ColumnDef::new(EmailTokens::Purpose).text().not_null())
            .col(ColumnDef::new(EmailTokens::Address).text().not_null())
            // SHA-256 of the token.
            .col(ColumnDef::new(EmailTokens::TokenHash).blob().not_null().unique_key())
            .col(ColumnDef::new(EmailTokens::ExpiresAt).big_integer().not_null())
            .foreign_key(
                ForeignKey::create()
                    .from(EmailTokens::Table, EmailTokens::UserId)
                    .to(Users::Table, Users::Id)
                    .on_delete(ForeignKeyAction::Cascade),
            )
            .to_owned();
        manager.create_table(tokens).await?;
        let newest = Index::create()
            .name("email_tokens_once")
            .table(EmailTokens::Table)
            .col(EmailTokens::UserId)
            .col(EmailTokens::Purpose)
            .unique()
            .to_owned();
        manager.create_index(newest).await?;
        execute_all(
            manager,
            &[
                "CREATE INDEX email_tokens_expires_at ON email_tokens (expires_at)",
                "CREATE INDEX mails_user_id ON mails (user_id)",
                "CREATE INDEX mails_created_at ON mails (created_at)",
                // Only of verified addresses; NULL conflicts with nothing.
                "ALTER TABLE users ADD COLUMN email_key text",
                "CREATE UNIQUE INDEX users_email_key ON users (email_key)",
                "ALTER TABLE users ADD COLUMN login_notices boolean NOT NULL DEFAULT TRUE",
                "ALTER TABLE users ADD COLUMN logins_limited_at bigint",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute_all(
            manager,
            &[
                "ALTER TABLE users DROP COLUMN logins_limited_at",
                "ALTER TABLE users DROP COLUMN login_notices",
                "DROP INDEX users_email_key",
                "ALTER TABLE users DROP COLUMN email_key",
                "DELETE FROM jobs WHERE kind = 'send-mail'",
            ],
        )
        .await?;
        drop_tables(manager, &["email_tokens", "mails"]).await
    }
}
