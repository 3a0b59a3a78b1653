//! The close codes of the gateway.

use std::{fmt, time::Duration};

/// Why the server closes a connection. Clients reconnect after 4000 to 4499 and after a lost connection (1006). They do
/// not reconnect after 4500 to 4999 and other codes below 4000, because the server would close the new connection as
/// well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseCode {
    /// The node shuts down.
    Draining,
    /// The credential expired without being renewed.
    Expired,
    /// The client did not answer a ping in time.
    Heartbeat,
    /// The client stopped reading.
    Slow,
    /// The outbox overflowed; the client has to sync what it missed.
    Resync,
    /// The client kept sending commands above the rate limit.
    Rate,
    /// The session ended by logout, revocation or a password change.
    Revoked,
    /// The client violated the protocol.
    Protocol,
    /// The client supports only other versions of the protocol.
    Version,
    /// The account was suspended.
    Suspended,
    /// The user has reached the maximum number of connections.
    TooMany,
    /// RFC 6455, 1002: invalid WebSocket frames.
    WebSocket,
    /// RFC 6455, 1007: a text frame is not valid UTF-8.
    NotText,
    /// RFC 6455, 1009: a message is larger than [`crate::MAX_MESSAGE_BYTES`].
    TooBig,
}

impl CloseCode {
    /// All codes, for documents.
    pub const ALL: &[Self] = &[
        Self::WebSocket,
        Self::NotText,
        Self::TooBig,
        Self::Draining,
        Self::Expired,
        Self::Heartbeat,
        Self::Slow,
        Self::Resync,
        Self::Rate,
        Self::Revoked,
        Self::Protocol,
        Self::Version,
        Self::Suspended,
        Self::TooMany,
    ];

    /// The number in the close frame.
    pub const fn as_u16(self) -> u16 {
        match self {
            Self::WebSocket => 1002,
            Self::NotText => 1007,
            Self::TooBig => 1009,
            Self::Draining => 4000,
            Self::Expired => 4001,
            Self::Heartbeat => 4002,
            Self::Slow => 4003,
            Self::Resync => 4004,
            Self::Rate => 4005,
            Self::Revoked => 4500,
            Self::Protocol => 4501,
            Self::Version => 4502,
            Self::Suspended => 4503,
            Self::TooMany => 4504,
        }
    }

    /// The name in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WebSocket => "invalid_frame",
            Self::NotText => "not_text",
            Self::TooBig => "too_big",
            Self::Draining => "draining",
            Self::Expired => "expired",
            Self::Heartbeat => "heartbeat",
            Self::Slow => "slow",
            Self::Resync => "overflow",
            Self::Rate => "rate",
            Self::Revoked => "revoked",
            Self::Protocol => "protocol",
            Self::Version => "version",
            Self::Suspended => "suspended",
            Self::TooMany => "too_many",
        }
    }

    /// The reason in the close frame, for developers.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::WebSocket => "invalid WebSocket frame",
            Self::NotText => "a text frame is not valid UTF-8",
            Self::TooBig => "a message is larger than 16 KiB",
            Self::Draining => "this node stops; reconnect",
            Self::Expired => "the credential expired; reconnect with a new one",
            Self::Heartbeat => "a ping was not answered in time; reconnect",
            Self::Slow => "the client stopped reading; reconnect",
            Self::Resync => "the send queue overflowed; reconnect and sync",
            Self::Rate => "too many commands; reconnect later",
            Self::Revoked => "the session ended; log in again",
            Self::Protocol => "protocol violation; send the documented JSON objects in text frames",
            Self::Version => "unsupported protocol version; update the client",
            Self::Suspended => "the account is suspended",
            Self::TooMany => "too many connections for this user",
        }
    }

    /// The reason with the reconnect delay of a draining node, as `reconnect in <n> ms` at the end. It serves clients
    /// that did not receive the `reconnect` event.
    pub fn reason_with_delay(self, reconnect_after: Option<Duration>) -> String {
        match (self, reconnect_after) {
            (Self::Draining, Some(delay)) => {
                format!("{} in {} ms", self.reason(), delay.as_millis())
            }
            _ => self.reason().to_owned(),
        }
    }

    /// Whether a client may reconnect automatically.
    pub const fn is_transient(self) -> bool {
        matches!(self.as_u16(), 4000..=4499)
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.as_u16(), self.reason())
    }
}
