//! A circuit breaker: while the server does not answer, only one attempt per pause waits for it.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// The pause between attempts while the server does not answer.
pub(super) const PAUSE: Duration = Duration::from_secs(1);

/// Open while the server does not answer.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    /// While it is open: when the next attempt is due.
    retry_at: Mutex<Option<Instant>>,
}

impl Breaker {
    /// Whether to ask the server now. While the breaker is open, true once per [`PAUSE`].
    pub(super) fn admits(&self, now: Instant) -> bool {
        let mut retry_at = self.lock();
        match *retry_at {
            None => true,
            Some(at) if now < at => false,
            Some(_) => {
                *retry_at = Some(now + PAUSE);
                true
            }
        }
    }

    /// Closes it: the server answered. Returns whether it was open.
    pub(super) fn close(&self) -> bool {
        self.lock().take().is_some()
    }

    /// Opens it: the server did not answer. Returns whether it was closed.
    pub(super) fn open(&self, now: Instant) -> bool {
        self.lock().replace(now + PAUSE).is_none()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Instant>> {
        self.retry_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_attempt_per_pause_while_the_server_does_not_answer() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        assert!(breaker.admits(now) && breaker.admits(now), "closed");
        assert!(breaker.open(now) && !breaker.open(now));
        assert!(!breaker.admits(now + PAUSE / 2));
        assert!(breaker.admits(now + PAUSE));
        assert!(!breaker.admits(now + PAUSE), "the others do not wait");
        assert!(breaker.admits(now + 2 * PAUSE), "an attempt that never ended does not block the next");
        assert!(breaker.close() && !breaker.close());
        assert!(breaker.admits(now) && breaker.admits(now));
    }
}
