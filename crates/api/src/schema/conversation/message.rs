//! Messages of a conversation: the message and its pages, and the bodies that send and edit one.

use blegram_chat::MessageView;
use blegram_domain::{
    ClientId, Media as Image, MediaId, MessageId, MessageText, Violation, conversation::SendMessage as Send,
};
use blegram_media::Links;
use poem_openapi::Object;
use serde::Serialize;
use uuid::Uuid;

use crate::{
    answer::Versioned,
    body::{Fields, parse_or, request},
    page::PageSchema,
    schema::{Render, Time, media::Media, post::distinct_media_ids, user::UserSummary},
};

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

request! {
    /// A new message.
    /// 새 메시지.
    pub(crate) struct SendMessage {
        /// A UUID (version 7) that the client chooses. Retrying with the same `client_id`, however much later, does not
        /// create a second message.
        /// 클라이언트가 정하는 UUID(버전 7). 나중에 같은 값으로 다시 보내도 메시지가 중복되지 않습니다.
        client_id: Uuid = text(parse_or(INVALID_CLIENT_ID)),
        /// Plain text, at most 2,000 characters and 8 KiB. May be empty if the message has images.
        /// 일반 텍스트, 최대 2,000자, 8 KiB. 이미지가 있으면 비어 있어도 됩니다.
        text: Option<String> = text_unless(&media_ids, MessageText::parse),
        /// Ids of your uploaded images that are not in use yet, at most 10, in display order.
        /// 업로드했지만 아직 사용하지 않은 내 이미지의 ID, 최대 10개. 이 순서대로 표시됩니다.
        #[oai(validator(max_items = 10))]
        media_ids: Option<Vec<Uuid>> = texts(Image::MAX_PER_POST, distinct_media_ids()),
        /// Id of the message to reply to, in the same conversation.
        /// 답장할 메시지의 ID. 같은 대화의 메시지여야 합니다.
        reply_to: Option<Uuid> = text(parse_or(REPLIED_NOT_FOUND)),
    }

    fn parse(fields) -> Option<Send> {
        new_message(fields, client_id, text, media_ids, reply_to)
    }
}

request! {
    /// An edit of a message.
    /// 메시지 수정.
    pub(crate) struct EditMessage {
        /// Plain text, at most 2,000 characters and 8 KiB.
        /// 일반 텍스트, 최대 2,000자, 8 KiB.
        text: String = text(MessageText::parse),
    }

    fn parse(fields) -> Option<MessageText> {
        text
    }
}

const INVALID_CLIENT_ID: Violation = Violation::InvalidCharacters("must be a UUID");
const REPLIED_NOT_FOUND: Violation = Violation::NotFound("must be the id of a message in this conversation");

/// Makes a message of the parsed fields of a body that sends one.
fn new_message(
    fields: &mut Fields,
    client_id: Option<ClientId>,
    text: Option<MessageText>,
    media: Option<Vec<MediaId>>,
    reply_to: Option<MessageId>,
) -> Option<Send> {
    let text = text.or_else(|| MessageText::parse("").ok())?;
    // After another failure do not report a blank text as well: the rejected field may be `media_ids`.
    if text.as_str().is_empty() && fields.has_failed() {
        return None;
    }
    let media = media.unwrap_or_default();
    Send::new(client_id?, text, media, reply_to).map_err(|violation| fields.fail("text", violation)).ok()
}
