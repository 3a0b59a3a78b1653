//! The background work of the hub: late delivery, the sweep every second, and the shutdown.

use std::{sync::Arc, time::Duration};

use rand::RngExt;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::Hub;
use crate::peer::Peer;

/// How long running commands may continue after all clients were disconnected on shutdown.
const COMMAND_GRACE: Duration = Duration::from_secs(10);

impl Hub {
    /// Runs the periodic work until `shutdown`: delivers events whose predecessors are missing, sends the numbers of
    /// withheld posts, and publishes users who went offline.
    pub async fn run(&self, shutdown: &CancellationToken) {
        let work = async { tokio::join!(self.0.fanout.deliver_late(), self.sweep()) };
        shutdown.run_until_cancelled(work).await;
    }

    async fn sweep(&self) -> ! {
        let mut second = tokio::time::interval(Duration::from_secs(1));
        second.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let now = second.tick().await;
            self.0.fanout.sweep(now);
            self.0.presence.sweep(now);
        }
    }

    /// Shuts the hub down. Rejects new connections, asks every client to reconnect after a random delay, and closes its
    /// connection at that time. Waits until all connections and commands have ended, but no longer than ten seconds
    /// after the last connection was closed. Returns the number of tasks that still run.
    pub async fn drain(&self) -> usize {
        self.0.draining.cancel();
        self.0.tasks.close();
        let peers: Vec<Arc<Peer>> = self.0.registry.read().peers.values().cloned().collect();
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
