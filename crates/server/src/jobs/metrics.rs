//! What the runner counts: runs of jobs by kind and outcome, with their durations.

use std::time::Duration;

use blegram_domain::Job;
use blegram_metrics::{Counter, Histogram, HistogramSnapshot};

use super::Outcome;

/// How a run of a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobOutcome {
    /// It finished.
    Done,
    /// It failed, and will be retried.
    Retried,
    /// The process shuts down; any node continues it.
    Interrupted,
    /// Its lease expired, and another node claimed it.
    Lost,
}

impl JobOutcome {
    const ALL: [Self; 4] = [Self::Done, Self::Retried, Self::Interrupted, Self::Lost];

    /// The name in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Retried => "retried",
            Self::Interrupted => "interrupted",
            Self::Lost => "lost",
        }
    }

    pub(super) const fn of(outcome: &anyhow::Result<Outcome>) -> Self {
        match outcome {
            Ok(Outcome::Done(_)) => Self::Done,
            Ok(Outcome::Interrupted) => Self::Interrupted,
            Ok(Outcome::Lost) => Self::Lost,
            Err(_) => Self::Retried,
        }
    }
}

/// The counters of a runner.
#[derive(Debug)]
pub(super) struct JobMetrics {
    /// In the order of [`Job::KINDS`].
    kinds: Vec<KindMetrics>,
}

#[derive(Debug, Default)]
struct KindMetrics {
    /// In the order of [`JobOutcome::ALL`].
    outcomes: [Counter; 4],
    durations: Histogram,
}

/// The runs of jobs on a node since its start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobsSnapshot {
    /// For each kind: the runs by outcome, and their durations.
    pub kinds: Vec<KindRuns>,
}

/// The runs of one kind of job: the kind, how many ended how, and their durations.
pub(crate) type KindRuns = (&'static str, [(JobOutcome, u64); 4], HistogramSnapshot);

impl Default for JobMetrics {
    fn default() -> Self {
        Self { kinds: Job::KINDS.iter().map(|_| KindMetrics::default()).collect() }
    }
}

impl JobMetrics {
    pub(super) fn record(&self, kind: &str, outcome: JobOutcome, took: Duration) {
        let kinds = Job::KINDS.iter().zip(&self.kinds);
        // A runner only claims kinds that it knows.
        for (_, metrics) in kinds.filter(|(other, _)| **other == kind) {
            let outcomes = JobOutcome::ALL.iter().zip(&metrics.outcomes);
            outcomes.filter(|(other, _)| **other == outcome).for_each(|(_, count)| count.increment());
            metrics.durations.record(took);
        }
    }

    pub(super) fn snapshot(&self) -> JobsSnapshot {
        let kinds = Job::KINDS.iter().zip(&self.kinds).map(|(kind, metrics)| {
            let outcomes = std::array::from_fn(|n| (JobOutcome::ALL[n], metrics.outcomes[n].get()));
            (*kind, outcomes, metrics.durations.snapshot())
        });
        JobsSnapshot { kinds: kinds.collect() }
    }
}
