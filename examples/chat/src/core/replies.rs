//! Replies to commands.

use std::time::Duration;

use serde_json::Value;

use super::{Core, SECOND, timeline::plain};
use crate::wire::{History, Rejection, Sent, Synced, read};

/// The kind of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Request {
    Sync,
    History,
    Send,
    Read,
    Auth,
    Edit,
    Delete,
}

impl Request {
    pub(super) fn op(self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::History => "history",
            Self::Send => "message.send",
            Self::Read => "read",
            Self::Auth => "auth",
            Self::Edit => "message.edit",
            Self::Delete => "message.delete",
        }
    }
}

impl Core {
    pub(super) fn reply(&mut self, now: Duration, id: u64, reply: Result<Value, Rejection>) {
        let Some(request) = self.link.complete(id) else { return };
        match reply {
            Ok(ok) => {
                if self.accepted(now, request, ok).is_none() {
                    self.stop(&format!("unexpected reply to {}", request.op()));
                }
            }
            Err(rejection) => self.rejected(now, request, &rejection),
        }
    }

    /// Handles a successful reply; `None` if it has an unexpected form.
    fn accepted(&mut self, now: Duration, request: Request, ok: Value) -> Option<()> {
        match request {
            Request::Sync => self.synced(now, read(ok)?),
            Request::History => self.pulled(now, &History::parse(ok)?),
            Request::Send => self.sent(now, &read(ok)?),
            // The user's own messages, edits and deletions are shown when their events arrive.
            Request::Read | Request::Auth | Request::Edit | Request::Delete => {}
        }
        Some(())
    }

    fn synced(&mut self, now: Duration, synced: Synced) {
        for head in synced.heads.iter().filter(|head| head.conversation_id == self.conversation) {
            self.timeline.raise_head(head.last_seq);
        }
        self.must_pull |= synced.removed.contains(&self.conversation);
        self.sync_cursor = Some(synced.cursor);
        self.sync_due = synced.more.then_some(now);
    }

    fn pulled(&mut self, now: Duration, history: &History) {
        if history.reset {
            self.timeline.reset();
            self.page_due = Some(now);
            return;
        }
        let before = self.timeline.cursor();
        for change in &history.changes {
            self.apply(change);
        }
        self.timeline.raise_head(history.head_seq);
        self.must_pull |= history.more;
        if self.timeline.cursor() == before {
            // The announced events are not available yet. Pulling again at once would be a busy loop.
            self.not_pull_before = now + SECOND;
        }
    }

    /// The message is stored, and the next one can be sent. Its event was published before the reply, so if it has not
    /// arrived a second later, it is pulled.
    fn sent(&mut self, now: Duration, sent: &Sent) {
        self.outbox.settle();
        self.acknowledged = self.acknowledged.max(sent.seq);
        let due = self.expected.map_or(now + SECOND, |(due, _)| due);
        self.expected = Some((due, self.acknowledged));
    }

    fn rejected(&mut self, now: Duration, request: Request, rejection: &Rejection) {
        let is_temporary =
            matches!(&*rejection.code, "rate-limited" | "unavailable" | "internal" | "overloaded");
        let again = now + self.retry_delay(rejection);
        if rejection.code == "rate-limited" {
            self.paused_until = again;
        }
        match request {
            Request::Send if is_temporary => self.outbox.put_off(again),
            Request::Sync if is_temporary => self.sync_due = Some(again),
            Request::History if is_temporary => {
                self.must_pull = true;
                self.not_pull_before = again;
            }
            Request::Read if is_temporary => {
                self.reported = 0;
                self.report_due = again.max(now + SECOND);
            }
            Request::Send => {
                let text = self.outbox.settle().unwrap_or_default();
                self.notify(format!("not sent: {} ({})", plain(&text), plain(&rejection.detail)));
            }
            Request::Sync if self.sync_cursor.take().is_some() => self.sync_due = Some(now),
            Request::History if rejection.code == "not-found" => {
                self.stop("you are no longer in this conversation");
            }
            Request::Sync | Request::History => self.stop(&plain(&rejection.detail)),
            Request::Read | Request::Auth | Request::Edit | Request::Delete => {
                self.notify(format!("{} was rejected: {}", request.op(), plain(&rejection.detail)));
            }
        }
    }

    /// The delay before a retry: what the server requested, otherwise longer each time.
    fn retry_delay(&mut self, rejection: &Rejection) -> Duration {
        let requested = rejection.retry_after_ms.map(Duration::from_millis);
        requested.unwrap_or_else(|| SECOND + self.backoff.jitter(self.outbox.rejections))
    }
}
