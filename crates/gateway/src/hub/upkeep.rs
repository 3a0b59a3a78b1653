//! The background work of the hub: late delivery, the sweep every second, and the shutdown.

use std::{sync::Arc, time::Duration};

use blegram_domain::UserId;
use rand::RngExt;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::{Hub, lock};
use crate::{peer::Peer, reorder::MAX_DELAY};

/// How long running commands may continue after all clients were disconnected on shutdown.
const COMMAND_GRACE: Duration = Duration::from_secs(10);

impl Hub {
    /// Runs the periodic work until `shutdown`: delivers events whose predecessors are missing, sends the numbers of
    /// withheld posts, and publishes users who went offline.
    pub async fn run(&self, shutdown: &CancellationToken) {
        let mut second = tokio::time::interval(Duration::from_secs(1));
        second.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.0.has_waiting.notified() => self.deliver_late().await,
                _ = second.tick() => self.sweep(Instant::now()),
            }
        }
    }

    async fn deliver_late(&self) {
        while self.deliver_overdue(Instant::now()) {
            tokio::time::sleep(MAX_DELAY / 2).await;
        }
    }

    /// Delivers the events that have waited long enough. Returns whether others still wait.
    fn deliver_overdue(&self, now: Instant) -> bool {
        let mut reorder_buffer = self.reorder_buffer();
        let late = reorder_buffer.take_overdue(now);
        self.deliver(&late);
        reorder_buffer.has_waiting()
    }

    fn sweep(&self, now: Instant) {
        let withheld = std::mem::take(&mut *lock(&self.0.withheld));
        for peer in withheld.into_values() {
            peer.send_withheld_counts();
        }
        self.reorder_buffer().prune(now);
        let grace = self.0.config.presence_grace;
        let expired: Vec<UserId> = {
            let mut registry = self.write();
            let expired = registry.offline_since.extract_if(|_, since| now >= *since + grace);
            expired.map(|(user, _)| user).collect()
        };
        for user in expired {
            self.notify_presence(user, false);
        }
    }

    /// Shuts the hub down. Rejects new connections, asks every client to reconnect after a random delay, and closes its
    /// connection at that time. Waits until all connections and commands have ended, but no longer than ten seconds
    /// after the last connection was closed. Returns the number of tasks that still run.
    pub async fn drain(&self) -> usize {
        self.0.draining.cancel();
        self.0.tasks.close();
        let peers: Vec<Arc<Peer>> = self.read().peers.values().cloned().collect();
        let window = self.0.config.drain.window(peers.len());
        let now = Instant::now();
        for peer in peers {
            peer.drain(now, spread(window));
        }
        _ = timeout(window + COMMAND_GRACE, self.0.tasks.wait()).await;
        self.0.tasks.len()
    }

    /// A random reconnect delay for a client that is rejected because the node drains.
    pub(crate) fn reconnect_delay(&self) -> Duration {
        spread(self.0.config.drain.window(self.count().connections + 1))
    }
}

/// A random duration up to `window`.
fn spread(window: Duration) -> Duration {
    window.mul_f64(rand::rng().random())
}
