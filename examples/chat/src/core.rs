//! What the client does, without I/O: inputs with the time at which they came, outputs to be carried out in order.
//!
//! [`Core::handle`] takes what happened, [`Core::wake`] says when to call it again if nothing does. Everything that the
//! gateway asks of its clients is decided here, so it is tested without a network: see `core/tests.rs`.
//!
//! - `timeline`: which events are applied, ignored, pulled
//! - `outbox`: messages until they are acknowledged
//! - `link`: connecting, heartbeat, closing, the access token
//! - `replies`: answers to our commands
//! - `lines`: what is typed
//! - `backoff`: waiting

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
    replies::Asked,
    timeline::{Applied, Timeline},
};
use crate::wire::{Change, Event, Frame, Message, User, What, command, pong};

/// How many events to ask for at once.
const PULL: u32 = 100;
/// Between two read marks, and before asking again what should have come by itself.
const SECOND: Duration = Duration::from_secs(1);

/// Something happened outside.
#[derive(Debug)]
pub(crate) enum Input {
    /// The time for which [`Core::wake`] asked has come.
    Tick,
    /// The page for which [`Output::LoadPage`] asked.
    Page(Result<Page, Failure>),
    /// The answer to [`Output::RefreshToken`].
    Token(Result<AccessToken, Failure>),
    /// The WebSocket is open.
    Connected,
    /// The handshake failed.
    Refused(Failure),
    /// A text frame came.
    Frame(String),
    /// The connection is gone; with its close code, if it was closed.
    Disconnected { code: Option<u16>, reason: String },
    /// A line was typed. `client_id` is what a message made of it will be called.
    Line { client_id: Uuid, text: String },
    /// No more lines will come.
    End,
}

/// Something to be done outside.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// Load the latest messages, and those before them down to this number if it is given.
    LoadPage(Option<u64>),
    /// Get new tokens.
    RefreshToken,
    /// Open the WebSocket, with the present access token.
    Connect,
    /// Send a text frame.
    Send(String),
    /// Close the WebSocket, without telling of it.
    Close,
    /// A line of the conversation.
    Print(String),
    /// A line about how it goes.
    Tell(String),
    /// It is over.
    Exit(u8),
}

/// The latest messages, in order.
#[derive(Debug, Clone)]
pub(crate) struct Page {
    pub(crate) messages: Vec<Message>,
    /// Events after this one are not in it.
    pub(crate) last_seq: u64,
}

/// A new access token.
#[derive(Debug, Clone)]
pub(crate) struct AccessToken {
    pub(crate) secret: String,
    pub(crate) lifetime: Duration,
}

/// Why a request got no answer of use.
#[derive(Debug, Clone)]
pub(crate) enum Failure {
    /// 401: the token ended.
    Unauthorized,
    /// It may work later; not before `retry_after`.
    Temporary { detail: String, retry_after: Option<Duration> },
    /// It will not work.
    Fatal(String),
}

/// Who talks where.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) me: Uuid,
    pub(crate) conversation: Uuid,
    pub(crate) members: Vec<User>,
    /// Whether to stay after the last line.
    pub(crate) follow: bool,
    /// What makes waits random.
    pub(crate) seed: u64,
}

/// The state of the client. Times are since its start.
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
    /// The server said when to come back.
    come_back_at: Option<Duration>,
    /// When to load a page; `None` when there is one, or it is being loaded.
    page_due: Option<Duration>,
    /// When to ask what changed, on this connection.
    sync_due: Option<Duration>,
    sync_cursor: Option<String>,
    /// Pull even if nothing is known to be missing: the answer tells whether we are still in the conversation.
    must_pull: bool,
    not_pull_before: Duration,
    /// The `seq` of our last acknowledged message, whose event should be here by then.
    expected: Option<(Duration, u64)>,
    acknowledged: u64,
    /// The message number up to which we said that we read, and when we may say so again.
    reported: u64,
    report_due: Duration,
    /// The server wants no command before.
    hold: Duration,
    ended: bool,
    over: bool,
    out: Vec<Output>,
}

impl Core {
    /// A client that has logged in, with an access token of that lifetime.
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
            come_back_at: None,
            page_due: Some(Duration::ZERO),
            sync_due: None,
            sync_cursor: None,
            must_pull: false,
            not_pull_before: Duration::ZERO,
            expected: None,
            acknowledged: 0,
            reported: 0,
            report_due: Duration::ZERO,
            hold: Duration::ZERO,
            ended: false,
            over: false,
            out: Vec::new(),
        }
    }

    /// Takes what happened, and says what to do.
    pub(crate) fn handle(&mut self, now: Duration, input: Input) -> Vec<Output> {
        if self.over {
            return Vec::new();
        }
        match input {
            Input::Tick => {}
            Input::Page(page) => self.page(now, page),
            Input::Token(token) => self.token(now, token),
            Input::Connected => self.connected(now),
            Input::Refused(failure) => self.refused(now, failure),
            Input::Frame(text) => self.frame(now, &text),
            Input::Disconnected { code, reason } => self.disconnected(now, code, &reason),
            Input::Line { client_id, text } => self.line(now, client_id, text),
            Input::End => self.ended = true,
        }
        self.advance(now);
        std::mem::take(&mut self.out)
    }

    /// Whether more lines may come: those that wait are not too many.
    pub(crate) fn wants_lines(&self) -> bool {
        !self.ended && self.outbox.len() < 100
    }

    /// When to call [`Core::handle`] if nothing happens before.
    pub(crate) fn wake(&self) -> Option<Duration> {
        let commands = [
            self.sync_due,
            self.wants_pull().then_some(self.not_pull_before),
            self.outbox.due(),
            self.wants_report().then_some(self.report_due),
        ];
        let commands = commands.into_iter().flatten().map(|due| due.max(self.hold));
        let commands = commands.filter(|_| self.link.is_ready());
        let others = [self.page_due, self.token.due, self.link_due(), self.expected.map(|(due, _)| due)];
        commands.chain(others.into_iter().flatten()).min()
    }

    /// Does everything that is due.
    fn advance(&mut self, now: Duration) {
        if self.page_due.is_some_and(|due| due <= now) {
            self.page_due = None;
            self.out.push(Output::LoadPage(self.timeline.shown()));
        }
        if let Some((_, seq)) = self.expected.filter(|(due, _)| *due <= now) {
            self.expected = None;
            self.timeline.hear(seq);
        }
        self.advance_link(now);
        if self.link.is_ready() && self.hold <= now && !self.over {
            self.advance_commands(now);
        }
        self.leave();
    }

    fn advance_commands(&mut self, now: Duration) {
        if self.sync_due.is_some_and(|due| due <= now) {
            self.sync_due = None;
            let mut d = json!({ "open": [self.conversation], "topics": [], "presence": [] });
            if let Some(cursor) = &self.sync_cursor {
                d["since"] = json!(cursor);
            }
            self.ask(now, Asked::Sync, &d);
        }
        if self.wants_pull() && self.not_pull_before <= now {
            self.must_pull = false;
            let after = self.timeline.cursor();
            let d = json!({ "conversation_id": self.conversation, "after": after, "limit": PULL });
            self.ask(now, Asked::History, &d);
        }
        if let Some(d) = self.outbox.send(now, self.conversation) {
            self.ask(now, Asked::Send, &d);
        }
        if self.wants_report() && self.report_due <= now {
            self.report(now);
        }
    }

    fn wants_pull(&self) -> bool {
        let asked = self.link.has_asked(Asked::History);
        !asked && self.timeline.cursor().is_some() && (self.must_pull || self.timeline.behind().is_some())
    }

    fn wants_report(&self) -> bool {
        self.timeline.shown().is_some_and(|shown| shown > self.reported)
    }

    fn report(&mut self, now: Duration) {
        self.reported = self.timeline.shown().unwrap_or_default();
        self.report_due = now + SECOND;
        let d = json!({ "conversation_id": self.conversation, "message_no": self.reported });
        self.ask(now, Asked::Read, &d);
    }

    /// Ends when there are no more lines, and each is stored and printed.
    fn leave(&mut self) {
        let is_printed = self.timeline.cursor().is_some_and(|cursor| cursor >= self.acknowledged);
        if self.ended && !self.follow && !self.over && self.outbox.is_empty() && is_printed {
            self.exit(0);
        }
    }

    fn exit(&mut self, code: u8) {
        self.over = true;
        self.out.push(Output::Exit(code));
    }

    fn stop(&mut self, why: &str) {
        self.tell(why);
        self.exit(1);
    }

    fn tell(&mut self, line: impl Into<String>) {
        self.out.push(Output::Tell(line.into()));
    }

    /// Sends a command under the next id of the connection; there is none while it is not ready.
    fn ask(&mut self, now: Duration, asked: Asked, d: &Value) {
        if let Some(id) = self.link.ask(now, asked) {
            self.out.push(Output::Send(command(id, asked.op(), d)));
        }
    }

    fn page(&mut self, now: Duration, page: Result<Page, Failure>) {
        match page {
            Ok(Page { messages, last_seq }) => {
                self.learn(messages.iter().filter_map(|message| message.sender.as_ref()));
                let lines = self.timeline.load(&messages, last_seq, self.me);
                self.out.extend(lines.into_iter().map(Output::Print));
            }
            Err(Failure::Unauthorized) => {
                self.page_due = Some(now + SECOND);
                self.refresh();
            }
            Err(Failure::Temporary { detail, retry_after }) => {
                self.page_due = Some(now + self.backoff.next(retry_after));
                self.tell(format!("cannot load messages yet: {detail}"));
            }
            Err(Failure::Fatal(detail)) => self.stop(&format!("cannot load messages: {detail}")),
        }
    }

    fn frame(&mut self, now: Duration, text: &str) {
        self.link.hear(now);
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
        let here = self.conversation;
        match event {
            Event::Ready(ready) => self.ready(now, &ready),
            Event::Change(change) => self.apply(&change),
            Event::Head(head) if head.conversation_id == here => self.timeline.hear(head.last_seq),
            Event::Removed(removed) if removed.conversation_id == here => self.must_pull = true,
            Event::Read(mark) if mark.conversation_id == here && mark.user_id != self.me => {
                let name = self.name(mark.user_id);
                self.tell(format!("{name} has seen [{}]", mark.read_no));
            }
            Event::Typing(typing) if typing.conversation_id == here => {
                let name = self.name(typing.user_id);
                self.tell(format!("{name} is typing"));
            }
            Event::AuthExpiring => self.refresh(),
            Event::Reconnect(hint) => {
                self.come_back_at = Some(now + Duration::from_millis(hint.after_ms));
            }
            Event::Head(_) | Event::Removed(_) | Event::Read(_) | Event::Typing(_) => {}
        }
    }

    /// Applies an event, wherever it came from. What is missing before it is pulled, since its number was heard of.
    fn apply(&mut self, change: &Change) {
        if change.conversation_id != self.conversation {
            return;
        }
        if let Applied::Next(line) = self.timeline.apply(change, self.me) {
            match &change.what {
                What::Created(message) => self.learn(&message.sender),
                What::Joined(user) => self.learn(user),
                What::Left(Some(user)) => drop(self.names.remove(&user.id)),
                _ => {}
            }
            self.out.extend(line.map(Output::Print));
        }
    }

    fn learn<'a>(&mut self, users: impl IntoIterator<Item = &'a User>) {
        let names = users.into_iter().map(|user| (user.id, user.username.clone()));
        self.names.extend(names);
    }

    fn name(&self, user: Uuid) -> String {
        self.names.get(&user).cloned().unwrap_or_else(|| "somebody".to_owned())
    }
}
