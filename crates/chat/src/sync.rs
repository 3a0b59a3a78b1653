//! What somebody missed: which conversations changed, and what happened in one of them.

use std::{fmt, str::FromStr, time::Duration};

use blegram_domain::{Conversation, ConversationId, Timestamp, UserId, conversation::Membership};
use blegram_persistence::conversations;

use crate::{Chat, Error, EventView, Result, view::view_events};

pub use blegram_persistence::conversations::ChangedHead;

/// How many events an answer has at most.
pub const MAX_EVENTS: u64 = 100;

/// About how many bytes the texts of an answer have at most, beyond the first event's.
const MAX_BYTES: usize = 48 * 1024;

/// How many conversations an answer has at most.
const MAX_HEADS: u64 = 100;

/// How many changed heads an answer has at most.
const MAX_CHANGED: u64 = 1_000;

/// What was changed by a transaction that ends later than this after it had hold of the conversation is missed until the next
/// change. Nothing is waited for in between, so that is a few statements.
const OVERLAP: Duration = Duration::from_secs(30);

/// What happened in a conversation after something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// In order, without a gap.
    pub events: Vec<EventView>,
    /// The last thing that happened.
    pub head_seq: u64,
    /// Whether there is more between the two.
    pub more: bool,
    /// Whether too much was missed to be told: what is known of it counts no more.
    pub reset: bool,
}

/// How far a conversation is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The conversation.
    pub conversation: Conversation,
    /// How the viewer is in it.
    pub mine: Membership,
}

/// Where a list of changes goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SyncCursor {
    at: Timestamp,
    conversation: ConversationId,
}

impl fmt::Display for SyncCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}.{}", self.at.as_micros(), self.conversation)
    }
}

impl FromStr for SyncCursor {
    type Err = blegram_domain::page::CursorInvalid;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parse = || {
            let (at, id) = text.split_once('.')?;
            let at = Timestamp::from_micros(i64::from_str_radix(at, 16).ok()?)?;
            Some(Self { at, conversation: id.parse().ok()? })
        };
        parse().ok_or(blegram_domain::page::CursorInvalid)
    }
}

/// The conversations that changed since something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Synced {
    /// Where to go on.
    pub cursor: SyncCursor,
    /// Those that changed; some may be told again.
    pub heads: Vec<Head>,
    /// Those that the viewer is in no more.
    pub removed: Vec<ConversationId>,
    /// Whether there are more now.
    pub more: bool,
    /// How many messages are unread, in all conversations that are not muted.
    pub unread: u64,
}

impl Chat {
    /// What happened in a conversation of `actor` after `after`.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn events(&self, actor: UserId, id: ConversationId, after: u64) -> Result<Changes> {
        let conversation = conversations::find(&self.db, id).await?.ok_or(Error::NotFound)?;
        let mine = conversations::find_member(&self.db, id, actor).await?.ok_or(Error::NotFound)?;
        let found = conversations::list_events(&self.db, id, after, MAX_EVENTS).await?;
        // Some of it may have come after the conversation was read.
        let head_seq = found.last().map_or(0, |event| event.seq).max(conversation.last_seq);
        let is_gap = match found.first() {
            Some(first) => first.seq != after + 1,
            None => after != head_seq,
        };
        if after < mine.since_seq || is_gap {
            return Ok(Changes { events: Vec::new(), head_seq, more: false, reset: true });
        }
        let mut events = view_events(&self.db, found).await?;
        for event in &mut events {
            event.message.take_if(|view| !mine.sees(view.message.message_no));
        }
        let mut bytes = 0;
        let fits = events.iter().take_while(|view| {
            let is_first = bytes == 0;
            bytes +=
                view.message.as_ref().map_or(64, |it| 512 + it.message.text.len() + 2048 * it.media.len());
            is_first || bytes <= MAX_BYTES
        });
        let count = fits.count();
        events.truncate(count);
        let more = events.last().map_or(after, |view| view.event.seq) < head_seq;
        Ok(Changes { events, head_seq, more, reset: false })
    }

    /// Up to 1,000 conversations in whose order something has its place, or which were begun, from `since` to `until`, and
    /// which some of `users` see; what changed first is first. Whoever asks again overlaps a little: a transaction is as old
    /// as its beginning.
    ///
    /// # Errors
    /// Storage failures only.
    pub async fn heads_changed(
        &self,
        users: &[UserId],
        since: Timestamp,
        until: Timestamp,
    ) -> Result<Vec<ChangedHead>> {
        Ok(conversations::list_changed_heads(&self.db, users, (since, until), MAX_CHANGED).await?)
    }

    /// The conversations of `actor` that changed since `cursor`, or all.
    ///
    /// # Errors
    /// Storage failures only.
    pub async fn sync(&self, actor: UserId, cursor: Option<SyncCursor>) -> Result<Synced> {
        let now = self.clock.now();
        let long_ago = Timestamp::from_micros(0).unwrap_or(now);
        let nothing = ConversationId::first_of(long_ago);
        let after = cursor.map_or((long_ago, nothing), |it| (it.at, it.conversation));
        let mut changed = conversations::list_changed(&self.db, actor, after, MAX_HEADS + 1).await?;
        let more = changed.len() as u64 > MAX_HEADS;
        changed.truncate(usize::try_from(MAX_HEADS).unwrap_or(usize::MAX));
        let cursor = match changed.last().filter(|_| more) {
            Some(last) => SyncCursor { at: last.at, conversation: last.conversation },
            None => SyncCursor { at: after.0.max(now - OVERLAP), conversation: nothing },
        };
        let (left, kept): (Vec<_>, Vec<_>) = changed.into_iter().partition(|it| it.is_left);
        let ids: Vec<ConversationId> = kept.into_iter().map(|it| it.conversation).collect();
        let found = conversations::list_by_ids(&self.db, &ids).await?;
        let mut mine = conversations::list_memberships(&self.db, actor, &ids).await?;
        let head = |conversation: Conversation| {
            let mine = mine.remove(&conversation.id)?;
            mine.is_listed(conversation.last_message_no).then_some(Head { conversation, mine })
        };
        Ok(Synced {
            cursor,
            heads: found.into_iter().filter_map(head).collect(),
            removed: left.into_iter().map(|it| it.conversation).collect(),
            more,
            unread: self.unread_count(actor).await?,
        })
    }
}
