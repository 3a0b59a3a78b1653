//! Things as a member sees them.

use std::{collections::HashMap, slice};

use blegram_domain::{
    Conversation, ConversationEvent, ConversationId, Media, MediaId, Message, MessageId, UserId, UserSummary,
    conversation::{Happening, Membership},
    user::Status,
};
use blegram_persistence::{Conn, conversations, media, messages, users};

use crate::{Error, Result};

/// A conversation as one of its members sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConversationView {
    /// The conversation.
    pub conversation: Conversation,
    /// Who is in it, those who joined first first, without accounts that are gone.
    pub members: Vec<MemberView>,
    /// The newest message, if the viewer sees it.
    pub last_message: Option<MessageView>,
    /// How the viewer is in it.
    pub mine: Membership,
}

/// Somebody in a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberView {
    /// How they are in it.
    pub membership: Membership,
    /// Who they are.
    pub user: UserSummary,
}

/// A message with who sent it and what it shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageView {
    /// The message.
    pub message: Message,
    /// Who sent it; `None` of an account that is gone.
    pub sender: Option<UserSummary>,
    /// Its images, in order.
    pub media: Vec<Media>,
}

/// Something that happened, with what it is about as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventView {
    /// What happened.
    pub event: ConversationEvent,
    /// The message that it is about; `None` also of one that the viewer may not see, because it is from before they joined:
    /// then of the event only its number is for them.
    pub message: Option<MessageView>,
    /// Whom it is about; `None` of an account that is gone.
    pub user: Option<UserSummary>,
    /// Who did it.
    pub by: Option<UserSummary>,
}

/// Hydrates conversations that `viewer` is in: a statement each for members, people, messages and images, however many
/// conversations.
pub(crate) async fn view_conversations(
    conn: &impl Conn,
    viewer: UserId,
    all: &[Conversation],
) -> Result<Vec<ConversationView>> {
    let parts = Parts::read(conn, all).await?;
    Ok(all.iter().filter_map(|conversation| parts.view(viewer, conversation)).collect())
}

/// Hydrates a conversation for each of `viewers` who is in it, in as many statements.
pub(crate) async fn view_to_each(
    conn: &impl Conn,
    conversation: &Conversation,
    viewers: &[UserId],
) -> Result<Vec<ConversationView>> {
    let parts = Parts::read(conn, slice::from_ref(conversation)).await?;
    Ok(viewers.iter().filter_map(|viewer| parts.view(*viewer, conversation)).collect())
}

/// What views of conversations are made of.
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

    /// `None` for somebody who is not in it.
    fn view(&self, viewer: UserId, conversation: &Conversation) -> Option<ConversationView> {
        let memberships = self.members.get(&conversation.id)?;
        let mine = memberships.iter().find(|it| it.user == viewer)?.clone();
        let last_message = conversation.last_message.and_then(|id| self.last.get(&id));
        let shown = |membership: &Membership| {
            let user = self.people.find(membership.user)?;
            Some(MemberView { membership: membership.clone(), user })
        };
        Some(ConversationView {
            conversation: conversation.clone(),
            members: memberships.iter().filter_map(shown).collect(),
            last_message: last_message.filter(|view| mine.sees(view.message.message_no)).cloned(),
            mine,
        })
    }
}

/// Hydrates what happened, in the order in which it comes.
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
    match event.what {
        Happening::MessageCreated(id) | Happening::MessageEdited(id) | Happening::MessageDeleted(id) => {
            Some(id)
        }
        Happening::MemberJoined { .. } | Happening::MemberLeft { .. } | Happening::Updated { .. } => None,
    }
}

/// Whom an event is about, and who did it.
const fn people_of(event: &ConversationEvent) -> [Option<UserId>; 2] {
    match event.what {
        Happening::MemberJoined { user, by } | Happening::MemberLeft { user, by } => [user, by],
        Happening::Updated { .. }
        | Happening::MessageCreated(_)
        | Happening::MessageEdited(_)
        | Happening::MessageDeleted(_) => [None, None],
    }
}

/// Hydrates messages, in the order in which they come: a statement for people, and one for images if there are any.
pub(crate) async fn view_messages(conn: &impl Conn, all: Vec<Message>) -> Result<Vec<MessageView>> {
    let people = People::read(conn, all.iter().filter_map(|message| message.sender).collect()).await?;
    let ids: Vec<MediaId> = all.iter().flat_map(|message| message.media.iter().copied()).collect();
    let mut images = media::list_by_ids(conn, &ids).await?;
    let view = |message: Message| MessageView {
        sender: message.sender.and_then(|sender| people.find(sender)),
        media: message.media.iter().filter_map(|id| images.remove(id)).collect(),
        message,
    };
    Ok(all.into_iter().map(view).collect())
}

/// Hydrates a message.
pub(crate) async fn view_message(conn: &impl Conn, message: Message) -> Result<MessageView> {
    view_messages(conn, vec![message]).await?.pop().ok_or(Error::NotFound)
}

/// Some people, without accounts that are gone.
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
