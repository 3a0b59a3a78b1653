//! The table of a siege, and what it finds wrong.

use std::time::Duration;

use crate::load::median;
use crate::siege::attacks::Attack;
use crate::siege::good_user::{Action, Outcome, Sample};
use crate::siege::window::Outcomes;

/// By how many MiB memory may be larger after the last round than after the first: caches fill, and the allocator returns
/// memory late.
const GROWTH: u64 = 64;

/// The rounds of one attack.
pub(crate) struct Report {
    pub(crate) attack: &'static Attack,
    pub(crate) rounds: Vec<Round>,
}

/// One round of an attack. Memory is in MiB.
pub(crate) struct Round {
    pub(crate) samples: Vec<Sample>,
    pub(crate) outcomes: Outcomes,
    pub(crate) memory: u64,
    pub(crate) peak: u64,
    /// Some time after the attack.
    pub(crate) settled: Option<u64>,
    pub(crate) cpu: Option<Duration>,
    /// In bytes.
    pub(crate) disk_growth: u64,
}

impl Report {
    fn samples(&self) -> impl Iterator<Item = &Sample> {
        self.rounds.iter().flat_map(|round| &round.samples)
    }

    fn count(&self, is_counted: impl Fn(&Outcome) -> bool) -> usize {
        self.samples().filter(|sample| is_counted(&sample.result)).count()
    }

    /// The median duration of an action, in seconds.
    fn median(&self, action: Action) -> f64 {
        let samples = self.samples().filter(|sample| sample.action == action);
        median(samples.map(|sample| sample.time.as_secs_f64()))
    }

    /// How much slower the slowest of `actions` was than in `alone`.
    fn slowdown(&self, alone: &Self, actions: &[Action]) -> f64 {
        let ratios = actions.iter().map(|action| self.median(*action) / alone.median(*action));
        ratios.fold(f64::NAN, f64::max)
    }

    /// What is wrong, in sentences.
    pub(crate) fn problems(&self) -> Vec<String> {
        let affected = Action::ALL.iter().filter_map(|action| self.action_problem(*action));
        let problems = affected.chain(self.peak_problem()).chain(self.growth_problem());
        problems.map(|problem| format!("{}: {problem}", self.attack.name)).collect()
    }

    fn action_problem(&self, action: Action) -> Option<String> {
        let samples = self.samples().filter(|sample| sample.action == action);
        let failures: Vec<&str> = samples.filter_map(|sample| sample.result.failure()).collect();
        let first = failures.first()?;
        Some(format!("{action:?} of the good user failed {} times, at first with: {first}", failures.len()))
    }

    fn peak_problem(&self) -> Option<String> {
        let limit = self.attack.memory;
        let growth = self.rounds.iter().map(|round| round.peak.saturating_sub(round.memory)).max()?;
        (growth > limit)
            .then(|| format!("memory grew by {growth} MiB during the attack; {limit} are allowed"))
    }

    fn growth_problem(&self) -> Option<String> {
        let [first, .., last] = &self.rounds[..] else { return None };
        let growth = last.settled?.saturating_sub(first.settled?);
        (growth > GROWTH).then(|| {
            format!("memory grew by {growth} MiB from the first to the last round; {GROWTH} are allowed")
        })
    }

    fn row(&self, alone: &Self) -> String {
        let sum =
            |count: fn(&Outcomes) -> u64| self.rounds.iter().map(|round| count(&round.outcomes)).sum::<u64>();
        let outcomes = [
            sum(|outcomes| outcomes.accepted),
            sum(|outcomes| outcomes.rejected),
            sum(|outcomes| outcomes.overloaded),
            sum(|outcomes| outcomes.closed),
        ];
        let mut times: Vec<Duration> = self.samples().map(|sample| sample.time).collect();
        times.sort();
        let settled: Vec<String> =
            self.rounds.iter().filter_map(|round| round.settled).map(|settled| settled.to_string()).collect();
        let [others, login] =
            [&Action::ALL[..5], &[Action::LogIn]].map(|actions| self.slowdown(alone, actions));
        let cpu: Option<Duration> = self.rounds.iter().map(|round| round.cpu).sum();
        let disk = self.rounds.iter().map(|round| round.disk_growth).sum::<u64>() / (1024 * 1024);
        format!(
            "| {} | {} | {} | {} | {} | {} | {} | {others:.1} | {login:.1} | {} | {} | {} | {} | {disk} |",
            self.attack.name,
            outcomes.map(|count| count.to_string()).join(" / "),
            times.len(),
            self.count(|outcome| matches!(outcome, Outcome::Rejected(_))),
            self.count(|outcome| matches!(outcome, Outcome::Failed(_))),
            percentile(&times, 50),
            percentile(&times, 99),
            self.rounds.first().map_or(0, |round| round.memory),
            self.rounds.iter().map(|round| round.peak).max().unwrap_or_default(),
            settled.join(" / "),
            cpu.map(|time| format!("{:.1}", time.as_secs_f64())).unwrap_or_default(),
        )
    }
}

/// In milliseconds.
fn percentile(sorted: &[Duration], percent: usize) -> u128 {
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(at).map_or(0, Duration::as_millis)
}

/// The table of all reports. The first is that of the good user alone, to which the others are compared.
pub(crate) fn table(reports: &[Report]) -> String {
    const HEAD: &str = "| attack | attacker: 2xx / 4xx / 5xx / closed | good user: requests | 4xx | 5xx | p50 ms | p99 ms \
                        | × alone | login × | MiB before | peak | after each round | CPU s | disk MiB |\n\
                        |---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---|---:|---:|";
    let rows = reports.iter().map(|report| report.row(&reports[0]));
    std::iter::once(HEAD.to_owned()).chain(rows).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::siege::attacks::NONE;

    fn report(results: Vec<Outcome>, peak: u64, settled: [u64; 2]) -> Report {
        let sample = |result| Sample { action: Action::Post, time: Duration::from_millis(3), result };
        let mut samples: Vec<Sample> = results.into_iter().map(sample).collect();
        let rounds = settled.map(|settled| Round {
            samples: std::mem::take(&mut samples),
            outcomes: Outcomes::default(),
            memory: 50,
            peak,
            settled: Some(settled),
            cpu: None,
            disk_growth: 0,
        });
        Report { attack: &NONE, rounds: rounds.into() }
    }

    #[test]
    fn good_user_without_success_is_a_problem() {
        let problems = |result| report(vec![Outcome::Success, result], 60, [60, 60]).problems();
        assert_eq!(problems(Outcome::Success), [""; 0]);
        assert_eq!(
            problems(Outcome::Rejected("429".into())),
            ["none: Post of the good user failed 1 times, at first with: 429"]
        );
        assert_eq!(
            problems(Outcome::Failed("503".into())),
            ["none: Post of the good user failed 1 times, at first with: 503"]
        );
    }

    #[test]
    fn unbounded_memory_is_a_problem() {
        let problems = |peak, settled| report(Vec::new(), 50 + peak, settled).problems().len();
        assert_eq!(problems(NONE.memory, [60, 60 + GROWTH]), 0);
        assert_eq!(problems(NONE.memory + 1, [60, 60]), 1);
        assert_eq!(problems(0, [60, 61 + GROWTH]), 1);
    }
}
