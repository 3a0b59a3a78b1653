use blegram_chat::{Changes, ConversationView, EventView, Head, MemberView, MessageView, Synced};
use blegram_domain::{
    ClientId, ConversationId, ConversationTitle, MessageId, MessageText, UserId, UserRef, Username,
    Violation,
    conversation::{Happening, SendMessage as Send},
};
use blegram_media::Links;
use poem_openapi::Object;
use serde::Serialize;
use uuid::Uuid;

use crate::{
    body::{Fields, Input},
    page::PageSchema,
    schema::{Linked, Time, all_linked, media::Media, post::parse_media_ids, user::UserSummary},
};

/// A conversation that you are in.
#[derive(Debug, Object, Serialize)]
pub(crate) struct Conversation {
    id: Uuid,
    /// `direct` or `group`. New kinds may come.
    kind: String,
    title: Option<String>,
    /// Who may remove members of a group.
    owner_id: Option<Uuid>,
    /// Those who joined first first, you among them.
    members: Vec<UserSummary>,
    /// How much happened in it; each thing that happens has the next number.
    last_seq: u64,
    /// How many messages were sent in it; each has the next number.
    last_message_no: u64,
    last_message: Option<Message>,
    /// How many messages you have not read.
    unread_count: u64,
    /// You have read up to the message with this number.
    read_no: u64,
    /// How far each member has read.
    read_states: Vec<ReadState>,
    /// Whether it does not count into what you have not read.
    is_muted: bool,
    created_at: Time,
}

/// How far a member of a conversation is.
#[derive(Debug, Object, Serialize)]
pub(crate) struct ReadState {
    user_id: Uuid,
    /// They have read up to the message with this number.
    read_no: u64,
    /// Their devices have got what happened up to this.
    delivered_seq: u64,
}

/// A message.
#[derive(Debug, Object, Serialize)]
pub(crate) struct Message {
    id: Uuid,
    conversation_id: Uuid,
    /// The number of its sending among everything that happened in the conversation.
    seq: u64,
    /// Its number among the messages.
    message_no: u64,
    /// Null of an account that is gone.
    sender: Option<UserSummary>,
    /// What the sender's device called it.
    client_id: Uuid,
    /// Plain text, to be escaped where it is shown; null once it is deleted.
    text: Option<String>,
    media: Vec<Media>,
    /// The message that it answers.
    reply_to: Option<Uuid>,
    created_at: Time,
    edited_at: Option<Time>,
    /// A deleted message keeps its place, without content.
    is_deleted: bool,
}

impl Linked<MessageView> for Message {
    fn linked(view: MessageView, links: &Links) -> Self {
        let MessageView { message, sender, media } = view;
        let is_deleted = message.is_deleted();
        Self {
            id: message.id.as_uuid(),
            conversation_id: message.conversation.as_uuid(),
            seq: message.seq,
            message_no: message.message_no,
            sender: sender.map(|sender| UserSummary::linked(sender, links)),
            client_id: message.client_id.as_uuid(),
            text: (!is_deleted).then_some(message.text),
            media: media.into_iter().map(|media| Media::new(media, false, links)).collect(),
            reply_to: message.reply_to.map(MessageId::as_uuid),
            created_at: message.created_at.into(),
            edited_at: message.edited_at.map(Into::into),
            is_deleted,
        }
    }
}

impl Linked<ConversationView> for Conversation {
    fn linked(view: ConversationView, links: &Links) -> Self {
        let ConversationView { conversation, members, last_message, mine } = view;
        let state = |MemberView { membership, .. }: &MemberView| ReadState {
            user_id: membership.user.as_uuid(),
            read_no: membership.read_no,
            delivered_seq: membership.delivered_seq,
        };
        Self {
            id: conversation.id.as_uuid(),
            kind: conversation.kind.as_str().to_owned(),
            owner_id: conversation.owner.map(UserId::as_uuid),
            read_states: members.iter().map(state).collect(),
            members: all_linked(members.into_iter().map(|member| member.user).collect(), links),
            last_seq: conversation.last_seq,
            last_message_no: conversation.last_message_no,
            last_message: last_message.map(|view| Message::linked(view, links)),
            unread_count: mine.unread_count(conversation.last_message_no),
            read_no: mine.read_no,
            is_muted: mine.is_muted,
            created_at: conversation.created_at.into(),
            title: conversation.title,
        }
    }
}

/// A page of conversations.
#[derive(Debug, Object, Serialize)]
pub(crate) struct ConversationPage {
    items: Vec<Conversation>,
    /// Where the list goes on; null at its end.
    next_cursor: Option<String>,
    /// Where those are found in which something was said since.
    prev_cursor: Option<String>,
}

impl PageSchema for ConversationPage {
    type Item = Conversation;

    fn new(items: Vec<Conversation>, next_cursor: Option<String>, prev_cursor: Option<String>) -> Self {
        Self { items, next_cursor, prev_cursor }
    }
}

/// A page of messages.
#[derive(Debug, Object, Serialize)]
pub(crate) struct MessagePage {
    items: Vec<Message>,
    /// Where the list goes on; null at its end.
    next_cursor: Option<String>,
    /// Where newer messages are found.
    prev_cursor: Option<String>,
    /// What had happened in the conversation before these were read: ask for events after it.
    last_seq: u64,
}

impl MessagePage {
    /// The same page, read when so much had happened.
    pub(crate) fn with_last_seq(self, last_seq: u64) -> Self {
        Self { last_seq, ..self }
    }
}

impl PageSchema for MessagePage {
    type Item = Message;

    fn new(items: Vec<Message>, next_cursor: Option<String>, prev_cursor: Option<String>) -> Self {
        Self { items, next_cursor, prev_cursor, last_seq: 0 }
    }
}

/// What happened in a conversation.
#[derive(Debug, Object, Serialize)]
pub(crate) struct ConversationEvents {
    /// In order, without a gap.
    events: Vec<ConversationEvent>,
    /// The last thing that happened.
    head_seq: u64,
    /// Whether there is more before `head_seq`: ask again, after the last of these.
    more: bool,
    /// Whether you missed too much: drop what you know of the conversation, and list its messages.
    reset: bool,
}

/// What an event is called that is about a message which the viewer may not see.
const SKIPPED: &str = "conversation.skipped";

/// Something that happened in a conversation.
#[derive(Debug, Object, Serialize)]
pub(crate) struct ConversationEvent {
    /// `message.created`, `message.edited`, `message.deleted`, `member.joined`, `member.left`, `conversation.updated`, or
    /// `conversation.skipped` in the place of what happened to a message from before you joined: of it only its number is
    /// for you. New kinds may come, and their numbers count too.
    pub(crate) ev: String,
    pub(crate) d: EventBody,
}

/// What an event says.
#[derive(Debug, Object, Serialize)]
#[oai(rename = "ConversationEventBody")]
pub(crate) struct EventBody {
    conversation_id: Uuid,
    /// Its number.
    seq: u64,
    at: Time,
    /// Of `message.…`: the message as it is now.
    message: Option<Message>,
    /// Of `member.…`: who; null of an account that is gone.
    user: Option<UserSummary>,
    /// Of `member.…`: who let them in or out.
    by: Option<UserSummary>,
    /// Of `conversation.updated`.
    title: Option<String>,
    /// Of `conversation.updated`.
    owner_id: Option<Uuid>,
}

impl Linked<EventView> for ConversationEvent {
    fn linked(view: EventView, links: &Links) -> Self {
        let EventView { event, message, user, by } = view;
        let is_about_message = matches!(
            event.what,
            Happening::MessageCreated(_) | Happening::MessageEdited(_) | Happening::MessageDeleted(_)
        );
        let is_skipped = is_about_message && message.is_none();
        let ev = if is_skipped { SKIPPED } else { event.what.as_str() }.to_owned();
        let (title, owner_id) = match event.what {
            Happening::Updated { title, owner } => (title, owner.map(UserId::as_uuid)),
            _ => (None, None),
        };
        let d = EventBody {
            conversation_id: event.conversation.as_uuid(),
            seq: event.seq,
            at: event.at.into(),
            message: message.map(|view| Message::linked(view, links)),
            user: user.map(|user| UserSummary::linked(user, links)),
            by: by.map(|user| UserSummary::linked(user, links)),
            title,
            owner_id,
        };
        Self { ev, d }
    }
}

impl Linked<Changes> for ConversationEvents {
    fn linked(Changes { events, head_seq, more, reset }: Changes, links: &Links) -> Self {
        Self { events: all_linked(events, links), head_seq, more, reset }
    }
}

/// What changed since a cursor.
#[derive(Debug, Object, Serialize)]
pub(crate) struct Sync {
    /// For the next time.
    cursor: String,
    /// Conversations in which something happened, or that you read elsewhere. Some may be told again.
    heads: Vec<ConversationHead>,
    /// Conversations that you are in no more.
    removed: Vec<Uuid>,
    /// Whether there are more now.
    more: bool,
    /// How many messages you have not read, in all conversations that are not muted.
    unread: u64,
}

/// How far a conversation is.
#[derive(Debug, Object, Serialize)]
pub(crate) struct ConversationHead {
    conversation_id: Uuid,
    last_seq: u64,
    last_message_no: u64,
    read_no: u64,
    unread_count: u64,
}

impl From<Synced> for Sync {
    fn from(synced: Synced) -> Self {
        let head = |Head { conversation, mine }: Head| ConversationHead {
            conversation_id: conversation.id.as_uuid(),
            last_seq: conversation.last_seq,
            last_message_no: conversation.last_message_no,
            read_no: mine.read_no,
            unread_count: mine.unread_count(conversation.last_message_no),
        };
        Self {
            cursor: synced.cursor.to_string(),
            heads: synced.heads.into_iter().map(head).collect(),
            removed: synced.removed.into_iter().map(ConversationId::as_uuid).collect(),
            more: synced.more,
            unread: synced.unread,
        }
    }
}

/// How far you have read a conversation.
#[derive(Debug, Object, Serialize)]
pub(crate) struct ConversationRead {
    pub(crate) read_no: u64,
    pub(crate) unread_count: u64,
}

/// Whether a conversation does not count into what you have not read.
#[derive(Debug, Object, Serialize)]
pub(crate) struct ConversationMute {
    pub(crate) is_muted: bool,
}

/// A new conversation.
#[derive(Debug, Object)]
pub(crate) struct CreateConversation {
    /// Ids or `@username`s of those whom you want to talk to, at most 63. One, without a title, is the direct conversation of
    /// the two of you, which is found again.
    #[oai(validator(max_items = 63))]
    members: Option<Vec<String>>,
    /// What a group is called, at most 60 characters.
    title: Option<String>,
}

/// The parts of a conversation to be.
pub(crate) struct NewConversation {
    pub(crate) members: Vec<UserRef>,
    pub(crate) title: Option<ConversationTitle>,
}

impl Input for CreateConversation {
    type Parsed = NewConversation;

    fn parse(fields: &mut Fields) -> Option<Self::Parsed> {
        let members = parse_members(fields).unwrap_or_default();
        let title = fields.optional_text("title", ConversationTitle::parse);
        Some(NewConversation { members, title })
    }
}

/// Others for a group.
#[derive(Debug, Object)]
pub(crate) struct AddMembers {
    /// Ids or `@username`s, at most 63.
    #[oai(validator(max_items = 63))]
    members: Option<Vec<String>>,
}

impl Input for AddMembers {
    type Parsed = Vec<UserRef>;

    fn parse(fields: &mut Fields) -> Option<Self::Parsed> {
        Some(parse_members(fields).unwrap_or_default())
    }
}

fn parse_members(fields: &mut Fields) -> Option<Vec<UserRef>> {
    let max = blegram_domain::Conversation::MAX_MEMBERS - 1;
    fields.optional_texts("members", max, |raw| {
        let named = match raw.strip_prefix('@') {
            Some(username) => Username::parse(username).ok().map(UserRef::Username),
            None => raw.parse::<UserId>().ok().map(UserRef::Id),
        };
        named.ok_or(Violation::NotFound("names nobody whom you can write to"))
    })
}

/// A change of a group.
#[derive(Debug, Object)]
pub(crate) struct UpdateConversation {
    /// At most 60 characters; null for none.
    title: Option<String>,
}

/// What becomes of a group: its title, if it is to change.
pub(crate) struct Retitle(pub(crate) Option<Option<ConversationTitle>>);

impl Input for UpdateConversation {
    type Parsed = Retitle;

    fn parse(fields: &mut Fields) -> Option<Self::Parsed> {
        Some(Retitle(fields.patch_nullable("title", ConversationTitle::parse)))
    }
}

/// A new message.
#[derive(Debug, Object)]
pub(crate) struct SendMessage {
    /// What your device calls it, a UUID of version 7. Sent again with it, however much later, it is not sent again.
    client_id: Uuid,
    /// Plain text, at most 2,000 characters and 8 KiB. May be empty in a message with images.
    text: Option<String>,
    /// Images of yours that are used for nothing yet, at most 10, in this order.
    #[oai(validator(max_items = 10))]
    media_ids: Option<Vec<Uuid>>,
    /// A message of the same conversation that it answers.
    reply_to: Option<Uuid>,
}

impl Input for SendMessage {
    type Parsed = Send;

    fn parse(fields: &mut Fields) -> Option<Self::Parsed> {
        let client_id = fields.text("client_id", |raw| {
            raw.parse::<ClientId>().map_err(|_| Violation::InvalidCharacters("must be a UUID"))
        });
        if !fields.has("text") && !fields.has("media_ids") {
            fields.fail("text", Violation::Blank);
        }
        let text = fields.optional_text("text", MessageText::parse);
        let media = parse_media_ids(fields).unwrap_or_default();
        let reply_to = fields.optional_text("reply_to", |raw| {
            raw.parse::<MessageId>().map_err(|_| Violation::NotFound("names no message of this conversation"))
        });
        let text = text.or_else(|| MessageText::parse("").ok())?;
        // It is blank only if nothing else was meant to be there.
        if text.as_str().is_empty() && fields.has_failed() {
            return None;
        }
        Send::new(client_id?, text, media, reply_to).map_err(|violation| fields.fail("text", violation)).ok()
    }
}

/// Another text of a message.
#[derive(Debug, Object)]
pub(crate) struct EditMessage {
    /// Plain text, at most 2,000 characters and 8 KiB.
    text: String,
}

impl Input for EditMessage {
    type Parsed = MessageText;

    fn parse(fields: &mut Fields) -> Option<Self::Parsed> {
        fields.text("text", MessageText::parse)
    }
}

/// How far you have read.
#[derive(Debug, Object)]
pub(crate) struct MarkRead {
    /// The number of the newest message that you have seen.
    message_no: u64,
}

impl Input for MarkRead {
    type Parsed = u64;

    fn parse(fields: &mut Fields) -> Option<Self::Parsed> {
        fields.integer("message_no", 0..=u64::MAX, "must be the number of a message")
    }
}
