//! Conversations, their members, messages and events.
//!
//! A conversation has two counters. `seq` numbers its events without a gap, so a client that missed one detects it.
//! `message_no` numbers its messages, so the unread count is a subtraction.

use serde::{Deserialize, Serialize};

use crate::{
    ClientId, ConversationId, MediaId, MessageId, MessageText, Relation, Timestamp, UserId, Violation,
    stored::stored_enum,
};

stored_enum! {
    /// The type of a conversation.
    ConversationKind {
        /// Between two accounts. A pair has one direct conversation, which is reused when either of them starts it
        /// again.
        Direct = "direct",
        /// Of up to [`Conversation::MAX_MEMBERS`] accounts. The same accounts may have several.
        Group = "group",
    }
}

/// A stored conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversation {
    /// Sorts by creation time.
    pub id: ConversationId,
    /// Direct or group.
    pub kind: ConversationKind,
    /// The title of a group; see [`crate::ConversationTitle`].
    pub title: Option<String>,
    /// The account that may remove members of a group; `None` for a direct conversation.
    pub owner: Option<UserId>,
    /// The `seq` of the newest event.
    pub last_seq: u64,
    /// The `message_no` of the newest message.
    pub last_message_no: u64,
    /// The newest message.
    pub last_message: Option<MessageId>,
    /// The creation time.
    pub created_at: Timestamp,
    /// Number of changes of the title or owner.
    pub version: u64,
}

impl Conversation {
    /// The largest number of members.
    pub const MAX_MEMBERS: usize = 64;
}

/// The membership of an account in a conversation, with its read state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// The conversation.
    pub conversation: ConversationId,
    /// The member.
    pub user: UserId,
    /// When the account joined.
    pub joined_at: Timestamp,
    /// The member sees events with a greater `seq`.
    pub since_seq: u64,
    /// The member sees messages with a greater `message_no`.
    pub since_no: u64,
    /// The `message_no` up to which the member has read.
    pub read_no: u64,
    /// The event `seq` up to which events have been delivered to the member's devices.
    pub delivered_seq: u64,
    /// If set, the conversation is not listed until a message with a greater `message_no` is sent.
    pub hidden_no: Option<u64>,
    /// Whether the conversation is muted: it does not count towards the member's unread conversations.
    pub is_muted: bool,
}

impl Membership {
    /// The number of unread messages, given the conversation's `last_message_no`.
    pub fn unread_count(&self, last_message_no: u64) -> u64 {
        last_message_no.saturating_sub(self.read_no)
    }

    /// Whether the member sees a message: one sent after they joined and after they last hid the conversation. Later
    /// edits and deletions of an older message are not visible to them either.
    pub const fn sees(&self, message_no: u64) -> bool {
        message_no > self.since_no
    }

    /// Whether the conversation is listed, given its `last_message_no`.
    pub fn is_listed(&self, last_message_no: u64) -> bool {
        self.hidden_no.is_none_or(|no| last_message_no > no)
    }
}

/// A stored message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The message's id.
    pub id: MessageId,
    /// The conversation that it was sent in.
    pub conversation: ConversationId,
    /// The `seq` of its `message.created` event.
    pub seq: u64,
    /// Its position among the conversation's messages.
    pub message_no: u64,
    /// The sender; `None` if the account was deleted.
    pub sender: Option<UserId>,
    /// The id that the sender's device chose, for idempotent sending.
    pub client_id: ClientId,
    /// A hash of the sent content: distinguishes a retry from a different message with the same `client_id`.
    pub fingerprint: [u8; 32],
    /// The text; see [`MessageText`]. Empty once the message is deleted.
    pub text: String,
    /// Its images, in order.
    pub media: Vec<MediaId>,
    /// The message that it replies to.
    pub reply_to: Option<MessageId>,
    /// When it was sent.
    pub created_at: Timestamp,
    /// When its text was last edited.
    pub edited_at: Option<Timestamp>,
    /// When it was deleted. The row stays, without content, so that counters never decrease.
    pub deleted_at: Option<Timestamp>,
    /// Number of edits by the sender.
    pub version: u64,
}

impl Message {
    /// Whether the message was deleted: its row stays as a tombstone.
    pub const fn is_deleted(&self) -> bool {
        self.deleted_at.is_some()
    }
}

/// A message to send, with a text, images, or both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendMessage {
    /// The id that the sender's device chose: messages with the same id are sent once.
    pub client_id: ClientId,
    /// The text; may be empty if there are images.
    pub text: MessageText,
    /// The images, without duplicates.
    pub media: Vec<MediaId>,
    /// The message that it replies to.
    pub reply_to: Option<MessageId>,
}

impl SendMessage {
    /// Creates a message with a text, images, or both.
    ///
    /// # Errors
    /// [`Violation::Blank`] if both are missing.
    pub fn new(
        client_id: ClientId,
        text: MessageText,
        media: Vec<MediaId>,
        reply_to: Option<MessageId>,
    ) -> Result<Self, Violation> {
        if text.as_str().is_empty() && media.is_empty() {
            return Err(Violation::Blank);
        }
        Ok(Self { client_id, text, media, reply_to })
    }
}

/// An event in a conversation. Events are immutable, and delivered again to members that missed them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversationEvent {
    /// The conversation.
    pub conversation: ConversationId,
    /// Its position among the conversation's events.
    pub seq: u64,
    /// What happened, with its data.
    pub kind: ConversationEventKind,
    /// When it happened.
    pub at: Timestamp,
}

/// The kinds of conversation events, with their data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConversationEventKind {
    /// A message was sent.
    MessageCreated(MessageId),
    /// The text of a message changed.
    MessageEdited(MessageId),
    /// A message was deleted.
    MessageDeleted(MessageId),
    /// An account joined, or was added by a member.
    MemberJoined {
        /// The new member; `None` if the account was deleted.
        user: Option<UserId>,
        /// The member who added them.
        by: Option<UserId>,
    },
    /// A member left, or was removed.
    MemberLeft {
        /// The former member; `None` if the account was deleted.
        user: Option<UserId>,
        /// The member who removed them; the former member themselves if they left.
        by: Option<UserId>,
    },
    /// The title or the owner changed.
    Updated {
        /// The title after the change.
        title: Option<String>,
        /// The owner after the change.
        owner: Option<UserId>,
    },
}

impl ConversationEventKind {
    /// The event's name, as it is stored and sent.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::MessageCreated(_) => "message.created",
            Self::MessageEdited(_) => "message.edited",
            Self::MessageDeleted(_) => "message.deleted",
            Self::MemberJoined { .. } => "member.joined",
            Self::MemberLeft { .. } => "member.left",
            Self::Updated { .. } => "conversation.updated",
        }
    }
}

stored_enum! {
    /// Who may start a conversation with an account, or add it to a group.
    MessagesFrom {
        /// Every account that is not blocked.
        Everyone = "everyone",
        /// The accounts that the account follows.
        Followed = "followed",
        /// No user.
        Nobody = "nobody",
    }
}

impl MessagesFrom {
    /// Whether the setting admits an actor, given the actor's relation to the account. The caller checks blocks
    /// separately.
    pub const fn admits(self, relation: Relation) -> bool {
        match self {
            Self::Everyone => true,
            Self::Followed => relation.followed_by,
            Self::Nobody => false,
        }
    }
}
