//! Group commit: write transactions that wait for each other share one `COMMIT`, and so one wait for the disk.
//!
//! SQLite has one writer, so write transactions queue. A transaction that has run its statements does not commit at once:
//! it leaves the SQLite transaction open, lets those go first that are already in the queue, and queues again, behind
//! them. They run in savepoints of the same SQLite transaction, so that each of them can fail alone. When the first one
//! has its turn again, it commits for all that have ended by then, and each of them receives the result. Nothing is
//! acknowledged before that. In an empty queue the turn comes at once.
//!
//! A transaction that is rolled back has seen the changes of its group, too, and its caller may answer by them ("the name is
//! taken"). The group then commits next, and a [`Barrier`] delays reads until it has: none of them returns an older
//! state than that answer.

use std::{sync::Arc, time::Duration};

use sea_orm::{ConnAcquireErr, DbErr, sqlx};
use tokio::{
    runtime::Handle,
    sync::{oneshot, watch},
    time::timeout,
};

use super::{Pool, lease::Lease, phase, transaction::ended};
use crate::{
    budget::{WaitBudget, is_background, statement_limit},
    error::executing,
};

/// The maximum number of transactions in one commit. Each of them waits for all others.
const MAX_MEMBERS: usize = 32;

/// How long a transaction waits for the commit of its group.
const COMMIT_WAIT: Duration = Duration::from_secs(30);

/// The transactions of an open SQLite transaction that have run their statements, and wait for its commit.
#[derive(Debug)]
pub(super) struct Group {
    members: Vec<oneshot::Sender<Result<(), DbErr>>>,
    /// Set once a transaction that saw their changes was rolled back.
    seen: Option<Raised>,
}

impl Group {
    pub(super) const fn new() -> Self {
        Self { members: Vec::new(), seen: None }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Delays reads until the end of the group. It accepts no other transaction from then on, so that none waits in
    /// a read for a commit that waits for it.
    pub(super) fn delay_reads(&mut self, barrier: &Barrier) {
        self.seen.get_or_insert_with(|| barrier.raise());
    }

    /// Whether another transaction may run in the same SQLite transaction. Background work may not: it may take long,
    /// and the others would wait for it.
    fn accepts_another(&self) -> bool {
        self.members.len() < MAX_MEMBERS && self.seen.is_none() && !is_background()
    }

    fn send(self, result: &Result<(), DbErr>) {
        for member in self.members {
            // A caller that has given up does not need the result.
            let _ = member.send(result.clone());
        }
    }
}

/// Delays reads while it is raised. Clones are the same barrier.
#[derive(Debug, Clone, Default)]
pub(crate) struct Barrier(watch::Sender<bool>);

impl Barrier {
    fn raise(&self) -> Raised {
        self.0.send_replace(true);
        Raised(self.0.clone())
    }

    /// Waits until the barrier is not raised. Returns at once if it is not.
    pub(super) async fn wait(&self, budget: &WaitBudget) -> Result<(), DbErr> {
        if !*self.0.borrow() {
            return Ok(());
        }
        let mut lowered = self.0.subscribe();
        let waited = budget.wait(lowered.wait_for(|is_raised| !is_raised)).await;
        waited.map(|_| ()).ok_or(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout))
    }
}

/// Lowers the barrier when dropped.
#[derive(Debug)]
struct Raised(watch::Sender<bool>);

impl Drop for Raised {
    fn drop(&mut self) {
        self.0.send_replace(false);
    }
}

/// Takes the writer, with an open group that may be joined, or without one.
pub(super) async fn acquire(pool: &Arc<Pool>, budget: &WaitBudget, limit: Duration) -> Result<Lease, DbErr> {
    let lease = pool.acquire(budget).await?;
    if lease.group().is_empty() || lease.group().accepts_another() {
        return Ok(lease);
    }
    commit_first(pool, lease, budget, limit).await
}

/// Takes the writer without an open transaction.
pub(super) async fn acquire_alone(
    pool: &Arc<Pool>,
    budget: &WaitBudget,
    limit: Duration,
) -> Result<Lease, DbErr> {
    let lease = pool.acquire(budget).await?;
    if lease.group().is_empty() {
        return Ok(lease);
    }
    commit_first(pool, lease, budget, limit).await
}

/// Commits the group of `lease`, and takes the writer without one.
async fn commit_first(
    pool: &Arc<Pool>,
    lease: Lease,
    budget: &WaitBudget,
    limit: Duration,
) -> Result<Lease, DbErr> {
    let lease = spawn(commit(lease, statement_limit(limit)))?.await.map_err(|_| ended())?;
    if lease.is_clean() {
        return Ok(lease);
    }
    // The group could not commit. Its connection is closed, and the next one has no group.
    drop(lease);
    pool.acquire(budget).await
}

/// Commits the changes of the transaction that `lease` has run, together with others. After `Ok`, they are durable.
pub(super) async fn join(mut lease: Lease, limit: Duration) -> Result<(), DbErr> {
    let pool = Arc::clone(lease.pool());
    let is_first = lease.group().is_empty();
    let (sender, committed) = oneshot::channel();
    lease.end_member(|group| group.members.push(sender));
    // The next transaction in the queue may join.
    drop(lease);
    if is_first {
        // In a task of its own: it has to happen even if the caller is dropped.
        spawn(commit_when_possible(pool, statement_limit(limit)))?;
    }
    match timeout(COMMIT_WAIT, committed).await {
        Ok(Ok(result)) => result,
        // The connection was closed, and with it the SQLite transaction was rolled back.
        Ok(Err(_)) => Err(ended()),
        Err(_) => Err(executing(sqlx::Error::Io(std::io::ErrorKind::TimedOut.into()))),
    }
}

async fn commit_when_possible(pool: Arc<Pool>, limit: Duration) {
    if let Some(lease) = pool.acquire_open().await {
        commit(lease, limit).await;
    }
}

/// Commits the group, if there still is one, and sends the result to its members.
async fn commit(mut lease: Lease, limit: Duration) -> Lease {
    if lease.group().is_empty() {
        return lease;
    }
    let group = lease.take_group();
    let result = commit_transaction(&mut lease, limit).await;
    group.send(&result);
    lease
}

async fn commit_transaction(lease: &mut Lease, limit: Duration) -> Result<(), DbErr> {
    // Until SQLite confirms the commit: a lease that is dropped before rolls back.
    lease.in_transaction = true;
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

/// Runs `work` to its end, even if the caller is dropped.
fn spawn<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> Result<tokio::task::JoinHandle<T>, DbErr> {
    Ok(Handle::try_current().map_err(|_| ended())?.spawn(work))
}
