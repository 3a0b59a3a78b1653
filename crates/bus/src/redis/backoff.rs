//! The pauses between attempts to connect: exponential, with full jitter, so that nodes do not return all at once.

use std::time::Duration;

use rand::RngExt;

const FIRST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Backoff(Duration);

impl Backoff {
    pub(super) const fn new() -> Self {
        Self(FIRST)
    }

    /// A random pause up to the current limit, which doubles.
    pub(super) fn next(&mut self) -> Duration {
        let limit = self.0;
        self.0 = (limit * 2).min(LONGEST);
        limit.mul_f64(rand::rng().random())
    }

    /// Begins again: the connection worked.
    pub(super) const fn reset(&mut self) {
        self.0 = FIRST;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_the_limit_and_are_random() {
        let mut backoff = Backoff::new();
        let pauses: Vec<Duration> = (0..200).map(|_| backoff.next()).collect();
        assert!(pauses[0] <= FIRST && pauses.iter().all(|pause| *pause <= LONGEST));
        assert!(pauses[20..].iter().any(|pause| *pause > LONGEST / 2));
        assert!(pauses[20..].iter().any(|pause| *pause < LONGEST / 2));
        backoff.reset();
        assert!(backoff.next() <= FIRST);
    }
}
