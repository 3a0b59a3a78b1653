//! The state machine of one connection, without I/O: heartbeat, rate limit of commands, and expiry of the credential.
//!
//! The connection passes each frame to [`Session::receive`] and calls [`Session::due`] at [`Session::deadline`]. Both
//! return what the connection has to do.

use std::time::Duration;

use blegram_domain::ConversationId;
use tokio::time::Instant;

use crate::{
    CloseCode,
    frame::{Command, Incoming},
    peer::Credential,
};

/// The heartbeat, the deadlines and the rate limit of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// The interval of pings, ±10 %.
    pub heartbeat: Duration,
    /// How long a client has to answer a ping.
    pub pong_timeout: Duration,
    /// How long before its credential expires the client is warned. For a short-lived credential, a fifth of its
    /// lifetime, if that is less.
    pub expiry_warning: Duration,
    /// The time limit for the reply to a command, from when it was read.
    pub command_deadline: Duration,
    /// The sustained rate of commands per second.
    pub commands_per_second: u32,
    /// The maximum burst of commands.
    pub command_burst: u32,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_secs(25),
            pong_timeout: Duration::from_secs(10),
            expiry_warning: Duration::from_secs(120),
            command_deadline: Duration::from_secs(5),
            commands_per_second: 5,
            command_burst: 20,
        }
    }
}

/// What to do after a frame from a client.
#[derive(Debug, Clone, PartialEq)]
pub enum Received {
    /// Nothing.
    Nothing,
    /// Run the command.
    Run(Command),
    /// Reject the command, which exceeds the rate limit.
    TooMany {
        /// The id that the client chose.
        id: u64,
        /// The time until the command is within the limit.
        retry_after: Duration,
    },
    /// Record the delivery marks: the last `seq` that the client received, by conversation.
    Delivered(Vec<(ConversationId, u64)>),
    /// Close the connection.
    Close(CloseCode),
}

/// What to do because a timer has elapsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Send the ping with this number.
    Ping(u64),
    /// Warn the client that its credential expires after this time.
    Expiring(Duration),
    /// Close the connection.
    Close(CloseCode),
}

/// The state of one connection. It has no clock: the caller passes the time, which must not go back.
#[derive(Debug)]
pub struct Session {
    timing: Timing,
    interval: Duration,
    next_ping: Instant,
    pings: u64,
    unanswered: Option<Instant>,
    credential: Credential,
    /// Whether the client was warned that this credential expires.
    is_warned: bool,
    rate: Rate,
}

/// The maximum number of consecutive commands above the rate limit; one more closes the connection.
const MAX_REJECTED: u32 = 20;

/// The generic cell rate algorithm (ATM Forum TM 4.1): a leaky bucket whose state is one instant.
#[derive(Debug)]
struct Rate {
    per_command: Duration,
    tolerance: Duration,
    /// The theoretical arrival time: when the bucket is empty again.
    theoretical_arrival: Instant,
    rejected: u32,
}

impl Rate {
    fn admit(&mut self, now: Instant) -> Result<(), Duration> {
        let start = self.theoretical_arrival.max(now);
        let debt = start + self.per_command - now;
        if debt > self.tolerance {
            self.rejected += 1;
            return Err(debt - self.tolerance);
        }
        self.theoretical_arrival = start + self.per_command;
        self.rejected = 0;
        Ok(())
    }

    /// Whether the client exceeded the rate limit so often that the connection has to be closed.
    fn is_exhausted(&self) -> bool {
        self.rejected > MAX_REJECTED
    }
}

impl Session {
    /// Creates the state of a connection that starts at `now`. `jitter`, from 0 to 1, spreads the pings of many
    /// connections.
    pub fn new(timing: Timing, now: Instant, credential: Credential, jitter: f64) -> Self {
        let interval = timing.heartbeat.mul_f64(0.9 + 0.2 * jitter.clamp(0.0, 1.0));
        let per_command = Duration::from_secs(1) / timing.commands_per_second.max(1);
        Self {
            timing,
            interval,
            next_ping: now + interval,
            pings: 0,
            unanswered: None,
            credential,
            is_warned: false,
            rate: Rate {
                per_command,
                tolerance: per_command * timing.command_burst.max(1),
                theoretical_arrival: now,
                rejected: 0,
            },
        }
    }

    /// Handles a text frame from the client.
    pub fn receive(&mut self, now: Instant, text: &str) -> Received {
        match Incoming::parse(text) {
            Err(_) => Received::Close(CloseCode::Protocol),
            Ok(Incoming::Pong { ping, .. }) if ping > self.pings => Received::Close(CloseCode::Protocol),
            Ok(Incoming::Pong { ping, received }) => self.pong(now, ping, received),
            Ok(Incoming::Command(command)) => match self.rate.admit(now) {
                Ok(()) => Received::Run(command),
                Err(_) if self.rate.is_exhausted() => Received::Close(CloseCode::Rate),
                Err(retry_after) => Received::TooMany { id: command.id, retry_after },
            },
        }
    }

    /// Handles a WebSocket control frame, which the WebSocket layer answers. It counts as a command for the rate limit.
    pub fn receive_control(&mut self, now: Instant) -> Received {
        match self.rate.admit(now) {
            Err(_) if self.rate.is_exhausted() => Received::Close(CloseCode::Rate),
            _ => Received::Nothing,
        }
    }

    fn pong(&mut self, now: Instant, ping: u64, received: Vec<(ConversationId, u64)>) -> Received {
        if self.unanswered.is_some() && ping == self.pings {
            self.unanswered = None;
        } else if self.receive_control(now) != Received::Nothing {
            // An unsolicited pong with delivery marks counts as a command.
            return Received::Close(CloseCode::Rate);
        }
        if received.is_empty() { Received::Nothing } else { Received::Delivered(received) }
    }

    /// Replaces the credential. The client is not warned again if it is the same one.
    pub fn renew(&mut self, credential: Credential) {
        self.is_warned &= self.credential.is_same(&credential);
        self.credential = credential;
    }

    /// The next time at which to call [`Session::due`].
    pub fn deadline(&self) -> Instant {
        let ping = self.unanswered.map_or(self.next_ping, |since| since + self.timing.pong_timeout);
        let warning = if self.is_warned { self.credential.expires_at } else { self.warn_at() };
        ping.min(warning)
    }

    fn warn_at(&self) -> Instant {
        let Credential { expires_at, lifetime, .. } = self.credential;
        // An `Instant` cannot represent times before the start of the machine.
        expires_at.checked_sub(self.timing.expiry_warning.min(lifetime / 5)).unwrap_or(expires_at)
    }

    /// Returns the next action that is due at `now`. Call it until it returns `None`.
    pub fn due(&mut self, now: Instant) -> Option<Due> {
        if now >= self.credential.expires_at {
            return Some(Due::Close(CloseCode::Expired));
        }
        if self.unanswered.is_some_and(|since| now >= since + self.timing.pong_timeout) {
            return Some(Due::Close(CloseCode::Heartbeat));
        }
        if !self.is_warned && now >= self.warn_at() {
            self.is_warned = true;
            return Some(Due::Expiring(self.credential.expires_at - now));
        }
        if self.unanswered.is_none() && now >= self.next_ping {
            self.pings += 1;
            self.unanswered = Some(now);
            self.next_ping = now + self.interval;
            return Some(Due::Ping(self.pings));
        }
        None
    }
}

#[cfg(test)]
mod tests;
