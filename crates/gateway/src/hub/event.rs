//! What the hub delivers and reports: events of conversations, their heads, and changes of presence.

use blegram_domain::{ConversationId, UserId};

use crate::frame::{Class, Frame};

/// An event of a conversation, with its audience.
#[derive(Debug, Clone)]
pub struct DurableEvent {
    /// The conversation of the event.
    pub conversation: ConversationId,
    /// The number of the event in the conversation.
    pub seq: u64,
    /// The members at the time of the event who may see it.
    pub members: Vec<UserId>,
    /// The members at the time of the event who may not see it. They only receive the head of the conversation.
    pub head_only: Vec<UserId>,
    /// The rendered event, of class [`Class::DurableEvent`].
    pub frame: Frame,
}

impl DurableEvent {
    /// The head of the conversation after this event.
    pub(super) fn head(&self) -> Option<Frame> {
        match self.frame.class {
            Class::DurableEvent { conversation, seq, last_message_no } => {
                Some(Frame::head(conversation, seq, last_message_no))
            }
            Class::Reply | Class::State(_) | Class::Removed { .. } | Class::Hint => None,
        }
    }
}

/// The head of a conversation, for members who may have missed events.
#[derive(Debug, Clone)]
pub struct Head {
    /// The conversation.
    pub conversation: ConversationId,
    /// The number of the last event.
    pub last_seq: u64,
    /// The number of the last message.
    pub last_message_no: u64,
    /// The members.
    pub members: Vec<UserId>,
}

/// A change of a user's presence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Presence {
    /// The user.
    pub user: UserId,
    /// Whether the user is online now.
    pub is_online: bool,
}
