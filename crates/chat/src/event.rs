//! What others are told, once it is committed.

use std::{panic::resume_unwind, sync::Arc};

use blegram_domain::{
    Conversation, ConversationEvent, ConversationId, UserId,
    conversation::{Happening, Membership},
};
use blegram_persistence::{Error as StorageError, Tx, conversations};

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
        /// Members who may not see the message that it is about, because it is from before they joined. They are notified of
        /// how far the conversation is, and of nothing else.
        head_only: Vec<UserId>,
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
    /// Commits, then publishes what was done. Both happen in a task of their own: a caller that goes away, or gives up when
    /// its deadline has passed, must not leave a change committed that nobody is notified of.
    #[expect(clippy::disallowed_methods, reason = "the task ends with its commit")]
    pub(crate) async fn commit(&self, tx: Tx, events: Vec<Event>) -> Result<()> {
        let sink = Arc::clone(&self.events);
        let committing = tokio::spawn(async move {
            tx.commit().await?;
            events.into_iter().for_each(|event| sink.publish(event));
            Ok(())
        });
        match committing.await {
            Ok(committed) => committed,
            Err(lost) if lost.is_panic() => resume_unwind(lost.into_panic()),
            // The runtime ends: whether it took effect is not known.
            Err(_) => Err(StorageError::TimedOut.into()),
        }
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
    let is_present = |it: &&Membership| {
        let is_own =
            matches!(event.event.what, Happening::MemberJoined { user, .. } if user == Some(it.user));
        it.is_listed(conversation.last_message_no) && (it.since_seq < event.event.seq || is_own)
    };
    let sees = |it: &&Membership| event.message.as_ref().is_none_or(|view| it.sees(view.message.message_no));
    let (members, head_only): (Vec<_>, Vec<_>) = members.iter().filter(is_present).partition(sees);
    let ids = |of: Vec<&Membership>| of.into_iter().map(|membership| membership.user).collect();
    let (members, head_only) = (ids(members), ids(head_only));
    Event::Happened { event, last_message_no: conversation.last_message_no, members, head_only }
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
