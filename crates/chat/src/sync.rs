//! Synchronisation of clients: which conversations changed since a cursor, and which events one of them has after a
//! `seq`.
//!
//! A client calls [`Chat::sync`] for the conversations that changed and [`Chat::events`] for the events of each.
//! Neither depends on clocks: cursors name the transactions that were visible ([`ChangePosition`]), and `seq` is
//! counted per conversation.

mod cursor;

use blegram_domain::{Conversation, ConversationId, UserId, conversation::Membership};
use blegram_persistence::{changes, conversations};

use crate::{Chat, Error, Event, EventView, Result, event::to_publish, view::view_events};

pub use self::cursor::SyncCursor;
pub use blegram_persistence::{changes::ChangePosition, conversations::ChangedHead};

/// The maximum number of events per response.
pub const MAX_EVENTS: u64 = 100;

/// The approximate maximum size of a response in bytes. The first event is always included.
const MAX_BYTES: usize = 48 * 1024;

/// The maximum number of conversations per response.
const MAX_HEADS: u64 = 100;

/// The maximum number of changed heads per call.
const MAX_CHANGED: u64 = 1_000;

/// The events of a conversation after a `seq`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// The events, in order and without gaps.
    pub events: Vec<EventView>,
    /// The `seq` of the newest event.
    pub head_seq: u64,
    /// Whether more events follow, up to `head_seq`.
    pub more: bool,
    /// Whether the events since the requested `seq` are no longer available: the client must discard its copy and load
    /// the conversation again.
    pub reset: bool,
}

/// The current state of a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The conversation.
    pub conversation: Conversation,
    /// The viewer's membership.
    pub mine: Membership,
}

/// The conversations that changed since a cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Synced {
    /// The cursor for the next call.
    pub cursor: SyncCursor,
    /// The changed conversations; some may be repeated.
    pub heads: Vec<Head>,
    /// The conversations that the viewer left or hid.
    pub removed: Vec<ConversationId>,
    /// Whether more changes are available now.
    pub more: bool,
    /// The number of unread messages, in all conversations that are not muted.
    pub unread: u64,
}

impl Chat {
    /// The events of a conversation of `actor` after the `seq` `after`. [`Changes::reset`] is set if they are no longer
    /// complete, if `after` precedes the membership, or if it does not exist yet.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn events(&self, actor: UserId, id: ConversationId, after: u64) -> Result<Changes> {
        let conversation = conversations::find(&self.db, id).await?.ok_or(Error::NotFound)?;
        let found = conversations::list_events(&self.db, id, after, MAX_EVENTS).await?;
        // Reads the membership after the events: a member who was removed in between gets no later events.
        let mine = conversations::find_member(&self.db, id, actor).await?.ok_or(Error::NotFound)?;
        // Some events may have been committed after the conversation was read.
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
            bytes += view.message.as_ref().map_or(64, |m| 512 + m.message.text.len() + 2048 * m.media.len());
            is_first || bytes <= MAX_BYTES
        });
        let count = fits.count();
        events.truncate(count);
        let more = events.last().map_or(after, |view| view.event.seq) < head_seq;
        Ok(Changes { events, head_seq, more, reset: false })
    }

    /// The events of a conversation between two numbers, as they were published, except that members who have left
    /// since are no recipients. For a node that they did not reach. None if there are more than [`MAX_EVENTS`], or some
    /// are no longer stored.
    pub async fn missed_events(&self, id: ConversationId, after: u64, before: u64) -> Result<Vec<Event>> {
        let missing = before.saturating_sub(after + 1);
        if missing > MAX_EVENTS {
            return Ok(Vec::new());
        }
        let Some(conversation) = conversations::find(&self.db, id).await? else { return Ok(Vec::new()) };
        let found = conversations::list_events(&self.db, id, after, missing).await?;
        if found.iter().map(|event| event.seq).ne(after + 1..before) {
            return Ok(Vec::new());
        }
        // Reads the members after the events: one who was removed in between gets none of them.
        let members = conversations::list_members(&self.db, &[id]).await?.remove(&id).unwrap_or_default();
        let views = view_events(&self.db, found).await?;
        Ok(views.into_iter().map(|event| to_publish(&conversation, event, &members)).collect())
    }

    /// The transactions that are committed now, for a later call of [`Chat::heads_changed`].
    pub async fn change_position(&self) -> Result<ChangePosition> {
        Ok(changes::position(&self.db).await?)
    }

    /// Up to 1,000 conversations in the lists of `users`, ordered by id, after `after`, with an event or their creation
    /// committed at `until` but not yet at `since`. Without `since`, or if it is from another database, all
    /// conversations of `users`. Also returns the next `after`, if there may be more.
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

    /// The conversations of `actor` that changed since `cursor`; all of them without a cursor. Conversations that
    /// change while the client reads the pages of a response are in the next response.
    pub async fn sync(&self, actor: UserId, cursor: Option<SyncCursor>) -> Result<Synced> {
        // Reads the position before the list: a change committed in between is listed now and again the next time, and
        // none is missed.
        let now = changes::position(&self.db).await?;
        let walk = cursor.unwrap_or_default().resume(&now);
        let mut changed =
            conversations::list_changed(&self.db, actor, walk.since.as_ref(), walk.after, MAX_HEADS + 1)
                .await?;
        let more = changed.len() as u64 > MAX_HEADS;
        changed.truncate(usize::try_from(MAX_HEADS).unwrap_or(usize::MAX));
        // Changes since the first page belong to the next response, which the client should request at once.
        let is_behind = walk.after.is_some() && walk.start != now;
        let cursor = match changed.last().filter(|_| more) {
            Some(last) => walk.continue_after(last.conversation),
            None => walk.finish(),
        };
        let (left, joined): (Vec<_>, Vec<_>) = changed.into_iter().partition(|change| change.is_left);
        let ids: Vec<ConversationId> = joined.into_iter().map(|change| change.conversation).collect();
        let found = conversations::list_by_ids(&self.db, &ids).await?;
        let mut mine = conversations::list_memberships(&self.db, actor, &ids).await?;
        let mut removed: Vec<ConversationId> = left.into_iter().map(|change| change.conversation).collect();
        let mut heads = Vec::with_capacity(found.len());
        for conversation in found {
            let Some(mine) = mine.remove(&conversation.id) else { continue };
            if mine.is_listed(conversation.last_message_no) {
                heads.push(Head { conversation, mine });
            } else if mine.since_seq > 0 {
                // Hidden by the viewer, on this device or another. A new conversation without messages was never
                // listed.
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
