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
    answer::Versioned,
    body::{Fields, Input},
    page::PageSchema,
    schema::{Linked, Time, all_linked, media::Media, post::parse_media_ids, user::UserSummary},
};

/// A conversation that you are in.
#[derive(Debug, Object, Serialize)]
pub(crate) struct Conversation {
    /// The id. Sorts by time of creation.
    /// ID. 만들어진 시각 순서로 정렬됩니다.
    id: Uuid,
    /// `direct` or `group`. New kinds may come.
    /// `direct`(1:1) 또는 `group`(그룹). 새로운 종류가 추가될 수 있습니다.
    kind: String,
    /// The title of a group; null when it has none.
    /// 그룹 이름. 없으면 null입니다.
    title: Option<String>,
    /// Who may remove members of a group.
    /// 그룹에서 참여자를 내보낼 수 있는 사람.
    owner_id: Option<Uuid>,
    /// Those who joined first first, you among them.
    /// 나를 포함한 참여자. 먼저 참여한 순서입니다.
    members: Vec<UserSummary>,
    /// How much happened in it; each thing that happens has the next number.
    /// 대화에서 일어난 이벤트 수. 이벤트마다 다음 번호가 붙습니다.
    last_seq: u64,
    /// How many messages were sent in it; each has the next number.
    /// 보낸 메시지 수. 메시지마다 다음 번호가 붙습니다.
    last_message_no: u64,
    /// The newest message; null before the first.
    /// 가장 최근 메시지. 아직 없으면 null입니다.
    last_message: Option<Message>,
    /// How many messages you have not read.
    /// 읽지 않은 메시지 수.
    unread_count: u64,
    /// You have read up to the message with this number.
    /// 내가 읽은 마지막 메시지의 번호.
    read_no: u64,
    /// How far each member has read.
    /// 참여자별 읽은 위치.
    read_states: Vec<ReadState>,
    /// Whether it does not count into what you have not read.
    /// 안 읽은 메시지 합계에서 제외되는 대화인지 여부.
    is_muted: bool,
    /// When it was created.
    /// 만들어진 시각.
    created_at: Time,
}

/// How far a member of a conversation is.
#[derive(Debug, Object, Serialize)]
pub(crate) struct ReadState {
    /// The id of the user.
    /// 사용자의 ID.
    user_id: Uuid,
    /// They have read up to the message with this number.
    /// 이 참여자가 읽은 마지막 메시지의 번호.
    read_no: u64,
    /// Their devices have got what happened up to this.
    /// 이 참여자의 기기가 받은 마지막 이벤트의 번호.
    delivered_seq: u64,
}

/// A message.
#[derive(Debug, Object, Serialize)]
pub(crate) struct Message {
    /// The id. Sorts by time of creation.
    /// ID. 만들어진 시각 순서로 정렬됩니다.
    id: Uuid,
    /// The id of the conversation.
    /// 대화의 ID.
    conversation_id: Uuid,
    /// The number of its sending among everything that happened in the conversation.
    /// 대화의 이벤트 가운데 이 메시지가 전송된 이벤트의 번호.
    seq: u64,
    /// Its number among the messages.
    /// 메시지 가운데 몇 번째인지 나타내는 번호.
    message_no: u64,
    /// Null of an account that is gone.
    /// 보낸 사람. 탈퇴한 계정이면 null입니다.
    sender: Option<UserSummary>,
    /// What the sender's device called it.
    /// 보낸 기기가 붙인 ID.
    client_id: Uuid,
    /// Plain text, to be escaped where it is shown; null once it is deleted.
    /// 일반 텍스트. 표시할 때 이스케이프하세요. 삭제되면 null입니다.
    text: Option<String>,
    /// The images of the message, in order.
    /// 메시지의 이미지. 순서대로입니다.
    media: Vec<Media>,
    /// The message that it answers.
    /// 답장하는 메시지.
    reply_to: Option<Uuid>,
    /// When it was sent.
    /// 보낸 시각.
    created_at: Time,
    /// When its text last changed; null if it never did.
    /// 본문이 마지막으로 바뀐 시각. 바뀐 적이 없으면 null입니다.
    edited_at: Option<Time>,
    /// A deleted message keeps its place, without content.
    /// 삭제되었는지 여부. 삭제된 메시지는 내용 없이 자리만 남습니다.
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

impl Linked<MessageView> for Versioned<Message> {
    fn linked(view: MessageView, links: &Links) -> Self {
        Self { version: view.message.version, body: Message::linked(view, links) }
    }
}

impl Linked<ConversationView> for Versioned<Conversation> {
    fn linked(view: ConversationView, links: &Links) -> Self {
        Self { version: view.conversation.version, body: Conversation::linked(view, links) }
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
    /// The items of this page, in the order of the list.
    /// 이 페이지의 항목. 목록 순서대로입니다.
    items: Vec<Conversation>,
    /// Where the list goes on; null at its end.
    /// 다음 페이지의 커서. 목록의 끝에서는 null입니다.
    next_cursor: Option<String>,
    /// Where those are found in which something was said since.
    /// 그 뒤에 메시지가 온 대화를 읽는 커서.
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
    /// The items of this page, in the order of the list.
    /// 이 페이지의 항목. 목록 순서대로입니다.
    items: Vec<Message>,
    /// Where the list goes on; null at its end.
    /// 다음 페이지의 커서. 목록의 끝에서는 null입니다.
    next_cursor: Option<String>,
    /// Where newer messages are found.
    /// 더 새로운 메시지를 읽는 커서.
    prev_cursor: Option<String>,
    /// What had happened in the conversation before these were read: ask for events after it.
    /// 이 페이지를 읽기 전까지 일어난 마지막 이벤트의 번호. 이 번호 뒤의 이벤트를 요청하세요.
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
    /// 빠진 번호 없이 순서대로입니다.
    events: Vec<ConversationEvent>,
    /// The last thing that happened.
    /// 마지막 이벤트의 번호.
    head_seq: u64,
    /// Whether there is more before `head_seq`: ask again, after the last of these.
    /// `head_seq` 전에 더 있는지 여부. 있으면 마지막 이벤트 뒤부터 다시 요청하세요.
    more: bool,
    /// Whether you missed too much: drop what you know of the conversation, and list its messages.
    /// 놓친 것이 너무 많은지 여부. true면 저장한 대화 상태를 버리고 메시지 목록을 다시 읽으세요.
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
    /// 이벤트 이름. `conversation.skipped`는 참여하기 전의 메시지에 일어난 일을 대신하며 번호만 알려 줍니다. 새로운 종류가 추가될 수
    /// 있고, 그 번호도 셉니다.
    pub(crate) ev: String,
    /// The content of the event.
    /// 이벤트의 내용.
    pub(crate) d: EventBody,
}

/// What an event says.
#[derive(Debug, Object, Serialize)]
#[oai(rename = "ConversationEventBody")]
pub(crate) struct EventBody {
    /// The id of the conversation.
    /// 대화의 ID.
    conversation_id: Uuid,
    /// Its number.
    /// 이벤트의 번호.
    seq: u64,
    /// When it happened.
    /// 일어난 시각.
    at: Time,
    /// Of `message.…`: the message as it is now.
    /// `message.…`의 현재 메시지.
    message: Option<Message>,
    /// Of `member.…`: who; null of an account that is gone.
    /// `member.…`의 대상. 탈퇴한 계정이면 null입니다.
    user: Option<UserSummary>,
    /// Of `member.…`: who let them in or out.
    /// `member.…`에서 추가하거나 내보낸 사람.
    by: Option<UserSummary>,
    /// Of `conversation.updated`.
    /// `conversation.updated`에만 있습니다.
    title: Option<String>,
    /// Of `conversation.updated`.
    /// `conversation.updated`에만 있습니다.
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
pub(crate) struct SyncResult {
    /// For the next time.
    /// 다음 동기화에 쓸 커서.
    cursor: String,
    /// Conversations in which something happened, or that you read elsewhere. Some may be told again.
    /// 새 이벤트가 있거나 다른 기기에서 읽은 대화. 같은 대화가 다시 나올 수 있습니다.
    heads: Vec<ConversationHead>,
    /// Conversations that you are in no more.
    /// 더 이상 참여하지 않는 대화.
    removed: Vec<Uuid>,
    /// Whether there are more now.
    /// 지금 더 있는지 여부.
    more: bool,
    /// How many messages you have not read, in all conversations that are not muted.
    /// 알림을 끄지 않은 모든 대화의 읽지 않은 메시지 수.
    unread: u64,
}

/// How far a conversation is.
#[derive(Debug, Object, Serialize)]
pub(crate) struct ConversationHead {
    /// The id of the conversation.
    /// 대화의 ID.
    conversation_id: Uuid,
    /// Number of the last event.
    /// 마지막 이벤트의 번호.
    last_seq: u64,
    /// Number of the last message.
    /// 마지막 메시지의 번호.
    last_message_no: u64,
    /// Number of the last message that was read.
    /// 읽은 마지막 메시지의 번호.
    read_no: u64,
    /// Number of unread messages.
    /// 읽지 않은 메시지 수.
    unread_count: u64,
}

impl From<Synced> for SyncResult {
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
    /// Number of the last message that was read.
    /// 읽은 마지막 메시지의 번호.
    pub(crate) read_no: u64,
    /// Number of unread messages.
    /// 읽지 않은 메시지 수.
    pub(crate) unread_count: u64,
}

/// Whether a conversation does not count into what you have not read.
#[derive(Debug, Object, Serialize)]
pub(crate) struct ConversationMute {
    /// Whether the conversation is muted now.
    /// 현재 대화 알림을 껐는지 여부.
    pub(crate) is_muted: bool,
}

/// A new conversation.
#[derive(Debug, Object)]
pub(crate) struct CreateConversation {
    /// Ids or `@username`s of those whom you want to talk to, at most 63. One, without a title, is the direct conversation of
    /// the two of you, which is found again.
    /// 대화할 사람의 ID나 `@아이디`, 최대 63명. 한 명이고 제목이 없으면 1:1 대화이며, 이미 있으면 그 대화를 돌려줍니다.
    #[oai(validator(max_items = 63))]
    members: Vec<String>,
    /// What a group is called, at most 60 characters.
    /// 그룹 이름, 최대 60자.
    title: Option<String>,
}

/// The parts of a conversation to be.
pub(crate) struct NewConversation {
    pub(crate) members: Vec<MemberRef>,
    pub(crate) title: Option<ConversationTitle>,
}

impl Input for CreateConversation {
    type Parsed = NewConversation;

    fn parse(fields: &mut Fields) -> Option<Self::Parsed> {
        let members = parse_members(fields);
        let title = fields.optional_text("title", ConversationTitle::parse);
        Some(NewConversation { members: members?, title })
    }
}

/// Others for a group.
#[derive(Debug, Object)]
pub(crate) struct AddMembers {
    /// Ids or `@username`s, at most 63.
    /// 추가할 사람의 ID나 `@아이디`, 최대 63명.
    #[oai(validator(max_items = 63))]
    members: Vec<String>,
}

impl Input for AddMembers {
    type Parsed = Vec<MemberRef>;

    fn parse(fields: &mut Fields) -> Option<Self::Parsed> {
        parse_members(fields)
    }
}

/// A member to be.
#[derive(Debug)]
pub(crate) enum MemberRef {
    /// Whoever asks, as in paths.
    Me,
    User(UserRef),
}

fn parse_members(fields: &mut Fields) -> Option<Vec<MemberRef>> {
    let max = blegram_domain::Conversation::MAX_MEMBERS - 1;
    fields.texts("members", max, |raw| {
        if raw == "me" {
            return Ok(MemberRef::Me);
        }
        let named = match raw.strip_prefix('@') {
            Some(username) => Username::parse(username).ok().map(UserRef::Username),
            None => raw.parse::<UserId>().ok().map(UserRef::Id),
        };
        let named = named.map(MemberRef::User);
        named.ok_or(Violation::NotFound("names nobody whom you can write to"))
    })
}

/// A change of a group.
#[derive(Debug, Object)]
pub(crate) struct UpdateConversation {
    /// At most 60 characters; null for none.
    /// 최대 60자. null이면 제목을 없앱니다.
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
    /// 기기가 붙이는 UUID(버전 7). 나중에 같은 값으로 다시 보내도 중복해서 전송되지 않습니다.
    client_id: Uuid,
    /// Plain text, at most 2,000 characters and 8 KiB. May be empty in a message with images.
    /// 일반 텍스트, 최대 2,000자, 8 KiB. 이미지가 있으면 비어 있어도 됩니다.
    text: Option<String>,
    /// Images of yours that are used for nothing yet, at most 10, in this order.
    /// 아직 쓰이지 않은 내 이미지, 최대 10개. 이 순서대로 표시됩니다.
    #[oai(validator(max_items = 10))]
    media_ids: Option<Vec<Uuid>>,
    /// A message of the same conversation that it answers.
    /// 답장할 같은 대화의 메시지.
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
    /// 일반 텍스트, 최대 2,000자, 8 KiB.
    text: String,
}

impl Input for EditMessage {
    type Parsed = MessageText;

    const KEPT: &'static [&'static str] = &["text"];

    fn parse(fields: &mut Fields) -> Option<Self::Parsed> {
        fields.text("text", MessageText::parse)
    }
}

/// How far you have read.
#[derive(Debug, Object)]
pub(crate) struct MarkRead {
    /// The number of the newest message that you have seen.
    /// 마지막으로 본 메시지의 번호.
    message_no: u64,
}

impl Input for MarkRead {
    type Parsed = u64;

    fn parse(fields: &mut Fields) -> Option<Self::Parsed> {
        fields.integer("message_no", 0..=u64::MAX, "must be the number of a message")
    }
}
