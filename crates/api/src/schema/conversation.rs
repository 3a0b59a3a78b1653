//! Conversations: their members, titles and settings. Messages are in `message`, the event log in `event`, and the
//! changes since a cursor in `sync`.

mod event;
mod message;
mod sync;

use blegram_chat::{ConversationView, MemberView};
use blegram_domain::{ConversationTitle, UserId, UserRef, Username, Violation};
use blegram_media::Links;
use poem_openapi::Object;
use serde::Serialize;
use uuid::Uuid;

pub(crate) use self::{
    event::{ConversationEvent, ConversationEvents, EventBody},
    message::{EditMessage, Message, MessagePage, SendMessage},
    sync::SyncResult,
};
use crate::{
    answer::Versioned,
    body::request,
    page::PageSchema,
    schema::{Render, Time, render_all, user::UserSummary},
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

request! {
    /// A new conversation.
    /// 새 대화.
    pub(crate) struct CreateConversation {
        /// Ids or `@username`s of the other members, at most 63. One member without a title makes a direct conversation; if
        /// it already exists, it is returned.
        /// 대화할 사람의 ID나 `@아이디`, 최대 63명. 한 명이고 제목이 없으면 1:1 대화이며, 이미 있으면 그 대화를 돌려줍니다.
        #[oai(validator(max_items = 63))]
        members: Vec<String> = texts(MAX_OTHERS, parse_member),
        /// Title of the group, at most 60 characters.
        /// 그룹 이름, 최대 60자.
        title: Option<String> = text(ConversationTitle::parse),
    }

    fn parse(fields) -> Option<NewConversation> {
        Some(NewConversation { members: members?, title })
    }
}

/// A parsed [`CreateConversation`].
pub(crate) struct NewConversation {
    pub(crate) members: Vec<MemberRef>,
    pub(crate) title: Option<ConversationTitle>,
}

request! {
    /// Members to add to a group.
    /// 그룹에 추가할 참여자.
    pub(crate) struct AddMembers {
        /// Ids or `@username`s of the users to add, at most 63.
        /// 추가할 사람의 ID나 `@아이디`, 최대 63명.
        #[oai(validator(max_items = 63))]
        members: Vec<String> = texts(MAX_OTHERS, parse_member),
    }

    fn parse(fields) -> Option<Vec<MemberRef>> {
        members
    }
}

/// A reference to a user who is to become a member.
#[derive(Debug)]
pub(crate) enum MemberRef {
    /// The caller: `me`, as in paths.
    Me,
    User(UserRef),
}

/// The maximum number of members besides the caller.
const MAX_OTHERS: usize = blegram_domain::Conversation::MAX_MEMBERS - 1;

fn parse_member(raw: &str) -> Result<MemberRef, Violation> {
    if raw == "me" {
        return Ok(MemberRef::Me);
    }
    let named = match raw.strip_prefix('@') {
        Some(username) => Username::parse(username).ok().map(UserRef::Username),
        None => raw.parse::<UserId>().ok().map(UserRef::Id),
    };
    let named = named.map(MemberRef::User);
    named.ok_or(Violation::NotFound("must be an account that you can send messages to"))
}

request! {
    /// A change of a group.
    /// 그룹 변경.
    pub(crate) struct UpdateConversation {
        /// Title of the group, at most 60 characters; null removes it.
        /// 그룹 이름, 최대 60자. null이면 이름을 없앱니다.
        title: Option<String> | nullable = patch_nullable(ConversationTitle::parse),
    }

    fn parse(fields) -> Option<Retitle> {
        Some(Retitle(title))
    }
}

/// The new title of a group: `None` leaves it unchanged, `Some(None)` removes it.
pub(crate) struct Retitle(pub(crate) Option<Option<ConversationTitle>>);

request! {
    /// Marks messages as read.
    /// 메시지를 읽음으로 표시합니다.
    pub(crate) struct MarkRead {
        /// Number of the newest message that you have read.
        /// 마지막으로 읽은 메시지의 번호.
        message_no: u64 = integer(0..=u64::MAX, "must be the number of a message"),
    }

    fn parse(fields) -> Option<u64> {
        message_no
    }
}
