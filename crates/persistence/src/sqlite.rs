//! SQLite connections: a writer and a pool of readers, with hooks that observe every transaction.
//!
//! After some errors, SQLite rolls a transaction back by itself: a full disk, an I/O error, out of memory, an
//! interrupt. The following statements of the same use case would then run in autocommit mode, each committed on its
//! own, and the final `COMMIT` would have nothing to commit. sqlx counts transactions without asking SQLite, so from
//! then on its count is wrong for the lifetime of the connection, and each later "transaction" is a savepoint inside
//! one that never commits. This module therefore uses neither sqlx's transactions nor its pool:
//!
//! - A writer commits only when [`Transaction::commit`] requests it: its commit hook rejects every other commit, so
//!   nothing autocommits. A commit counts as done only if the hook saw it.
//! - A connection returns to the pool only when no transaction can be open on it: after a commit that the hook saw, or
//!   a `ROLLBACK` that SQLite accepted. Any other connection is closed, and the next user opens a new one.
//! - Each statement has a deadline, at which a progress handler interrupts it. A statement whose caller was dropped is
//!   interrupted at once, unless it writes.
//!
//! See `docs/decisions/0023-sqlite-transactions.md`.

use std::{
    collections::VecDeque,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use sea_orm::{
    ConnAcquireErr, ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, Statement,
    prelude::async_trait::async_trait,
    sea_query::Values,
    sqlx::{
        self, AssertSqlSafe, ConnectOptions as _, Connection as _, Sqlite, SqliteConnection,
        query::Query,
        sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
    },
};
use sea_query_sqlx::SqlxValues;
use tokio::{
    runtime::Handle,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

use crate::{
    budget::{WaitBudget, statement_limit},
    db::Executed,
    error::{breaks_connection, connecting, executing, is_locked, querying},
};

/// The number of cached prepared statements. Large, because the text of some statements varies with the number of ids
/// in a page.
pub(crate) const STATEMENT_CACHE: usize = 512;

/// The `busy_timeout` of one attempt. Attempts are repeated while the request has wait budget left.
const LOCK_WAIT: Duration = Duration::from_millis(100);

/// Instructions of SQLite's virtual machine between two calls of the progress handler: some tens of microseconds.
const INSTRUCTIONS: i32 = 1_000;

/// How long after its deadline a statement is abandoned that cannot be interrupted, as on a disk that hangs.
pub(crate) const GRACE: Duration = Duration::from_secs(1);

/// The timeout for closing a connection.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// A callback that receives every executed statement.
pub(crate) type Observer = Arc<dyn Fn(Executed<'_>) + Send + Sync>;

/// The role of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Read,
    Write,
}

/// State that the hooks of a connection share with its user. The hooks run on the connection's thread.
#[derive(Debug)]
struct Watch {
    base: Instant,
    /// When the running statement is interrupted, in microseconds since `base`.
    deadline: AtomicU64,
    phase: AtomicU8,
}

/// The phases of a writer's transaction.
mod phase {
    /// No transaction of ours: the commit hook rejects any commit now.
    pub(super) const NONE: u8 = 0;
    pub(super) const OPEN: u8 = 1;
    pub(super) const COMMITTING: u8 = 2;
    pub(super) const COMMITTED: u8 = 3;
    /// Rolled back, by us or by SQLite itself.
    pub(super) const ENDED: u8 = 4;
}

impl Watch {
    fn new() -> Self {
        Self { base: Instant::now(), deadline: AtomicU64::new(u64::MAX), phase: AtomicU8::new(phase::NONE) }
    }

    fn limit(&self, limit: Duration) {
        let deadline = u64::try_from((self.base.elapsed() + limit).as_micros()).unwrap_or(u64::MAX);
        self.deadline.store(deadline, Ordering::Relaxed);
    }

    fn unlimit(&self) {
        self.deadline.store(u64::MAX, Ordering::Relaxed);
    }

    fn interrupt(&self) {
        self.deadline.store(0, Ordering::Relaxed);
    }

    fn is_within_deadline(&self) -> bool {
        let deadline = self.deadline.load(Ordering::Relaxed);
        deadline == u64::MAX || self.base.elapsed().as_micros() <= u128::from(deadline)
    }

    fn is(&self, phase: u8) -> bool {
        self.phase.load(Ordering::Acquire) == phase
    }

    fn enter(&self, phase: u8) {
        self.phase.store(phase, Ordering::Release);
    }

    fn step(&self, from: u8, to: u8) -> bool {
        self.phase.compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

struct Connection {
    raw: SqliteConnection,
    watch: Arc<Watch>,
}

impl Connection {
    async fn open(options: &SqliteConnectOptions, role: Role) -> Result<Self, sqlx::Error> {
        let mut raw = options.connect().await?;
        let watch = Arc::new(Watch::new());
        let mut handle = raw.lock_handle().await?;
        let clock = Arc::clone(&watch);
        handle.set_progress_handler(INSTRUCTIONS, move || clock.is_within_deadline());
        if role == Role::Write {
            let (committing, rolled_back) = (Arc::clone(&watch), Arc::clone(&watch));
            handle.set_commit_hook(move || committing.step(phase::COMMITTING, phase::COMMITTED));
            handle.set_rollback_hook(move || rolled_back.enter(phase::ENDED));
        }
        drop(handle);
        Ok(Self { raw, watch })
    }

    async fn close(self) {
        // An error or a timeout changes nothing: the connection is not used again either way.
        let _ = timeout(CLOSE_TIMEOUT, self.raw.close()).await;
    }
}

/// A pool of connections with one role, opened on demand.
pub(crate) struct Pool {
    options: SqliteConnectOptions,
    role: Role,
    idle: Mutex<VecDeque<Connection>>,
    size: u32,
    permits: Arc<Semaphore>,
    observer: OnceLock<Observer>,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("role", &self.role).field("size", &self.size).finish_non_exhaustive()
    }
}

impl Pool {
    /// Creates the pool without opening a connection.
    ///
    /// # Errors
    /// When `url` is not a valid SQLite URL.
    pub(crate) fn new(url: &str, role: Role, size: u32) -> Result<Arc<Self>, DbErr> {
        let options: SqliteConnectOptions = url.parse().map_err(connecting)?;
        let options = options
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // `FULL`, so that an acknowledged write survives power loss.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(LOCK_WAIT)
            .statement_cache_capacity(STATEMENT_CACHE)
            .disable_statement_logging();
        let options = if role == Role::Read { options.pragma("query_only", "ON") } else { options };
        let permits = usize::try_from(size).unwrap_or(Semaphore::MAX_PERMITS);
        Ok(Arc::new(Self {
            options,
            role,
            idle: Mutex::default(),
            size,
            permits: Arc::new(Semaphore::new(permits)),
            observer: OnceLock::new(),
        }))
    }

    pub(crate) fn observe(&self, observer: Observer) {
        // Only the first call sets it, and there is only one.
        let _ = self.observer.set(observer);
    }

    /// Takes a connection from the pool, in the order of the waiting callers.
    ///
    /// # Errors
    /// When no connection becomes free or can be opened within the wait budget.
    pub(crate) async fn acquire(self: &Arc<Self>, budget: &WaitBudget) -> Result<Lease, DbErr> {
        let permit = match Arc::clone(&self.permits).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => budget
                .wait(Arc::clone(&self.permits).acquire_owned())
                .await
                .ok_or(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout))?
                .map_err(|_| DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed))?,
        };
        let idle = self.idle().pop_front();
        let connection = match idle {
            Some(connection) => connection,
            None => self.open(budget).await?,
        };
        Ok(Lease {
            connection: Some(connection),
            is_idle: true,
            in_transaction: false,
            is_lost: false,
            is_recovering: false,
            pool: Arc::clone(self),
            permit: Some(permit),
        })
    }

    async fn open(&self, budget: &WaitBudget) -> Result<Connection, DbErr> {
        let mut attempts = budget.attempts();
        loop {
            let opened = budget.wait(Connection::open(&self.options, self.role)).await;
            let opened = opened.ok_or(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout))?.map_err(connecting);
            if !attempts.should_retry(opened.as_ref().is_err_and(is_locked)).await {
                return opened;
            }
        }
    }

    fn idle(&self) -> MutexGuard<'_, VecDeque<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for connections in use, with a timeout, and closes all idle ones.
    pub(crate) async fn close(&self) {
        // A connection still in use after that is dropped at the end of its use, or of the runtime or process.
        let _ = timeout(CLOSE_TIMEOUT, self.permits.acquire_many(self.size)).await;
        self.permits.close();
        let idle = std::mem::take(&mut *self.idle());
        for connection in idle {
            connection.close().await;
        }
    }

    fn report(&self, statement: &Statement, start: Instant, failed: bool) {
        if let Some(observer) = self.observer.get() {
            observer(Executed { sql: &statement.sql, elapsed: start.elapsed(), failed });
        }
    }
}

/// A connection in use.
pub(crate) struct Lease {
    connection: Option<Connection>,
    /// Whether no statement runs on it.
    is_idle: bool,
    /// Whether a transaction may be open on it.
    in_transaction: bool,
    /// Whether its view of the file may be wrong.
    is_lost: bool,
    /// Whether only [`Lease::recover`] still uses it. If it is dropped then, as when the runtime shuts down, the
    /// connection is closed.
    is_recovering: bool,
    pool: Arc<Pool>,
    permit: Option<OwnedSemaphorePermit>,
}

impl Lease {
    fn watch(&self) -> Option<&Watch> {
        self.connection.as_ref().map(|connection| &*connection.watch)
    }

    fn is(&self, phase: u8) -> bool {
        self.watch().is_some_and(|watch| watch.is(phase))
    }

    /// Runs one statement with the timeout `limit`, or a longer one in background work.
    async fn run<'c, T, F>(
        &'c mut self,
        limit: Duration,
        work: impl FnOnce(&'c mut SqliteConnection) -> F,
    ) -> Result<T, sqlx::Error>
    where
        F: Future<Output = Result<T, sqlx::Error>>,
    {
        let Self { connection: Some(connection), is_idle, is_lost, .. } = self else {
            return Err(sqlx::Error::PoolClosed);
        };
        let limit = statement_limit(limit);
        *is_idle = false;
        connection.watch.limit(limit);
        let watch = Arc::clone(&connection.watch);
        let Ok(result) = timeout(limit.saturating_add(GRACE), work(&mut connection.raw)).await else {
            // Not a lock timeout: SQLite would have returned `SQLITE_BUSY`.
            return Err(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()));
        };
        watch.unlimit();
        *is_idle = true;
        *is_lost |= result.as_ref().is_err_and(breaks_connection);
        result
    }

    async fn execute(&mut self, statement: &Statement, limit: Duration) -> Result<ExecResult, DbErr> {
        let start = Instant::now();
        let result = self.run(limit, |raw| query(statement).execute(raw)).await;
        self.pool.report(statement, start, result.is_err());
        result.map(ExecResult::from).map_err(executing)
    }

    async fn query_one(
        &mut self,
        statement: &Statement,
        limit: Duration,
    ) -> Result<Option<QueryResult>, DbErr> {
        let start = Instant::now();
        let result = self.run(limit, |raw| query(statement).fetch_optional(raw)).await;
        self.pool.report(statement, start, result.is_err());
        result.map(|row| row.map(QueryResult::from)).map_err(querying)
    }

    async fn query_all(&mut self, statement: &Statement, limit: Duration) -> Result<Vec<QueryResult>, DbErr> {
        let start = Instant::now();
        let result = self.run(limit, |raw| query(statement).fetch_all(raw)).await;
        self.pool.report(statement, start, result.is_err());
        result.map(|rows| rows.into_iter().map(QueryResult::from).collect()).map_err(querying)
    }

    async fn execute_unprepared(&mut self, sql: &str, limit: Duration) -> Result<ExecResult, DbErr> {
        let statements = sqlx::raw_sql(AssertSqlSafe(sql.to_owned()));
        self.run(limit, |raw| statements.execute(raw)).await.map(ExecResult::from).map_err(executing)
    }

    /// Runs `BEGIN IMMEDIATE`, `COMMIT` or `ROLLBACK`.
    async fn control(&mut self, sql: &'static str, limit: Duration) -> Result<(), DbErr> {
        self.run(limit, |raw| sqlx::query(sql).execute(raw)).await.map(|_| ()).map_err(executing)
    }

    /// Rolls the connection back so that it can return to the pool, or closes it. `limit` is the timeout of the
    /// `ROLLBACK`.
    async fn recover(mut self, limit: Duration) {
        if let Some(connection) = self.connection.as_mut() {
            if self.pool.role == Role::Read {
                connection.watch.interrupt();
            }
            // The ping completes only after the abandoned statement has ended.
            if connection.raw.ping().await.is_ok() {
                connection.watch.unlimit();
                self.is_idle = true;
            }
        }
        if self.is_idle && !self.is_lost && self.in_transaction {
            self.in_transaction = self.control("ROLLBACK", limit).await.is_err();
        }
        if self.is_clean() {
            return;
        }
        if let Some(connection) = self.connection.take() {
            tracing::debug!(role = ?self.pool.role, "closing a SQLite connection; the next user opens a new one");
            connection.close().await;
        }
    }

    const fn is_clean(&self) -> bool {
        self.is_idle && !self.in_transaction && !self.is_lost
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        if self.is_clean() {
            // The permit is released after this, so the next user finds the connection.
            self.pool.idle().push_back(connection);
            return;
        }
        if self.is_recovering {
            return;
        }
        let rest = Self {
            connection: Some(connection),
            is_idle: self.is_idle,
            in_transaction: self.in_transaction,
            is_lost: self.is_lost,
            is_recovering: true,
            pool: Arc::clone(&self.pool),
            permit: self.permit.take(),
        };
        recover_later(rest);
    }
}

fn recover_later(mut lease: Lease) {
    let Ok(runtime) = Handle::try_current() else {
        // Without a runtime there is no place to wait for it: dropping the connection closes it.
        drop(lease.connection.take());
        return;
    };
    runtime.spawn(lease.recover(CLOSE_TIMEOUT));
}

fn query(statement: &Statement) -> Query<'_, Sqlite, SqlxValues> {
    let values = statement.values.clone().unwrap_or(Values(Vec::new()));
    sqlx::query_with(AssertSqlSafe(statement.sql.as_str()), SqlxValues(values))
}

/// Reads in autocommit mode, each on any free connection.
#[derive(Debug, Clone)]
pub(crate) struct Reads {
    pub(crate) pool: Arc<Pool>,
    /// The statement timeout.
    pub(crate) limit: Duration,
}

#[async_trait]
impl ConnectionTrait for Reads {
    fn get_database_backend(&self) -> DbBackend {
        DbBackend::Sqlite
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let budget = WaitBudget::current();
        let mut lease = self.pool.acquire(&budget).await?;
        lease.execute(&statement, self.limit).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let budget = WaitBudget::current();
        let mut lease = self.pool.acquire(&budget).await?;
        lease.execute_unprepared(sql, self.limit).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let budget = WaitBudget::current();
        let mut lease = self.pool.acquire(&budget).await?;
        let mut attempts = budget.attempts();
        loop {
            let result = lease.query_one(&statement, self.limit).await;
            if !attempts.should_retry(result.as_ref().is_err_and(is_locked)).await {
                return result;
            }
        }
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let budget = WaitBudget::current();
        let mut lease = self.pool.acquire(&budget).await?;
        let mut attempts = budget.attempts();
        loop {
            let result = lease.query_all(&statement, self.limit).await;
            if !attempts.should_retry(result.as_ref().is_err_and(is_locked)).await {
                return result;
            }
        }
    }
}

/// A write transaction. Dropping it rolls it back.
pub(crate) struct Transaction {
    lease: tokio::sync::Mutex<Lease>,
    limit: Duration,
}

impl Transaction {
    /// Begins a transaction that takes the write lock at once: one that reads first cannot upgrade to a writer while
    /// another connection writes.
    pub(crate) async fn begin(pool: &Arc<Pool>, limit: Duration) -> Result<Self, DbErr> {
        let budget = WaitBudget::current();
        let mut lease = pool.acquire(&budget).await?;
        let mut attempts = budget.attempts();
        loop {
            // Set before `BEGIN` is sent: if this future is dropped before the result arrives, the transaction may be
            // open.
            lease.in_transaction = true;
            let result = lease.control("BEGIN IMMEDIATE", limit).await;
            let was_locked = result.as_ref().is_err_and(is_locked);
            if was_locked {
                lease.in_transaction = false;
            }
            if !attempts.should_retry(was_locked).await {
                result?;
                break;
            }
        }
        if let Some(watch) = lease.watch() {
            watch.enter(phase::OPEN);
        }
        Ok(Self { lease: tokio::sync::Mutex::new(lease), limit })
    }

    /// Commits. After `Ok`, the changes are durable.
    pub(crate) async fn commit(self) -> Result<(), DbErr> {
        let (mut lease, limit) = (self.lease.into_inner(), self.limit);
        if !lease.watch().is_some_and(|watch| watch.step(phase::OPEN, phase::COMMITTING)) {
            return Err(ended());
        }
        lease.control("COMMIT", limit).await.inspect_err(|error| {
            tracing::warn!(error = error as &dyn std::error::Error, "SQLite did not commit");
        })?;
        if !lease.is(phase::COMMITTED) {
            tracing::error!("COMMIT succeeded in SQLite, but committed nothing");
            return Err(ended());
        }
        lease.in_transaction = false;
        if let Some(watch) = lease.watch() {
            watch.enter(phase::NONE);
        }
        Ok(())
    }

    /// The connection, unless SQLite has ended the transaction: a statement after that would run outside of it.
    async fn lease(&self) -> Result<tokio::sync::MutexGuard<'_, Lease>, DbErr> {
        let lease = self.lease.lock().await;
        if lease.is(phase::OPEN) { Ok(lease) } else { Err(ended()) }
    }
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").finish_non_exhaustive()
    }
}

/// The error after SQLite rolled the transaction back by itself.
const fn ended() -> DbErr {
    DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed)
}

/// Logs when a statement made SQLite end the transaction by itself.
fn log_end<T>(lease: &Lease, result: &Result<T, DbErr>) {
    if let Err(error) = result
        && !lease.is(phase::OPEN)
    {
        let error = error as &dyn std::error::Error;
        tracing::warn!(error, "SQLite rolled back a transaction by itself; closing its connection");
    }
}

#[async_trait]
impl ConnectionTrait for Transaction {
    fn get_database_backend(&self) -> DbBackend {
        DbBackend::Sqlite
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let mut lease = self.lease().await?;
        let result = lease.execute(&statement, self.limit).await;
        log_end(&lease, &result);
        result
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let mut lease = self.lease().await?;
        let result = lease.execute_unprepared(sql, self.limit).await;
        log_end(&lease, &result);
        result
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let mut lease = self.lease().await?;
        let result = lease.query_one(&statement, self.limit).await;
        log_end(&lease, &result);
        result
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let mut lease = self.lease().await?;
        let result = lease.query_all(&statement, self.limit).await;
        log_end(&lease, &result);
        result
    }
}
