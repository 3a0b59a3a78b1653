//! The schema of blegram, one change a file, the same on SQLite and PostgreSQL.
//!
//! To add a change: a file `m<date>_<number>_<what>.rs` with `up` and `down`, its line in
//! `Migrator::migrations`, and nothing else: the tests run every change up, down and up again on
//! both databases. A change that has been released is never edited.
//!
//! Conventions: ids are 16-byte UUIDs, instants are microseconds since 1970 as 64-bit integers (one
//! representation that sorts and compares alike on both databases), enumerations are text.

use sea_orm_migration::{
    prelude::{
        Alias, ColumnDef, DbErr, Expr, ExprTrait, ForeignKey, ForeignKeyAction, IntoIden, MigrationTrait,
        MigratorTrait, SchemaManager, Table,
    },
    sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection, DbBackend},
};

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

/// The list of changes.
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
        ]
    }
}

/// A change, and whether the database has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its name, which sorts by date.
    pub name: String,
    /// Whether the database has it.
    pub is_applied: bool,
}

/// The schema of one database.
#[derive(Debug)]
pub struct Schema(DatabaseConnection);

/// Chosen once, by chance; any program that changes this schema takes this lock.
const ADVISORY_LOCK: i64 = 0x626c_6567_7261_6d01;

impl Schema {
    /// Connects to `url`: `sqlite:…?mode=rwc` or `postgres://…`.
    ///
    /// # Errors
    /// When the database does not answer within five seconds.
    pub async fn connect(url: &str) -> Result<Self, DbErr> {
        let mut options = ConnectOptions::new(url);
        // One connection, so that the advisory lock and what it guards share a session.
        options.max_connections(1).acquire_timeout(std::time::Duration::from_secs(5)).sqlx_logging(false);
        // PgBouncer refuses this startup parameter; PostgreSQL 12 and later write floats exactly without it.
        options.map_sqlx_postgres_opts(|options| options.extra_float_digits(None));
        Database::connect(options).await.map(Self)
    }

    /// Applies the changes that are missing and returns how many those were; several nodes that start at once take turns.
    ///
    /// # Errors
    /// When a change fails. Each change is one transaction: those before it stay applied.
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

    /// Takes back the last `steps` changes, and the data that only they had a place for.
    ///
    /// # Errors
    /// As [`Schema::up`].
    pub async fn down(&self, steps: u32) -> Result<(), DbErr> {
        self.lock().await?;
        let result = Migrator::down(&self.0, Some(steps)).await;
        self.unlock().await?;
        result
    }

    /// Every change, in order. Writes nothing.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn status(&self) -> Result<Vec<Change>, DbErr> {
        let pending = Migrator::get_pending_migrations_read_only(&self.0).await?;
        let is_applied = |name: &str| !pending.iter().any(|change| change.name() == name);
        let names = Migrator::migrations().into_iter().map(|change| change.name().to_owned());
        Ok(names.map(|name| Change { is_applied: is_applied(&name), name }).collect())
    }

    /// Whether the database has every change.
    ///
    /// # Errors
    /// As [`Schema::status`].
    pub async fn is_current(&self) -> Result<bool, DbErr> {
        Ok(self.status().await?.iter().all(|change| change.is_applied))
    }

    /// Ends the connection.
    ///
    /// # Errors
    /// When the database does not take its leave.
    pub async fn close(self) -> Result<(), DbErr> {
        self.0.close().await
    }

    async fn lock(&self) -> Result<(), DbErr> {
        self.advise("pg_advisory_lock").await
    }

    async fn unlock(&self) -> Result<(), DbErr> {
        self.advise("pg_advisory_unlock").await
    }

    // SQLite needs none: the server holds a lock on its data folder.
    async fn advise(&self, function: &str) -> Result<(), DbErr> {
        if self.0.get_database_backend() == DbBackend::Postgres {
            self.0.execute_unprepared(&format!("SELECT {function}({ADVISORY_LOCK})")).await?;
        }
        Ok(())
    }
}

/// A column that counts rows of another table: exact because it changes in the transaction of those
/// rows, and never below zero even if that rule were broken.
fn count(name: impl IntoIden + Copy) -> ColumnDef {
    ColumnDef::new(name).big_integer().not_null().default(0).check(Expr::col(name).gte(0)).to_owned()
}

/// A table of pairs: each pair once, found from both sides, in the order in which they came about.
#[derive(Clone, Copy)]
struct Pairs {
    table: &'static str,
    /// The column of whoever did it, and the table that it names.
    first: (&'static str, &'static str),
    /// The same of what it was done to.
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

/// Drops tables that nothing refers to.
async fn drop_tables(manager: &SchemaManager<'_>, tables: &[&str]) -> Result<(), DbErr> {
    for table in tables {
        manager.drop_table(Table::drop().table(Alias::new(*table)).to_owned()).await?;
    }
    Ok(())
}
