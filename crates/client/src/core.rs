//! The client's logic as a state machine without I/O: takes inputs with the time of their arrival, and returns outputs
//! that its driver ([`crate::Gateway`], or one of your own) executes in order.
//!
//! [`Core::handle`] processes an input; [`Core::wake`] returns when to call it next if there is no input. All rules of
//! the gateway for its clients are implemented here, so they are tested without a network: see `core/tests.rs`.
//!
//! - `io`: inputs and outputs
//! - `conversation`: what is known of a conversation; `timeline`: which events are applied, ignored or pulled
//! - `outbox`: messages that are not acknowledged yet
//! - `commands`: which command is sent next; `pace`: the rate that the server allows; `replies`: replies to commands
//! - `link`: connecting, heartbeat, closing, the access token

mod commands;
mod conversation;
mod io;
mod link;
mod outbox;
mod pace;
mod replies;
#[cfg(test)]
mod tests;
mod timeline;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use serde_json::Value;
use uuid::Uuid;

pub use self::io::{CommandFailure, Failure, Input, Output, Page, Settings, Update};
use self::{
    commands::Request,
    conversation::Conversation,
    link::{Link, Token},
    pace::Pace,
    timeline::Applied,
};
use crate::{
    backoff::Backoff,
    types::{CommandError, Event, MessageSendCommand},
    wire::{Change, Frame, pong},
};

/// Minimum interval between read marks, and delay before pulling an event that should have arrived.
const SECOND: Duration = Duration::from_secs(1);
/// Pages that are loaded at the same time, and conversations that are pulled at the same time.
const CONCURRENCY: usize = 4;
/// Messages and commands that may wait to be sent.
const MAX_WAITING: usize = 1000;
/// Conversations in a pong, as the server allows.
const MAX_RECEIVED: usize = 100;

/// The state of the client. Times are relative to its start.
#[derive(Debug)]
pub struct Core {
    me: Uuid,
    follow_all: bool,
    conversations: BTreeMap<Uuid, Conversation>,
    /// The conversation that was served last, so that each has its turn.
    last_turn: Uuid,
    open: Vec<Uuid>,
    topics: BTreeSet<String>,
    watched: Vec<Uuid>,
    /// Other commands that wait for the connection.
    waiting: VecDeque<(Request, Value)>,
    backoff: Backoff,
    pace: Pace,
    link: Link,
    token: Token,
    /// When to reconnect, as the server requested.
    reconnect_at: Option<Duration>,
    /// Not to connect before this time, as the server requested.
    not_connect_before: Duration,
    /// When to send `sync` on this connection.
    sync_due: Option<Duration>,
    sync_cursor: Option<String>,
    /// Send no command before this time (rate limit).
    paused_until: Duration,
    over: bool,
    out: Vec<Output>,
}

impl Core {
    /// Creates a client that is logged in, with the lifetime of its access token.
    #[must_use]
    pub fn new(settings: Settings, token_lifetime: Duration) -> Self {
        let Settings { me, follow_all, seed } = settings;
        Self {
            me,
            follow_all,
            conversations: BTreeMap::new(),
            last_turn: Uuid::nil(),
            open: Vec::new(),
            topics: BTreeSet::new(),
            watched: Vec::new(),
            waiting: VecDeque::new(),
            backoff: Backoff::new(seed),
            pace: Pace::default(),
            link: Link::Waiting(Duration::ZERO),
            token: Token::new(Duration::ZERO, token_lifetime),
            reconnect_at: None,
            not_connect_before: Duration::ZERO,
            sync_due: None,
            sync_cursor: None,
            paused_until: Duration::ZERO,
            over: false,
            out: Vec::new(),
        }
    }

    /// Processes an input and returns the actions to execute.
    pub fn handle(&mut self, now: Duration, input: Input) -> Vec<Output> {
        if self.over {
            return Vec::new();
        }
        self.input(now, input);
        self.advance(now);
        std::mem::take(&mut self.out)
    }

    fn input(&mut self, now: Duration, input: Input) {
        match input {
            Input::Tick => {}
            Input::Page { conversation_id, page } => self.page(now, conversation_id, page),
            Input::Token(token) => self.token(now, token),
            Input::Connected => self.connected(now),
            Input::HandshakeFailed(failure) => self.handshake_failed(now, failure),
            Input::Frame(text) => self.frame(now, &text),
            Input::Disconnected { code, reason } => self.disconnected(now, code, &reason),
            Input::Follow(id) => self.follow(now, id),
            Input::Send(draft) => self.send(now, draft),
            Input::Read { conversation_id, message_no } => {
                if let Some(conversation) = self.conversations.get_mut(&conversation_id) {
                    conversation.read(message_no);
                }
            }
            Input::Command { ticket, op, d } => self.waiting.push_back((Request::Other(ticket, op), d)),
            Input::Online => self.online(now),
            Input::Stop => self.stop("stopped"),
            Input::Open(_) | Input::Subscribe(_) | Input::Unsubscribe(_) | Input::Watch(_) => {
                self.subscriptions(now, input);
            }
        }
    }

    /// Whether to accept more messages and commands: not while too many wait.
    #[must_use]
    pub fn accepts_input(&self) -> bool {
        let drafts: usize = self.conversations.values().map(|conversation| conversation.outbox.len()).sum();
        drafts + self.waiting.len() < MAX_WAITING
    }

    /// When to call [`Core::handle`] with [`Input::Tick`] if there is no other input before.
    #[must_use]
    pub fn wake(&self) -> Option<Duration> {
        let commands = self.command_due().filter(|_| self.link.is_ready());
        let conversations = self.conversations.values();
        let can_load = self.loading() < CONCURRENCY;
        let pages =
            conversations.clone().filter_map(|conversation| conversation.page_due).filter(|_| can_load);
        let expected = conversations.filter_map(|conversation| conversation.expected.map(|(due, _)| due));
        let others = [commands, self.token.due, self.link_due()].into_iter().flatten();
        others.chain(pages).chain(expected).min()
    }

    /// Executes everything that is due.
    fn advance(&mut self, now: Duration) {
        self.load_pages(now);
        for conversation in self.conversations.values_mut() {
            conversation.check_expected(now);
        }
        self.advance_link(now);
        if self.link.is_ready() && !self.over {
            self.advance_commands(now);
        }
    }

    fn load_pages(&mut self, now: Duration) {
        let free = CONCURRENCY.saturating_sub(self.loading());
        let due = |conversation: &Conversation| conversation.page_due.is_some_and(|due| due <= now);
        let conversations = self.conversations.iter_mut().filter(|(_, conversation)| due(conversation));
        for (id, conversation) in conversations.take(free) {
            (conversation.page_due, conversation.is_loading) = (None, true);
            self.out.push(Output::LoadPage { conversation_id: *id, after: conversation.timeline.newest() });
        }
    }

    fn loading(&self) -> usize {
        self.conversations.values().filter(|conversation| conversation.is_loading).count()
    }

    fn follow(&mut self, now: Duration, id: Uuid) {
        self.conversations.entry(id).or_insert_with(|| Conversation::new(now));
    }

    fn subscriptions(&mut self, now: Duration, input: Input) {
        match input {
            Input::Open(conversations) => self.open = conversations,
            Input::Watch(users) => self.watched = users,
            Input::Subscribe(topics) => self.topics.extend(topics),
            Input::Unsubscribe(topics) => {
                self.topics.retain(|topic| !topics.contains(topic));
                if self.link.is_ready() {
                    self.waiting.push_back((Request::Unsubscribe, serde_json::json!({ "topics": topics })));
                }
                return;
            }
            _ => {}
        }
        // A sync sets them all.
        if self.link.is_ready() {
            self.sync_due.get_or_insert(now);
        }
    }

    fn send(&mut self, now: Duration, draft: MessageSendCommand) {
        if outbox::is_too_long(&draft) {
            let error = CommandError {
                code: "body-too-large".to_owned(),
                detail: "a message can have at most 8 KiB".to_owned(),
                errors: None,
                retry_after_ms: None,
            };
            return self.update(Update::NotSent { draft, error });
        }
        self.follow(now, draft.conversation_id);
        if let Some(conversation) = self.conversations.get_mut(&draft.conversation_id) {
            conversation.outbox.push(draft);
        }
    }

    fn stop(&mut self, reason: &str) {
        self.over = true;
        let lost = self.link.drain_tickets().into_iter();
        let waiting = self.waiting.drain(..).filter_map(|(request, _)| request.ticket());
        for ticket in lost.chain(waiting) {
            self.out.push(Output::Reply { ticket, result: Err(CommandFailure::Lost) });
        }
        self.out.push(Output::Close);
        self.update(Update::Stopped(reason.to_owned()));
    }

    fn update(&mut self, update: Update) {
        self.out.push(Output::Update(update));
    }

    fn warn(&mut self, text: impl Into<String>) {
        self.update(Update::Warning(text.into()));
    }

    fn page(&mut self, now: Duration, id: Uuid, page: Result<Page, Failure>) {
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        conversation.is_loading = false;
        match page {
            Ok(page) => {
                let known = conversation.timeline.load(&page);
                self.update(Update::Loaded { conversation_id: id, page, known });
            }
            Err(Failure::Unauthorized) => {
                conversation.page_due = Some(now + SECOND);
                self.refresh();
            }
            Err(Failure::Temporary { detail, retry_after }) => {
                conversation.page_failures += 1;
                let wait = retry_after.unwrap_or_default() + self.backoff.jitter(conversation.page_failures);
                conversation.page_due = Some(now + wait);
                self.warn(format!("cannot load the latest messages, retrying: {detail}"));
            }
            Err(Failure::NotFound) => self.leave(id),
            Err(Failure::Fatal(detail)) => self.stop(&format!("cannot load the messages: {detail}")),
        }
    }

    /// Drops a conversation that this account is no longer a member of.
    fn leave(&mut self, id: Uuid) {
        let Some(conversation) = self.conversations.remove(&id) else { return };
        for draft in conversation.outbox.into_drafts() {
            let error = CommandError {
                code: "not-found".to_owned(),
                detail: "you are no longer in this conversation".to_owned(),
                errors: None,
                retry_after_ms: None,
            };
            self.update(Update::NotSent { draft, error });
        }
        self.update(Update::Left(id));
    }

    fn frame(&mut self, now: Duration, text: &str) {
        self.link.record_frame(now);
        match Frame::parse(text) {
            Frame::Reply(id, reply) => self.reply(now, id, reply),
            Frame::Change(change) => self.apply(change),
            Frame::Event(event) => self.event(now, event),
            Frame::Ping(number) => {
                let cursor = |(id, conversation): (&Uuid, &Conversation)| {
                    conversation.timeline.cursor().map(|cursor| (*id, cursor))
                };
                let received = self.conversations.iter().filter_map(cursor).take(MAX_RECEIVED).collect();
                self.out.push(Output::Send(pong(number, &received)));
            }
            Frame::Unknown => {}
        }
    }

    fn event(&mut self, now: Duration, event: Box<Event>) {
        match &*event {
            Event::Ready(ready) => return self.ready(now, ready),
            Event::AuthExpiring(_) => return self.refresh(),
            Event::Reconnect(hint) => {
                self.reconnect_at = Some(now + Duration::from_millis(hint.after_ms));
                return;
            }
            Event::ConversationHead(head) => self.raise_head(now, head.conversation_id, head.last_seq),
            Event::ConversationAdded(added) => self.added(now, added.conversation.id),
            Event::ConversationRemoved(removed) => self.check_membership(removed.conversation_id),
            _ => {}
        }
        self.update(Update::Event(event));
    }

    /// Learns the latest `seq` of a conversation. One that is not followed is followed if all are.
    fn raise_head(&mut self, now: Duration, id: Uuid, last_seq: u64) {
        if self.follow_all {
            self.follow(now, id);
        }
        if let Some(conversation) = self.conversations.get_mut(&id) {
            conversation.timeline.raise_head(last_seq);
        }
    }

    /// This account was added to a conversation, perhaps again.
    fn added(&mut self, now: Duration, id: Uuid) {
        match self.conversations.get_mut(&id) {
            Some(conversation) => (conversation.must_pull, conversation.was_added) = (true, true),
            None if self.follow_all => self.follow(now, id),
            None => {}
        }
    }

    /// Pulls to learn whether this account is still a member: it may have joined again meanwhile.
    fn check_membership(&mut self, id: Uuid) {
        if let Some(conversation) = self.conversations.get_mut(&id) {
            conversation.must_pull = true;
        }
    }

    /// Applies an event, delivered or pulled. A gap before it leads to a pull, because its number raises the known
    /// head.
    fn apply(&mut self, change: Change) {
        let Some(conversation) = self.conversations.get_mut(&change.conversation_id) else { return };
        if conversation.timeline.apply(&change) == Applied::Next {
            self.update(Update::Applied(change));
        }
    }
}
