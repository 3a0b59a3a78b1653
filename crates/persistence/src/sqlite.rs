//! SQLite connections: a writer and a pool of readers, with hooks that observe every transaction.
//!
//! After some errors, SQLite rolls a transaction back by itself: a full disk, an I/O error, out of memory, an
//! interrupt. The following statements of the same use case would then run in autocommit mode, each committed on its
//! own, and the final `COMMIT` would have nothing to commit. sqlx counts transactions without asking SQLite, so from
//! then on its count is wrong for the lifetime of the connection, and each later "transaction" is a savepoint inside
//! one that never commits. This module therefore uses neither sqlx's transactions nor its pool:
//!
//! - A writer commits only when a [group] of transactions requests it: its commit hook rejects every other commit, so
//!   nothing autocommits. A commit counts as done only if the hook saw it.
//! - A connection returns to the pool only when no transaction can be open on it, except that of a group that waits for
//!   its commit: after a commit that the hook saw, or a `ROLLBACK` that SQLite accepted. Any other connection is closed,
//!   and the next user opens a new one.
//! - Each statement has a deadline, at which a progress handler interrupts it. A statement whose caller was dropped is
//!   interrupted at once, unless it writes.
//!
//! See `docs/decisions/0023-sqlite-transactions.md`.

mod group;
mod lease;
mod transaction;

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
    sqlx::{
        self, ConnectOptions as _, Connection as _, SqliteConnection,
        sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous},
    },
};
use tokio::{sync::Semaphore, time::timeout};

pub(crate) use self::{group::Barrier, transaction::Transaction};
use self::{group::Group, lease::Lease};
use crate::{
    budget::WaitBudget,
    connection::{Executed, Observer, STATEMENT_CACHE},
    error::{connecting, is_locked},
    metrics::{PoolSnapshot, Use, UseMetrics},
};

/// The `busy_timeout` of one attempt. Attempts are repeated while the request has wait budget left.
const LOCK_WAIT: Duration = Duration::from_millis(100);

/// Instructions of SQLite's virtual machine between two calls of the progress handler: some tens of microseconds.
const INSTRUCTIONS: i32 = 1_000;

/// The timeout for closing a connection.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

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
    /// The transactions that wait for a commit. Without any, no transaction is open on an idle connection.
    group: Group,
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
        Ok(Self { raw, watch, group: Group::new() })
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
    /// Raised by the writer, waited for by readers.
    barrier: Barrier,
    observer: OnceLock<Observer>,
    pub(crate) metrics: UseMetrics,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("role", &self.role).field("size", &self.size).finish_non_exhaustive()
    }
}

impl Pool {
    /// Creates the pool without opening a connection. All pools of a database have the same `barrier`.
    ///
    /// # Errors
    /// When `url` is not a valid SQLite URL.
    pub(crate) fn new(url: &str, role: Role, size: u32, barrier: &Barrier) -> Result<Arc<Self>, DbErr> {
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
        let options = match role {
            Role::Read => options.pragma("query_only", "ON"),
            // Overwrites deleted rows with zeros, in pages that become free too.
            Role::Write => options.pragma("secure_delete", "ON"),
        };
        let permits = usize::try_from(size).unwrap_or(Semaphore::MAX_PERMITS);
        Ok(Arc::new(Self {
            options,
            role,
            idle: Mutex::default(),
            size,
            permits: Arc::new(Semaphore::new(permits)),
            barrier: barrier.clone(),
            observer: OnceLock::new(),
            metrics: UseMetrics::default(),
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
        self.metrics.wait(self.acquire_within(budget)).await
    }

    async fn acquire_within(self: &Arc<Self>, budget: &WaitBudget) -> Result<Lease, DbErr> {
        if self.role == Role::Read {
            self.barrier.wait(budget).await?;
        }
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
        Ok(Lease::new(connection, Arc::clone(self), permit))
    }

    /// Takes the connection with an open group, when it becomes free; `None` without one.
    async fn acquire_open(self: &Arc<Self>) -> Option<Lease> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.ok()?;
        let connection = self.idle().pop_front_if(|connection| !connection.group.is_empty())?;
        Some(Lease::new(connection, Arc::clone(self), permit))
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
        let elapsed = start.elapsed();
        self.metrics.statements.record(elapsed);
        if let Some(observer) = self.observer.get() {
            observer(Executed { sql: &statement.sql, elapsed, failed });
        }
    }

    pub(crate) fn snapshot(&self, of: Use) -> PoolSnapshot {
        let max = usize::try_from(self.size).unwrap_or(usize::MAX);
        // A closed pool has all of its permits taken.
        let busy = max.saturating_sub(self.permits.available_permits());
        PoolSnapshot { pool: of.as_str(), busy, idle: self.idle().len(), max }
    }
}

/// Writes the write-ahead log into the file and truncates it, between two transactions of the writer. Returns whether it
/// did: it waits for readers only as long as for any lock.
pub(crate) async fn checkpoint(writer: &Arc<Pool>, limit: Duration) -> Result<bool, DbErr> {
    let mut lease = group::acquire_alone(writer, &WaitBudget::current(), limit).await?;
    let checkpoint = Statement::from_string(DbBackend::Sqlite, "PRAGMA wal_checkpoint(TRUNCATE)");
    let result = lease.query_one(&checkpoint, limit).await?;
    let is_busy: Option<i32> = result.map(|row| row.try_get("", "busy")).transpose()?;
    Ok(is_busy == Some(0))
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
