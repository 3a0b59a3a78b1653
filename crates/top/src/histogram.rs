//! Quantiles from the buckets of a histogram.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

/// A histogram of durations in seconds, over the time between two scrapes. Counts are rates per second.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    rate: f64,
    sum: f64,
    /// Upper bounds and cumulative counts, in the order of the bounds; without the bound `+Inf`.
    buckets: Vec<(f64, f64)>,
}

/// An estimated quantile.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quantile {
    /// The estimate; the largest bound if the quantile is above it.
    pub seconds: f64,
    /// Whether the quantile is above the largest bound.
    pub is_above: bool,
}

/// As its seconds.
impl Serialize for Quantile {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.seconds)
    }
}

impl Histogram {
    /// `buckets` are upper bounds and cumulative counts; those with the same bound are added.
    pub(crate) fn new(rate: f64, sum: f64, buckets: impl Iterator<Item = (f64, f64)>) -> Self {
        let mut added = BTreeMap::new();
        for (bound, count) in buckets.filter(|(bound, _)| bound.is_finite()) {
            // Bits of positive numbers have the order of the numbers.
            *added.entry(bound.max(0.0).to_bits()).or_insert(0.0) += count;
        }
        // Nodes of two versions may have different bounds: then a larger bound may have a smaller count.
        let mut least = 0.0_f64;
        let buckets = added.into_iter().map(|(bound, count)| {
            least = least.max(count);
            (f64::from_bits(bound), least)
        });
        Self { rate, sum, buckets: buckets.collect() }
    }

    /// How often per second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        self.rate
    }

    /// Seconds spent per second, which is how many were in progress on average.
    #[must_use]
    pub fn sum(&self) -> f64 {
        self.sum
    }

    /// The quantile, as Prometheus estimates it: values are spread evenly within their bucket. `None` if the histogram is
    /// empty.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<Quantile> {
        let (last, _) = *self.buckets.last()?;
        let rank = q * self.rate;
        if self.rate <= 0.0 {
            return None;
        }
        let mut below = (0.0, 0.0);
        for (bound, count) in &self.buckets {
            if *count >= rank && *count > below.1 {
                let share = (rank - below.1) / (count - below.1);
                // Rounding must not lead out of the bucket.
                let seconds = (below.0 + (bound - below.0) * share).min(*bound);
                return Some(Quantile { seconds, is_above: false });
            }
            below = (*bound, *count);
        }
        Some(Quantile { seconds: last, is_above: true })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BUCKETS: [(f64, f64); 4] = [(0.1, 50.0), (0.2, 90.0), (0.4, 90.0), (f64::INFINITY, 100.0)];

    #[test]
    fn quantiles_are_interpolated() {
        let histogram = Histogram::new(100.0, 20.0, BUCKETS.into_iter());
        for (q, seconds, is_above) in [
            (0.0, 0.0, false),
            (0.25, 0.05, false),
            (0.5, 0.1, false),
            (0.7, 0.15, false),
            (0.9, 0.2, false),
            (0.95, 0.4, true),
        ] {
            let quantile = histogram.quantile(q).unwrap();
            assert!((quantile.seconds - seconds).abs() < 1e-9, "{q}: {quantile:?}");
            assert_eq!(quantile.is_above, is_above, "{q}");
        }
    }

    #[test]
    fn empty_histogram_has_no_quantile() {
        let buckets = [(0.1, 0.0), (f64::INFINITY, 0.0)];
        assert_eq!(Histogram::new(0.0, 0.0, buckets.into_iter()).quantile(0.5), None);
        assert_eq!(Histogram::new(1.0, 0.0, [].into_iter()).quantile(0.5), None);
    }

    #[test]
    fn buckets_of_several_series_are_added_in_any_order() {
        let twice = Histogram::new(200.0, 40.0, BUCKETS.into_iter().chain(BUCKETS.into_iter().rev()));
        let once = Histogram::new(100.0, 20.0, BUCKETS.into_iter());
        assert_eq!(twice.quantile(0.7), once.quantile(0.7));
    }

    proptest! {
        #[test]
        fn quantiles_grow_and_stay_within_the_bounds(
            counts in prop::collection::vec((1_u32..10_000, 0_u32..1_000), 1..20),
            above in 0_u32..10,
        ) {
            let mut total = 0;
            let mut bounds: Vec<_> = counts.iter().map(|(bound, _)| f64::from(*bound) / 1000.0).collect();
            bounds.sort_by(f64::total_cmp);
            bounds.dedup();
            let buckets: Vec<_> = bounds.iter().zip(&counts).map(|(bound, (_, count))| { total += count; (*bound, f64::from(total)) }).collect();
            let histogram = Histogram::new(f64::from(total + above), 1.0, buckets.iter().copied());
            let quantiles: Vec<_> = (0..=100_u32).filter_map(|q| histogram.quantile(f64::from(q) / 100.0)).collect();
            prop_assert!(quantiles.is_empty() == (total + above == 0));
            prop_assert!(quantiles.windows(2).all(|two| two[0].seconds <= two[1].seconds + 1e-9));
            prop_assert!(quantiles.iter().all(|quantile| (0.0..=*bounds.last().unwrap()).contains(&quantile.seconds)));
        }
    }
}
