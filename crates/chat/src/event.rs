//! What others are told, once it is committed.

use blegram_domain::{
    Conversation, ConversationEvent, ConversationId, UserId,
    conversation::{Happening, Membership},
};
use blegram_persistence::{Tx, conversations};

use crate::{
    Chat, ConversationView, EventView, Result,
    view::{view_events, view_to_each},
};

/// What happened, and whom to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Something that is told again to whoever missed it, in the order of `seq`. A message that is sent again is told again.
    Happened {
        /// What.
        event: EventView,
        /// How many messages there are now.
        last_message_no: u64,
        /// Who is in after it and sees it; it says nothing to whoever hid the conversation.
        members: Vec<UserId>,
    },
    /// A conversation is in somebody's list now. Comes before the message that brought it there.
    Added {
        /// In whose.
        user: UserId,
        /// As they see it.
        conversation: ConversationView,
    },
    /// A conversation is in somebody's list no more.
    Removed {
        /// In whose.
        user: UserId,
        /// Which.
        conversation: ConversationId,
        /// Why.
        reason: RemovedReason,
    },
    /// Somebody has read further. Whoever sends has read, which is not told apart from the message.
    Read {
        /// Where.
        conversation: ConversationId,
        /// Who.
        user: UserId,
        /// Up to which message.
        read_no: u64,
        /// Who is in, they too.
        members: Vec<UserId>,
    },
    /// Somebody's devices have got more.
    Delivered {
        /// Where.
        conversation: ConversationId,
        /// Whose.
        user: UserId,
        /// Up to what.
        delivered_seq: u64,
        /// Who is in, they too.
        members: Vec<UserId>,
    },
    /// Somebody is writing.
    Typing {
        /// Where.
        conversation: ConversationId,
        /// Who.
        user: UserId,
        /// The others who are in and see it.
        members: Vec<UserId>,
    },
}

/// Why a conversation is in somebody's list no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemovedReason {
    /// They left, or hid it.
    Left,
    /// They were taken out.
    Removed,
}

impl RemovedReason {
    /// Its name, as it is sent.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Removed => "removed",
        }
    }
}

impl Chat {
    /// Commits, and tells what was done. Nothing is awaited between the two, so that a caller who goes away meanwhile keeps
    /// nobody from learning of it.
    pub(crate) async fn commit(&self, tx: Tx, events: Vec<Event>) -> Result<()> {
        tx.commit().await?;
        events.into_iter().for_each(|event| self.events.publish(event));
        Ok(())
    }
}

/// Tells what happened to a conversation that is held.
pub(crate) async fn happened(
    tx: &Tx,
    conversation: &Conversation,
    events: Vec<ConversationEvent>,
) -> Result<Vec<Event>> {
    if events.is_empty() {
        return Ok(Vec::new());
    }
    let members = conversations::list_members(tx, &[conversation.id]).await?.remove(&conversation.id);
    let members = members.unwrap_or_default();
    let views = view_events(tx, events).await?;
    Ok(views.into_iter().map(|event| told(conversation, event, &members)).collect())
}

/// What is told of `event`, of a conversation with `members`.
pub(crate) fn told(conversation: &Conversation, event: EventView, members: &[Membership]) -> Event {
    let sees = |it: &&Membership| {
        let is_own =
            matches!(event.event.what, Happening::MemberJoined { user, .. } if user == Some(it.user));
        let is_shown = event.message.as_ref().is_none_or(|view| it.sees(view.message.message_no));
        // Whoever is not told of this one finds it without its message when they pull what is between the others.
        it.is_listed(conversation.last_message_no) && (it.since_seq < event.event.seq || is_own) && is_shown
    };
    let members = members.iter().filter(sees).map(|it| it.user).collect();
    Event::Happened { event, last_message_no: conversation.last_message_no, members }
}

/// Tells `users` of a conversation that is in their lists now.
pub(crate) async fn added(tx: &Tx, conversation: &Conversation, users: &[UserId]) -> Result<Vec<Event>> {
    if users.is_empty() {
        return Ok(Vec::new());
    }
    let views = view_to_each(tx, conversation, users).await?;
    let added = |view: ConversationView| Event::Added { user: view.mine.user, conversation: view };
    Ok(views.into_iter().map(added).collect())
}
