//! The client's logic as a state machine without I/O: takes inputs with the time of their arrival, and returns outputs
//! that the event loop executes in order.
//!
//! [`Core::handle`] processes an input; [`Core::wake`] returns when to call it next if there is no input. All rules of
//! the gateway for its clients are implemented here, so they are tested without a network: see `core/tests.rs`.
//!
//! - `timeline`: which events are applied, ignored or pulled
//! - `outbox`: messages that are not acknowledged yet
//! - `link`: connecting, heartbeat, closing, the access token
//! - `replies`: replies to commands
//! - `lines`: typed lines
//! - `backoff`: delays between retries

mod backoff;
mod lines;
mod link;
mod outbox;
mod replies;
#[cfg(test)]
mod tests;
mod timeline;

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use serde_json::{Value, json};
use uuid::Uuid;

use self::{
    backoff::Backoff,
    link::{Link, Token},
    outbox::Outbox,
    replies::Request,
    timeline::{Applied, Timeline},
};
use crate::wire::{Change, ChangeKind, Event, Frame, Message, User, command, pong};

/// Number of events per `history` command.
const PULL: u32 = 100;
/// Minimum interval between read marks, and delay before pulling an event that should have arrived.
const SECOND: Duration = Duration::from_secs(1);

/// An input of the core.
#[derive(Debug)]
pub(crate) enum Input {
    /// The time returned by [`Core::wake`] has come.
    Tick,
    /// The result of [`Output::LoadPage`].
    Page(Result<Page, Failure>),
    /// The result of [`Output::RefreshToken`].
    Token(Result<AccessToken, Failure>),
    /// The WebSocket is open.
    Connected,
    /// The handshake failed.
    HandshakeFailed(Failure),
    /// A text frame was received.
    Frame(String),
    /// The connection has ended; `code` is its close code, if there was one.
    Disconnected { code: Option<u16>, reason: String },
    /// A line was typed. `client_id` identifies the message if the line is one.
    Line { client_id: Uuid, text: String },
    /// End of the input lines.
    End,
}

/// An action for the event loop.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// Load the latest messages; with a number, all messages after it.
    LoadPage(Option<u64>),
    /// Refresh the tokens.
    RefreshToken,
    /// Open the WebSocket with the current access token.
    Connect,
    /// Send a text frame.
    Send(String),
    /// Close the WebSocket, without an [`Input::Disconnected`].
    Close,
    /// Print a line of the conversation.
    Print(String),
    /// Print a status line.
    Notify(String),
    /// Exit with this code.
    Exit(u8),
}

/// The latest messages, oldest first.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    pub(crate) messages: Vec<Message>,
    /// The `seq` up to which events are reflected in the page.
    pub(crate) last_seq: u64,
}

/// A new access token.
#[derive(Debug, Clone)]
pub(crate) struct AccessToken {
    pub(crate) secret: String,
    pub(crate) lifetime: Duration,
}

/// Why a request failed.
#[derive(Debug, Clone)]
pub(crate) enum Failure {
    /// 401: the token has expired or was revoked.
    Unauthorized,
    /// A retry may succeed, but not before `retry_after`.
    Temporary { detail: String, retry_after: Option<Duration> },
    /// A retry cannot succeed.
    Fatal(String),
}

/// Parameters of the client.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) me: Uuid,
    pub(crate) conversation: Uuid,
    pub(crate) members: Vec<User>,
    /// Whether to keep running after the last line.
    pub(crate) follow: bool,
    /// Seed for the jitter of the backoff.
    pub(crate) seed: u64,
}

/// The state of the client. Times are relative to its start.
#[derive(Debug)]
pub(crate) struct Core {
    me: Uuid,
    conversation: Uuid,
    names: BTreeMap<Uuid, String>,
    follow: bool,
    timeline: Timeline,
    outbox: Outbox,
    backoff: Backoff,
    link: Link,
    token: Token,
    /// When to reconnect, as the server requested.
    reconnect_at: Option<Duration>,
    /// When to load a page; `None` if it is loaded or loading.
    page_due: Option<Duration>,
    /// When to send `sync` on this connection.
    sync_due: Option<Duration>,
    sync_cursor: Option<String>,
    /// Pull even if no gap is known, for example to learn whether this account is still a member of the conversation.
    must_pull: bool,
    not_pull_before: Duration,
    /// A deadline and the `seq` of the last acknowledged message: if its event has not arrived by then, pull.
    expected: Option<(Duration, u64)>,
    acknowledged: u64,
    /// The message number of the last read mark sent, and when the next one may be sent.
    reported: u64,
    report_due: Duration,
    /// Send no command before this time (rate limit).
    paused_until: Duration,
    ended: bool,
    over: bool,
    out: Vec<Output>,
}

impl Core {
    /// Creates a client that is logged in, with the lifetime of its access token.
    pub(crate) fn new(settings: Settings, token_lifetime: Duration) -> Self {
        let Settings { me, conversation, members, follow, seed } = settings;
        Self {
            me,
            conversation,
            names: members.into_iter().map(|user| (user.id, user.username)).collect(),
            follow,
            timeline: Timeline::default(),
            outbox: Outbox::default(),
            backoff: Backoff::new(seed),
            link: Link::Waiting(Duration::ZERO),
            token: Token::new(Duration::ZERO, token_lifetime),
            reconnect_at: None,
            page_due: Some(Duration::ZERO),
            sync_due: None,
            sync_cursor: None,
            must_pull: false,
            not_pull_before: Duration::ZERO,
            expected: None,
            acknowledged: 0,
            reported: 0,
            report_due: Duration::ZERO,
            paused_until: Duration::ZERO,
            ended: false,
            over: false,
            out: Vec::new(),
        }
    }

    /// Processes an input and returns the actions to execute.
    pub(crate) fn handle(&mut self, now: Duration, input: Input) -> Vec<Output> {
        if self.over {
            return Vec::new();
        }
        match input {
            Input::Tick => {}
            Input::Page(page) => self.page(now, page),
            Input::Token(token) => self.token(now, token),
            Input::Connected => self.connected(now),
            Input::HandshakeFailed(failure) => self.handshake_failed(now, failure),
            Input::Frame(text) => self.frame(now, &text),
            Input::Disconnected { code, reason } => self.disconnected(now, code, &reason),
            Input::Line { client_id, text } => self.line(now, client_id, text),
            Input::End => self.ended = true,
        }
        self.advance(now);
        std::mem::take(&mut self.out)
    }

    /// Whether to read more lines: not after the end, and not while too many messages wait.
    pub(crate) fn accepts_lines(&self) -> bool {
        !self.ended && self.outbox.len() < 100
    }

    /// When to call [`Core::handle`] with [`Input::Tick`] if there is no other input before.
    pub(crate) fn wake(&self) -> Option<Duration> {
        let commands = [
            self.sync_due,
            self.needs_pull().then_some(self.not_pull_before),
            self.outbox.due(),
            self.needs_report().then_some(self.report_due),
        ];
        let commands = commands.into_iter().flatten().map(|due| due.max(self.paused_until));
        let commands = commands.filter(|_| self.link.is_ready());
        let others = [self.page_due, self.token.due, self.link_due(), self.expected.map(|(due, _)| due)];
        commands.chain(others.into_iter().flatten()).min()
    }

    /// Executes everything that is due.
    fn advance(&mut self, now: Duration) {
        if self.page_due.is_some_and(|due| due <= now) {
            self.page_due = None;
            self.out.push(Output::LoadPage(self.timeline.displayed()));
        }
        if let Some((_, seq)) = self.expected.filter(|(due, _)| *due <= now) {
            self.expected = None;
            self.timeline.raise_head(seq);
        }
        self.advance_link(now);
        if self.link.is_ready() && self.paused_until <= now && !self.over {
            self.advance_commands(now);
        }
        self.exit_if_done();
    }

    fn advance_commands(&mut self, now: Duration) {
        if self.sync_due.is_some_and(|due| due <= now) {
            self.sync_due = None;
            let mut d = json!({ "open": [self.conversation], "topics": [], "presence": [] });
            if let Some(cursor) = &self.sync_cursor {
                d["since"] = json!(cursor);
            }
            self.send_command(now, Request::Sync, &d);
        }
        if self.needs_pull() && self.not_pull_before <= now {
            self.must_pull = false;
            let after = self.timeline.cursor();
            let d = json!({ "conversation_id": self.conversation, "after": after, "limit": PULL });
            self.send_command(now, Request::History, &d);
        }
        if let Some(d) = self.outbox.send(now, self.conversation) {
            self.send_command(now, Request::Send, &d);
        }
        if self.needs_report() && self.report_due <= now {
            self.report(now);
        }
    }

    fn needs_pull(&self) -> bool {
        let is_pending = self.link.is_pending(Request::History);
        !is_pending
            && self.timeline.cursor().is_some()
            && (self.must_pull || self.timeline.behind().is_some())
    }

    fn needs_report(&self) -> bool {
        self.timeline.displayed().is_some_and(|displayed| displayed > self.reported)
    }

    fn report(&mut self, now: Duration) {
        self.reported = self.timeline.displayed().unwrap_or_default();
        self.report_due = now + SECOND;
        let d = json!({ "conversation_id": self.conversation, "message_no": self.reported });
        self.send_command(now, Request::Read, &d);
    }

    /// Exits once there are no more lines and all messages are stored and printed.
    fn exit_if_done(&mut self) {
        let is_printed = self.timeline.cursor().is_some_and(|cursor| cursor >= self.acknowledged);
        if self.ended && !self.follow && !self.over && self.outbox.is_empty() && is_printed {
            self.exit(0);
        }
    }

    fn exit(&mut self, code: u8) {
        self.over = true;
        self.out.push(Output::Exit(code));
    }

    fn stop(&mut self, reason: &str) {
        self.notify(reason);
        self.exit(1);
    }

    fn notify(&mut self, line: impl Into<String>) {
        self.out.push(Output::Notify(line.into()));
    }

    /// Sends a command with the next id; does nothing while there is no open connection.
    fn send_command(&mut self, now: Duration, request: Request, d: &Value) {
        if let Some(id) = self.link.register(now, request) {
            self.out.push(Output::Send(command(id, request.op(), d)));
        }
    }

    fn page(&mut self, now: Duration, page: Result<Page, Failure>) {
        match page {
            Ok(Page { messages, last_seq }) => {
                self.add_names(messages.iter().filter_map(|message| message.sender.as_ref()));
                let lines = self.timeline.load(&messages, last_seq, self.me);
                self.out.extend(lines.into_iter().map(Output::Print));
            }
            Err(Failure::Unauthorized) => {
                self.page_due = Some(now + SECOND);
                self.refresh();
            }
            Err(Failure::Temporary { detail, retry_after }) => {
                self.page_due = Some(now + self.backoff.next(retry_after));
                self.notify(format!("cannot load messages, retrying: {detail}"));
            }
            Err(Failure::Fatal(detail)) => self.stop(&format!("cannot load messages: {detail}")),
        }
    }

    fn frame(&mut self, now: Duration, text: &str) {
        self.link.record_frame(now);
        match Frame::parse(text) {
            Frame::Reply(id, reply) => self.reply(now, id, reply),
            Frame::Event(event) => self.event(now, event),
            Frame::Ping(number) => {
                let received = self.timeline.cursor().map(|cursor| (self.conversation, cursor));
                let received: HashMap<_, _> = received.into_iter().collect();
                self.out.push(Output::Send(pong(number, &received)));
            }
            Frame::Unknown => {}
        }
    }

    fn event(&mut self, now: Duration, event: Event) {
        let current = self.conversation;
        match event {
            Event::Ready(ready) => self.ready(now, &ready),
            Event::Change(change) => self.apply(&change),
            Event::Head(head) if head.conversation_id == current => self.timeline.raise_head(head.last_seq),
            Event::Removed(removed) if removed.conversation_id == current => self.must_pull = true,
            Event::Read(mark) if mark.conversation_id == current && mark.user_id != self.me => {
                let name = self.name(mark.user_id);
                self.notify(format!("{name} has seen [{}]", mark.read_no));
            }
            Event::Typing(typing) if typing.conversation_id == current => {
                let name = self.name(typing.user_id);
                self.notify(format!("{name} is typing"));
            }
            Event::AuthExpiring => self.refresh(),
            Event::Reconnect(hint) => {
                self.reconnect_at = Some(now + Duration::from_millis(hint.after_ms));
            }
            Event::Head(_) | Event::Removed(_) | Event::Read(_) | Event::Typing(_) => {}
        }
    }

    /// Applies an event, delivered or pulled. A gap before it leads to a pull, because its number raises the known
    /// head.
    fn apply(&mut self, change: &Change) {
        if change.conversation_id != self.conversation {
            return;
        }
        if let Applied::Next(line) = self.timeline.apply(change, self.me) {
            match &change.kind {
                ChangeKind::Created(message) => self.add_names(&message.sender),
                ChangeKind::Joined(user) => self.add_names(user),
                ChangeKind::Left(Some(user)) => drop(self.names.remove(&user.id)),
                _ => {}
            }
            self.out.extend(line.map(Output::Print));
        }
    }

    fn add_names<'a>(&mut self, users: impl IntoIterator<Item = &'a User>) {
        let names = users.into_iter().map(|user| (user.id, user.username.clone()));
        self.names.extend(names);
    }

    fn name(&self, user: Uuid) -> String {
        self.names.get(&user).cloned().unwrap_or_else(|| "someone".to_owned())
    }
}
