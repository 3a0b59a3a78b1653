//! Second factors, recovery codes and half-finished logins. Sessions remember when their user last proved who they are.

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

#[derive(DeriveIden)]
enum Factors {
    Table,
    Id,
    UserId,
    Kind,
    Name,
    CreatedAt,
    ConfirmedAt,
    LastUsedAt,
    SealedSecret,
    LastStep,
    CredentialId,
    Credential,
    CredentialState,
    Transports,
}

#[derive(DeriveIden)]
enum RecoveryCodes {
    Table,
    UserId,
    CodeHash,
    UsedAt,
}

#[derive(DeriveIden)]
enum LoginChallenges {
    Table,
    TokenHash,
    UserId,
    Kind,
    DeviceName,
    Provider,
    Attempts,
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
        create_factors(manager).await?;
        create_recovery_codes(manager).await?;
        create_login_challenges(manager).await?;
        execute_all(
            manager,
            &[
                "CREATE INDEX factors_user_id ON factors (user_id, id)",
                "CREATE UNIQUE INDEX factors_credential_id ON factors (credential_id)",
                // One authenticator app, and one whose setup is not complete.
                "CREATE UNIQUE INDEX factors_totp_confirmed ON factors (user_id) \
                 WHERE kind = 'totp' AND confirmed_at IS NOT NULL",
                "CREATE UNIQUE INDEX factors_totp_pending ON factors (user_id) \
                 WHERE kind = 'totp' AND confirmed_at IS NULL",
                "CREATE INDEX factors_pending ON factors (created_at) WHERE confirmed_at IS NULL",
                "CREATE INDEX login_challenges_user_id ON login_challenges (user_id)",
                "CREATE INDEX login_challenges_expires_at ON login_challenges (expires_at)",
                "ALTER TABLE sessions ADD COLUMN authenticated_at bigint NOT NULL DEFAULT 0",
                "UPDATE sessions SET authenticated_at = created_at",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute_all(manager, &["ALTER TABLE sessions DROP COLUMN authenticated_at"]).await?;
        drop_tables(manager, &["login_challenges", "recovery_codes", "factors"]).await
    }
}

async fn create_factors(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let table = Table::create()
        .table(Factors::Table)
        .col(ColumnDef::new(Factors::Id).uuid().not_null().primary_key())
        .col(ColumnDef::new(Factors::UserId).uuid().not_null())
        .col(ColumnDef::new(Factors::Kind).text().not_null())
        .col(ColumnDef::new(Factors::Name).text())
        .col(ColumnDef::new(Factors::CreatedAt).big_integer().not_null())
        // NULL while its setup is not complete.
        .col(ColumnDef::new(Factors::ConfirmedAt).big_integer())
        .col(ColumnDef::new(Factors::LastUsedAt).big_integer())
        // Of an authenticator app: its secret, encrypted with a key derived from the site key, and the time step of the
        // last accepted code, so that no code is accepted twice.
        .col(ColumnDef::new(Factors::SealedSecret).blob())
        .col(ColumnDef::new(Factors::LastStep).big_integer())
        // Of a passkey: the id of the credential, its public key, and its state after the last use.
        .col(ColumnDef::new(Factors::CredentialId).blob())
        .col(ColumnDef::new(Factors::Credential).blob())
        .col(ColumnDef::new(Factors::CredentialState).blob())
        .col(ColumnDef::new(Factors::Transports).small_integer())
        .foreign_key(
            ForeignKey::create()
                .from(Factors::Table, Factors::UserId)
                .to(Users::Table, Users::Id)
                .on_delete(ForeignKeyAction::Cascade),
        )
        .to_owned();
    manager.create_table(table).await
}

async fn create_recovery_codes(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let table = Table::create()
        .table(RecoveryCodes::Table)
        .col(ColumnDef::new(RecoveryCodes::UserId).uuid().not_null())
        // SHA-256 of the code.
        .col(ColumnDef::new(RecoveryCodes::CodeHash).blob().not_null())
        .col(ColumnDef::new(RecoveryCodes::UsedAt).big_integer())
        .primary_key(Index::create().col(RecoveryCodes::UserId).col(RecoveryCodes::CodeHash))
        .foreign_key(
            ForeignKey::create()
                .from(RecoveryCodes::Table, RecoveryCodes::UserId)
                .to(Users::Table, Users::Id)
                .on_delete(ForeignKeyAction::Cascade),
        )
        .to_owned();
    manager.create_table(table).await
}

async fn create_login_challenges(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let table = Table::create()
        .table(LoginChallenges::Table)
        // SHA-256 of the token.
        .col(ColumnDef::new(LoginChallenges::TokenHash).blob().not_null().primary_key())
        .col(ColumnDef::new(LoginChallenges::UserId).uuid().not_null())
        // The client of the first step.
        .col(ColumnDef::new(LoginChallenges::Kind).text().not_null())
        .col(ColumnDef::new(LoginChallenges::DeviceName).text())
        .col(ColumnDef::new(LoginChallenges::Provider).text())
        .col(ColumnDef::new(LoginChallenges::Attempts).integer().not_null())
        .col(ColumnDef::new(LoginChallenges::ExpiresAt).big_integer().not_null())
        .foreign_key(
            ForeignKey::create()
                .from(LoginChallenges::Table, LoginChallenges::UserId)
                .to(Users::Table, Users::Id)
                .on_delete(ForeignKeyAction::Cascade),
        )
        .to_owned();
    manager.create_table(table).await
}
