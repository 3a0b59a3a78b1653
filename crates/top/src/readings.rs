//! What two scrapes of a node say about the time between them: counters become rates per second, gauges stay.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::histogram::Histogram;
use crate::samples::{Labels, Samples, Series};

/// The samples of a node at one time.
#[derive(Debug, Clone)]
pub struct Scrape {
    /// When they arrived, on a clock that never jumps.
    pub at: Duration,
    /// The samples.
    pub samples: Samples,
}

/// Rates per second of all counters and histograms, and the values of all gauges.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Readings(BTreeMap<String, Series>);

/// Their names end so, by the convention of Prometheus.
const COUNTERS: [&str; 4] = ["_total", "_bucket", "_count", "_sum"];

/// All nodes of a site read them from the same database, or they are points in time: the sum of several nodes has the
/// largest value.
const NOT_ADDED: [&str; 8] = [
    "blegram_nodes",
    "blegram_jobs",
    "blegram_jobs_due",
    "blegram_jobs_failing",
    "blegram_jobs_oldest_age_seconds",
    "blegram_db_size_bytes",
    "blegram_start_time_seconds",
    "process_start_time_seconds",
];

/// A process that started later than this after the one before is another one.
const SAME_START_SECONDS: f64 = 1.0;

impl Readings {
    /// Without a scrape before there are only gauges. A counter that is smaller than before, or that belongs to a process
    /// that has started since, has counted from zero. One that was not there before has, too: a server makes most series
    /// when it first counts something.
    #[must_use]
    pub fn between(before: Option<&Scrape>, now: &Scrape) -> Self {
        let elapsed = before.map(|before| now.at.saturating_sub(before.at).as_secs_f64());
        let elapsed = elapsed.filter(|seconds| *seconds > 0.0);
        let before =
            before.map(|before| &before.samples).filter(|before| is_same_process(before, &now.samples));
        let mut readings = Self::default();
        for (name, series) in &now.samples.0 {
            if !is_counter(name) {
                readings.0.insert(name.clone(), series.clone());
            } else if let Some(seconds) = elapsed {
                let before = before.and_then(|before| before.0.get(name));
                let rate = |(labels, value): (&Labels, &f64)| {
                    let before = before.and_then(|series| series.get(labels)).copied().unwrap_or_default();
                    let since = if before <= *value { value - before } else { *value };
                    (labels.clone(), since / seconds)
                };
                readings.0.insert(name.clone(), series.iter().map(rate).collect());
            }
        }
        readings
    }

    /// The readings of several nodes of one site together.
    pub fn sum<'a>(nodes: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut sum = Self::default();
        for (name, series) in nodes.into_iter().flat_map(|node| &node.0) {
            let total = sum.0.entry(name.clone()).or_default();
            for (labels, value) in series {
                let entry = total.entry(labels.clone());
                let entry = entry.and_modify(|total| {
                    *total =
                        if NOT_ADDED.contains(&name.as_str()) { total.max(*value) } else { *total + value };
                });
                entry.or_insert(*value);
            }
        }
        sum
    }

    /// The series of this name that have a number.
    pub fn series(&self, name: &str) -> impl Iterator<Item = (&Labels, f64)> {
        let series = self.0.get(name).into_iter().flatten();
        series.map(|(labels, value)| (labels, *value)).filter(|(_, value)| value.is_finite())
    }

    /// The sum of all series of this name.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<f64> {
        self.series(name).map(|(_, value)| value).reduce(|a, b| a + b)
    }

    /// The sum of the series that have these labels.
    #[must_use]
    pub fn value_where(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let has_all = |own: &Labels| labels.iter().all(|(name, value)| own.get(name) == Some(value));
        self.series(name).filter(|(own, _)| has_all(own)).map(|(_, value)| value).reduce(|a, b| a + b)
    }

    /// The values of a label, in the series of these names.
    #[must_use]
    pub fn label_values(&self, names: &[&str], label: &str) -> BTreeSet<String> {
        let series = names.iter().flat_map(|name| self.series(name));
        series.filter_map(|(labels, _)| labels.get(label)).map(ToOwned::to_owned).collect()
    }

    /// The sums by the value of a label.
    #[must_use]
    pub fn by(&self, name: &str, label: &str) -> BTreeMap<String, f64> {
        let mut sums = BTreeMap::new();
        for (labels, value) in self.series(name) {
            *sums.entry(labels.get(label).unwrap_or_default().to_owned()).or_default() += value;
        }
        sums
    }

    /// The histogram of this name, over the series that have these labels. `None` before there are rates.
    #[must_use]
    pub fn histogram(&self, name: &str, labels: &[(&str, &str)]) -> Option<Histogram> {
        let rate = self.value_where(&format!("{name}_count"), labels)?;
        let sum = self.value_where(&format!("{name}_sum"), labels).unwrap_or_default();
        let has_all = |own: &Labels| labels.iter().all(|(name, value)| own.get(name) == Some(value));
        let bucket = format!("{name}_bucket");
        let buckets = self.series(&bucket).filter(|(own, _)| has_all(own));
        let buckets = buckets.filter_map(|(own, rate)| Some((own.get("le")?.parse().ok()?, rate)));
        Some(Histogram::new(rate, sum, buckets))
    }
}

fn is_counter(name: &str) -> bool {
    COUNTERS.iter().any(|end| name.ends_with(end))
}

fn is_same_process(before: &Samples, now: &Samples) -> bool {
    ["process_start_time_seconds", "blegram_start_time_seconds"].iter().all(|name| {
        let start = |samples: &Samples| samples.series(name).next().map(|(_, value)| value);
        match (start(before), start(now)) {
            (Some(before), Some(now)) => (now - before).abs() <= SAME_START_SECONDS,
            _ => true,
        }
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scrape(seconds: u64, text: &str) -> Scrape {
        Scrape { at: Duration::from_secs(seconds), samples: Samples::parse(text).unwrap() }
    }

    fn between(before: &str, now: &str) -> Readings {
        Readings::between(Some(&scrape(10, before)), &scrape(12, now))
    }

    #[test]
    fn counters_become_rates_and_gauges_stay() {
        let readings = between("a_total 10\nb 3\nc_total{x=\"1\"} 4", "a_total 30\nb 5\nc_total{x=\"1\"} 5");
        let values = ["a_total", "b", "c_total"].map(|name| readings.value(name));
        assert_eq!(values, [Some(10.0), Some(5.0), Some(0.5)]);
        assert_eq!(readings.value("d_total"), None);
    }

    #[test]
    fn first_scrape_has_only_gauges() {
        let readings = Readings::between(None, &scrape(1, "a_total 10\na_count 1\nb 3"));
        assert_eq!((readings.value("a_total"), readings.value("a_count")), (None, None));
        assert_eq!(readings.value("b"), Some(3.0));
        let same_time = Readings::between(Some(&scrape(1, "a_total 1")), &scrape(1, "a_total 2"));
        assert_eq!(same_time.value("a_total"), None);
    }

    #[test]
    fn smaller_counter_has_counted_from_zero() {
        assert_eq!(between("a_total 1000", "a_total 4").value("a_total"), Some(2.0));
    }

    #[test]
    fn counters_of_another_process_have_counted_from_zero() {
        let old = "process_start_time_seconds 100\na_total 4";
        let restarted = between(old, "process_start_time_seconds 111\na_total 10");
        assert_eq!(restarted.value("a_total"), Some(5.0));
        let same = between(old, "process_start_time_seconds 100.01\na_total 10");
        assert_eq!(same.value("a_total"), Some(3.0));
    }

    #[test]
    fn new_series_has_counted_from_zero() {
        let readings = between("a_total{x=\"1\"} 10", "a_total{x=\"1\"} 10\na_total{x=\"2\"} 6");
        assert_eq!(readings.by("a_total", "x"), [("1".into(), 0.0), ("2".into(), 3.0)].into());
    }

    #[test]
    fn sum_adds_nodes_and_takes_shared_facts_once() {
        let nodes = [
            between("a_total 0", "a_total 2\nblegram_jobs{kind=\"mail\"} 7\nb 1"),
            between("a_total 0", "a_total 4\nblegram_jobs{kind=\"mail\"} 6\nb 2"),
        ];
        let sum = Readings::sum(&nodes);
        let values = ["a_total", "b", "blegram_jobs"].map(|name| sum.value(name));
        assert_eq!(values, [Some(3.0), Some(3.0), Some(7.0)]);
    }

    #[test]
    fn values_that_are_no_numbers_are_left_out() {
        let readings = between("", "a NaN\nb{x=\"1\"} +Inf\nb{x=\"2\"} 2");
        assert_eq!((readings.value("a"), readings.value("b")), (None, Some(2.0)));
    }

    #[test]
    fn series_are_selected_by_labels() {
        let readings = between(
            "",
            "a{p=\"read\",s=\"busy\"} 1\na{p=\"read\",s=\"idle\"} 2\na{p=\"write\",s=\"idle\"} 4",
        );
        assert_eq!(readings.value_where("a", &[("p", "read"), ("s", "idle")]), Some(2.0));
        assert_eq!(readings.value_where("a", &[("s", "idle")]), Some(6.0));
        assert_eq!(readings.value_where("a", &[("s", "lost")]), None);
        assert_eq!(readings.label_values(&["a", "b"], "p"), ["read".into(), "write".into()].into());
    }

    #[test]
    fn histogram_is_that_of_the_interval() {
        let text = |fast: u32, all: u32, sum: f64| {
            let bucket = |le, count| format!("h_bucket{{o=\"a\",le=\"{le}\"}} {count}\n");
            [
                bucket("0.1", fast),
                bucket("+Inf", all),
                format!("h_count{{o=\"a\"}} {all}\nh_sum{{o=\"a\"}} {sum}\n"),
            ]
            .concat()
        };
        let readings = between(&text(100, 200, 50.0), &text(120, 220, 51.0));
        let histogram = readings.histogram("h", &[("o", "a")]).unwrap();
        assert_eq!((histogram.rate(), histogram.sum()), (10.0, 0.5));
        assert!(histogram.quantile(0.99).unwrap().seconds <= 0.1);
        assert_eq!(readings.histogram("h", &[("o", "b")]), None);
    }

    proptest! {
        #[test]
        fn rates_are_never_negative(before in 0_u32.., now in 0_u32.., start in 0_u32..3) {
            let text = |count: u32, start: u32| format!("a_total {count}\nprocess_start_time_seconds {start}");
            let rate = between(&text(before, 0), &text(now, start)).value("a_total").unwrap();
            prop_assert!((0.0..=f64::from(now) / 2.0).contains(&rate));
        }

        #[test]
        fn sum_of_rates_is_the_rate_of_the_sum(counts in prop::collection::vec((0_u32..1000, 0_u32..1000), 1..5)) {
            let of = |(before, more): (u32, u32)| between(&format!("a_total {before}"), &format!("a_total {}", before + more));
            let nodes: Vec<_> = counts.iter().copied().map(of).collect();
            let more: u32 = counts.iter().map(|(_, more)| more).sum();
            let rate = Readings::sum(&nodes).value("a_total").unwrap();
            prop_assert!((rate - f64::from(more) / 2.0).abs() < 1e-6);
        }
    }
}
