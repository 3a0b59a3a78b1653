//! Conversations, their members and what was said in them.
//!
//! A conversation counts twice: `seq` counts everything that happens in it, without a gap, so that whoever missed something
//! knows it; `message_no` counts the messages, so that what is unread is a subtraction.

use std::str::FromStr;

use crate::{
    ClientId, ConversationId, MediaId, MessageId, MessageText, Relation, Timestamp, UserId, Violation,
    user::stored_enum,
};

stored_enum! {
    /// What a conversation is.
    ConversationKind {
        /// Between two, once: it is found again whenever one of them wants it.
        Direct = "direct",
        /// Of any number, as often as somebody makes one.
        Group = "group",
    }
}

/// A conversation as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation {
    /// Sorts by time of creation.
    pub id: ConversationId,
    /// What it is.
    pub kind: ConversationKind,
    /// What its members call it; see [`crate::ConversationTitle`].
    pub title: Option<String>,
    /// Who may remove members of a group; `None` of a direct one.
    pub owner: Option<UserId>,
    /// How much happened in it.
    pub last_seq: u64,
    /// How many messages were sent in it.
    pub last_message_no: u64,
    /// The newest message.
    pub last_message: Option<MessageId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// How often its title or owner changed.
    pub version: u64,
}

impl Conversation {
    /// The largest number of members.
    pub const MAX_MEMBERS: usize = 64;
}

/// How somebody is in a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// In which.
    pub conversation: ConversationId,
    /// Who.
    pub user: UserId,
    /// Since when.
    pub joined_at: Timestamp,
    /// They see what happened after this.
    pub since_seq: u64,
    /// They see the messages after this one.
    pub since_no: u64,
    /// They have read up to this message.
    pub read_no: u64,
    /// Their devices have got what happened up to this.
    pub delivered_seq: u64,
    /// Not listed until there is a message after this one.
    pub hidden_no: Option<u64>,
    /// Whether it counts into what they have not read.
    pub is_muted: bool,
}

impl Membership {
    /// How many messages they have not read of a conversation with `last_message_no`.
    pub fn unread_count(&self, last_message_no: u64) -> u64 {
        last_message_no.saturating_sub(self.read_no)
    }

    /// Whether they see a message: one that was sent while they were in, or since they hid what was before. What becomes of
    /// an older one later is not for them either.
    pub const fn sees(&self, message_no: u64) -> bool {
        message_no > self.since_no
    }

    /// Whether it is listed, with `last_message_no`.
    pub fn is_listed(&self, last_message_no: u64) -> bool {
        self.hidden_no.is_none_or(|no| last_message_no > no)
    }
}

/// A message as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its id.
    pub id: MessageId,
    /// Where it was sent.
    pub conversation: ConversationId,
    /// What number its sending has among everything that happened there.
    pub seq: u64,
    /// What number it has among the messages.
    pub message_no: u64,
    /// Who sent it; `None` of an account that is gone.
    pub sender: Option<UserId>,
    /// What its sender's device called it.
    pub client_id: ClientId,
    /// What its sender sent, hashed: a repetition is told from another message by it.
    pub fingerprint: [u8; 32],
    /// What it says; see [`MessageText`]. Empty once it is deleted.
    pub text: String,
    /// Its images, in order.
    pub media: Vec<MediaId>,
    /// The message that it answers.
    pub reply_to: Option<MessageId>,
    /// When it was sent.
    pub created_at: Timestamp,
    /// When its text last changed.
    pub edited_at: Option<Timestamp>,
    /// When it was deleted. It stays, without content: what is counted is not counted back.
    pub deleted_at: Option<Timestamp>,
    /// How often its sender edited it.
    pub version: u64,
}

impl Message {
    /// Whether it was deleted.
    pub const fn is_deleted(&self) -> bool {
        self.deleted_at.is_some()
    }
}

/// A message to be: a text or images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SendMessage {
    /// What the sender's device calls it: of several with one name, one is sent.
    pub client_id: ClientId,
    /// What it says.
    pub text: MessageText,
    /// Its images, each named once.
    pub media: Vec<MediaId>,
    /// The message that it answers.
    pub reply_to: Option<MessageId>,
}

impl SendMessage {
    /// A message with a text or images.
    ///
    /// # Errors
    /// [`Violation::Blank`] for neither.
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

/// Something that happened in a conversation. It stays true, and is told again to whoever missed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConversationEvent {
    /// Where.
    pub conversation: ConversationId,
    /// What number it has.
    pub seq: u64,
    /// What.
    pub what: Happening,
    /// When.
    pub at: Timestamp,
}

/// What happens in conversations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happening {
    /// A message was sent.
    MessageCreated(MessageId),
    /// A message says something else now.
    MessageEdited(MessageId),
    /// A message says nothing any more.
    MessageDeleted(MessageId),
    /// Somebody is in, let in by somebody.
    MemberJoined {
        /// Who; `None` of an account that is gone.
        user: Option<UserId>,
        /// By whom.
        by: Option<UserId>,
    },
    /// Somebody is out, by themselves or removed by somebody.
    MemberLeft {
        /// Who; `None` of an account that is gone.
        user: Option<UserId>,
        /// By whom.
        by: Option<UserId>,
    },
    /// It is called something else, or somebody else owns it.
    Updated {
        /// What it is called.
        title: Option<String>,
        /// Who owns it.
        owner: Option<UserId>,
    },
}

impl Happening {
    /// Its name, as it is stored and sent.
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
    /// Who may write to somebody first, or add them to a group.
    MessagesFrom {
        /// Everybody who is not blocked.
        Everyone = "everyone",
        /// Those whom they follow.
        Followed = "followed",
        /// Nobody.
        Nobody = "nobody",
    }
}

impl MessagesFrom {
    /// Whether it admits somebody who stands to the account like this. Blocks are looked at elsewhere.
    pub const fn admits(self, relation: Relation) -> bool {
        match self {
            Self::Everyone => true,
            Self::Followed => relation.followed_by,
            Self::Nobody => false,
        }
    }
}
