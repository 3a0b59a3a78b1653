//! Why a connection ends, as its close code says.

use std::{fmt, time::Duration};

/// Why the server closes a connection. From 4000 to 4499 the client reconnects; from 4500 to 4999, and below 4000 but for
/// a lost connection, it does not: it would be closed again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloseCode {
    /// The node stops.
    Draining,
    /// The credential ended, and was not renewed.
    Expired,
    /// The client does not answer pings.
    Heartbeat,
    /// The client does not read.
    Slow,
    /// More is to be sent than can be kept; the client finds out by itself what it missed.
    Resync,
    /// The client sends too much, although it was told.
    Rate,
    /// The session ended: logged out, revoked, or the password was changed.
    Revoked,
    /// The client does not speak this protocol.
    Protocol,
    /// The client speaks other versions of this protocol only.
    Version,
    /// The account was suspended.
    Suspended,
    /// The user has as many connections as they may have.
    TooMany,
    /// RFC 6455, 1002: the frames are none.
    WebSocket,
    /// RFC 6455, 1007: a text frame is not UTF-8.
    NotText,
    /// RFC 6455, 1009: a message is larger than [`crate::MAX_MESSAGE_BYTES`].
    TooBig,
}

impl CloseCode {
    /// All of them, for documents.
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

    /// What the close frame says to whoever reads it.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::WebSocket => "not a WebSocket frame",
            Self::NotText => "a text frame is not UTF-8",
            Self::TooBig => "a message is larger than 16 KiB",
            Self::Draining => "this node stops; reconnect",
            Self::Expired => "the credential ended; reconnect with a new one",
            Self::Heartbeat => "a ping was not answered; reconnect",
            Self::Slow => "nothing was read for too long; reconnect",
            Self::Resync => "too much to be sent; reconnect and sync",
            Self::Rate => "too many commands; reconnect later",
            Self::Revoked => "the session ended; log in again",
            Self::Protocol => "frames are text, JSON objects as the documentation says",
            Self::Version => "this version of the protocol is not spoken here; update the client",
            Self::Suspended => "the account is suspended",
            Self::TooMany => "too many connections of this user",
        }
    }

    /// The same with the delay after which a client of a node that drains may reconnect, as `reconnect in <n> ms` at the
    /// end: for clients that did not receive the `reconnect` event.
    pub fn reason_with_delay(self, reconnect_after: Option<Duration>) -> String {
        match (self, reconnect_after) {
            (Self::Draining, Some(delay)) => {
                format!("{} in {} ms", self.reason(), delay.as_millis())
            }
            _ => self.reason().to_owned(),
        }
    }

    /// Whether a client may try again by itself.
    pub const fn is_transient(self) -> bool {
        matches!(self.as_u16(), 4000..=4499)
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.as_u16(), self.reason())
    }
}
