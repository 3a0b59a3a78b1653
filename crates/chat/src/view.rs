//! Things as a member sees them.

use std::collections::HashMap;

use blegram_domain::{
    Conversation, ConversationEvent, ConversationId, Media, MediaId, Message, MessageId, UserId, UserSummary,
    conversation::{Happening, Membership},
    user::Status,
};
use blegram_persistence::{Conn, conversations, media, messages, users};

use crate::{Chat, Result};

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
    /// The message that it is about.
    pub message: Option<MessageView>,
    /// Whom it is about; `None` of an account that is gone.
    pub user: Option<UserSummary>,
    /// Who did it.
    pub by: Option<UserSummary>,
}

impl Chat {
    /// Hydrates conversations that `viewer` is in: a statement each for members, people, messages and images, however many
    /// conversations.
    pub(crate) async fn view_conversations(
        &self,
        viewer: UserId,
        all: Vec<Conversation>,
    ) -> Result<Vec<ConversationView>> {
        let ids: Vec<ConversationId> = all.iter().map(|conversation| conversation.id).collect();
        let mut members = conversations::list_members(&self.db, &ids).await?;
        let last: Vec<MessageId> = all.iter().filter_map(|conversation| conversation.last_message).collect();
        let last = messages::list_by_ids(&self.db, &last).await?;
        let mut last = view_messages(&self.db, last.into_values().collect()).await?;
        let people = members.values().flatten().map(|membership| membership.user).collect();
        let people = People::read(&self.db, people).await?;
        let view = |conversation: Conversation| {
            let memberships = members.remove(&conversation.id)?;
            let mine = memberships.iter().find(|it| it.user == viewer)?.clone();
            let at = last.iter().position(|view| Some(view.message.id) == conversation.last_message);
            let last_message = at.map(|at| last.swap_remove(at));
            let shown = |membership: Membership| {
                people.find(membership.user).map(|user| MemberView { membership, user })
            };
            Some(ConversationView {
                members: memberships.into_iter().filter_map(shown).collect(),
                last_message: last_message.filter(|view| view.message.message_no > mine.since_no),
                conversation,
                mine,
            })
        };
        Ok(all.into_iter().filter_map(view).collect())
    }

    pub(crate) async fn view_events(&self, events: Vec<ConversationEvent>) -> Result<Vec<EventView>> {
        let ids: Vec<MessageId> = events.iter().filter_map(message_of).collect();
        let found = messages::list_by_ids(&self.db, &ids).await?;
        let views = view_messages(&self.db, found.into_values().collect()).await?;
        let views: HashMap<MessageId, MessageView> =
            views.into_iter().map(|view| (view.message.id, view)).collect();
        let people = events.iter().flat_map(people_of).flatten().collect();
        let people = People::read(&self.db, people).await?;
        let view = |event: ConversationEvent| {
            let [user, by] = people_of(&event).map(|id| id.and_then(|id| people.find(id)));
            let message = message_of(&event).and_then(|id| views.get(&id)).cloned();
            EventView { event, message, user, by }
        };
        Ok(events.into_iter().map(view).collect())
    }
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
