//! Replies to commands.

use std::time::Duration;

use serde_json::Value;
use uuid::Uuid;

use super::{CommandFailure, Core, Output, SECOND, Update, commands::Request};
use crate::{
    types::{CommandError, MessageSentAnswer, SyncAnswer},
    wire::{History, read},
};

impl Core {
    pub(super) fn reply(&mut self, now: Duration, id: u64, reply: Result<Value, CommandError>) {
        let Some(request) = self.link.complete(id) else { return };
        match (request, reply) {
            (Request::Other(ticket, _), reply) => {
                let result = reply.map_err(CommandFailure::Rejected);
                self.out.push(Output::Reply { ticket, result });
            }
            (request, Ok(ok)) => {
                if self.accepted(now, request, ok).is_none() {
                    self.stop(&format!("unexpected reply to {}", request.op()));
                }
            }
            (request, Err(error)) => self.rejected(now, request, error),
        }
    }

    /// Handles a successful reply; `None` if it has an unexpected form.
    fn accepted(&mut self, now: Duration, request: Request, ok: Value) -> Option<()> {
        match request {
            Request::Sync => self.synced(now, read(ok)?),
            Request::History(id) => self.pulled(now, id, History::parse(ok)?),
            Request::Send(id) => self.sent(now, id, read(ok)?),
            Request::Read(_) | Request::Auth | Request::Unsubscribe | Request::Other(..) => {}
        }
        Some(())
    }

    fn synced(&mut self, now: Duration, synced: SyncAnswer) {
        for head in &synced.heads {
            self.raise_head(now, head.conversation_id, head.last_seq);
        }
        for removed in &synced.removed {
            self.check_membership(*removed);
        }
        self.sync_cursor = Some(synced.cursor.clone());
        self.sync_due = synced.more.then_some(now);
        self.update(Update::Synced(synced));
    }

    fn pulled(&mut self, now: Duration, id: Uuid, history: History) {
        let cursor = |core: &Self| core.conversations.get(&id).and_then(|found| found.timeline.cursor());
        let before = cursor(self);
        if !history.reset {
            history.changes.into_iter().for_each(|change| self.apply(change));
        }
        let is_stuck = cursor(self) == before;
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        if history.reset {
            conversation.timeline.reset();
            conversation.page_due = Some(now);
            return;
        }
        conversation.timeline.raise_head(history.head_seq);
        conversation.must_pull |= history.more;
        if is_stuck {
            // The announced events are not available yet. Pulling again at once would be a busy loop.
            conversation.not_pull_before = now + SECOND;
        }
    }

    fn sent(&mut self, now: Duration, id: Uuid, sent: MessageSentAnswer) {
        let Some(conversation) = self.conversations.get_mut(&id) else { return };
        conversation.sent(now, &sent);
        if let Some(draft) = conversation.outbox.settle() {
            self.update(Update::Sent { conversation_id: id, client_id: draft.client_id, sent });
        }
    }

    fn rejected(&mut self, now: Duration, request: Request, error: CommandError) {
        let again = now + self.retry_delay(request, &error);
        if error.code == "rate-limited" {
            self.paused_until = again;
        }
        if matches!(&*error.code, "rate-limited" | "unavailable" | "internal" | "overloaded") {
            return self.put_off(now, request, again);
        }
        match request {
            Request::Send(id) => self.not_sent(id, error),
            Request::Sync if self.sync_cursor.take().is_some() => self.sync_due = Some(now),
            Request::History(id) if error.code == "not-found" => self.not_found(id),
            Request::Sync | Request::History(_) => self.stop(&error.detail),
            Request::Read(_) | Request::Auth | Request::Unsubscribe | Request::Other(..) => {
                self.warn(format!("{} was rejected: {}", request.op(), error.detail));
            }
        }
    }

    /// Repeats a command at `again`.
    fn put_off(&mut self, now: Duration, request: Request, again: Duration) {
        match request {
            Request::Sync => self.sync_due = Some(again),
            Request::Auth => self.token.due = self.token.due.map(|due| due.min(again)),
            Request::History(id) | Request::Send(id) | Request::Read(id) => {
                let Some(conversation) = self.conversations.get_mut(&id) else { return };
                match request {
                    Request::Send(_) => conversation.outbox.put_off(again),
                    Request::Read(_) => conversation.report_again(again.max(now + SECOND)),
                    _ => (conversation.must_pull, conversation.not_pull_before) = (true, again),
                }
            }
            Request::Unsubscribe | Request::Other(..) => {}
        }
    }

    fn not_sent(&mut self, id: Uuid, error: CommandError) {
        let draft = self.conversations.get_mut(&id).and_then(|found| found.outbox.settle());
        if let Some(draft) = draft {
            self.update(Update::NotSent { draft, error });
        }
    }

    fn not_found(&mut self, id: Uuid) {
        match self.conversations.get_mut(&id) {
            Some(conversation) if conversation.was_added => conversation.must_pull = true,
            _ => self.leave(id),
        }
    }

    /// The delay before a retry: what the server requested, otherwise longer each time.
    fn retry_delay(&mut self, request: Request, error: &CommandError) -> Duration {
        let rejections = match request {
            Request::Send(id) => self.conversations.get(&id).map_or(0, |found| found.outbox.rejections),
            _ => 0,
        };
        let requested = error.retry_after_ms.map(Duration::from_millis);
        requested.unwrap_or_else(|| SECOND + self.backoff.jitter(rejections))
    }
}
