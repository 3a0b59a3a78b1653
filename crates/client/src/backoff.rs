//! Delays between retries: exponential backoff with full jitter.

use std::time::Duration;

use rand::{RngExt, SeedableRng, rngs::StdRng};

const FIRST: Duration = Duration::from_millis(500);
const LONGEST: Duration = Duration::from_secs(30);

/// `min(30 s, 0.5 s · 2ⁿ)` with full jitter, so that clients that lost a server together do not reconnect together.
#[derive(Debug)]
pub(crate) struct Backoff {
    attempts: u32,
    random: StdRng,
}

impl Backoff {
    pub(crate) fn new(seed: u64) -> Self {
        Self { attempts: 0, random: StdRng::seed_from_u64(seed) }
    }

    /// The next delay, on average longer each time. `at_least`, requested by the server, is added to it.
    pub(crate) fn random() -> Self {
        Self::new(rand::random())
    }

    pub(crate) fn next(&mut self, at_least: Option<Duration>) -> Duration {
        let wait = self.jitter(self.attempts);
        self.attempts = self.attempts.saturating_add(1);
        at_least.unwrap_or_default() + wait
    }

    /// A delay after `attempts` retries, independent of the retries of the connection.
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
    fn backoff_grows_to_30_seconds_with_jitter() {
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
