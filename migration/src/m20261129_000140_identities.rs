//! Logins with other providers: the identities of accounts, logins under way, sign-ups that wait for a username, codes for
//! native apps, and profile pictures to import. Sessions remember the provider that they came from.

use sea_orm_migration::{
    prelude::{
        Alias, ColumnDef, DbErr, DeriveIden, DeriveMigrationName, ForeignKey, ForeignKeyAction, Index,
        MigrationTrait, SchemaManager, Table, TableCreateStatement, async_trait,
    },
    sea_orm,
};

use crate::{drop_tables, execute_all};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden, Clone, Copy)]
enum Column {
    Provider,
    Subject,
    AlternateSubject,
    UserId,
    DisplayName,
    LinkedAt,
    LastLoginAt,
    StateHash,
    BrowserHash,
    SessionId,
    RedirectTo,
    RedirectUri,
    Challenge,
    State,
    TokenHash,
    Email,
    IsEmailVerified,
    PictureUrl,
    SuggestedUsername,
    Kind,
    CodeHash,
    PendingHash,
    Url,
    CreatedAt,
    ExpiresAt,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [identities(), login_transactions(), pending_sign_ups(), login_codes(), avatar_imports()]
        {
            manager.create_table(table).await?;
        }
        execute_all(
            manager,
            &[
                "CREATE UNIQUE INDEX identities_user_id_provider ON identities (user_id, provider)",
                "CREATE INDEX identities_provider_alternate_subject ON identities (provider, alternate_subject)",
                "CREATE INDEX login_transactions_session_id ON login_transactions (session_id)",
                "CREATE INDEX login_transactions_expires_at ON login_transactions (expires_at)",
                "CREATE INDEX pending_sign_ups_expires_at ON pending_sign_ups (expires_at)",
                "CREATE INDEX login_codes_user_id ON login_codes (user_id)",
                "CREATE INDEX login_codes_expires_at ON login_codes (expires_at)",
                // NULL for a session that began with a password.
                "ALTER TABLE sessions ADD COLUMN provider text",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute_all(manager, &["ALTER TABLE sessions DROP COLUMN provider"]).await?;
        drop_tables(
            manager,
            &["avatar_imports", "login_codes", "pending_sign_ups", "login_transactions", "identities"],
        )
        .await
    }
}

fn identities() -> TableCreateStatement {
    Table::create()
        .table(Alias::new("identities"))
        .col(required_text(Column::Provider))
        // The provider's id of the user: never a name or an address, which can change hands.
        .col(required_text(Column::Subject))
        .col(ColumnDef::new(Column::UserId).uuid().not_null())
        // Another id of the same user, in the provider's notices.
        .col(ColumnDef::new(Column::AlternateSubject).text())
        .col(ColumnDef::new(Column::DisplayName).text())
        .col(ColumnDef::new(Column::LinkedAt).big_integer().not_null())
        .col(ColumnDef::new(Column::LastLoginAt).big_integer())
        .primary_key(Index::create().col(Column::Provider).col(Column::Subject))
        .foreign_key(&mut reference("identities", Column::UserId, "users"))
        .to_owned()
}

fn login_transactions() -> TableCreateStatement {
    Table::create()
        .table(Alias::new("login_transactions"))
        // SHA-256 of the parameter `state`.
        .col(ColumnDef::new(Column::StateHash).blob().not_null().primary_key())
        .col(required_text(Column::Provider))
        // SHA-256 of the browser's cookie, from which the nonce and the PKCE verifier are derived.
        .col(ColumnDef::new(Column::BrowserHash).blob().not_null())
        // The session that links an identity; NULL for a login.
        .col(ColumnDef::new(Column::SessionId).uuid())
        .col(ColumnDef::new(Column::RedirectTo).text())
        // The redirect URI, the PKCE challenge and the state of a native app.
        .col(ColumnDef::new(Column::RedirectUri).text())
        .col(ColumnDef::new(Column::Challenge).text())
        .col(ColumnDef::new(Column::State).text())
        .col(ColumnDef::new(Column::ExpiresAt).big_integer().not_null())
        .foreign_key(&mut reference("login_transactions", Column::SessionId, "sessions"))
        .to_owned()
}

fn pending_sign_ups() -> TableCreateStatement {
    Table::create()
        .table(Alias::new("pending_sign_ups"))
        .col(ColumnDef::new(Column::TokenHash).blob().not_null().primary_key())
        .col(required_text(Column::Provider))
        .col(required_text(Column::Subject))
        .col(ColumnDef::new(Column::AlternateSubject).text())
        .col(ColumnDef::new(Column::DisplayName).text())
        .col(ColumnDef::new(Column::Email).text())
        .col(ColumnDef::new(Column::IsEmailVerified).boolean().not_null())
        .col(ColumnDef::new(Column::PictureUrl).text())
        .col(required_text(Column::SuggestedUsername))
        .col(required_text(Column::Kind))
        .col(ColumnDef::new(Column::RedirectTo).text())
        .col(ColumnDef::new(Column::ExpiresAt).big_integer().not_null())
        .to_owned()
}

fn login_codes() -> TableCreateStatement {
    Table::create()
        .table(Alias::new("login_codes"))
        .col(ColumnDef::new(Column::CodeHash).blob().not_null().primary_key())
        // Either an account that logs in, or a sign-up that waits for a username.
        .col(ColumnDef::new(Column::UserId).uuid())
        .col(ColumnDef::new(Column::PendingHash).blob())
        .col(required_text(Column::Provider))
        .col(required_text(Column::Challenge))
        .col(required_text(Column::RedirectUri))
        .col(ColumnDef::new(Column::ExpiresAt).big_integer().not_null())
        .foreign_key(&mut reference("login_codes", Column::UserId, "users"))
        .to_owned()
}

fn avatar_imports() -> TableCreateStatement {
    Table::create()
        .table(Alias::new("avatar_imports"))
        .col(ColumnDef::new(Column::UserId).uuid().not_null().primary_key())
        .col(required_text(Column::Provider))
        .col(required_text(Column::Url))
        .col(ColumnDef::new(Column::CreatedAt).big_integer().not_null())
        .foreign_key(&mut reference("avatar_imports", Column::UserId, "users"))
        .to_owned()
}

fn required_text(column: Column) -> ColumnDef {
    ColumnDef::new(column).text().not_null().to_owned()
}

fn reference(
    table: &'static str,
    column: Column,
    other: &'static str,
) -> sea_orm_migration::prelude::ForeignKeyCreateStatement {
    ForeignKey::create()
        .from(Alias::new(table), column)
        .to(Alias::new(other), Alias::new("id"))
        .on_delete(ForeignKeyAction::Cascade)
        .to_owned()
}
