//! Commands: which one is sent next, at the rate that the server allows.

use std::{
    ops::Bound::{Excluded, Unbounded},
    time::Duration,
};

use serde_json::{Value, json};
use uuid::Uuid;

use super::{CONCURRENCY, Core, Output};
use crate::{types::SyncCommand, wire::command};

/// Number of events per `history` command.
const PULL: u32 = 100;

/// The kind of a command, with what its reply belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Request {
    Sync,
    History(Uuid),
    Send(Uuid),
    Read(Uuid),
    Auth,
    Unsubscribe,
    /// A command of the application.
    Other(u64, &'static str),
}

impl Request {
    pub(super) fn op(self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::History(_) => "history",
            Self::Send(_) => "message.send",
            Self::Read(_) => "read",
            Self::Auth => "auth",
            Self::Unsubscribe => "unsubscribe",
            Self::Other(_, op) => op,
        }
    }

    pub(super) fn ticket(self) -> Option<u64> {
        match self {
            Self::Other(ticket, _) => Some(ticket),
            _ => None,
        }
    }
}

impl Core {
    /// When a command is due, if there were a connection.
    pub(super) fn command_due(&self) -> Option<Duration> {
        let conversations = self.conversations.keys().filter_map(|id| self.conversation_due(*id));
        let waiting = (!self.waiting.is_empty()).then_some(Duration::ZERO);
        let due = self.sync_due.into_iter().chain(waiting).chain(conversations).min()?;
        Some(due.max(self.may_send_at()))
    }

    fn may_send_at(&self) -> Duration {
        self.paused_until.max(self.pace.due())
    }

    fn conversation_due(&self, id: Uuid) -> Option<Duration> {
        let conversation = self.conversations.get(&id)?;
        let pull = conversation.pull_due().filter(|_| self.can_pull(id));
        [pull, conversation.outbox.due(), conversation.report_due()].into_iter().flatten().min()
    }

    /// One pull per conversation, and a few in all: the server runs the commands of a connection one by one.
    fn can_pull(&self, id: Uuid) -> bool {
        let is_history = |request: &Request| matches!(request, Request::History(_));
        !self.link.is_pending(Request::History(id)) && self.link.count(is_history) < CONCURRENCY
    }

    /// Sends what is due, as far as the rate allows.
    pub(super) fn advance_commands(&mut self, now: Duration) {
        while self.may_send_at() <= now {
            let Some((request, d)) = self.next_command(now) else { return };
            self.pace.take(now);
            self.send_command(now, request, &d);
        }
    }

    fn next_command(&mut self, now: Duration) -> Option<(Request, Value)> {
        if self.sync_due.is_some_and(|due| due <= now) {
            self.sync_due = None;
            return Some((Request::Sync, self.sync_command()));
        }
        if let Some(waiting) = self.waiting.pop_front() {
            return Some(waiting);
        }
        let after = self.conversations.range((Excluded(self.last_turn), Unbounded));
        let mut turns = after.chain(self.conversations.range(..=self.last_turn)).map(|(id, _)| *id);
        let id = turns.find(|id| self.conversation_due(*id).is_some_and(|due| due <= now))?;
        self.last_turn = id;
        self.conversation_command(now, id)
    }

    fn sync_command(&self) -> Value {
        json!(SyncCommand {
            since: self.sync_cursor.clone(),
            open: self.open.clone(),
            topics: self.topics.iter().cloned().collect(),
            presence: self.watched.clone(),
        })
    }

    fn conversation_command(&mut self, now: Duration, id: Uuid) -> Option<(Request, Value)> {
        let can_pull = self.can_pull(id);
        let conversation = self.conversations.get_mut(&id)?;
        if can_pull && conversation.pull_due().is_some_and(|due| due <= now) {
            (conversation.must_pull, conversation.was_added) = (false, false);
            let after = conversation.timeline.cursor();
            return Some((
                Request::History(id),
                json!({ "conversation_id": id, "after": after, "limit": PULL }),
            ));
        }
        if let Some(draft) = conversation.outbox.send(now) {
            return Some((Request::Send(id), json!(draft)));
        }
        let message_no = conversation.report(now);
        Some((Request::Read(id), json!({ "conversation_id": id, "message_no": message_no })))
    }

    /// Sends a command with the next id; does nothing while there is no open connection.
    pub(super) fn send_command(&mut self, now: Duration, request: Request, d: &Value) {
        if let Some(id) = self.link.register(now, request) {
            self.out.push(Output::Send(command(id, request.op(), d)));
        }
    }
}
