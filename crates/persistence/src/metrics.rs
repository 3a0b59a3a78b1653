//! What a database handle counts: statements, waits for connections, and transactions, each by the connections that it
//! uses.

use std::time::Instant;

use blegram_metrics::{Counter, Gauge, Histogram, HistogramSnapshot};
use sea_orm::{ConnAcquireErr, DbErr};

/// What the statements of one use are for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Reads in autocommit mode.
    Read,
    /// Write transactions.
    Write,
    /// Searches.
    Search,
}

impl Use {
    /// The name in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Search => "search",
        }
    }
}

/// The counters of one use.
#[derive(Debug, Default)]
pub(crate) struct UseMetrics {
    pub(crate) statements: Histogram,
    waits: Histogram,
    wait_timeouts: Counter,
    waiting: Gauge,
}

impl UseMetrics {
    /// Measures a wait for a connection.
    pub(crate) async fn wait<T>(
        &self,
        acquiring: impl Future<Output = Result<T, DbErr>>,
    ) -> Result<T, DbErr> {
        let _waiting = self.waiting.enter();
        let started = Instant::now();
        let result = acquiring.await;
        self.waits.record(started.elapsed());
        if matches!(result, Err(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout))) {
            self.wait_timeouts.increment();
        }
        result
    }

    pub(crate) fn snapshot(&self, of: Use) -> UseSnapshot {
        UseSnapshot {
            of,
            statements: self.statements.snapshot(),
            waits: self.waits.snapshot(),
            wait_timeouts: self.wait_timeouts.get(),
            waiting: self.waiting.get(),
        }
    }
}

/// The counters of write transactions.
#[derive(Debug, Default)]
pub(crate) struct TransactionMetrics {
    /// The time that commits took, those that succeeded.
    commits: Histogram,
    rollbacks: Counter,
}

impl TransactionMetrics {
    pub(crate) fn snapshot(&self) -> (HistogramSnapshot, u64) {
        (self.commits.snapshot(), self.rollbacks.get())
    }
}

/// Counts the end of one write transaction: as a rollback, unless it committed.
#[derive(Debug)]
pub(crate) struct TransactionEnd {
    metrics: std::sync::Arc<TransactionMetrics>,
    is_committed: bool,
}

impl TransactionEnd {
    pub(crate) const fn new(metrics: std::sync::Arc<TransactionMetrics>) -> Self {
        Self { metrics, is_committed: false }
    }

    /// Counts a commit that began at `started`.
    pub(crate) fn commit(mut self, started: Instant) {
        self.metrics.commits.record(started.elapsed());
        self.is_committed = true;
    }
}

impl Drop for TransactionEnd {
    fn drop(&mut self) {
        if !self.is_committed {
            self.metrics.rollbacks.increment();
        }
    }
}

/// The counts of the statements of one use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UseSnapshot {
    /// The use.
    pub of: Use,
    /// The execution times of statements.
    pub statements: HistogramSnapshot,
    /// The times until a connection was there, including those that opened one.
    pub waits: HistogramSnapshot,
    /// The waits that ended without a connection.
    pub wait_timeouts: u64,
    /// Waiting now.
    pub waiting: i64,
}

/// The connections of one pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolSnapshot {
    /// On SQLite, `read`, `write` or `search`; on PostgreSQL, where all share one pool, `shared`.
    pub pool: &'static str,
    /// Connections in use.
    pub busy: usize,
    /// Open connections that are not in use.
    pub idle: usize,
    /// The largest number of connections.
    pub max: usize,
}

/// The counts of a database handle since it was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DbSnapshot {
    /// By use.
    pub uses: [UseSnapshot; 3],
    /// The pools.
    pub pools: Vec<PoolSnapshot>,
    /// The durations of commits.
    pub commits: HistogramSnapshot,
    /// Write transactions that were rolled back, or whose commit failed.
    pub rollbacks: u64,
}
