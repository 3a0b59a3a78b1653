//! Events of this crate: what its use cases publish after they commit, with their recipients.

use std::{panic::resume_unwind, sync::Arc};

use blegram_domain::{
    Conversation, ConversationEvent, ConversationId, UserId,
    conversation::{ConversationEventKind, Membership},
};
use blegram_persistence::{Error as StorageError, Tx, conversations};
use serde::{Deserialize, Serialize};

use crate::{
    Chat, ConversationView, EventView, Result, bugs,
    view::{view_events, view_for_viewers},
};

/// A committed change, with the users to deliver it to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A new entry of the conversation's event log. A client that missed it finds it by `seq`. If a client sends a
    /// message again, its event is published again.
    Appended {
        /// The entry.
        event: EventView,
        /// The number of the newest message.
        last_message_no: u64,
        /// The members after the event who may see it, without those who have hidden the conversation.
        members: Vec<UserId>,
        /// Members who may not see the message of the event, because it is older than their membership. They are
        /// notified only of the conversation's new `seq`.
        head_only: Vec<UserId>,
    },
    /// A conversation was added to a user's list. Published before the message that caused it.
    Added {
        /// The user.
        user: UserId,
        /// The conversation as the user sees it.
        conversation: ConversationView,
    },
    /// A conversation was removed from a user's list.
    Removed {
        /// The user.
        user: UserId,
        /// The conversation.
        conversation: ConversationId,
        /// The reason.
        reason: RemovedReason,
    },
    /// A member moved their read mark forward. Sending a message moves the sender's mark, too, without this event.
    Read {
        /// The conversation.
        conversation: ConversationId,
        /// The member.
        user: UserId,
        /// The number of the last message that they have read.
        read_no: u64,
        /// All members, including this one; only this one across a block.
        members: Vec<UserId>,
    },
    /// The devices of a member received more events.
    Delivered {
        /// The conversation.
        conversation: ConversationId,
        /// The member.
        user: UserId,
        /// The `seq` of the last event that was delivered.
        delivered_seq: u64,
        /// All members, including this one.
        members: Vec<UserId>,
    },
    /// A member is typing.
    Typing {
        /// The conversation.
        conversation: ConversationId,
        /// The member.
        user: UserId,
        /// The other members who have the conversation in their list.
        members: Vec<UserId>,
    },
}

/// Why a conversation was removed from a user's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum RemovedReason {
    /// The user left or hid it.
    Left,
    /// The owner removed the user.
    Removed,
}

impl RemovedReason {
    /// The name in events that clients receive.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Removed => "removed",
        }
    }
}

impl Chat {
    /// Commits the transaction, then publishes `events`, both in a separate task: if the caller is cancelled or its
    /// deadline passes, a committed change is still published.
    #[expect(clippy::disallowed_methods, reason = "the task ends after its commit")]
    pub(crate) async fn commit(&self, tx: Tx, events: Vec<Event>) -> Result<()> {
        let sink = Arc::clone(&self.events);
        let is_acknowledged = bugs::acknowledges_first(&events);
        let committing = tokio::spawn(async move {
            bugs::before_commit(&events, &*sink).await?;
            tx.commit().await?;
            events.into_iter().for_each(|event| sink.publish(event));
            Ok(())
        });
        if is_acknowledged {
            return Ok(());
        }
        match committing.await {
            Ok(committed) => committed,
            Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
            // The runtime is shutting down: whether the commit took effect is unknown.
            Err(_) => Err(StorageError::TimedOut.into()),
        }
    }
}

/// The events to publish for new entries in the log of a locked conversation.
pub(crate) async fn publish(
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
    Ok(views.into_iter().map(|event| to_publish(conversation, event, &members)).collect())
}

/// The event to publish for `event`, addressed to those of `members` who may know of it.
pub(crate) fn to_publish(conversation: &Conversation, event: EventView, members: &[Membership]) -> Event {
    let is_present = |member: &&Membership| {
        let is_own = matches!(
            event.event.kind,
            ConversationEventKind::MemberJoined { user, .. } if user == Some(member.user)
        );
        member.is_listed(conversation.last_message_no) && (member.since_seq < event.event.seq || is_own)
    };
    let sees =
        |member: &&Membership| event.message.as_ref().is_none_or(|view| member.sees(view.message.message_no));
    let (members, head_only): (Vec<_>, Vec<_>) = members.iter().filter(is_present).partition(sees);
    let ids = |members: Vec<&Membership>| members.into_iter().map(|membership| membership.user).collect();
    let (members, head_only) = (ids(members), ids(head_only));
    Event::Appended { event, last_message_no: conversation.last_message_no, members, head_only }
}

/// The events that notify `users` that a conversation was added to their lists.
pub(crate) async fn added(tx: &Tx, conversation: &Conversation, users: &[UserId]) -> Result<Vec<Event>> {
    if users.is_empty() {
        return Ok(Vec::new());
    }
    let views = view_for_viewers(tx, conversation, users).await?;
    let added = |view: ConversationView| Event::Added { user: view.mine.user, conversation: view };
    Ok(views.into_iter().map(added).collect())
}
