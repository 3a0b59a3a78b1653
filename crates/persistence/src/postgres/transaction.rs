//! Write transactions on PostgreSQL. They wait for locks no longer than the wait budget of the request allows.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use sea_orm::{
    ConnAcquireErr, ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, Statement,
    prelude::async_trait::async_trait,
};
use tokio::sync::{Mutex, MutexGuard, OnceCell, OwnedSemaphorePermit, Semaphore};

use super::{Pool, lease::Lease, wait_for};
use crate::budget::{DEFAULT_BUDGET, WaitBudget};

/// A request that has waited for less than this may wait for a lock until the statement timeout.
const NEGLIGIBLE_WAIT: Duration = Duration::from_millis(50);

/// Commits a transaction of its own that does nothing but write to the log. Its commit waits for the disk, and for standby
/// servers if there are synchronous ones, and the log is in order: afterwards, all earlier commits are durable, too.
const FLUSH: &str = "SELECT pg_logical_emit_message(true, 'blegram', '')";

/// A write transaction. Dropping it rolls it back.
pub(crate) struct Transaction {
    lease: Mutex<Lease>,
    turns: Arc<Semaphore>,
    turn: OnceCell<OwnedSemaphorePermit>,
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").finish_non_exhaustive()
    }
}

impl Transaction {
    pub(crate) async fn begin(pool: &Pool) -> Result<Self, DbErr> {
        let budget = WaitBudget::current();
        let mut lease = pool.acquire(&budget).await?;
        // Set before `BEGIN` is sent: if this future is dropped before the response arrives, the transaction may be
        // open.
        lease.in_transaction = true;
        let begin =
            limit_locks(&budget).map_or_else(|| "BEGIN".to_owned(), |limit| format!("BEGIN; {limit}"));
        let result = budget.wait(lease.control(begin)).await;
        result.ok_or(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout))??;
        Ok(Self { lease: Mutex::new(lease), turns: Arc::clone(&pool.turns), turn: OnceCell::new() })
    }

    /// Waits for one of the few permits of this process to lock the site-wide list of posts. Keeps it until the
    /// transaction ends.
    pub(crate) async fn take_turn(&self) -> Result<(), DbErr> {
        let take = || async {
            let budget = WaitBudget::current();
            let permit = wait_for(&self.turns, &budget).await?;
            if let Some(limit) = limit_locks(&budget) {
                self.execute_unprepared(&limit).await?;
            }
            Ok(permit)
        };
        self.turn.get_or_try_init(take).await.map(drop)
    }

    /// Commits. After `Ok`, the changes are durable.
    pub(crate) async fn commit(self) -> Result<(), DbErr> {
        let Self { lease, turn, .. } = self;
        let mut lease = lease.into_inner();
        let Some(turn) = turn.into_inner() else {
            lease.control("COMMIT").await?;
            lease.in_transaction = false;
            return Ok(());
        };
        // Every author on the site waits for this lock, so it is not held while the disk writes.
        lease.control("SET LOCAL synchronous_commit = off; COMMIT").await?;
        lease.in_transaction = false;
        drop(turn);
        lease.control(FLUSH).await
    }

    async fn lease(&self) -> MutexGuard<'_, Lease> {
        self.lease.lock().await
    }

    /// Charges a statement that took long, and so probably waited for a lock, to the budget of the request: the next
    /// statement waits that much less. Background work has no such budget.
    async fn charge(&self, started: Instant, mut lease: MutexGuard<'_, Lease>) -> Result<(), DbErr> {
        let took = started.elapsed();
        let Some(budget) = WaitBudget::of_request().filter(|_| took > NEGLIGIBLE_WAIT) else { return Ok(()) };
        budget.spend(took);
        match limit_locks(&budget) {
            Some(limit) => lease.control(limit).await,
            None => Ok(()),
        }
    }
}

/// The statement that limits waits for locks to the rest of the budget; `None` if the request has not waited for a
/// connection or a turn.
fn limit_locks(budget: &WaitBudget) -> Option<String> {
    let left = budget.left();
    let has_waited = left + NEGLIGIBLE_WAIT < DEFAULT_BUDGET;
    has_waited.then(|| format!("SET LOCAL lock_timeout = {}", left.as_millis().max(1)))
}

#[async_trait]
impl ConnectionTrait for Transaction {
    fn get_database_backend(&self) -> DbBackend {
        DbBackend::Postgres
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        let mut lease = self.lease().await;
        let started = Instant::now();
        let result = lease.execute(&statement).await?;
        self.charge(started, lease).await?;
        Ok(result)
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let mut lease = self.lease().await;
        let started = Instant::now();
        let result = lease.execute_unprepared(sql).await?;
        self.charge(started, lease).await?;
        Ok(result)
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        let mut lease = self.lease().await;
        let started = Instant::now();
        let result = lease.query_one(&statement).await?;
        self.charge(started, lease).await?;
        Ok(result)
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let mut lease = self.lease().await;
        let started = Instant::now();
        let result = lease.query_all(&statement).await?;
        self.charge(started, lease).await?;
        Ok(result)
    }
}
