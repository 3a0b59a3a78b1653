//! The connection: opening, liveness, the meaning of its end; and the access token that it needs.

use std::{collections::BTreeMap, time::Duration};

use serde_json::json;

use super::{CommandFailure, Core, Failure, Output, Update, commands::Request, pace::Pace};
use crate::{http::AccessToken, types::ReadyEvent};

/// A connection that lasted this long counts as stable and resets the backoff.
const STABLE: Duration = Duration::from_secs(60);
/// Timeout for the first frame and for replies.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The state of the connection.
#[derive(Debug)]
pub(super) enum Link {
    /// To be opened at this time.
    Waiting(Duration),
    /// To be opened at this time, once there is a new access token.
    NeedsToken(Duration),
    /// The handshake is in progress. `again`: it is a retry after a 401.
    Connecting { again: bool },
    /// The connection is open.
    Open(Connection),
}

#[derive(Debug)]
pub(super) struct Connection {
    since: Duration,
    is_ready: bool,
    last_frame_at: Duration,
    /// The connection is dead after this time without a frame.
    silence_limit: Duration,
    last_id: u64,
    /// Commands without a reply, by id, with the time when they were sent.
    requests: BTreeMap<u64, (Request, Duration)>,
}

/// The schedule of token refreshes.
#[derive(Debug)]
pub(super) struct Token {
    /// When to refresh; `None` while a refresh is in flight.
    pub(super) due: Option<Duration>,
}

impl Token {
    /// Schedules the refresh of a token a minute before it expires, in case `auth.expiring` does not arrive.
    pub(super) fn new(now: Duration, lifetime: Duration) -> Self {
        let early = Duration::from_secs(60).min(lifetime / 5);
        Self { due: Some(now + lifetime.saturating_sub(early).max(super::SECOND)) }
    }
}

impl Link {
    pub(super) fn is_ready(&self) -> bool {
        matches!(self, Self::Open(connection) if connection.is_ready)
    }

    /// Records a received frame. Any frame shows that the server is alive.
    pub(super) fn record_frame(&mut self, now: Duration) {
        if let Self::Open(connection) = self {
            connection.last_frame_at = now;
        }
    }

    /// Registers a command and returns its id; `None` if the connection is not open.
    pub(super) fn register(&mut self, now: Duration, request: Request) -> Option<u64> {
        let Self::Open(connection) = self else { return None };
        connection.last_id += 1;
        connection.requests.insert(connection.last_id, (request, now));
        Some(connection.last_id)
    }

    /// The command that a reply with this id belongs to.
    pub(super) fn complete(&mut self, id: u64) -> Option<Request> {
        let Self::Open(connection) = self else { return None };
        connection.requests.remove(&id).map(|(request, _)| request)
    }

    pub(super) fn is_pending(&self, kind: Request) -> bool {
        self.count(|request| *request == kind) > 0
    }

    /// The number of such commands without a reply.
    pub(super) fn count(&self, of: impl Fn(&Request) -> bool) -> usize {
        let Self::Open(connection) = self else { return 0 };
        connection.requests.values().filter(|(request, _)| of(request)).count()
    }

    /// The application's commands in flight, which will get no reply.
    pub(super) fn drain_tickets(&mut self) -> Vec<u64> {
        let Self::Open(connection) = self else { return Vec::new() };
        let requests = std::mem::take(&mut connection.requests).into_values();
        requests.filter_map(|(request, _)| request.ticket()).collect()
    }
}

impl Connection {
    fn new(now: Duration) -> Self {
        Self {
            since: now,
            is_ready: false,
            last_frame_at: now,
            silence_limit: TIMEOUT,
            last_id: 0,
            requests: BTreeMap::new(),
        }
    }

    /// When the connection counts as dead: after too long without a frame, or without the reply to a command.
    fn dead_at(&self) -> Duration {
        let silent = self.last_frame_at + self.silence_limit;
        self.requests.values().next().map_or(silent, |(_, since)| silent.min(*since + TIMEOUT))
    }
}

impl Core {
    pub(super) fn link_due(&self) -> Option<Duration> {
        match &self.link {
            Link::Waiting(due) => Some(*due),
            Link::NeedsToken(_) | Link::Connecting { .. } => None,
            Link::Open(connection) => {
                Some(self.reconnect_at.map_or(connection.dead_at(), |at| at.min(connection.dead_at())))
            }
        }
    }

    pub(super) fn advance_link(&mut self, now: Duration) {
        if self.token.due.is_some_and(|due| due <= now) {
            self.refresh();
        }
        if let Link::Open(connection) = &self.link {
            let is_dead = connection.dead_at() <= now;
            if is_dead || self.reconnect_at.is_some_and(|at| at <= now) {
                self.out.push(Output::Close);
                self.disconnected(now, None, if is_dead { "no response" } else { "requested by the server" });
            }
        }
        if matches!(self.link, Link::Waiting(due) if due <= now) && !self.over {
            self.connect(false);
        }
    }

    fn connect(&mut self, again: bool) {
        self.link = Link::Connecting { again };
        self.out.push(Output::Connect);
    }

    pub(super) fn connected(&mut self, now: Duration) {
        self.link = Link::Open(Connection::new(now));
    }

    /// The first frame. From here on, no event can fall between the reply to `sync` and the delivered events.
    pub(super) fn ready(&mut self, now: Duration, ready: &ReadyEvent) {
        let Link::Open(connection) = &mut self.link else { return };
        if ready.user_id != self.me {
            return self.stop("the connection belongs to another account");
        }
        connection.is_ready = true;
        connection.silence_limit =
            Duration::from_millis(ready.heartbeat_ms) * 3 / 2 + Duration::from_secs(10);
        self.pace = Pace::new(ready.limits.commands_per_second, ready.limits.command_burst);
        self.sync_due = Some(now);
        self.update(Update::Connected(ready.clone()));
    }

    pub(super) fn handshake_failed(&mut self, now: Duration, failure: Failure) {
        let again = matches!(self.link, Link::Connecting { again: true });
        match failure {
            Failure::Unauthorized => {
                let wait = if again { self.backoff.next(None) } else { Duration::ZERO };
                self.link = Link::NeedsToken(now + wait);
                self.refresh();
            }
            Failure::Temporary { detail, retry_after } => {
                self.not_connect_before = now + retry_after.unwrap_or_default();
                let wait = self.backoff.next(retry_after);
                self.wait(now, wait, &detail);
            }
            Failure::NotFound => self.stop("the site has no gateway"),
            Failure::Fatal(detail) => self.stop(&format!("the server rejected the connection: {detail}")),
        }
    }

    /// Reconnects on close codes 4000–4499, stops on 4500–4999. Also stops on protocol errors (1002, 1007, 1009),
    /// because the same frame would be sent again.
    pub(super) fn disconnected(&mut self, now: Duration, code: Option<u16>, reason: &str) {
        if let Link::Open(connection) = &self.link
            && connection.since + STABLE <= now
        {
            self.backoff.reset();
        }
        self.lose_replies();
        let hint = self.reconnect_at.take().map(|at| at.saturating_sub(now));
        let hint = hint.or_else(|| reconnect_delay(code, reason));
        match code {
            Some(code @ (4500..=4999 | 1002 | 1007 | 1009)) => {
                self.stop(&format!("the server closed the connection: {reason} ({code})"));
            }
            Some(4001) => {
                self.link = Link::NeedsToken(now);
                self.update(Update::Disconnected { reason: reason.to_owned(), retry_in: Duration::ZERO });
                self.refresh();
            }
            _ => {
                self.not_connect_before = now + hint.unwrap_or_default();
                let wait = hint.unwrap_or_else(|| self.backoff.next(None));
                self.wait(now, wait, reason);
            }
        }
    }

    /// No reply to a command in flight will arrive.
    fn lose_replies(&mut self) {
        for ticket in self.link.drain_tickets() {
            self.out.push(Output::Reply { ticket, result: Err(CommandFailure::Lost) });
        }
        for conversation in self.conversations.values_mut() {
            conversation.disconnect();
        }
        self.sync_due = None;
        self.paused_until = Duration::ZERO;
    }

    fn wait(&mut self, now: Duration, retry_in: Duration, reason: &str) {
        self.link = Link::Waiting(now + retry_in);
        self.update(Update::Disconnected { reason: reason.to_owned(), retry_in });
    }

    /// What failed before says nothing about the network of now.
    pub(super) fn online(&mut self, now: Duration) {
        self.backoff.reset();
        if let Link::Waiting(due) = &mut self.link {
            *due = (*due).min(self.not_connect_before.max(now));
        }
    }

    /// Requests new tokens, unless a request is in flight: a refresh token is single-use.
    pub(super) fn refresh(&mut self) {
        if self.token.due.take().is_some() {
            self.out.push(Output::RefreshToken);
        }
    }

    /// Sends a new token to the open connection in band. The next handshake uses it, too.
    pub(super) fn token(&mut self, now: Duration, token: Result<AccessToken, Failure>) {
        match token {
            Ok(AccessToken { secret, lifetime }) => {
                self.token = Token::new(now, lifetime);
                match self.link {
                    Link::NeedsToken(due) if due <= now => self.connect(true),
                    Link::NeedsToken(due) => self.link = Link::Waiting(due),
                    _ if self.link.is_ready() => {
                        self.send_command(now, Request::Auth, &json!({ "access_token": secret }));
                    }
                    _ => {}
                }
            }
            Err(Failure::Temporary { detail, retry_after }) => {
                self.token.due = Some(now + self.backoff.next(retry_after));
                self.warn(format!("cannot refresh the access token, retrying: {detail}"));
            }
            Err(Failure::Unauthorized | Failure::NotFound) => {
                self.stop("the session has ended; log in again")
            }
            Err(Failure::Fatal(detail)) => self.stop(&format!("cannot refresh the access token: {detail}")),
        }
    }
}

/// Parses the delay in the reason of close code 4000, for a client that did not receive `reconnect`.
fn reconnect_delay(code: Option<u16>, reason: &str) -> Option<Duration> {
    let (_, delay) = reason.rsplit_once("reconnect in ").filter(|_| code == Some(4000))?;
    delay.strip_suffix(" ms")?.parse().ok().map(Duration::from_millis)
}
