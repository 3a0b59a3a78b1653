//! The time in which an attack runs, and what the server answered to the attacker.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Ends when the good user has finished.
#[derive(Default)]
pub(crate) struct Window {
    is_over: AtomicBool,
    accepted: AtomicU64,
    rejected: AtomicU64,
    overloaded: AtomicU64,
    closed: AtomicU64,
}

/// The number of the attacker's requests by their outcome.
#[derive(Clone, Copy, Default)]
pub(crate) struct Outcomes {
    /// 2xx
    pub(crate) accepted: u64,
    /// 3xx, 4xx
    pub(crate) rejected: u64,
    /// 5xx
    pub(crate) overloaded: u64,
    /// Without a response.
    pub(crate) closed: u64,
}

impl Window {
    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    pub(crate) fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    /// Counts the response to a request.
    pub(crate) fn count(&self, status: Option<u16>) {
        let counter = match status {
            Some(200..300) => &self.accepted,
            Some(300..500) => &self.rejected,
            Some(_) => &self.overloaded,
            // What the end of the window cuts off says nothing about the server.
            None if self.is_over() => return,
            None => &self.closed,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn outcomes(&self) -> Outcomes {
        Outcomes {
            accepted: self.accepted.load(Ordering::Relaxed),
            rejected: self.rejected.load(Ordering::Relaxed),
            overloaded: self.overloaded.load(Ordering::Relaxed),
            closed: self.closed.load(Ordering::Relaxed),
        }
    }

    /// Waits, but not beyond the end.
    pub(crate) fn pause(&self, time: Duration) {
        let until = Instant::now() + time;
        while Instant::now() < until && !self.is_over() {
            sleep(Duration::from_millis(10));
        }
    }
}
