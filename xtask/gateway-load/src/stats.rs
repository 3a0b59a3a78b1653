//! Formats measurements: latency percentiles and memory sizes.

use std::{fmt, time::Duration};

use serde::Serialize;

/// Percentiles of a latency, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(crate) struct LatencySummary {
    pub(crate) count: usize,
    pub(crate) p50_ms: f64,
    pub(crate) p90_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
}

impl LatencySummary {
    pub(crate) fn from_durations(times: impl IntoIterator<Item = Duration>) -> Self {
        let mut times: Vec<Duration> = times.into_iter().collect();
        times.sort_unstable();
        let Some(last) = times.len().checked_sub(1) else {
            return Self::default();
        };
        // Nearest-rank method: the result is always one of the measured values.
        let percentile =
            |percent: usize| millis(times[(times.len() * percent).div_ceil(100).saturating_sub(1)]);
        Self {
            count: times.len(),
            p50_ms: percentile(50),
            p90_ms: percentile(90),
            p99_ms: percentile(99),
            max_ms: millis(times[last]),
        }
    }
}

impl fmt::Display for LatencySummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { count, p50_ms, p90_ms, p99_ms, max_ms } = self;
        if *count == 0 {
            return f.write_str("none");
        }
        write!(f, "p50 {p50_ms:.2} ms, p90 {p90_ms:.2}, p99 {p99_ms:.2}, max {max_ms:.2} ({count})")
    }
}

/// Milliseconds, rounded to three decimal places: a finer resolution is noise here.
fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1_000_000.0).round() / 1000.0
}

/// Displays a number of bytes as `12.3 MiB`, or as unknown.
pub(crate) struct Memory(pub(crate) Option<u64>);

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(bytes) => write!(f, "{:.1} MiB", bytes as f64 / f64::from(1 << 20)),
            None => f.write_str("unknown (no --pid)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_measured_values() {
        let summary = LatencySummary::from_durations((1..=200).rev().map(Duration::from_millis));
        let expected =
            LatencySummary { count: 200, p50_ms: 100.0, p90_ms: 180.0, p99_ms: 198.0, max_ms: 200.0 };
        assert_eq!(summary, expected);
        let single = LatencySummary::from_durations([Duration::from_millis(3)]);
        assert_eq!((single.p50_ms, single.p99_ms, single.max_ms), (3.0, 3.0, 3.0));
        assert_eq!(LatencySummary::from_durations([]).to_string(), "none");
    }
}
