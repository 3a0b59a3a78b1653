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

/// A check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Check {
    /// Because its time has come.
    Regular,
    /// Because events were lost, or are being lost.
    AfterLoss,
}

impl Check {
    /// Time after a commit within which its event has been delivered, unless it was lost. After a loss, sending the head of a
    /// conversation a little too early is better than sending it late.
    pub(super) const fn delivery_time(self) -> Duration {
        match self {
            Self::Regular => Duration::from_secs(1),
            Self::AfterLoss => Duration::from_millis(200),
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
        let check = loop {
            let health = *self.health.borrow_and_update();
            let Some(last) = self.last else { break Check::Regular };
            if health.losses != self.losses {
                self.losses = health.losses;
                break Check::AfterLoss;
            }
            let is_degraded = health.is_degraded();
            let interval = if is_degraded { DEGRADED_INTERVAL } else { INTERVAL };
            tokio::select! {
                () = sleep_until(last + interval) => {
                    break if is_degraded { Check::AfterLoss } else { Check::Regular };
                }
                Ok(()) = self.health.changed() => {}
            }
        };
        self.last = Some(Instant::now());
        check
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
        use Check::{AfterLoss, Regular};
        let health = watch::Sender::new(Health::default());
        let (mut pace, start) = (Pace::new(health.subscribe()), Instant::now());
        let seconds = Duration::from_secs;
        assert_eq!(checks(&mut pace, start, seconds(25)).await, [(0, Regular), (10, Regular), (20, Regular)]);
        health.send_modify(|health| health.cannot_receive = true);
        let degraded = checks(&mut pace, start, Duration::from_millis(2_500)).await;
        assert_eq!(degraded, [(25, AfterLoss), (26, AfterLoss), (27, AfterLoss)]);
        health.send_modify(|health| *health = Health { losses: 1, ..Health::default() });
        assert_eq!(checks(&mut pace, start, seconds(9)).await, [(27, AfterLoss)]);
        assert_eq!(checks(&mut pace, start, seconds(2)).await, [(37, Regular)]);
    }
}
