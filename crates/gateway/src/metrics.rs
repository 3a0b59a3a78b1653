//! What the gateway counts: frames that it sent and dropped, connections that ended, and handshakes that it rejected.

use blegram_metrics::Counter;

use crate::{CloseCode, hub::Rejection, outbox::Dropped};

/// The counters of a hub; its connections share them.
#[derive(Debug, Default)]
pub(crate) struct GatewayMetrics {
    sent_frames: Counter,
    sent_bytes: Counter,
    dropped_hints: Counter,
    dropped_events: Counter,
    pub(crate) withheld_posts: Counter,
    /// In the order of [`CloseCode::ALL`].
    closed: [Counter; CloseCode::ALL.len()],
    disconnected: Counter,
    /// In the order of [`Rejection::ALL`].
    rejected: [Counter; Rejection::ALL.len()],
}

/// What the connections of a node did since its start, and what waits now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewaySnapshot {
    /// Open connections.
    pub connections: usize,
    /// Users with at least one connection.
    pub users: usize,
    /// Bytes that wait in the outboxes of all connections.
    pub queued_bytes: usize,
    /// Frames that were handed to sockets, replies included.
    pub sent_frames: u64,
    /// Their bytes, without the frame heads of WebSocket.
    pub sent_bytes: u64,
    /// Hints that were dropped for a slow connection: clients see the change when they load the resource.
    pub dropped_hints: u64,
    /// Events of conversations that were replaced by the head of their conversation for a slow connection.
    pub dropped_events: u64,
    /// Posts above the rate limit of a topic, of which connections received only the number.
    pub withheld_posts: u64,
    /// Connections that the server closed, by code.
    pub closed: Vec<(CloseCode, u64)>,
    /// Connections that the client closed, or that were lost.
    pub disconnected: u64,
    /// Handshakes that were rejected before or after authentication, by reason.
    pub rejected: Vec<(Rejection, u64)>,
}

impl GatewayMetrics {
    /// Counts frames that are handed to a socket.
    pub(crate) fn record_sent(&self, frames: usize, text_bytes: usize) {
        self.sent_frames.add(frames as u64);
        self.sent_bytes.add(text_bytes as u64);
    }

    pub(crate) fn record_dropped(&self, dropped: Dropped) {
        if dropped != Dropped::default() {
            self.dropped_hints.add(dropped.hints.into());
            self.dropped_events.add(dropped.events.into());
        }
    }

    /// Counts the end of a connection, with the close code if the server closed it.
    pub(crate) fn record_end(&self, code: Option<CloseCode>) {
        let position = code.and_then(|code| CloseCode::ALL.iter().position(|other| *other == code));
        position.map_or(&self.disconnected, |position| &self.closed[position]).increment();
    }

    pub(crate) fn record_rejected(&self, rejection: Rejection) {
        if let Some(position) = Rejection::ALL.iter().position(|other| *other == rejection) {
            self.rejected[position].increment();
        }
    }

    pub(crate) fn snapshot(
        &self,
        (connections, users): (usize, usize),
        queued_bytes: usize,
    ) -> GatewaySnapshot {
        fn counts<T: Copy>(all: &[T], counters: &[Counter]) -> Vec<(T, u64)> {
            all.iter().copied().zip(counters.iter().map(Counter::get)).collect()
        }
        GatewaySnapshot {
            connections,
            users,
            queued_bytes,
            sent_frames: self.sent_frames.get(),
            sent_bytes: self.sent_bytes.get(),
            dropped_hints: self.dropped_hints.get(),
            dropped_events: self.dropped_events.get(),
            withheld_posts: self.withheld_posts.get(),
            closed: counts(CloseCode::ALL, &self.closed),
            disconnected: self.disconnected.get(),
            rejected: counts(Rejection::ALL, &self.rejected),
        }
    }
}
