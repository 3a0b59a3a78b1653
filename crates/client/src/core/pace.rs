//! The rate of commands that the server allows.

use std::time::Duration;

/// Spaces commands: as many at once as the burst, then one per interval (GCRA). A command above the rate would only be
/// rejected.
#[derive(Debug, Default)]
pub(super) struct Pace {
    interval: Duration,
    burst: u32,
    /// When the allowance will be full again.
    full_at: Duration,
}

impl Pace {
    pub(super) fn new(per_second: u64, burst: u64) -> Self {
        let interval = Duration::from_secs(1) / u32::try_from(per_second).unwrap_or(u32::MAX).max(1);
        Self { interval, burst: u32::try_from(burst).unwrap_or(u32::MAX), full_at: Duration::ZERO }
    }

    /// When the next command may be sent.
    pub(super) fn due(&self) -> Duration {
        self.full_at.saturating_sub(self.interval.saturating_mul(self.burst.saturating_sub(1)))
    }

    /// Counts a command.
    pub(super) fn take(&mut self, now: Duration) {
        self.full_at = self.full_at.max(now) + self.interval;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn burst_is_followed_by_one_command_per_interval() {
        let mut pace = Pace::new(5, 20);
        let mut now = Duration::from_secs(100);
        for _ in 0..20 {
            assert!(pace.due() <= now);
            pace.take(now);
        }
        for _ in 0..3 {
            assert_eq!(pace.due(), now + Duration::from_millis(200));
            now = pace.due();
            pace.take(now);
        }
        now += Duration::from_secs(4);
        for _ in 0..20 {
            assert!(pace.due() <= now);
            pace.take(now);
        }
        assert!(pace.due() > now);
    }
}
