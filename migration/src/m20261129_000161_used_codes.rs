//! Which sessions and half-finished logins a code of an app opened, so that a second use of the code ends them.

use sea_orm_migration::{
    prelude::{DbErr, DeriveMigrationName, MigrationTrait, SchemaManager, async_trait},
    sea_orm::DbBackend,
};

use crate::execute_all;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let bytes = match manager.get_database_backend() {
            DbBackend::Postgres => "bytea",
            _ => "BLOB",
        };
        execute_all(
            manager,
            &[
                "ALTER TABLE login_codes ADD COLUMN is_used boolean NOT NULL DEFAULT FALSE",
                // The hash of the code or, for a login that asked for a username, of the token that it stood for.
                &format!("ALTER TABLE sessions ADD COLUMN login_code {bytes}"),
                &format!("ALTER TABLE login_challenges ADD COLUMN login_code {bytes}"),
                "CREATE INDEX sessions_login_code ON sessions (login_code) WHERE login_code IS NOT NULL",
                "CREATE INDEX login_challenges_login_code ON login_challenges (login_code) \
                 WHERE login_code IS NOT NULL",
            ],
        )
        .await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute_all(
            manager,
            &[
                "DROP INDEX login_challenges_login_code",
                "DROP INDEX sessions_login_code",
                "ALTER TABLE login_challenges DROP COLUMN login_code",
                "ALTER TABLE sessions DROP COLUMN login_code",
                // An earlier version would accept them again.
                "DELETE FROM login_codes WHERE is_used",
                "ALTER TABLE login_codes DROP COLUMN is_used",
            ],
        )
        .await
    }
}
