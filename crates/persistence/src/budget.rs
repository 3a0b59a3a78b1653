//! Wait budgets: how long one request waits for the database in total, for connections from the pool and for locks of
//! other processes. Without a shared budget, two waits of five seconds each would add up to ten.
//!
//! A budget belongs to a task: [`with_wait_budget`] gives one to a future. Code that runs without one, such as a job, gets
//! a new budget for each transaction and each read.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::{Instant, sleep, timeout};

/// The default wait budget.
pub(crate) const DEFAULT_BUDGET: Duration = Duration::from_secs(5);

/// The pause between two attempts while another process holds the lock. SQLite itself waits during each attempt.
const PAUSE: Duration = Duration::from_millis(5);

/// The statement timeout of background work on SQLite.
const BACKGROUND_TIMEOUT: Duration = Duration::from_secs(10 * 60);

tokio::task_local! {
    static CURRENT: WaitBudget;
    static IS_BACKGROUND: ();
}

/// Runs `future` with one budget of five seconds for all of its waits for the database. Inherits the budget of the
/// caller, if there is one, so that a request that continues in another task does not get a second one.
pub fn with_wait_budget<F: Future>(future: F) -> impl Future<Output = F::Output> {
    CURRENT.scope(WaitBudget::current(), future)
}

/// Runs `future` with `budget`, regardless of the caller's.
pub(crate) fn with_budget<F: Future>(budget: Duration, future: F) -> impl Future<Output = F::Output> {
    CURRENT.scope(WaitBudget(Arc::new(AtomicU64::new(micros(budget)))), future)
}

/// Runs `future` as background work: on SQLite, the timeout of its statements is at least ten minutes, even if a
/// shorter one is configured.
pub fn as_background_work<F: Future>(future: F) -> impl Future<Output = F::Output> {
    IS_BACKGROUND.scope((), future)
}

/// Whether the current task is background work.
pub(crate) fn is_background() -> bool {
    IS_BACKGROUND.try_with(|()| ()).is_ok()
}

/// The statement timeout of the current task, where `limit` is that of requests.
pub(crate) fn statement_limit(limit: Duration) -> Duration {
    if is_background() { limit.max(BACKGROUND_TIMEOUT) } else { limit }
}

/// The remaining wait budget, in microseconds. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct WaitBudget(Arc<AtomicU64>);

impl WaitBudget {
    fn new() -> Self {
        Self(Arc::new(AtomicU64::new(micros(DEFAULT_BUDGET))))
    }

    /// The budget of the current task, or a new one.
    pub(crate) fn current() -> Self {
        Self::of_request().unwrap_or_else(Self::new)
    }

    /// The budget of the current task, if it has one.
    pub(crate) fn of_request() -> Option<Self> {
        CURRENT.try_with(Clone::clone).ok()
    }

    pub(crate) fn left(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::Relaxed))
    }

    pub(crate) fn spend(&self, waited: Duration) {
        let spend = |left: u64| Some(left.saturating_sub(micros(waited)));
        // Never fails: the closure always returns `Some`.
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, spend);
    }

    /// Awaits `future`; `None` when the budget is spent first. A future that is ready at once always completes, even
    /// without budget.
    pub(crate) async fn wait<F: Future>(&self, future: F) -> Option<F::Output> {
        let start = Instant::now();
        let output = timeout(self.left(), future).await.ok();
        self.spend(start.elapsed());
        output
    }

    /// Starts a series of attempts at something that another process may have locked.
    pub(crate) fn attempts(&self) -> Attempts<'_> {
        Attempts { budget: self, start: Instant::now() }
    }
}

/// A series of attempts at something that another process may have locked.
pub(crate) struct Attempts<'a> {
    budget: &'a WaitBudget,
    start: Instant,
}

impl Attempts<'_> {
    /// Whether to try again: only after an attempt that found a lock, and while there is budget left. Pauses first.
    pub(crate) async fn should_retry(&mut self, was_locked: bool) -> bool {
        if !was_locked {
            return false;
        }
        self.budget.spend(self.start.elapsed());
        self.start = Instant::now();
        if self.budget.left().is_zero() {
            return false;
        }
        sleep(PAUSE).await;
        true
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    async fn wait() -> Option<()> {
        WaitBudget::current().wait(pending()).await
    }

    #[tokio::test(start_paused = true)]
    async fn waits_of_a_request_share_one_budget() {
        let start = Instant::now();
        let request = with_wait_budget(async {
            assert_eq!(wait().await, None);
            assert_eq!(wait().await, None);
            // Also a task that continues the request.
            let later = with_wait_budget(wait());
            let mut tasks = tokio::task::JoinSet::new();
            tasks.spawn(later);
            assert_eq!(tasks.join_all().await, [None]);
            // A future that is ready at once needs no budget.
            assert_eq!(WaitBudget::current().wait(async { 1 }).await, Some(1));
        });
        request.await;
        assert_eq!(start.elapsed().as_secs(), 5);
        assert_eq!(wait().await, None);
        assert_eq!(start.elapsed().as_secs(), 10, "a new request has its own budget");
    }
}
