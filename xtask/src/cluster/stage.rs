//! What the main thread and the threads of the clients share: the time, the phase, and the end.

use std::collections::HashMap;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// A part of a run, with what it allows.
pub(crate) struct Phase {
    pub(crate) name: &'static str,
    /// Whether a node may fail without notice: then clients may have to repeat a request, and lose connections.
    pub(crate) is_lossy: bool,
    /// Whether some clients send requests without a pause, which the others notice.
    pub(crate) has_pulses: bool,
}

/// All phases, in their order.
pub(crate) const PHASES: [Phase; 5] = [
    Phase { name: "all nodes up", is_lossy: false, has_pulses: false },
    Phase { name: "rolling restart", is_lossy: false, has_pulses: true },
    Phase { name: "a node killed", is_lossy: true, has_pulses: false },
    Phase { name: "Redis killed", is_lossy: false, has_pulses: false },
    Phase { name: "Redis back", is_lossy: false, has_pulses: false },
];

/// The state of a run.
pub(crate) struct Stage {
    begin: Instant,
    phase: AtomicUsize,
    /// Whether clients send no more.
    is_over: AtomicBool,
    /// How many chatters have an acknowledgement of everything that they sent.
    quiet: AtomicUsize,
    /// The last `seq` of each conversation, known once all chatters are quiet.
    heads: OnceLock<HashMap<String, u64>>,
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self {
            begin: Instant::now(),
            phase: AtomicUsize::new(0),
            is_over: AtomicBool::new(false),
            quiet: AtomicUsize::new(0),
            heads: OnceLock::new(),
        }
    }

    /// Time since the beginning of the run.
    pub(crate) fn now(&self) -> Duration {
        self.begin.elapsed()
    }

    /// The position of the current phase in [`PHASES`].
    pub(crate) fn phase(&self) -> usize {
        self.phase.load(Ordering::Relaxed)
    }

    /// The phase of a request that began in the phase `begin`, met a fault and ends now: the one that allows for faults, if
    /// it lasted into one.
    pub(crate) fn phase_of_fault(&self, begin: usize) -> usize {
        (begin..=self.phase()).find(|phase| PHASES[*phase].is_lossy).unwrap_or(begin)
    }

    pub(crate) fn next_phase(&self) {
        self.phase.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    pub(crate) fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    pub(crate) fn note_quiet(&self) {
        self.quiet.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn quiet(&self) -> usize {
        self.quiet.load(Ordering::Relaxed)
    }

    pub(crate) fn heads(&self) -> Option<&HashMap<String, u64>> {
        self.heads.get()
    }

    pub(crate) fn set_heads(&self, heads: HashMap<String, u64>) {
        // Set once, by the main thread.
        let _ = self.heads.set(heads);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fault_belongs_to_the_phase_that_allows_it() {
        let (stage, lossy) = (Stage::new(), PHASES.iter().position(|phase| phase.is_lossy).unwrap());
        (1..lossy).for_each(|_| stage.next_phase());
        assert_eq!(stage.phase_of_fault(0), 0);
        stage.next_phase();
        assert_eq!(stage.phase_of_fault(lossy - 1), lossy);
        stage.next_phase();
        assert_eq!([lossy, lossy + 1].map(|begin| stage.phase_of_fault(begin)), [lossy, lossy + 1]);
    }
}
