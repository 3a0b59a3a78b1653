//! Counters, gauges and latency histograms for code that runs for every request: a few atomic numbers each, without
//! locks, allocations or hashing.
//!
//! They have no names and no labels. A crate that counts resolves what it counts under at its start, for example to one
//! [`Histogram`] for each operation, and hands out snapshots; the server names and renders them. So no crate knows the
//! format of a monitoring system, and several nodes in one process count apart.
//!
//! Everything counts from the creation on and never down, except for a [`Gauge`]. The numbers of one snapshot are read one
//! after the other: of a request that ends meanwhile, the count may be in it and the duration not.
//!
//! ```
//! use std::time::Duration;
//!
//! use blegram_metrics::Histogram;
//!
//! let latency = Histogram::default();
//! latency.record(Duration::from_millis(3));
//! latency.record(Duration::from_secs(60));
//! let snapshot = latency.snapshot();
//! assert_eq!((snapshot.count(), snapshot.sum), (2, Duration::from_millis(60_003)));
//! ```

use std::{
    sync::atomic::{AtomicI64, AtomicU64, Ordering},
    time::Duration,
};

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds one.
    pub fn increment(&self) {
        self.add(1);
    }

    /// Adds `count`.
    pub fn add(&self, count: u64) {
        // Relaxed: no other memory depends on the order of the numbers.
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// The number.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// How many there are now.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    /// Counts one more, until the guard is dropped.
    pub fn enter(&self) -> Entered<'_> {
        self.increment();
        Entered(self)
    }

    /// Counts one more.
    pub fn increment(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts one less.
    pub fn decrement(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    /// The number.
    pub fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The guard of [`Gauge::enter`].
#[derive(Debug)]
pub struct Entered<'a>(&'a Gauge);

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        self.0.decrement();
    }
}

/// The inclusive upper bounds of the buckets of every [`Histogram`]; a last bucket has no bound.
pub const BUCKETS: [Duration; 14] = [
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2_500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_millis(2_500),
    Duration::from_secs(5),
    Duration::from_secs(10),
];

const BUCKET_COUNT: usize = BUCKETS.len() + 1;

/// How many durations were in each of the [`BUCKETS`], and their sum.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [AtomicU64; BUCKET_COUNT],
    sum_nanos: AtomicU64,
}

impl Histogram {
    /// Adds a duration.
    pub fn record(&self, duration: Duration) {
        let bucket = BUCKETS.partition_point(|bound| *bound < duration);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        // Wraps after 584 years.
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        self.sum_nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    /// The numbers.
    pub fn snapshot(&self) -> HistogramSnapshot {
        HistogramSnapshot {
            buckets: std::array::from_fn(|n| self.buckets[n].load(Ordering::Relaxed)),
            sum: Duration::from_nanos(self.sum_nanos.load(Ordering::Relaxed)),
        }
    }
}

/// The numbers of a [`Histogram`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HistogramSnapshot {
    /// The durations in each bucket alone: above the bound before, and up to its own. The last one has no bound.
    pub buckets: [u64; BUCKET_COUNT],
    /// The sum of all durations.
    pub sum: Duration,
}

impl HistogramSnapshot {
    /// The number of durations.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_of_buckets_are_inclusive() {
        let histogram = Histogram::default();
        for micros in [0, 500, 501, 10_000_000, 10_000_001] {
            histogram.record(Duration::from_micros(micros));
        }
        let snapshot = histogram.snapshot();
        let used: Vec<_> = snapshot.buckets.iter().enumerate().filter(|(_, count)| **count > 0).collect();
        assert_eq!(used, [(0, &2), (1, &1), (13, &1), (14, &1)]);
        assert_eq!((snapshot.count(), snapshot.sum), (5, Duration::from_micros(20_001_002)));
    }

    #[test]
    fn bounds_increase() {
        assert!(BUCKETS.is_sorted() && BUCKETS[0] > Duration::ZERO);
    }

    #[test]
    fn gauge_counts_until_its_guards_are_dropped() {
        let gauge = Gauge::default();
        let (one, other) = (gauge.enter(), gauge.enter());
        assert_eq!(gauge.get(), 2);
        drop((one, other));
        assert_eq!(gauge.get(), 0);
    }

    #[test]
    fn concurrent_counts_are_complete() {
        let (counter, histogram) = (Counter::default(), Histogram::default());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..10_000 {
                        counter.increment();
                        histogram.record(Duration::from_millis(1));
                    }
                });
            }
        });
        assert_eq!((counter.get(), histogram.snapshot().count()), (40_000, 40_000));
        assert_eq!(histogram.snapshot().sum, Duration::from_secs(40));
    }
}

/// Compiles the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
