//! How often a node looks for changes that no event reported.

use std::time::Duration;

use blegram_bus::Health;
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};

/// The usual interval.
const INTERVAL: Duration = Duration::from_secs(10);

/// The interval while the bus is degraded.
const DEGRADED_INTERVAL: Duration = Duration::from_secs(1);

/// The state in which a check begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Check {
    /// Events of other nodes arrive.
    Healthy,
    /// Events of other nodes are lost.
    Degraded,
}

impl Check {
    /// Time after a commit within which its event has been delivered, unless it was lost. While degraded, only this node
    /// delivers, which takes milliseconds.
    pub(super) const fn delivery_time(self) -> Duration {
        match self {
            Self::Healthy => Duration::from_secs(1),
            Self::Degraded => Duration::from_millis(200),
        }
    }
}

/// Paces the checks of one kind: the first at once, then every ten seconds; every second while the bus is degraded; and
/// at once after each loss.
pub(super) struct Pace {
    health: watch::Receiver<Health>,
    losses: u64,
    last: Option<Instant>,
}

impl Pace {
    pub(super) fn new(health: watch::Receiver<Health>) -> Self {
        let losses = health.borrow().losses;
        Self { health, losses, last: None }
    }

    /// Waits until the next check is due.
    pub(super) async fn next(&mut self) -> Check {
        let health = loop {
            let health = *self.health.borrow_and_update();
            let Some(last) = self.last else { break health };
            if health.losses != self.losses {
                break health;
            }
            let interval = if health.is_degraded() { DEGRADED_INTERVAL } else { INTERVAL };
            tokio::select! {
                () = sleep_until(last + interval) => break health,
                Ok(()) = self.health.changed() => {}
            }
        };
        self.losses = health.losses;
        self.last = Some(Instant::now());
        if health.is_degraded() { Check::Degraded } else { Check::Healthy }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The checks within `span`, in seconds since the start.
    async fn checks(pace: &mut Pace, start: Instant, span: Duration) -> Vec<(u64, Check)> {
        let mut checks = Vec::new();
        let until = Instant::now() + span;
        while let Ok(check) = tokio::time::timeout_at(until, pace.next()).await {
            checks.push((start.elapsed().as_secs(), check));
        }
        checks
    }

    #[tokio::test(start_paused = true)]
    async fn checks_are_frequent_while_degraded_and_immediate_after_a_loss() {
        use Check::{Degraded, Healthy};
        let health = watch::Sender::new(Health::default());
        let (mut pace, start) = (Pace::new(health.subscribe()), Instant::now());
        let seconds = Duration::from_secs;
        assert_eq!(checks(&mut pace, start, seconds(25)).await, [(0, Healthy), (10, Healthy), (20, Healthy)]);
        health.send_modify(|health| health.cannot_receive = true);
        let degraded = checks(&mut pace, start, Duration::from_millis(2_500)).await;
        assert_eq!(degraded, [(25, Degraded), (26, Degraded), (27, Degraded)]);
        health.send_modify(|health| *health = Health { losses: 1, ..Health::default() });
        assert_eq!(checks(&mut pace, start, seconds(9)).await, [(27, Healthy)]);
        assert_eq!(checks(&mut pace, start, seconds(2)).await, [(37, Healthy)]);
    }
}
