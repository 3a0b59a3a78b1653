use blegram_chat::{Changes, ConversationView, EventView, Head, MemberView, MessageView, Synced};
use blegram_domain::{
    ClientId, ConversationId, ConversationTitle, MessageId, MessageText, UserId, UserRef, Username,
    Violation,
    conversation::{ConversationEventKind, SendMessage as Send},
};
use blegram_media::Links;
use poem_openapi::Object;
use serde::Serialize;
use uuid::Uuid;

use crate::{
    answer::Versioned,
    body::{Fields, Input},
    page::PageSchema,
    schema::{Render, Time, media::Media, post::parse_media_ids, render_all, user::UserSummary},
};

/// A conversation that you are a member of.
/// 내가 참여한 대화.
#[derive(Debug, Object, Serialize)]
pub(crate) struct Conversation {
    /// Unique id; sorts by creation time.
    /// 고유 ID. 생성 시각 순서로 정렬됩니다.
    id: Uuid,
    /// `direct` or `group`. More kinds may be added.
    /// `direct`(1:1) 또는 `group`(그룹). 새로운 종류가 추가될 수 있습니다.
    kind: String,
    /// Title of a group; null if it has none.
    /// 그룹 이름. 없으면 null입니다.
    title: Option<String>,
    /// Id of the owner of a group, who can remove members; null for a direct conversation.
    /// 참여자를 내보낼 수 있는 그룹 소유자의 ID. 1:1 대화에서는 null입니다.
    owner_id: Option<Uuid>,
    /// The members, including you, in the order in which they joined.
    /// 나를 포함한 참여자. 먼저 참여한 순서입니다.
    members: Vec<UserSummary>,
    /// Sequence number of the last event. Events of a conversation are numbered without gaps.
    /// 마지막 이벤트의 번호. 대화의 이벤트에는 빠짐없이 차례로 번호가 붙습니다.
    last_seq: u64,
    /// Number of the last message. Messages of a conversation are numbered without gaps.
    /// 마지막 메시지의 번호. 대화의 메시지에는 빠짐없이 차례로 번호가 붙습니다.
    last_message_no: u64,
    /// The newest message; null if there is none.
    /// 가장 최근 메시지. 아직 없으면 null입니다.
    last_message: Option<Message>,
    /// Number of messages that you have not read.
    /// 읽지 않은 메시지 수.
    unread_count: u64,
    /// Number of the last message that you have read.
    /// 내가 읽은 마지막 메시지의 번호.
    read_no: u64,
    /// Read and delivery state of each member.
    /// 참여자별 읽음 및 전달 상태.
    read_states: Vec<ReadState>,
    /// Whether you muted the conversation: its messages do not count towards your unread total.
    /// 안 읽은 메시지 합계에서 제외되는 대화인지 여부.
    is_muted: bool,
    /// Creation time.
    /// 생성 시각.
    created_at: Time,
}

/// The read and delivery state of a member.
/// 참여자의 읽음 및 전달 상태.
#[derive(Debug, Object, Serialize)]
pub(crate) struct ReadState {
    /// The id of the user.
    /// 사용자의 ID.
    user_id: Uuid,
    /// Number of the last message that the member has read.
    /// 이 참여자가 읽은 마지막 메시지의 번호.
    read_no: u64,
    /// Sequence number of the last event that a device of the member received.
    /// 이 참여자의 기기가 받은 마지막 이벤트의 번호.
    delivered_seq: u64,
}

/// A message.
/// 메시지.
#[derive(Debug, Object, Serialize)]
pub(crate) struct Message {
    /// Unique id; sorts by creation time.
    /// 고유 ID. 생성 시각 순서로 정렬됩니다.
    id: Uuid,
    /// The id of the conversation.
    /// 대화의 ID.
    conversation_id: Uuid,
    /// Sequence number of the `message.created` event of the message.
    /// 이 메시지의 `message.created` 이벤트 번호.
    seq: u64,
    /// Number of the message in the conversation.
    /// 대화에서 몇 번째 메시지인지 나타내는 번호.
    message_no: u64,
    /// The sender; null if the account was deleted.
    /// 보낸 사람. 탈퇴한 계정이면 null입니다.
    sender: Option<UserSummary>,
    /// The id that the sending client chose.
    /// 보낸 클라이언트가 정한 ID.
    client_id: Uuid,
    /// Plain text; escape it for display. Null if the message is deleted.
    /// 일반 텍스트. 표시할 때 이스케이프하세요. 삭제된 메시지는 null입니다.
    text: Option<String>,
    /// The images of the message, in display order.
    /// 메시지의 이미지. 순서대로입니다.
    media: Vec<Media>,
    /// Id of the message that this message replies to; null if it is no reply.
    /// 답장 대상 메시지의 ID. 답장이 아니면 null입니다.
    reply_to: Option<Uuid>,
    /// Time of sending.
    /// 보낸 시각.
    created_at: Time,
    /// Time of the last change of the text; null if the message was never edited.
    /// 본문을 마지막으로 수정한 시각. 수정한 적이 없으면 null입니다.
    edited_at: Option<Time>,
    /// Whether the message is deleted. A deleted message stays in the list, without content.
    /// 삭제되었는지 여부. 삭제된 메시지는 내용 없이 자리만 남습니다.
    is_deleted: bool,
}

impl Render<MessageView> for Message {
    fn render(view: MessageView, links: &Links) -> Self {
        let MessageView { message, sender, media } = view;
        let is_deleted = message.is_deleted();
        Self {
            id: message.id.as_uuid(),
            conversation_id: message.conversation.as_uuid(),
            seq: message.seq,
            message_no: message.message_no,
            sender: sender.map(|sender| UserSummary::render(sender, links)),
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

impl Render<MessageView> for Versioned<Message> {
    fn render(view: MessageView, links: &Links) -> Self {
        Self { version: view.message.version, body: Message::render(view, links) }
    }
}

impl Render<ConversationView> for Versioned<Conversation> {
    fn render(view: ConversationView, links: &Links) -> Self {
        Self { version: view.conversation.version, body: Conversation::render(view, links) }
    }
}

impl Render<ConversationView> for Conversation {
    fn render(view: ConversationView, links: &Links) -> Self {
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
            members: render_all(members.into_iter().map(|member| member.user).collect(), links),
            last_seq: conversation.last_seq,
            last_message_no: conversation.last_message_no,
            last_message: last_message.map(|view| Message::render(view, links)),
            unread_count: mine.unread_count(conversation.last_message_no),
            read_no: mine.read_no,
            is_muted: mine.is_muted,
            created_at: conversation.created_at.into(),
            title: conversation.title,
        }
    }
}

/// A page of conversations.
/// 대화 목록의 한 페이지.
#[derive(Debug, Object, Serialize)]
pub(crate) struct ConversationPage {
    /// The items on this page, in list order.
    /// 이 페이지의 항목. 목록 순서대로입니다.
    items: Vec<Conversation>,
    /// Cursor for the next page; null at the end of the list.
    /// 다음 페이지의 커서. 목록의 끝에서는 null입니다.
    next_cursor: Option<String>,
    /// Cursor for conversations with newer messages.
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
/// 메시지 목록의 한 페이지.
#[derive(Debug, Object, Serialize)]
pub(crate) struct MessagePage {
    /// The items on this page, in list order.
    /// 이 페이지의 항목. 목록 순서대로입니다.
    items: Vec<Message>,
    /// Cursor for the next page; null at the end of the list.
    /// 다음 페이지의 커서. 목록의 끝에서는 null입니다.
    next_cursor: Option<String>,
    /// Cursor for newer messages.
    /// 더 새로운 메시지를 읽는 커서.
    prev_cursor: Option<String>,
    /// Sequence number of the last event at the time of this page. To stay up to date, request the events after it.
    /// 이 페이지를 읽은 시점의 마지막 이벤트 번호. 이후의 변경은 이 번호 뒤의 이벤트를 요청해 확인하세요.
    last_seq: u64,
}

impl MessagePage {
    /// Sets `last_seq`, which the caller read before the messages.
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

/// Events of a conversation.
/// 대화의 이벤트.
#[derive(Debug, Object, Serialize)]
pub(crate) struct ConversationEvents {
    /// The events in order of their sequence numbers, without gaps.
    /// 빠진 번호 없이 순서대로입니다.
    events: Vec<ConversationEvent>,
    /// Sequence number of the last event of the conversation.
    /// 마지막 이벤트의 번호.
    head_seq: u64,
    /// Whether more events follow, up to `head_seq`. If so, request again, starting after the last event of this list.
    /// `head_seq`까지 이벤트가 더 있는지 여부. 있으면 이 목록의 마지막 이벤트 뒤부터 다시 요청하세요.
    more: bool,
    /// Whether the requested events are not available. If true, discard your local state of the conversation and list
    /// its messages again.
    /// 요청한 이벤트를 받을 수 없는지 여부. true이면 저장한 대화 상태를 버리고 메시지 목록을 다시 읽으세요.
    reset: bool,
}

/// The event name that replaces the name of an event about a message that the viewer may not see.
const SKIPPED: &str = "conversation.skipped";

/// An event of a conversation.
/// 대화의 이벤트.
#[derive(Debug, Object, Serialize)]
pub(crate) struct ConversationEvent {
    /// `message.created`, `message.edited`, `message.deleted`, `member.joined`, `member.left`, `conversation.updated`
    /// or `conversation.skipped`. The last one replaces an event about a message from before you joined and carries
    /// only the sequence number. More events may be added: apply the sequence number of events that you do not know,
    /// too.
    /// 이벤트 이름. `conversation.skipped`는 참여하기 전 메시지의 이벤트를 대신하며 번호만 들어 있습니다. 새로운 이벤트가 추가될 수 있으니, 모르는 이벤트라도 번호는 적용하세요.
    pub(crate) ev: String,
    /// Content of the event.
    /// 이벤트의 내용.
    pub(crate) d: EventBody,
}

/// The content of a conversation event.
/// 대화 이벤트의 내용.
#[derive(Debug, Object, Serialize)]
#[oai(rename = "ConversationEventBody")]
pub(crate) struct EventBody {
    /// The id of the conversation.
    /// 대화의 ID.
    conversation_id: Uuid,
    /// Sequence number of the event.
    /// 이벤트의 번호.
    seq: u64,
    /// Time of the event.
    /// 이벤트가 일어난 시각.
    at: Time,
    /// In `message.*` events: the current state of the message.
    /// `message.*` 이벤트: 메시지의 현재 상태.
    message: Option<Message>,
    /// In `member.*` events: the member who joined or left; null if the account was deleted.
    /// `member.*` 이벤트: 들어오거나 나간 참여자. 탈퇴한 계정이면 null입니다.
    user: Option<UserSummary>,
    /// In `member.*` events: the user who added or removed the member, if any.
    /// `member.*` 이벤트: 참여자를 추가하거나 내보낸 사용자. 없으면 null입니다.
    by: Option<UserSummary>,
    /// In `conversation.updated` events: the title; null if there is none.
    /// `conversation.updated` 이벤트: 그룹 이름. 없으면 null입니다.
    title: Option<String>,
    /// In `conversation.updated` events: id of the owner.
    /// `conversation.updated` 이벤트: 소유자의 ID.
    owner_id: Option<Uuid>,
}

impl Render<EventView> for ConversationEvent {
    fn render(view: EventView, links: &Links) -> Self {
        let EventView { event, message, user, by } = view;
        let is_about_message = matches!(
            event.what,
            ConversationEventKind::MessageCreated(_)
                | ConversationEventKind::MessageEdited(_)
                | ConversationEventKind::MessageDeleted(_)
        );
        let is_skipped = is_about_message && message.is_none();
        let ev = if is_skipped { SKIPPED } else { event.what.as_str() }.to_owned();
        let (title, owner_id) = match event.what {
            ConversationEventKind::Updated { title, owner } => (title, owner.map(UserId::as_uuid)),
            _ => (None, None),
        };
        let d = EventBody {
            conversation_id: event.conversation.as_uuid(),
            seq: event.seq,
            at: event.at.into(),
            message: message.map(|view| Message::render(view, links)),
            user: user.map(|user| UserSummary::render(user, links)),
            by: by.map(|user| UserSummary::render(user, links)),
            title,
            owner_id,
        };
        Self { ev, d }
    }
}

impl Render<Changes> for ConversationEvents {
    fn render(Changes { events, head_seq, more, reset }: Changes, links: &Links) -> Self {
        Self { events: render_all(events, links), head_seq, more, reset }
    }
}

/// Changes of your conversations since a cursor.
/// 커서 이후 내 대화의 변경 사항.
#[derive(Debug, Object, Serialize)]
pub(crate) struct SyncResult {
    /// Cursor for the next sync.
    /// 다음 동기화에 쓸 커서.
    cursor: String,
    /// Conversations with new events, or that you read on another device. A conversation may be repeated in a later
    /// result.
    /// 새 이벤트가 있거나 다른 기기에서 읽은 대화. 같은 대화가 다시 나올 수 있습니다.
    heads: Vec<ConversationHead>,
    /// Ids of conversations that you are no longer a member of.
    /// 더 이상 참여하지 않는 대화.
    removed: Vec<Uuid>,
    /// Whether more changes are available now. If so, sync again with `cursor`.
    /// 변경 사항이 더 있는지 여부. 있으면 `cursor`로 다시 동기화하세요.
    more: bool,
    /// Number of your unread messages in all conversations that are not muted.
    /// 알림을 끄지 않은 모든 대화의 읽지 않은 메시지 수.
    unread: u64,
}

/// The current position of a conversation.
/// 대화의 현재 위치.
#[derive(Debug, Object, Serialize)]
pub(crate) struct ConversationHead {
    /// The id of the conversation.
    /// 대화의 ID.
    conversation_id: Uuid,
    /// Sequence number of the last event.
    /// 마지막 이벤트의 번호.
    last_seq: u64,
    /// Number of the last message.
    /// 마지막 메시지의 번호.
    last_message_no: u64,
    /// Number of the last message that you have read.
    /// 내가 읽은 마지막 메시지의 번호.
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

/// Your read position in a conversation.
/// 대화를 읽은 위치.
#[derive(Debug, Object, Serialize)]
pub(crate) struct ConversationRead {
    /// Number of the last message that you have read.
    /// 내가 읽은 마지막 메시지의 번호.
    pub(crate) read_no: u64,
    /// Number of unread messages.
    /// 읽지 않은 메시지 수.
    pub(crate) unread_count: u64,
}

/// Your mute setting of a conversation, after the change.
/// 변경 후의 대화 알림 설정.
#[derive(Debug, Object, Serialize)]
pub(crate) struct ConversationMute {
    /// Whether the conversation is muted: its messages do not count towards your unread total.
    /// 대화 알림을 껐는지 여부. 알림을 끈 대화는 안 읽은 메시지 합계에서 제외됩니다.
    pub(crate) is_muted: bool,
}

/// A new conversation.
/// 새 대화.
#[derive(Debug, Object)]
pub(crate) struct CreateConversation {
    /// Ids or `@username`s of the other members, at most 63. One member without a title makes a direct conversation; if
    /// it already exists, it is returned.
    /// 대화할 사람의 ID나 `@아이디`, 최대 63명. 한 명이고 제목이 없으면 1:1 대화이며, 이미 있으면 그 대화를 돌려줍니다.
    #[oai(validator(max_items = 63))]
    members: Vec<String>,
    /// Title of the group, at most 60 characters.
    /// 그룹 이름, 최대 60자.
    title: Option<String>,
}

/// A parsed [`CreateConversation`].
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

/// Members to add to a group.
/// 그룹에 추가할 참여자.
#[derive(Debug, Object)]
pub(crate) struct AddMembers {
    /// Ids or `@username`s of the users to add, at most 63.
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

/// A reference to a user who is to become a member.
#[derive(Debug)]
pub(crate) enum MemberRef {
    /// The caller: `me`, as in paths.
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
        named.ok_or(Violation::NotFound("must be an account that you can send messages to"))
    })
}

/// A change of a group.
/// 그룹 변경.
#[derive(Debug, Object)]
pub(crate) struct UpdateConversation {
    /// Title of the group, at most 60 characters; null removes it.
    /// 그룹 이름, 최대 60자. null이면 이름을 없앱니다.
    title: Option<String>,
}

/// The new title of a group: `None` leaves it unchanged, `Some(None)` removes it.
pub(crate) struct Retitle(pub(crate) Option<Option<ConversationTitle>>);

impl Input for UpdateConversation {
    type Parsed = Retitle;

    fn parse(fields: &mut Fields) -> Option<Self::Parsed> {
        Some(Retitle(fields.patch_nullable("title", ConversationTitle::parse)))
    }
}

/// A new message.
/// 새 메시지.
#[derive(Debug, Object)]
pub(crate) struct SendMessage {
    /// A UUID (version 7) that the client chooses. Retrying with the same `client_id`, however much later, does not
    /// create a second message.
    /// 클라이언트가 정하는 UUID(버전 7). 나중에 같은 값으로 다시 보내도 메시지가 중복되지 않습니다.
    client_id: Uuid,
    /// Plain text, at most 2,000 characters and 8 KiB. May be empty if the message has images.
    /// 일반 텍스트, 최대 2,000자, 8 KiB. 이미지가 있으면 비어 있어도 됩니다.
    text: Option<String>,
    /// Ids of your uploaded images that are not in use yet, at most 10, in display order.
    /// 업로드했지만 아직 사용하지 않은 내 이미지의 ID, 최대 10개. 이 순서대로 표시됩니다.
    #[oai(validator(max_items = 10))]
    media_ids: Option<Vec<Uuid>>,
    /// Id of the message to reply to, in the same conversation.
    /// 답장할 메시지의 ID. 같은 대화의 메시지여야 합니다.
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
            raw.parse::<MessageId>()
                .map_err(|_| Violation::NotFound("must be the id of a message in this conversation"))
        });
        let text = text.or_else(|| MessageText::parse("").ok())?;
        // After another failure do not report a blank text as well: the rejected field may be `media_ids`.
        if text.as_str().is_empty() && fields.has_failed() {
            return None;
        }
        Send::new(client_id?, text, media, reply_to).map_err(|violation| fields.fail("text", violation)).ok()
    }
}

/// An edit of a message.
/// 메시지 수정.
#[derive(Debug, Object)]
pub(crate) struct EditMessage {
    /// Plain text, at most 2,000 characters and 8 KiB.
    /// 일반 텍스트, 최대 2,000자, 8 KiB.
    text: String,
}

impl Input for EditMessage {
    type Parsed = MessageText;

    const NOT_NULLABLE: &'static [&'static str] = &["text"];

    fn parse(fields: &mut Fields) -> Option<Self::Parsed> {
        fields.text("text", MessageText::parse)
    }
}

/// Marks messages as read.
/// 메시지를 읽음으로 표시합니다.
#[derive(Debug, Object)]
pub(crate) struct MarkRead {
    /// Number of the newest message that you have read.
    /// 마지막으로 읽은 메시지의 번호.
    message_no: u64,
}

impl Input for MarkRead {
    type Parsed = u64;

    fn parse(fields: &mut Fields) -> Option<Self::Parsed> {
        fields.integer("message_no", 0..=u64::MAX, "must be the number of a message")
    }
}
