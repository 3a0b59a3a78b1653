//! Measures how long a piece of work takes, and prints the distribution.

use std::time::Instant;

use blegram_metrics::{BUCKETS, Histogram};

fn main() {
    let histogram = Histogram::default();
    for size in (0..2_000).map(|n| n * 100) {
        let started = Instant::now();
        let sum: u64 = (0..size).fold(0, |sum, n| std::hint::black_box(sum ^ n));
        histogram.record(started.elapsed());
        std::hint::black_box(sum);
    }
    let snapshot = histogram.snapshot();
    println!("{} runs took {:?}", snapshot.count(), snapshot.sum);
    for (bound, count) in BUCKETS.iter().zip(snapshot.buckets).filter(|(_, count)| *count > 0) {
        println!("up to {bound:?}: {count}");
    }
}
