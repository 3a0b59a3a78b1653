//! Database handles, transactions, and the dispatch to SQLite or PostgreSQL.
//!
//! [`Db`] reads in autocommit mode and begins write transactions ([`Tx`]). [`Db::searching`] is the same database for
//! searches, with its own connections or limits. Every failure updates the health state that [`Db::check_commits`]
//! reports.

mod commit_check;
mod reads;
mod wakeups;
mod writes;

use std::{
    hash::{BuildHasher, RandomState},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::available_parallelism,
    time::{Duration, Instant},
};

use sea_orm::{ConnectionTrait, DbBackend, DbErr};
use tokio::sync::OnceCell;

pub use self::wakeups::Notice;
use self::{
    reads::{Reads, Source},
    wakeups::Wakeups,
    writes::{Transaction, Writes},
};

use crate::{
    Error, Result,
    budget::WaitBudget,
    connection::{Executed, Settings},
    health::Health,
    metrics::{DbSnapshot, TransactionEnd, TransactionMetrics, Use},
    order::Followed,
    postgres, sqlite,
};

/// The statement timeout of searches, on either database.
const SEARCH_LIMIT: Duration = Duration::from_secs(2);

/// A database handle: cheap to clone, shared by the whole process.
///
/// On SQLite, one connection writes, so writers queue instead of failing with "database is locked". Several read-only
/// connections run beside it, which WAL allows. Searches have their own connections on SQLite and a share of the
/// connection pool on PostgreSQL: nothing else waits for them.
#[derive(Debug, Clone)]
pub struct Db {
    read: Reads,
    search: Reads,
    write: Writer,
    pub(crate) health: Arc<Health>,
    wakeups: Arc<Wakeups>,
    transactions: Arc<TransactionMetrics>,
    followed: Arc<Followed>,
    /// Distinguishes this opening of the database from every other.
    identity: Arc<str>,
}

#[derive(Debug, Clone)]
enum Writer {
    Sqlite { pool: Arc<sqlite::Pool>, limit: Duration },
    Postgres(postgres::Pool),
}

impl Db {
    /// Connects to a database whose schema is current. `Db::open` (feature `migrations`) also migrates it.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`] when the database does not respond, [`crate::Error::Rejected`] for an invalid URL.
    pub async fn connect(settings: &Settings) -> Result<Self> {
        let health = Arc::new(Health::new());
        if settings.url.starts_with("sqlite:") {
            return Self::connect_sqlite(settings, health).await;
        }
        let pool = postgres::Pool::connect(settings).await?;
        let max_concurrent = usize::try_from(settings.max_connections / 4).unwrap_or(1).max(1);
        let search = Reads(Source::Postgres(pool.searching(max_concurrent, SEARCH_LIMIT)));
        Ok(Self {
            read: Reads(Source::Postgres(pool.clone())),
            search,
            write: Writer::Postgres(pool.counted_apart()),
            health,
            wakeups: Arc::default(),
            transactions: Arc::default(),
            followed: Arc::default(),
            identity: new_identity(),
        })
    }

    /// Applies the pending migrations, then connects: what a program with a database of its own calls at its start.
    /// Programs that start at the same time take turns on PostgreSQL.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use blegram_persistence::{Db, Settings};
    ///
    /// let folder = tempfile::tempdir()?;
    /// let db = Db::open(&Settings::sqlite(folder.path().join("blegram.db"))).await?;
    /// db.close().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`Db::connect`]; also [`crate::Error::Rejected`] when a migration fails, or when a connection pooler in
    /// between shares sessions (see [`crate::pooling`]).
    #[cfg(feature = "migrations")]
    pub async fn open(settings: &Settings) -> Result<Self> {
        if crate::pooling::shares_sessions(&settings.url).await? {
            let text = "the URL points to a connection pooler in transaction or statement mode";
            return Err(Error::Rejected(DbErr::Custom(text.to_owned())));
        }
        let schema = blegram_migration::Schema::connect(&settings.url).await?;
        let migrated = schema.up().await;
        schema.close().await?;
        migrated?;
        Self::connect(settings).await
    }

    async fn connect_sqlite(settings: &Settings, health: Arc<Health>) -> Result<Self> {
        let Settings { url, max_connections, statement_timeout: limit } = settings;
        let limit = *limit;
        let barrier = sqlite::Barrier::default();
        let pool = |role, size| sqlite::Pool::new(url, role, size, &barrier);
        let writer = pool(sqlite::Role::Write, 1)?;
        let readers = pool(sqlite::Role::Read, (*max_connections).max(1))?;
        // Searches are CPU-bound: leave half of the cores to everything else.
        let max_concurrent = available_parallelism().map_or(1, |cores| cores.get() / 2).max(1);
        let searching = pool(sqlite::Role::Read, u32::try_from(max_concurrent).unwrap_or(1))?;
        // The writer first: it creates the file that the readers open.
        for pool in [&writer, &readers] {
            drop(pool.acquire(&WaitBudget::current()).await?);
        }
        Ok(Self {
            read: Reads(Source::Sqlite(sqlite::Reads { pool: readers, limit })),
            search: Reads(Source::Sqlite(sqlite::Reads { pool: searching, limit: limit.min(SEARCH_LIMIT) })),
            write: Writer::Sqlite { pool: writer, limit },
            health,
            wakeups: Arc::default(),
            transactions: Arc::default(),
            followed: Arc::default(),
            identity: new_identity(),
        })
    }

    /// Begins a write transaction, the only kind that may write. Dropping it rolls it back.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`] when no connection becomes free in time.
    pub async fn write(&self) -> Result<Tx> {
        let result = match &self.write {
            Writer::Sqlite { pool, limit } => {
                sqlite::Transaction::begin(pool, *limit).await.map(Transaction::Sqlite)
            }
            Writer::Postgres(pool) => postgres::Transaction::begin(pool).await.map(Transaction::Postgres),
        };
        let inner = result.map_err(Error::from).inspect_err(|error| self.note_failure(error))?;
        let health = Arc::clone(&self.health);
        let (has_failed, has_changed) = (AtomicBool::new(false), AtomicBool::new(false));
        Ok(Tx {
            writes: Writes { inner, has_failed, has_changed, health },
            change_no: OnceCell::new(),
            has_scheduled_job: AtomicBool::new(false),
            wakeups: Arc::clone(&self.wakeups),
            end: TransactionEnd::new(Arc::clone(&self.transactions)),
            followed: Arc::clone(&self.followed),
        })
    }

    /// Identifies this opening of the database. SQLite files have no identity of their own that distinguishes a file
    /// from an earlier copy of it.
    pub(crate) fn identity(&self) -> &str {
        &self.identity
    }

    fn note_failure(&self, error: &Error) {
        if error.is_unreachable() {
            self.health.note_failure(error);
        }
    }

    /// Returns the same database for searches, which are slow: they wait only for each other, and each of their
    /// statements times out after two seconds.
    pub fn searching(&self) -> Searching {
        Searching(self.search.clone())
    }

    /// Whether this is SQLite.
    pub fn is_sqlite(&self) -> bool {
        self.read.get_database_backend() == DbBackend::Sqlite
    }

    /// Checks that the database responds.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    pub async fn ping(&self) -> Result<()> {
        // On a reader, so that frequent health checks do not block SQLite's only writer.
        let sql = if self.is_sqlite() { "SELECT 1 FROM sqlite_schema LIMIT 1" } else { "SELECT 1" };
        self.read.execute_unprepared(sql).await?;
        Ok(())
    }

    /// On SQLite, writes the write-ahead log into the file and truncates it. Returns whether it did: readers may prevent
    /// it.
    pub(crate) async fn checkpoint(&self) -> Result<bool> {
        match &self.write {
            Writer::Sqlite { pool, limit } => Ok(sqlite::checkpoint(pool, *limit).await?),
            Writer::Postgres(_) => Ok(true),
        }
    }

    /// Reports every statement to `observer`. Call it once, before the handle is shared.
    #[must_use]
    pub fn observed(self, observer: impl Fn(Executed<'_>) + Clone + Send + Sync + 'static) -> Self {
        match &self.write {
            Writer::Sqlite { pool, .. } => pool.observe(Arc::new(observer.clone())),
            Writer::Postgres(pool) => pool.observe(Arc::new(observer.clone())),
        }
        for reads in [&self.read, &self.search] {
            match &reads.0 {
                Source::Sqlite(reads) => reads.pool.observe(Arc::new(observer.clone())),
                Source::Postgres(pool) => pool.observe(Arc::new(observer.clone())),
            }
        }
        self
    }

    /// What this handle and its clones counted since the database was opened.
    pub fn snapshot(&self) -> DbSnapshot {
        let (write, mut pools) = match &self.write {
            Writer::Sqlite { pool, .. } => (&pool.metrics, vec![pool.snapshot(Use::Write)]),
            Writer::Postgres(pool) => (&*pool.metrics, vec![pool.snapshot()]),
        };
        let mut reads = |reads: &Reads, of| match &reads.0 {
            Source::Sqlite(reads) => {
                pools.push(reads.pool.snapshot(of));
                reads.pool.metrics.snapshot(of)
            }
            Source::Postgres(pool) => pool.metrics.snapshot(of),
        };
        let uses =
            [reads(&self.read, Use::Read), write.snapshot(Use::Write), reads(&self.search, Use::Search)];
        let (commits, rollbacks) = self.transactions.snapshot();
        DbSnapshot { uses, pools, commits, rollbacks }
    }

    /// Closes all connections, and drops those that do not close in time. On SQLite this also checkpoints the
    /// write-ahead log into the file.
    ///
    /// # Errors
    /// [`crate::Error::Unavailable`].
    pub async fn close(self) -> Result<()> {
        for reads in [self.search, self.read] {
            if let Source::Sqlite(reads) = reads.0 {
                reads.pool.close().await;
            }
        }
        match self.write {
            Writer::Sqlite { pool, .. } => pool.close().await,
            Writer::Postgres(pool) => pool.close().await,
        }
        Ok(())
    }
}

/// A random identity, from the random keys of the standard library's hashers.
pub(crate) fn new_identity() -> Arc<str> {
    format!("{:016x}", RandomState::new().hash_one("identity")).into()
}

/// A database handle for searches: see [`Db::searching`].
#[derive(Debug, Clone)]
pub struct Searching(Reads);

/// A write transaction. It is atomic: all of its changes commit, or none.
#[derive(Debug)]
pub struct Tx {
    writes: Writes,
    /// On SQLite, the number of this transaction, once [`crate::changes`] assigned it.
    pub(crate) change_no: OnceCell<i64>,
    has_scheduled_job: AtomicBool,
    wakeups: Arc<Wakeups>,
    end: TransactionEnd,
    pub(crate) followed: Arc<Followed>,
}

impl Tx {
    /// Makes the commit wake the workers of the job queue.
    pub(crate) fn note_scheduled_job(&self) {
        self.has_scheduled_job.store(true, Ordering::Relaxed);
    }

    /// Commits: the changes are durable and visible. Fails if any statement of the transaction failed.
    ///
    /// # Errors
    /// When the database did not confirm the commit. Whether it happened is then unknown.
    pub async fn commit(self) -> Result<()> {
        let Writes { inner, has_failed, has_changed, health } = self.writes;
        if has_failed.into_inner() {
            return Err(DbErr::Custom(
                "cannot commit the transaction: one of its statements failed or was abandoned".to_owned(),
            )
            .into());
        }
        let started = Instant::now();
        let committed = match inner {
            Transaction::Sqlite(transaction) => transaction.commit().await,
            Transaction::Postgres(transaction) => transaction.commit().await,
        };
        match committed.map_err(Error::from) {
            Ok(()) => {
                self.end.commit(started);
                // A transaction without changes writes nothing, so it proves nothing about the disk.
                if has_changed.into_inner() {
                    health.note_commit();
                }
                if self.has_scheduled_job.into_inner() {
                    self.wakeups.wake();
                }
                Ok(())
            }
            Err(error) => {
                if error.is_unreachable() {
                    health.note_failure(&error);
                }
                Err(error)
            }
        }
    }
}

/// A source of reads: a [`Db`], or a [`Tx`] to see its uncommitted changes.
pub trait Conn: sealed::Sealed {}

impl Conn for Db {}
impl Conn for Searching {}
impl Conn for Tx {}

pub(crate) mod sealed {
    use sea_orm::ConnectionTrait;

    // SeaORM's trait has generic methods and is not dyn-compatible, so this is an associated type.
    pub trait Sealed: Sync {
        type Inner: ConnectionTrait;
        fn inner(&self) -> &Self::Inner;
    }
}

impl sealed::Sealed for Db {
    type Inner = Reads;

    fn inner(&self) -> &Reads {
        &self.read
    }
}

impl sealed::Sealed for Searching {
    type Inner = Reads;

    fn inner(&self) -> &Reads {
        &self.0
    }
}

impl sealed::Sealed for Tx {
    type Inner = Writes;

    fn inner(&self) -> &Writes {
        &self.writes
    }
}
