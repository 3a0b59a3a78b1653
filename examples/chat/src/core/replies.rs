//! Replies to commands.

use std::time::Duration;

use serde_json::Value;

use super::{Core, SECOND, timeline::plain};
use crate::wire::{History, Refusal, Sent, Synced, read};

/// The kind of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Sync,
    History,
    Send,
    Read,
    Auth,
    Edit,
    Delete,
}

impl Asked {
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
    pub(super) fn reply(&mut self, now: Duration, id: u64, reply: Result<Value, Refusal>) {
        let Some(asked) = self.link.answered(id) else { return };
        match reply {
            Ok(ok) => {
                if self.accepted(now, asked, ok).is_none() {
                    self.stop(&format!("unexpected reply to {}", asked.op()));
                }
            }
            Err(refusal) => self.rejected(now, asked, &refusal),
        }
    }

    /// Handles a successful reply; `None` if it has an unexpected form.
    fn accepted(&mut self, now: Duration, asked: Asked, ok: Value) -> Option<()> {
        match asked {
            Asked::Sync => self.synced(now, read(ok)?),
            Asked::History => self.pulled(now, &History::parse(ok)?),
            Asked::Send => self.sent(now, &read(ok)?),
            // The user's own messages, edits and deletions are shown when their events arrive.
            Asked::Read | Asked::Auth | Asked::Edit | Asked::Delete => {}
        }
        Some(())
    }

    fn synced(&mut self, now: Duration, synced: Synced) {
        for head in synced.heads.iter().filter(|head| head.conversation_id == self.conversation) {
            self.timeline.hear(head.last_seq);
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
        self.timeline.hear(history.head_seq);
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

    fn rejected(&mut self, now: Duration, asked: Asked, refusal: &Refusal) {
        let is_temporary =
            matches!(&*refusal.code, "rate-limited" | "unavailable" | "internal" | "overloaded");
        let again = now + self.patience(refusal);
        if refusal.code == "rate-limited" {
            self.hold = again;
        }
        match asked {
            Asked::Send if is_temporary => self.outbox.put_off(again),
            Asked::Sync if is_temporary => self.sync_due = Some(again),
            Asked::History if is_temporary => {
                self.must_pull = true;
                self.not_pull_before = again;
            }
            Asked::Read if is_temporary => {
                self.reported = 0;
                self.report_due = again.max(now + SECOND);
            }
            Asked::Send => {
                let text = self.outbox.settle().unwrap_or_default();
                self.tell(format!("not sent: {} ({})", plain(&text), plain(&refusal.detail)));
            }
            Asked::Sync if self.sync_cursor.take().is_some() => self.sync_due = Some(now),
            Asked::History if refusal.code == "not-found" => {
                self.stop("you are no longer in this conversation");
            }
            Asked::Sync | Asked::History => self.stop(&plain(&refusal.detail)),
            Asked::Read | Asked::Auth | Asked::Edit | Asked::Delete => {
                self.tell(format!("{} was rejected: {}", asked.op(), plain(&refusal.detail)));
            }
        }
    }

    /// The delay before a retry: what the server requested, otherwise longer each time.
    fn patience(&mut self, refusal: &Refusal) -> Duration {
        let told = refusal.retry_after_ms.map(Duration::from_millis);
        told.unwrap_or_else(|| SECOND + self.backoff.jitter(self.outbox.refusals))
    }
}
