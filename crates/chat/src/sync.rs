//! What somebody missed: which conversations changed, and what happened in one of them.

mod cursor;

use blegram_domain::{Conversation, ConversationId, UserId, conversation::Membership};
use blegram_persistence::{changes, conversations};

use crate::{Chat, Error, EventView, Result, view::view_events};

pub use self::cursor::SyncCursor;
pub use blegram_persistence::{changes::ChangePosition, conversations::ChangedHead};

/// How many events an answer has at most.
pub const MAX_EVENTS: u64 = 100;

/// About how many bytes the texts of an answer have at most, beyond the first event's.
const MAX_BYTES: usize = 48 * 1024;

/// How many conversations an answer has at most.
const MAX_HEADS: u64 = 100;

/// How many changed heads an answer has at most.
const MAX_CHANGED: u64 = 1_000;

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

/// The conversations that changed since something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Synced {
    /// Where to go on.
    pub cursor: SyncCursor,
    /// Those that changed; some may be told again.
    pub heads: Vec<Head>,
    /// Those that the viewer is in no more, or hides.
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
        let found = conversations::list_events(&self.db, id, after, MAX_EVENTS).await?;
        // After the events: a member who was removed in between gets none of the later ones.
        let mine = conversations::find_member(&self.db, id, actor).await?.ok_or(Error::NotFound)?;
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

    /// What is committed now, to be compared with later by [`Chat::heads_changed`].
    pub async fn change_position(&self) -> Result<ChangePosition> {
        Ok(changes::position(&self.db).await?)
    }

    /// Up to 1,000 conversations, ordered by id from `after` on, that have an event, or were begun, by a transaction that
    /// was committed at `until` and not at `since`, and that some of `users` see; all of theirs without `since`, or when it
    /// is of another database. With them where to go on, if there may be more.
    pub async fn heads_changed(
        &self,
        users: &[UserId],
        (since, until): (Option<&ChangePosition>, &ChangePosition),
        after: Option<ConversationId>,
    ) -> Result<(Vec<ChangedHead>, Option<ConversationId>)> {
        let since = since.filter(|since| since.database == until.database);
        let heads =
            conversations::list_changed_heads(&self.db, users, (since, until), after, MAX_CHANGED).await?;
        let is_full = heads.len() as u64 == MAX_CHANGED;
        let next = heads.last().filter(|_| is_full).map(|head| head.conversation);
        Ok((heads, next))
    }

    /// The conversations of `actor` that changed since `cursor`, or all. Those that change while somebody follows the
    /// pages of an answer are listed after its end.
    pub async fn sync(&self, actor: UserId, cursor: Option<SyncCursor>) -> Result<Synced> {
        // Before the list: what is committed in between is listed now and once more the next time, and nothing is missed.
        let now = changes::position(&self.db).await?;
        let walk = cursor.unwrap_or_default().resume(&now);
        let mut changed =
            conversations::list_changed(&self.db, actor, walk.since.as_ref(), walk.after, MAX_HEADS + 1)
                .await?;
        let more = changed.len() as u64 > MAX_HEADS;
        changed.truncate(usize::try_from(MAX_HEADS).unwrap_or(usize::MAX));
        // What changed while somebody paged is the next answer, which they are to ask for at once.
        let is_behind = walk.after.is_some() && walk.began != now;
        let cursor = match changed.last().filter(|_| more) {
            Some(last) => walk.go_on_after(last.conversation),
            None => walk.finish(),
        };
        let (left, kept): (Vec<_>, Vec<_>) = changed.into_iter().partition(|it| it.is_left);
        let ids: Vec<ConversationId> = kept.into_iter().map(|it| it.conversation).collect();
        let found = conversations::list_by_ids(&self.db, &ids).await?;
        let mut mine = conversations::list_memberships(&self.db, actor, &ids).await?;
        let mut removed: Vec<ConversationId> = left.into_iter().map(|changed| changed.conversation).collect();
        let mut heads = Vec::with_capacity(found.len());
        for conversation in found {
            let Some(mine) = mine.remove(&conversation.id) else { continue };
            if mine.is_listed(conversation.last_message_no) {
                heads.push(Head { conversation, mine });
            } else if mine.since_seq > 0 {
                // Hidden by the viewer, on this device or another. A new one without messages was never listed.
                removed.push(conversation.id);
            }
        }
        Ok(Synced {
            cursor,
            heads,
            removed,
            more: more || is_behind,
            unread: self.unread_count(actor).await?,
        })
    }
}
