//! Delivery of the events of conversations.

use blegram_chat::Event;
use blegram_domain::{ConversationId, UserId};
use blegram_gateway::{Class, DurableEvent, Frame, Key};

use super::{
    Realtime,
    protocol::{self, EventName},
    state,
};
use crate::schema::{
    Render,
    conversation::{Conversation, ConversationEvent},
    gateway::{
        ConversationAddedEvent, ConversationDeliveredEvent, ConversationReadEvent, ConversationRemovedEvent,
        TypingEvent,
    },
};

impl Realtime {
    /// Delivers an event of this or another node to the connections of this node.
    pub(super) fn deliver_chat(&self, event: Event) {
        match event {
            Event::Appended { event, last_message_no, members, head_only } => {
                self.deliver_durable(event, last_message_no, members, head_only);
            }
            Event::Added { user, conversation } => {
                let id = conversation.conversation.id;
                let conversation = Conversation::render(conversation, &self.media.links());
                let added = ConversationAddedEvent { conversation };
                let frame =
                    protocol::event(Class::State(membership(id)), EventName::ConversationAdded, &added);
                self.hub.fanout().send_to_users(&[user], &frame);
            }
            Event::Removed { user, conversation, reason } => {
                let removed = ConversationRemovedEvent {
                    conversation_id: conversation.as_uuid(),
                    reason: reason.as_str().to_owned(),
                };
                let class = Class::Removed { conversation, key: membership(conversation) };
                let frame = protocol::event(class, EventName::ConversationRemoved, &removed);
                self.hub.fanout().send_to_users(&[user], &frame);
            }
            Event::Read { conversation, user, read_no, members } => {
                let read = ConversationReadEvent {
                    conversation_id: conversation.as_uuid(),
                    user_id: user.as_uuid(),
                    read_no,
                };
                let frame = state(EventName::ConversationRead, &[&conversation, &user], &read);
                self.hub.fanout().send_to_users(&members, &frame);
            }
            Event::Delivered { conversation, user, delivered_seq, members } => {
                let delivered = ConversationDeliveredEvent {
                    conversation_id: conversation.as_uuid(),
                    user_id: user.as_uuid(),
                    delivered_seq,
                };
                let frame = state(EventName::ConversationDelivered, &[&conversation, &user], &delivered);
                self.hub.fanout().send_to_users(&members, &frame);
            }
            Event::Typing { conversation, user, members } => {
                let typing = TypingEvent { conversation_id: conversation.as_uuid(), user_id: user.as_uuid() };
                let frame = protocol::event(Class::Hint, EventName::Typing, &typing);
                self.hub.fanout().send_to_open(conversation, &members, &frame);
            }
        }
    }

    fn deliver_durable(
        &self,
        event: blegram_chat::EventView,
        last_message_no: u64,
        members: Vec<UserId>,
        head_only: Vec<UserId>,
    ) {
        let (conversation, seq) = (event.event.conversation, event.event.seq);
        let rendered = ConversationEvent::render(event, &self.media.links());
        let class = Class::DurableEvent { conversation, seq, last_message_no };
        let frame = Frame::event(class, &rendered.ev, &rendered.d);
        self.hub.fanout().send_durable(DurableEvent { conversation, seq, members, head_only, frame });
    }
}

/// The state key of a membership, shared by `conversation.added` and `conversation.removed`: the later one replaces the
/// earlier.
fn membership(of: ConversationId) -> Key {
    format!("conversation.membership:{of}").into()
}
