//! Entities as a member sees them: conversations, messages and events, hydrated with their members, senders and images.
//! The number of statements does not depend on the number of entities.

use std::{collections::HashMap, slice};

use blegram_domain::{
    Conversation, ConversationEvent, ConversationId, Media, MediaId, Message, MessageId, UserId, UserSummary,
    conversation::{ConversationEventKind, Membership},
    user::Status,
};
use blegram_persistence::{Conn, conversations, media, messages, users};
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// A conversation as one of its members sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConversationView {
    /// The conversation.
    pub conversation: Conversation,
    /// Its members in the order in which they joined, without deleted accounts.
    pub members: Vec<MemberView>,
    /// The newest message, if the viewer may see it.
    pub last_message: Option<MessageView>,
    /// The viewer's membership.
    pub mine: Membership,
}

/// A member of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberView {
    /// The membership.
    pub membership: Membership,
    /// The account.
    pub user: UserSummary,
}

/// A message with its sender and images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageView {
    /// The message.
    pub message: Message,
    /// Its sender; `None` if the account is deleted.
    pub sender: Option<UserSummary>,
    /// Its images, in order.
    pub media: Vec<Media>,
}

/// An event with its message and people, as they are now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventView {
    /// The event.
    pub event: ConversationEvent,
    /// The message of the event. `None` also if the viewer may not see it, because it is older than their membership:
    /// then only the event's number and kind are for them.
    pub message: Option<MessageView>,
    /// The member whom the event is about; `None` if the account is deleted.
    pub user: Option<UserSummary>,
    /// The user who caused it; `None` if the account is deleted.
    pub by: Option<UserSummary>,
}

/// Hydrates conversations of `viewer`: one statement each for members, people, messages and images, for any number of
/// conversations.
pub(crate) async fn view_conversations(
    conn: &impl Conn,
    viewer: UserId,
    all: &[Conversation],
) -> Result<Vec<ConversationView>> {
    let parts = Parts::read(conn, all).await?;
    Ok(all.iter().filter_map(|conversation| parts.view(viewer, conversation)).collect())
}

/// Hydrates a conversation for each of `viewers` who is a member, with as many statements as for one.
pub(crate) async fn view_for_viewers(
    conn: &impl Conn,
    conversation: &Conversation,
    viewers: &[UserId],
) -> Result<Vec<ConversationView>> {
    let parts = Parts::read(conn, slice::from_ref(conversation)).await?;
    Ok(viewers.iter().filter_map(|viewer| parts.view(*viewer, conversation)).collect())
}

/// The rows that conversation views consist of.
struct Parts {
    members: HashMap<ConversationId, Vec<Membership>>,
    last: HashMap<MessageId, MessageView>,
    people: People,
}

impl Parts {
    async fn read(conn: &impl Conn, all: &[Conversation]) -> Result<Self> {
        let ids: Vec<ConversationId> = all.iter().map(|conversation| conversation.id).collect();
        let members = conversations::list_members(conn, &ids).await?;
        let last: Vec<MessageId> = all.iter().filter_map(|conversation| conversation.last_message).collect();
        let last = messages::list_by_ids(conn, &last).await?;
        let last = view_messages(conn, last.into_values().collect()).await?;
        let people = members.values().flatten().map(|membership| membership.user).collect();
        let people = People::read(conn, people).await?;
        Ok(Self { members, last: last.into_iter().map(|view| (view.message.id, view)).collect(), people })
    }

    /// `None` if the viewer is not a member.
    fn view(&self, viewer: UserId, conversation: &Conversation) -> Option<ConversationView> {
        let memberships = self.members.get(&conversation.id)?;
        let mine = memberships.iter().find(|membership| membership.user == viewer)?.clone();
        let last_message = conversation.last_message.and_then(|id| self.last.get(&id));
        let member_view = |membership: &Membership| {
            let user = self.people.find(membership.user)?;
            Some(MemberView { membership: membership.clone(), user })
        };
        Some(ConversationView {
            conversation: conversation.clone(),
            members: memberships.iter().filter_map(member_view).collect(),
            last_message: last_message.filter(|view| mine.sees(view.message.message_no)).cloned(),
            mine,
        })
    }
}

/// Hydrates events, in the given order.
pub(crate) async fn view_events(conn: &impl Conn, events: Vec<ConversationEvent>) -> Result<Vec<EventView>> {
    let ids: Vec<MessageId> = events.iter().filter_map(message_of).collect();
    let found = messages::list_by_ids(conn, &ids).await?;
    let views = view_messages(conn, found.into_values().collect()).await?;
    let views: HashMap<MessageId, MessageView> =
        views.into_iter().map(|view| (view.message.id, view)).collect();
    let people = events.iter().flat_map(people_of).flatten().collect();
    let people = People::read(conn, people).await?;
    let view = |event: ConversationEvent| {
        let [user, by] = people_of(&event).map(|id| id.and_then(|id| people.find(id)));
        let message = message_of(&event).and_then(|id| views.get(&id)).cloned();
        EventView { event, message, user, by }
    };
    Ok(events.into_iter().map(view).collect())
}

const fn message_of(event: &ConversationEvent) -> Option<MessageId> {
    match event.kind {
        ConversationEventKind::MessageCreated(id)
        | ConversationEventKind::MessageEdited(id)
        | ConversationEventKind::MessageDeleted(id) => Some(id),
        ConversationEventKind::MemberJoined { .. }
        | ConversationEventKind::MemberLeft { .. }
        | ConversationEventKind::Updated { .. } => None,
    }
}

/// The member whom an event is about, and the user who caused it.
const fn people_of(event: &ConversationEvent) -> [Option<UserId>; 2] {
    match event.kind {
        ConversationEventKind::MemberJoined { user, by } | ConversationEventKind::MemberLeft { user, by } => {
            [user, by]
        }
        ConversationEventKind::Updated { .. }
        | ConversationEventKind::MessageCreated(_)
        | ConversationEventKind::MessageEdited(_)
        | ConversationEventKind::MessageDeleted(_) => [None, None],
    }
}

/// Hydrates messages, in the given order: one statement for people, and one for images if there are any. Messages of a
/// deleted account have no content from its deletion on, even before the job has cleared them.
pub(crate) async fn view_messages(conn: &impl Conn, mut all: Vec<Message>) -> Result<Vec<MessageView>> {
    let people = People::read(conn, all.iter().filter_map(|message| message.sender).collect()).await?;
    for message in &mut all {
        if message.sender.is_some_and(|sender| people.find(sender).is_none()) {
            anonymize(message);
        }
    }
    let ids: Vec<MediaId> = all.iter().flat_map(|message| message.media.iter().copied()).collect();
    let mut images = media::list_by_ids(conn, &ids).await?;
    let view = |message: Message| MessageView {
        sender: message.sender.and_then(|sender| people.find(sender)),
        media: message.media.iter().filter_map(|id| images.remove(id)).collect(),
        message,
    };
    Ok(all.into_iter().map(view).collect())
}

/// Clears a message like the job that purges the account of its sender. It keeps its place.
fn anonymize(message: &mut Message) {
    message.sender = None;
    message.text.clear();
    message.media.clear();
    // The time of the purge, which has not run yet, is not shown to anyone.
    message.deleted_at = message.deleted_at.or(Some(message.created_at));
}

/// Hydrates one message.
pub(crate) async fn view_message(conn: &impl Conn, message: Message) -> Result<MessageView> {
    view_messages(conn, vec![message]).await?.pop().ok_or(Error::NotFound)
}

/// Accounts without deleted ones.
struct People(HashMap<UserId, UserSummary>);

impl People {
    async fn read(conn: &impl Conn, mut ids: Vec<UserId>) -> Result<Self> {
        ids.sort_unstable();
        ids.dedup();
        Ok(Self(users::list_summaries(conn, &ids).await?))
    }

    fn find(&self, id: UserId) -> Option<UserSummary> {
        self.0.get(&id).filter(|user| user.status != Status::Deleted).cloned()
    }
}
