//! Gateway commands on one conversation: messages, read position, typing and history.

use blegram_domain::{ConversationId, MessageId, MessageText, Violation, conversation::SendMessage as Send};
use poem_openapi::Object;
use serde::Serialize;
use uuid::Uuid;

use super::INVALID_CONVERSATION_ID;
use crate::{
    body::{parse_or, request},
    schema::{
        Time,
        conversation::{Message, SendMessage},
    },
};

request! {
    /// Sends a message, like sendMessage of the HTTP API.
    /// 메시지를 보냅니다. HTTP API의 sendMessage와 같습니다.
    pub(crate) struct MessageSendCommand {
        /// The id of the conversation.
        /// 대화의 ID.
        conversation_id: Uuid = text(parse_or(INVALID_CONVERSATION_ID)),
        #[oai(flatten)]
        message: SendMessage = flatten(),
    }

    fn parse(fields) -> Option<(ConversationId, Send)> {
        Some((conversation_id?, message?))
    }
}

/// The message is committed to the database, and survives a crash of the server.
/// 메시지가 데이터베이스에 저장되었습니다. 서버에 장애가 생겨도 남습니다.
#[derive(Debug, Object, Serialize)]
pub(crate) struct MessageSentAnswer {
    /// Sequence number of the `message.created` event.
    /// `message.created` 이벤트의 번호.
    pub(crate) seq: u64,
    /// Number of the message.
    /// 메시지의 번호.
    pub(crate) message_no: u64,
    /// The id of the message.
    /// 메시지의 ID.
    pub(crate) id: Uuid,
    /// When the message was stored.
    /// 메시지가 저장된 시각.
    pub(crate) created_at: Time,
    /// Whether a message with this `client_id` was stored before, so that nothing was sent again.
    /// 같은 `client_id`의 메시지가 이미 저장되어 있어 다시 보내지 않았는지 여부.
    pub(crate) duplicate: bool,
}

request! {
    /// Edits one of your messages.
    /// 내 메시지를 수정합니다.
    pub(crate) struct MessageEditCommand {
        /// The id of the conversation.
        /// 대화의 ID.
        conversation_id: Uuid = text(parse_or(INVALID_CONVERSATION_ID)),
        /// The id of the message.
        /// 메시지의 ID.
        message_id: Uuid = text(parse_or(Violation::InvalidCharacters("must be the id of a message"))),
        /// Plain text, at most 2,000 characters and 8 KiB.
        /// 일반 텍스트, 최대 2,000자, 8 KiB.
        text: String = text(MessageText::parse),
    }

    fn parse(fields) -> Option<(ConversationId, MessageId, MessageText)> {
        Some((conversation_id?, message_id?, text?))
    }
}

/// The edited message.
/// 수정된 메시지.
#[derive(Debug, Object, Serialize)]
pub(crate) struct MessageEditedAnswer {
    /// The message after the edit.
    /// 수정된 메시지.
    pub(crate) message: Message,
}

request! {
    /// Deletes (unsends) one of your messages.
    /// 내 메시지를 삭제(전송 취소)합니다.
    pub(crate) struct MessageDeleteCommand {
        /// The id of the conversation.
        /// 대화의 ID.
        conversation_id: Uuid = text(parse_or(INVALID_CONVERSATION_ID)),
        /// The id of the message.
        /// 메시지의 ID.
        message_id: Uuid = text(parse_or(Violation::InvalidCharacters("must be the id of a message"))),
    }

    fn parse(fields) -> Option<(ConversationId, MessageId)> {
        Some((conversation_id?, message_id?))
    }
}

request! {
    /// Marks messages as read.
    /// 메시지를 읽음으로 표시합니다.
    pub(crate) struct ReadCommand {
        /// The id of the conversation.
        /// 대화의 ID.
        conversation_id: Uuid = text(parse_or(INVALID_CONVERSATION_ID)),
        /// Number of the newest message that you have read.
        /// 마지막으로 읽은 메시지의 번호.
        message_no: u64 = integer(0..=u64::MAX, "must be the number of a message"),
    }

    fn parse(fields) -> Option<(ConversationId, u64)> {
        Some((conversation_id?, message_no?))
    }
}

request! {
    /// Tells the other members that you are typing. Send it at most once every three seconds per conversation: the server
    /// ignores more frequent ones.
    /// 입력 중임을 다른 참여자에게 알립니다. 대화마다 3초에 한 번만 보내세요. 더 자주 보내면 무시됩니다.
    pub(crate) struct TypingCommand {
        /// The id of the conversation.
        /// 대화의 ID.
        conversation_id: Uuid = text(parse_or(INVALID_CONVERSATION_ID)),
    }

    fn parse(fields) -> Option<ConversationId> {
        conversation_id
    }
}

request! {
    /// Reads events of a conversation, like listConversationEvents of the HTTP API.
    /// 대화의 이벤트를 읽습니다. HTTP API의 listConversationEvents와 같습니다.
    pub(crate) struct HistoryCommand {
        /// The id of the conversation.
        /// 대화의 ID.
        conversation_id: Uuid = text(parse_or(INVALID_CONVERSATION_ID)),
        /// Sequence number of the last event that you have applied; events after it are returned.
        /// 마지막으로 적용한 이벤트의 번호. 그 뒤의 이벤트를 돌려줍니다.
        after: u64 = integer(0..=u64::MAX, "must be the sequence number of an event"),
        /// Maximum number of events to return, 1 to 100; defaults to 100.
        /// 받을 이벤트의 최대 수, 1~100. 기본값은 100입니다.
        limit: Option<u64> = integer(1..=100, "must be from 1 to 100"),
    }

    fn parse(fields) -> Option<History> {
        let limit = usize::try_from(limit.unwrap_or(100)).ok()?;
        Some(History { conversation: conversation_id?, after: after?, limit })
    }
}

/// A parsed [`HistoryCommand`].
pub(crate) struct History {
    pub(crate) conversation: ConversationId,
    pub(crate) after: u64,
    pub(crate) limit: usize,
}
