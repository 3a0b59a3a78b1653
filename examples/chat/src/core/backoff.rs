//! How long to wait before trying again.

use std::time::Duration;

use rand::{RngExt, SeedableRng, rngs::StdRng};

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(30);

/// `min(30 s, 0.5 s · 2ⁿ)` with full jitter, so that those who lost a server together do not come back together.
#[derive(Debug)]
pub(crate) struct Backoff {
    attempts: u32,
    random: StdRng,
}

impl Backoff {
    pub(crate) fn new(seed: u64) -> Self {
        Self { attempts: 0, random: StdRng::seed_from_u64(seed) }
    }

    /// The next wait, which is longer each time; never before what the server said.
    pub(crate) fn next(&mut self, at_least: Option<Duration>) -> Duration {
        let wait = self.jitter(self.attempts);
        self.attempts = self.attempts.saturating_add(1);
        at_least.unwrap_or_default() + wait
    }

    /// A wait after `attempts` others that has nothing to do with the connection.
    pub(crate) fn jitter(&mut self, attempts: u32) -> Duration {
        let ceiling = FIRST.saturating_mul(1 << attempts.min(6)).min(LONGEST);
        ceiling.mul_f64(self.random.random::<f64>())
    }

    pub(crate) fn reset(&mut self) {
        self.attempts = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_half_a_minute_and_are_spread() {
        let mut backoff = Backoff::new(1);
        for attempt in 0..200 {
            let ceiling = FIRST.saturating_mul(1 << attempt.min(10)).min(LONGEST);
            assert!(backoff.next(None) <= ceiling, "{attempt}");
        }
        let waits: Vec<_> = (0..100).map(|_| backoff.next(None)).collect();
        assert!(
            waits.iter().any(|wait| *wait < LONGEST / 4) && waits.iter().any(|wait| *wait > LONGEST * 3 / 4)
        );
        assert!(backoff.next(Some(LONGEST)) >= LONGEST);
        backoff.reset();
        assert!(backoff.next(None) <= FIRST);
    }
}
