//! The limits and time limits of connections, which operators configure.

use std::{num::NonZeroU32, time::Duration};

use crate::{outbox::OutboxLimits, session::Timing};

/// The limits and time limits of connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Heartbeat, deadlines and the rate limit of commands.
    pub timing: Timing,
    /// The capacity of the outbox of one connection.
    pub outbox: OutboxLimits,
    /// How long a write may block before the connection is closed as too slow.
    pub stall: Duration,
    /// How long the server waits for the closing handshake.
    pub close_timeout: Duration,
    /// The maximum number of connections per user.
    pub connections_per_user: usize,
    /// The maximum number of connections per IP address.
    pub connections_per_address: usize,
    /// The maximum number of handshakes per second on this node.
    pub handshakes_per_second: NonZeroU32,
    /// The maximum number of topics per connection.
    pub topics_per_connection: usize,
    /// The maximum number of posts per second that a connection receives from one topic. Further posts are only
    /// counted, and the connection receives their number.
    pub posts_per_second: u32,
    /// How long a user stays online after their last connection ended.
    pub presence_grace: Duration,
    /// How long what another node reported about its users holds after its last sign of life.
    pub presence_lease: Duration,
    /// How the reconnects of clients are spread when the node shuts down.
    pub drain: Drain,
}

/// How the reconnects of clients are spread when the node shuts down. The window grows with the number of connections,
/// so that the reconnects do not overload the other nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drain {
    /// The target number of reconnects per second.
    pub per_second: NonZeroU32,
    /// The minimum window.
    pub shortest: Duration,
    /// The maximum window.
    pub longest: Duration,
}

impl Drain {
    /// The time within which `connections` are closed; zero without connections.
    pub fn window(&self, connections: usize) -> Duration {
        if connections == 0 {
            return Duration::ZERO;
        }
        let connections = u32::try_from(connections).unwrap_or(u32::MAX);
        let needed = Duration::from_secs_f64(f64::from(connections) / f64::from(self.per_second.get()));
        needed.max(self.shortest).min(self.longest)
    }
}

const FIVE_HUNDRED: NonZeroU32 = NonZeroU32::MIN.saturating_add(499);

impl Default for Config {
    fn default() -> Self {
        Self {
            timing: Timing::default(),
            outbox: OutboxLimits { bytes: 256 * 1024, frames: 512 },
            stall: Duration::from_secs(20),
            close_timeout: Duration::from_secs(1),
            connections_per_user: 20,
            connections_per_address: 200,
            handshakes_per_second: FIVE_HUNDRED,
            topics_per_connection: 64,
            posts_per_second: 5,
            presence_grace: Duration::from_secs(20),
            presence_lease: Duration::from_secs(30),
            drain: Drain {
                per_second: FIVE_HUNDRED,
                shortest: Duration::from_secs(5),
                longest: Duration::from_secs(30),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drain_window_grows_with_the_connections() {
        let window = |connections| Config::default().drain.window(connections).as_secs();
        assert_eq!([0, 1, 2500, 5000, 1_000_000].map(window), [0, 5, 5, 10, 30]);
    }
}
