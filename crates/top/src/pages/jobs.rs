//! Background jobs.

use super::{bad_rate, overview::age, quantiles, value, warn_count, warn_rate};
use crate::{
    figures::{Figures, Jobs},
    format,
    text::{Table, Text, Tone, number, words},
};

/// One row for each kind; first those that work, the one with the oldest job above.
pub(super) fn table(figures: &Figures) -> Table {
    let mut table = Table::new([
        words("Job", 0),
        number("due", 0),
        number("oldest", 0),
        number("failing", 0),
        number("queued", 3),
        number("done/s", 1),
        number("retried/s", 2),
        number("lost/s", 6),
        number("p50", 5),
        number("p99", 4),
    ]);
    let (mut busy, idle): (Vec<_>, Vec<_>) = figures.jobs.iter().partition(|(_, jobs)| is_busy(jobs));
    busy.sort_by(|a, b| oldest(b.1).total_cmp(&oldest(a.1)));
    table.rows = busy.into_iter().map(|(kind, jobs)| row(kind, jobs)).collect();
    let dimmed = |(kind, jobs): (&String, &Jobs)| {
        row(kind, jobs).into_iter().map(|text| Text { tone: Tone::Label, ..text }).collect()
    };
    table.rows.extend(idle.into_iter().map(dimmed));
    table
}

/// Whether a job is due or has run in the interval.
fn is_busy(jobs: &Jobs) -> bool {
    [jobs.due, jobs.failing]
        .into_iter()
        .flatten()
        .chain(jobs.runs.values().copied())
        .any(|number| number > 0.0)
}

fn oldest(jobs: &Jobs) -> f64 {
    jobs.oldest_seconds.unwrap_or_default()
}

fn row(kind: &str, jobs: &Jobs) -> Vec<Text> {
    let runs = |outcome: &str| jobs.runs.get(outcome).copied();
    let [p50, _, p99] = quantiles(jobs.duration.as_ref());
    vec![
        kind.into(),
        value(jobs.due, format::count),
        age(jobs.oldest_seconds),
        warn_count(jobs.failing),
        value(jobs.queued, format::count),
        value(runs("done"), format::rate),
        warn_rate(runs("retried")),
        bad_rate(runs("lost")),
        p50,
        p99,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_that_work_are_above_the_others() {
        let idle = || Jobs { due: Some(0.0), oldest_seconds: Some(0.0), ..Jobs::default() };
        let due = |oldest| Jobs { due: Some(1.0), oldest_seconds: Some(oldest), ..Jobs::default() };
        let done = || Jobs { runs: [("done".to_owned(), 1.0)].into(), ..idle() };
        let jobs = [("a", idle()), ("b", due(3.0)), ("c", done()), ("d", due(700.0))];
        let jobs = jobs.into_iter().map(|(kind, jobs)| (kind.to_owned(), jobs)).collect();
        let table = table(&Figures { jobs, ..Figures::default() });
        let kinds: Vec<_> = table.rows.iter().map(|row| row[0].text.as_str()).collect();
        assert_eq!(kinds, ["d", "b", "c", "a"]);
        let ages: Vec<_> = table.rows.iter().map(|row| row[2].tone).collect();
        assert_eq!(ages, [Tone::Bad, Tone::Plain, Tone::Plain, Tone::Label]);
    }
}
