//! The result of a sync: which conversations changed since a cursor, and their current positions.

use blegram_chat::{Head, Synced};
use blegram_domain::ConversationId;
use poem_openapi::Object;
use serde::Serialize;
use uuid::Uuid;

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
struct ConversationHead {
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
