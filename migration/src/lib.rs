//! The database schema of blegram: one migration per file, the same for SQLite and PostgreSQL.
//!
//! To add a migration: add a file `m<date>_<number>_<what>.rs` with `up` and `down`, and its line in
//! `Migrator::migrations`. The tests run every migration up, down and up again on both databases. Never edit a released
//! migration.
//!
//! Conventions: ids are 16-byte UUIDs, instants are microseconds since 1970 as 64-bit integers (one representation that
//! sorts and compares alike on both databases), enumerations are text.

use sea_orm_migration::{
    prelude::{
        Alias, ColumnDef, Expr, ExprTrait, ForeignKey, ForeignKeyAction, IntoIden, MigrationTrait,
        MigratorTrait, SchemaManager, Table,
    },
    sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend},
};

/// The error of every method.
pub use sea_orm_migration::prelude::DbErr;

mod m20261123_000001_users;
mod m20261123_000002_sessions;
mod m20261123_000003_posts;
mod m20261124_000004_versions;
mod m20261124_000005_native_sessions;
mod m20261124_000007_revisions;
mod m20261124_000009_idempotency_keys;
mod m20261124_000011_signing_keys;
mod m20261124_000012_jobs;
mod m20261124_000013_reserved_usernames;
mod m20261124_000014_post_hashtags;
mod m20261125_000015_relations;
mod m20261125_000016_deleted_posts;
mod m20261125_000017_comments;
mod m20261125_000018_likes;
mod m20261125_000019_revisions;
mod m20261125_000020_notifications;
mod m20261125_000021_hashtags;
mod m20261125_000022_reports;
mod m20261125_000025_search;
mod m20261125_000030_media;
mod m20261125_000040_conversations;
mod m20261125_000050_gateway_tickets;
mod m20261128_000060_clock_state;
mod m20261128_000070_conversation_versions;
mod m20261128_000080_changes;
mod m20261128_000090_media_keys;
mod m20261129_000100_storage_marker;
mod m20261129_000110_report_texts;
mod m20261129_000115_session_networks;
mod m20261129_000120_media_usage;
mod m20261129_000125_audit_events;
mod m20261129_000130_mail;
mod m20261129_000140_identities;
mod m20261129_000150_second_factors;
mod m20261129_000151_passkeys;
mod m20261129_000160_provider_unlinks;
mod m20261129_000161_used_codes;
mod m20261129_000170_nodes;

/// The list of migrations.
#[derive(Debug)]
struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261123_000001_users::Migration),
            Box::new(m20261123_000002_sessions::Migration),
            Box::new(m20261123_000003_posts::Migration),
            Box::new(m20261124_000004_versions::Migration),
            Box::new(m20261124_000005_native_sessions::Migration),
            Box::new(m20261124_000007_revisions::Migration),
            Box::new(m20261124_000009_idempotency_keys::Migration),
            Box::new(m20261124_000011_signing_keys::Migration),
            Box::new(m20261124_000012_jobs::Migration),
            Box::new(m20261124_000013_reserved_usernames::Migration),
            Box::new(m20261124_000014_post_hashtags::Migration),
            Box::new(m20261125_000015_relations::Migration),
            Box::new(m20261125_000016_deleted_posts::Migration),
            Box::new(m20261125_000017_comments::Migration),
            Box::new(m20261125_000018_likes::Migration),
            Box::new(m20261125_000019_revisions::Migration),
            Box::new(m20261125_000020_notifications::Migration),
            Box::new(m20261125_000021_hashtags::Migration),
            Box::new(m20261125_000022_reports::Migration),
            Box::new(m20261125_000025_search::Migration),
            Box::new(m20261125_000030_media::Migration),
            Box::new(m20261125_000040_conversations::Migration),
            Box::new(m20261125_000050_gateway_tickets::Migration),
            Box::new(m20261128_000060_clock_state::Migration),
            Box::new(m20261128_000070_conversation_versions::Migration),
            Box::new(m20261128_000080_changes::Migration),
            Box::new(m20261128_000090_media_keys::Migration),
            Box::new(m20261129_000100_storage_marker::Migration),
            Box::new(m20261129_000110_report_texts::Migration),
            Box::new(m20261129_000115_session_networks::Migration),
            Box::new(m20261129_000120_media_usage::Migration),
            Box::new(m20261129_000125_audit_events::Migration),
            Box::new(m20261129_000130_mail::Migration),
            Box::new(m20261129_000140_identities::Migration),
            Box::new(m20261129_000150_second_factors::Migration),
            Box::new(m20261129_000151_passkeys::Migration),
            Box::new(m20261129_000160_provider_unlinks::Migration),
            Box::new(m20261129_000161_used_codes::Migration),
            Box::new(m20261129_000170_nodes::Migration),
        ]
    }
}

/// A migration, and whether it is applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its name, which sorts by date.
    pub name: String,
    /// Whether the database has it.
    pub is_applied: bool,
}

/// A connection that manages the schema of one database.
#[derive(Debug)]
pub struct Schema(DatabaseConnection);

/// An arbitrary constant. Every program that changes this schema takes this advisory lock.
const ADVISORY_LOCK: i64 = 0x626c_6567_7261_6d01;

impl Schema {
    /// Connects to `url`: `sqlite:…?mode=rwc` or `postgres://…`.
    ///
    /// # Errors
    /// When the database does not respond within five seconds.
    pub async fn connect(url: &str) -> Result<Self, DbErr> {
        let mut options = ConnectOptions::new(url);
        // One connection, because the session that runs the migrations must hold the advisory lock.
        options.max_connections(1).acquire_timeout(std::time::Duration::from_secs(5)).sqlx_logging(false);
        // PgBouncer rejects this startup parameter; PostgreSQL 12 and later format floats exactly without it.
        options.map_sqlx_postgres_opts(|options| options.extra_float_digits(None));
        Database::connect(options).await.map(Self)
    }

    /// Applies the pending migrations and returns how many. Nodes that start at the same time take turns.
    ///
    /// # Errors
    /// When a migration fails. Each migration is one transaction: earlier ones stay applied.
    pub async fn up(&self) -> Result<usize, DbErr> {
        self.lock().await?;
        let result = self.apply_pending().await;
        self.unlock().await?;
        result
    }

    async fn apply_pending(&self) -> Result<usize, DbErr> {
        let pending = Migrator::get_pending_migrations_read_only(&self.0).await?.len();
        Migrator::up(&self.0, None).await?;
        Ok(pending)
    }

    /// Reverts the last `steps` migrations, and deletes the data that only their schema can hold.
    ///
    /// # Errors
    /// As [`Schema::up`].
    pub async fn down(&self, steps: u32) -> Result<(), DbErr> {
        self.lock().await?;
        let result = Migrator::down(&self.0, Some(steps)).await;
        self.unlock().await?;
        result
    }

    /// Lists every migration, in order. Read-only.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn status(&self) -> Result<Vec<Change>, DbErr> {
        let pending = Migrator::get_pending_migrations_read_only(&self.0).await?;
        let is_applied = |name: &str| !pending.iter().any(|change| change.name() == name);
        let names = Migrator::migrations().into_iter().map(|change| change.name().to_owned());
        Ok(names.map(|name| Change { is_applied: is_applied(&name), name }).collect())
    }

    /// Whether every migration is applied.
    ///
    /// # Errors
    /// As [`Schema::status`].
    pub async fn is_current(&self) -> Result<bool, DbErr> {
        Ok(self.status().await?.iter().all(|change| change.is_applied))
    }

    /// Closes the connection.
    ///
    /// # Errors
    /// When closing fails.
    pub async fn close(self) -> Result<(), DbErr> {
        self.0.close().await
    }

    async fn lock(&self) -> Result<(), DbErr> {
        self.advise("pg_advisory_lock").await
    }

    async fn unlock(&self) -> Result<(), DbErr> {
        self.advise("pg_advisory_unlock").await
    }

    // SQLite needs no lock here: the server locks its data folder.
    async fn advise(&self, function: &str) -> Result<(), DbErr> {
        if self.0.get_database_backend() == DbBackend::Postgres {
            self.0.execute_unprepared(&format!("SELECT {function}({ADVISORY_LOCK})")).await?;
        }
        Ok(())
    }
}

/// A column that counts rows of another table. Exact, because it changes in the same transaction as those rows; the
/// check constraint keeps it from going below zero.
fn count(name: impl IntoIden + Copy) -> ColumnDef {
    ColumnDef::new(name).big_integer().not_null().default(0).check(Expr::col(name).gte(0)).to_owned()
}

/// A table of pairs: each pair is unique, and indexed from both sides in order of creation.
#[derive(Clone, Copy)]
struct Pairs {
    table: &'static str,
    /// The column of the acting account, and the table that it references.
    first: (&'static str, &'static str),
    /// The column of the target, and the table that it references.
    second: (&'static str, &'static str),
}

impl Pairs {
    async fn create(self, manager: &SchemaManager<'_>) -> Result<(), DbErr> {
        let Self { table, first, second } = self;
        let mut create = Table::create();
        create.table(Alias::new(table)).col(ColumnDef::new(Alias::new("id")).uuid().not_null().primary_key());
        for (column, other) in [first, second] {
            let mut key = ForeignKey::create()
                .from(Alias::new(table), Alias::new(column))
                .to(Alias::new(other), Alias::new("id"))
                .on_delete(ForeignKeyAction::Cascade)
                .to_owned();
            create.col(ColumnDef::new(Alias::new(column)).uuid().not_null()).foreign_key(&mut key);
        }
        manager.create_table(create).await?;
        let (first, second) = (first.0, second.0);
        let indexes = [
            format!("CREATE UNIQUE INDEX {table}_once ON {table} ({first}, {second})"),
            format!("CREATE INDEX {table}_{first}_id ON {table} ({first}, id DESC)"),
            format!("CREATE INDEX {table}_{second}_id ON {table} ({second}, id DESC)"),
        ];
        execute_all(manager, &indexes.each_ref().map(String::as_str)).await
    }
}

async fn execute_all(manager: &SchemaManager<'_>, statements: &[&str]) -> Result<(), DbErr> {
    for statement in statements {
        manager.get_connection().execute_unprepared(statement).await?;
    }
    Ok(())
}

/// Drops tables that no other table references.
async fn drop_tables(manager: &SchemaManager<'_>, tables: &[&str]) -> Result<(), DbErr> {
    for table in tables {
        manager.drop_table(Table::drop().table(Alias::new(*table)).to_owned()).await?;
    }
    Ok(())
}

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
