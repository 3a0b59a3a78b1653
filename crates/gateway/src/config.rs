//! What an operator decides about connections.

use std::{num::NonZeroU32, time::Duration};

use crate::{outbox::Room, session::Timing};

/// What an operator decides about connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// How long things take, and how often a client may want something.
    pub timing: Timing,
    /// How much may wait for one connection.
    pub room: Room,
    /// How long a client may take nothing of what is written.
    pub stall: Duration,
    /// How long a client has to take leave.
    pub close_timeout: Duration,
    /// Connections of one user.
    pub connections_per_user: usize,
    /// Connections from one address.
    pub connections_per_address: usize,
    /// Handshakes a second.
    pub handshakes_per_second: NonZeroU32,
    /// Topics that one connection may subscribe to.
    pub topics_per_connection: usize,
    /// Posts a second that a topic tells a connection; of more it tells how many there are.
    pub posts_per_second: u32,
    /// How long somebody who went is still there for others.
    pub presence_grace: Duration,
    /// How clients are spread when the node stops.
    pub drain: Drain,
}

/// How clients are spread when the node stops: the more there are, the longer it takes, so that the other nodes are not run
/// over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drain {
    /// How many reconnect in a second.
    pub per_second: NonZeroU32,
    /// The shortest window.
    pub shortest: Duration,
    /// The longest window.
    pub longest: Duration,
}

impl Drain {
    /// In how much time `connections` are to be closed.
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
            room: Room { bytes: 256 * 1024, frames: 512 },
            stall: Duration::from_secs(20),
            close_timeout: Duration::from_secs(1),
            connections_per_user: 20,
            connections_per_address: 200,
            handshakes_per_second: FIVE_HUNDRED,
            topics_per_connection: 64,
            posts_per_second: 5,
            presence_grace: Duration::from_secs(20),
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
    fn many_take_longer() {
        let window = |connections| Config::default().drain.window(connections).as_secs();
        assert_eq!([0, 1, 2500, 5000, 1_000_000].map(window), [0, 5, 5, 10, 30]);
    }
}
