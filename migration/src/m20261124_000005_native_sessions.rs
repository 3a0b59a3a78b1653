use sea_orm_migration::{
    prelude::{
        ColumnDef, DbErr, DeriveIden, DeriveMigrationName, ForeignKey, ForeignKeyAction, MigrationTrait,
        SchemaManager, Table, async_trait,
    },
    sea_orm::{self, ConnectionTrait, DbBackend},
};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[derive(DeriveIden)]
enum RefreshTokens {
    Table,
    Id,
    SessionId,
    TokenHash,
    IssuedAt,
    ExpiresAt,
    ConsumedAt,
    NextId,
    AccessUsedAt,
}

#[derive(DeriveIden)]
enum Sessions {
    Table,
    Id,
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        execute(manager, if is_sqlite(manager) { &SQLITE_UP } else { &POSTGRES_UP }).await?;
        manager.create_table(refresh_tokens()).await?;
        execute(
            manager,
            &[
                "CREATE INDEX refresh_tokens_session_id_consumed_at ON refresh_tokens (session_id, consumed_at)",
                "CREATE INDEX refresh_tokens_expires_at ON refresh_tokens (expires_at)",
                // Finds idle sessions. Use updates it at most once a minute.
                "CREATE INDEX sessions_last_seen_at ON sessions (last_seen_at)",
            ],
        )
        .await
    }

    // Deletes native sessions, which the previous schema cannot hold.
    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table(RefreshTokens::Table).to_owned()).await?;
        execute(manager, if is_sqlite(manager) { &SQLITE_DOWN } else { &POSTGRES_DOWN }).await
    }
}

fn is_sqlite(manager: &SchemaManager) -> bool {
    manager.get_database_backend() == DbBackend::Sqlite
}

async fn execute(manager: &SchemaManager<'_>, statements: &[&str]) -> Result<(), DbErr> {
    for statement in statements {
        manager.get_connection().execute_unprepared(statement).await?;
    }
    Ok(())
}

fn refresh_tokens() -> sea_orm_migration::prelude::TableCreateStatement {
    Table::create()
        .table(RefreshTokens::Table)
        // Also the `jti` of the access token issued with it.
        .col(ColumnDef::new(RefreshTokens::Id).uuid().not_null().primary_key())
        .col(ColumnDef::new(RefreshTokens::SessionId).uuid().not_null())
        .col(ColumnDef::new(RefreshTokens::TokenHash).blob().not_null().unique_key())
        .col(ColumnDef::new(RefreshTokens::IssuedAt).big_integer().not_null())
        .col(ColumnDef::new(RefreshTokens::ExpiresAt).big_integer().not_null())
        .col(ColumnDef::new(RefreshTokens::ConsumedAt).big_integer())
        .col(ColumnDef::new(RefreshTokens::NextId).uuid())
        .col(ColumnDef::new(RefreshTokens::AccessUsedAt).big_integer())
        .foreign_key(
            ForeignKey::create()
                .from(RefreshTokens::Table, RefreshTokens::SessionId)
                .to(Sessions::Table, Sessions::Id)
                .on_delete(ForeignKeyAction::Cascade),
        )
        .to_owned()
}

const POSTGRES_UP: [&str; 2] = [
    "ALTER TABLE sessions ADD COLUMN kind text NOT NULL DEFAULT 'browser'",
    "ALTER TABLE sessions ALTER COLUMN token_hash DROP NOT NULL",
];

const POSTGRES_DOWN: [&str; 4] = [
    "DROP INDEX sessions_last_seen_at",
    "DELETE FROM sessions WHERE token_hash IS NULL",
    "ALTER TABLE sessions ALTER COLUMN token_hash SET NOT NULL",
    "ALTER TABLE sessions DROP COLUMN kind",
];

// SQLite cannot drop a NOT NULL constraint, so the table is recreated. No other table references it at this point.
const SQLITE_UP: [&str; 5] = [
    "CREATE TABLE sessions_new (id uuid_text NOT NULL PRIMARY KEY, user_id uuid_text NOT NULL, \
     kind text NOT NULL DEFAULT 'browser', token_hash blob UNIQUE, device_name text, user_agent text, \
     created_at bigint NOT NULL, last_seen_at bigint NOT NULL, expires_at bigint NOT NULL, \
     FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE)",
    "INSERT INTO sessions_new (id, user_id, token_hash, device_name, user_agent, created_at, last_seen_at, expires_at) \
     SELECT id, user_id, token_hash, device_name, user_agent, created_at, last_seen_at, expires_at FROM sessions",
    "DROP TABLE sessions",
    "ALTER TABLE sessions_new RENAME TO sessions",
    "CREATE INDEX sessions_user_id_id ON sessions (user_id, id)",
];

const SQLITE_DOWN: [&str; 5] = [
    "CREATE TABLE sessions_old (id uuid_text NOT NULL PRIMARY KEY, user_id uuid_text NOT NULL, \
     token_hash blob NOT NULL UNIQUE, device_name text, user_agent text, \
     created_at bigint NOT NULL, last_seen_at bigint NOT NULL, expires_at bigint NOT NULL, \
     FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE)",
    "INSERT INTO sessions_old \
     SELECT id, user_id, token_hash, device_name, user_agent, created_at, last_seen_at, expires_at FROM sessions \
     WHERE token_hash IS NOT NULL",
    "DROP TABLE sessions",
    "ALTER TABLE sessions_old RENAME TO sessions",
    "CREATE INDEX sessions_user_id_id ON sessions (user_id, id)",
];
