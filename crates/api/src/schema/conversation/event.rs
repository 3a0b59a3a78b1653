//! Events of a conversation, as listConversationEvents and the gateway return them.

use blegram_chat::{Changes, EventView};
use blegram_domain::{UserId, conversation::ConversationEventKind};
use blegram_media::Links;
use poem_openapi::Object;
use serde::Serialize;
use uuid::Uuid;

use super::Message;
use crate::schema::{Render, Time, render_all, user::UserSummary};

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
            event.kind,
            ConversationEventKind::MessageCreated(_)
                | ConversationEventKind::MessageEdited(_)
                | ConversationEventKind::MessageDeleted(_)
        );
        let is_skipped = is_about_message && message.is_none();
        let ev = if is_skipped { SKIPPED } else { event.kind.as_str() }.to_owned();
        let (title, owner_id) = match event.kind {
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
