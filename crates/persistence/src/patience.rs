//! How long one request waits for the database: for free connections and for locks of other processes, all of its waits
//! together. Two waits of five seconds each would be a wait of ten.
//!
//! A budget belongs to a task: [`with_patience`] gives one to everything that a future does. What runs without one, such
//! as a job, gets a new budget for each transaction and each read.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::{Instant, sleep, timeout};

/// The whole budget.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

/// Between two attempts at what another process has locked. SQLite itself waits during each attempt.
const PAUSE: Duration = Duration::from_millis(5);

/// How long one statement of background work may take on SQLite.
const UNHURRIED: Duration = Duration::from_secs(10 * 60);

tokio::task_local! {
    static CURRENT: Patience;
    static IS_UNHURRIED: ();
}

/// Gives `future` one budget of five seconds for all of its waits for the database: that of the caller, if it has one,
/// so that a request that goes on in a task of its own does not get a second one.
pub fn with_patience<F: Future>(future: F) -> impl Future<Output = F::Output> {
    CURRENT.scope(Patience::current(), future)
}

/// Gives `future` this budget, whatever its caller has.
pub(crate) fn with_budget<F: Future>(budget: Duration, future: F) -> impl Future<Output = F::Output> {
    CURRENT.scope(Patience(Arc::new(AtomicU64::new(micros(budget)))), future)
}

/// Runs `future` as background work: each of its statements may take ten minutes on SQLite, whatever is configured.
pub fn unhurried<F: Future>(future: F) -> impl Future<Output = F::Output> {
    IS_UNHURRIED.scope((), future)
}

/// How long a statement of this task may take, where requests have `limit`.
pub(crate) fn statement_limit(limit: Duration) -> Duration {
    if IS_UNHURRIED.try_with(|()| ()).is_ok() { limit.max(UNHURRIED) } else { limit }
}

/// A budget of time to wait.
#[derive(Debug, Clone)]
pub(crate) struct Patience(Arc<AtomicU64>);

impl Patience {
    fn new() -> Self {
        Self(Arc::new(AtomicU64::new(micros(PATIENCE))))
    }

    /// The budget of this task, or a new one.
    pub(crate) fn current() -> Self {
        CURRENT.try_with(Clone::clone).unwrap_or_else(|_| Self::new())
    }

    pub(crate) fn left(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::Relaxed))
    }

    pub(crate) fn spend(&self, waited: Duration) {
        let spend = |left: u64| Some(left.saturating_sub(micros(waited)));
        // The closure never refuses.
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, spend);
    }

    /// Waits for `future`; `None` when the budget is spent. What is ready at once is always let through.
    pub(crate) async fn wait<F: Future>(&self, future: F) -> Option<F::Output> {
        let began = Instant::now();
        let output = timeout(self.left(), future).await.ok();
        self.spend(began.elapsed());
        output
    }

    /// Begins attempts at something that another process may have locked.
    pub(crate) fn attempts(&self) -> Attempts<'_> {
        Attempts { patience: self, began: Instant::now() }
    }
}

/// Attempts at something that another process may have locked.
pub(crate) struct Attempts<'a> {
    patience: &'a Patience,
    began: Instant,
}

impl Attempts<'_> {
    /// Whether to try again: only after an attempt that met a lock, and while the budget lasts.
    pub(crate) async fn go_on(&mut self, was_locked: bool) -> bool {
        if !was_locked {
            return false;
        }
        self.patience.spend(self.began.elapsed());
        self.began = Instant::now();
        if self.patience.left().is_zero() {
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
        Patience::current().wait(pending()).await
    }

    #[tokio::test(start_paused = true)]
    async fn all_waits_of_a_request_share_five_seconds() {
        let began = Instant::now();
        let request = with_patience(async {
            assert_eq!(wait().await, None);
            assert_eq!(wait().await, None);
            // Also what goes on without it.
            let later = with_patience(wait());
            let mut tasks = tokio::task::JoinSet::new();
            tasks.spawn(later);
            assert_eq!(tasks.join_all().await, [None]);
            // What is there at once is not waited for.
            assert_eq!(Patience::current().wait(async { 1 }).await, Some(1));
        });
        request.await;
        assert_eq!(began.elapsed().as_secs(), 5);
        assert_eq!(wait().await, None);
        assert_eq!(began.elapsed().as_secs(), 10, "the next one has its own");
    }
}
