//! Connections and transactions.

use std::time::Duration;

use sea_orm::{
    ConnectOptions, Database, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr,
    SqliteTransactionMode, TransactionOptions, TransactionTrait,
    sqlx::{
        AssertSqlSafe, ConnectOptions as _, raw_sql,
        sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
    },
};

use crate::Result;

/// How to reach a database.
#[derive(Debug, Clone)]
pub struct Settings {
    /// `sqlite:<path>` or `postgres://…`.
    pub url: String,
    /// The largest number of connections to PostgreSQL, or of readers of SQLite (which has one writer).
    pub max_connections: u32,
    /// How long one statement may take on PostgreSQL before it is given up.
    pub statement_timeout: Duration,
}

/// How long a request waits for a connection, or on SQLite for other processes, before it fails.
const PATIENCE: Duration = Duration::from_secs(5);

/// A database: cheap to clone, shared by everything in a process.
///
/// On SQLite there is one connection that writes, so writers queue instead of failing with "database
/// is locked", and some that only read, which WAL lets run beside it.
#[derive(Debug, Clone)]
pub struct Db {
    read: DatabaseConnection,
    write: DatabaseConnection,
}

/// A statement that was executed, for logs and metrics. Its values are not told.
#[derive(Debug, Clone, Copy)]
pub struct Executed<'a> {
    /// The SQL, with placeholders.
    pub sql: &'a str,
    /// How long it took.
    pub elapsed: Duration,
    /// Whether it failed.
    pub failed: bool,
}

impl Db {
    /// Connects, and fails when the database does not answer.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`], or [`crate::Error::Refused`] for a URL that names no database.
    pub async fn connect(settings: &Settings) -> Result<Self> {
        let mut options = ConnectOptions::new(&settings.url);
        options
            .max_connections(settings.max_connections)
            .acquire_timeout(PATIENCE)
            .test_before_acquire_if_idle_for(Duration::from_secs(30))
            .sqlx_logging(false);
        if settings.url.starts_with("sqlite:") {
            return Self::connect_sqlite(options).await;
        }
        // Set after connecting: PgBouncer refuses the startup parameters `options` and `extra_float_digits`.
        let limits = format!("SET statement_timeout = {}", settings.statement_timeout.as_millis());
        options
            .map_sqlx_postgres_opts(|options| {
                let options = options.application_name("blegram").extra_float_digits(None);
                options.statement_cache_capacity(STATEMENT_CACHE)
            })
            .map_sqlx_postgres_pool_opts(move |pool| {
                let limits = limits.clone();
                pool.after_connect(move |connection, _| {
                    let limits = limits.clone();
                    Box::pin(
                        async move { raw_sql(AssertSqlSafe(limits)).execute(connection).await.map(drop) },
                    )
                })
            });
        let pool = Database::connect(options).await?;
        Ok(Self { read: pool.clone(), write: pool })
    }

    async fn connect_sqlite(mut readers: ConnectOptions) -> Result<Self> {
        let mut writer = readers.clone();
        writer.max_connections(1).map_sqlx_sqlite_opts(sqlite);
        readers.map_sqlx_sqlite_opts(|options| sqlite(options).pragma("query_only", "ON"));
        // The writer first: it makes the file that the readers open.
        let write = Database::connect(writer).await?;
        let read = Database::connect(readers).await?;
        Ok(Self { read, write })
    }

    /// Begins the only kind of transaction that may write. Dropping it takes everything back.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`] when no connection gets free in time.
    #[expect(
        clippy::disallowed_methods,
        reason = "the one home of write transactions; the task ends by itself"
    )]
    pub async fn write(&self) -> Result<Tx> {
        // A deferred transaction that reads first cannot become a writer while another one is.
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        let options = if self.is_sqlite() { options } else { TransactionOptions::default() };
        let pool = self.write.clone();
        // A task of its own, because sqlx 0.9.0 forgets a PostgreSQL transaction whose `BEGIN` is cancelled
        // halfway: the connection would go back to the pool with it open. If nobody waits any more when it has
        // begun, dropping the result takes it back.
        let begun = tokio::spawn(async move { pool.begin_with_options(options).await });
        Ok(Tx(begun.await.map_err(|lost| DbErr::Custom(lost.to_string()))??))
    }

    /// Whether this is the embedded database.
    pub fn is_sqlite(&self) -> bool {
        self.read.get_database_backend() == DbBackend::Sqlite
    }

    /// Asks the database for a sign of life.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    pub async fn ping(&self) -> Result<()> {
        // A reader: whoever asks for it often must not stand in the way of SQLite's only writer.
        Ok(self.read.ping().await?)
    }

    /// Tells `observer` of every statement. Called once, before the handle is shared.
    #[must_use]
    pub fn observed(mut self, observer: impl Fn(Executed<'_>) + Clone + Send + Sync + 'static) -> Self {
        for connection in [&mut self.read, &mut self.write] {
            let observer = observer.clone();
            connection.set_metric_callback(move |info| {
                observer(Executed { sql: &info.statement.sql, elapsed: info.elapsed, failed: info.failed });
            });
        }
        self
    }

    /// Ends all connections; on SQLite this also folds the write-ahead log into the file.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    pub async fn close(self) -> Result<()> {
        self.read.close().await?;
        Ok(self.write.close().await?)
    }
}

/// Statements whose text varies with the number of ids in a page want room in the cache.
const STATEMENT_CACHE: usize = 512;

fn sqlite(options: SqliteConnectOptions) -> SqliteConnectOptions {
    options
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // An acknowledged write survives power loss.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(PATIENCE)
        .statement_cache_capacity(STATEMENT_CACHE)
        .disable_statement_logging()
}

/// A write transaction: everything it did, or nothing.
#[derive(Debug)]
pub struct Tx(DatabaseTransaction);

impl Tx {
    /// Makes the changes durable and visible.
    ///
    /// # Errors
    /// When the database did not confirm; whether the changes happened is then unknown.
    pub async fn commit(self) -> Result<()> {
        Ok(self.0.commit().await?)
    }
}

/// What queries read from: the [`Db`], or the [`Tx`] whose changes they should see.
pub trait Conn: sealed::Sealed {}

impl Conn for Db {}
impl Conn for Tx {}

pub(crate) mod sealed {
    use sea_orm::ConnectionTrait;

    // SeaORM's trait has generic methods, so it is a type here and not a `dyn`.
    pub trait Sealed: Sync {
        type Inner: ConnectionTrait;
        fn inner(&self) -> &Self::Inner;
    }
}

impl sealed::Sealed for Db {
    type Inner = DatabaseConnection;

    fn inner(&self) -> &DatabaseConnection {
        &self.read
    }
}

impl sealed::Sealed for Tx {
    type Inner = DatabaseTransaction;

    fn inner(&self) -> &DatabaseTransaction {
        &self.0
    }
}
