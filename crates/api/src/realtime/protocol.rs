//! The names of the gateway's events and commands, each once: the AsyncAPI document has a row for every one of them.

use blegram_gateway::{Class, Frame};
use serde::Serialize;

/// An enum of names, with the text that is sent.
macro_rules! names {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $text:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub(crate) enum $name { $($variant,)* }

        impl $name {
            /// Every name, in the order of the document.
            pub(crate) const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The text that is sent.
            pub(crate) const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

names! {
    /// An event.
    EventName {
        Ready = "ready",
        AuthExpiring = "auth.expiring",
        Degraded = "degraded",
        Reconnect = "reconnect",
        MessageCreated = "message.created",
        MessageEdited = "message.edited",
        MessageDeleted = "message.deleted",
        MemberJoined = "member.joined",
        MemberLeft = "member.left",
        ConversationUpdated = "conversation.updated",
        ConversationSkipped = "conversation.skipped",
        ConversationAdded = "conversation.added",
        ConversationRemoved = "conversation.removed",
        ConversationHead = "conversation.head",
        ConversationRead = "conversation.read",
        ConversationDelivered = "conversation.delivered",
        Typing = "typing",
        Presence = "presence",
        NotificationCreated = "notification.created",
        NotificationDeleted = "notification.deleted",
        NotificationState = "notification.state",
        TopicRevoked = "topic.revoked",
        TimelineHead = "timeline.head",
        PostCounts = "post.counts",
        PostCreated = "post.created",
        PostUpdated = "post.updated",
        PostDeleted = "post.deleted",
        CommentCreated = "comment.created",
        CommentUpdated = "comment.updated",
        CommentDeleted = "comment.deleted",
    }
}

names! {
    /// A command.
    CommandName {
        Sync = "sync",
        Subscribe = "subscribe",
        Unsubscribe = "unsubscribe",
        Open = "open",
        Presence = "presence",
        MessageSend = "message.send",
        MessageEdit = "message.edit",
        MessageDelete = "message.delete",
        Read = "read",
        History = "history",
        Auth = "auth",
        Typing = "typing",
    }
}

impl CommandName {
    /// The command that a client sends as `text`.
    pub(crate) fn of(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|name| name.as_str() == text)
    }
}

/// The frame of an event with the payload `d`.
pub(crate) fn event(class: Class, name: EventName, d: &impl Serialize) -> Frame {
    Frame::event(class, name.as_str(), d)
}
