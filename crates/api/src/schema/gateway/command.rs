use std::collections::HashMap;

use blegram_domain::{
    ConversationId, MessageId, MessageText, UserId, Violation, conversation::SendMessage as Send,
};
use poem_openapi::Object;
use serde::Serialize;
use uuid::Uuid;

use super::{MAX_OPEN, MAX_TOPICS, MAX_WATCHED, event::PresenceEvent};
use crate::{
    body::{Fields, Input},
    schema::{
        FieldProblem, Time,
        conversation::{Message, SendMessage, SyncResult},
    },
};

/// Why a command was refused.
#[derive(Debug, Object, Serialize)]
pub(crate) struct CommandError {
    /// A code as of the HTTP API's problems; each has a page at `/problems/<code>`.
    /// HTTP API와 같은 오류 코드. 코드마다 `/problems/<code>` 페이지가 있습니다.
    code: String,
    /// What to do about it.
    /// 해결 방법.
    detail: String,
    /// Every value that was refused, as a pointer into `d`. Absent unless there are some.
    /// 거부된 값과 `d` 안의 위치. 있을 때만 포함됩니다.
    errors: Option<Vec<FieldProblem>>,
    /// When it may be tried again. Absent unless that is known.
    /// 다시 시도할 수 있을 때까지의 밀리초. 알 수 있을 때만 포함됩니다.
    retry_after_ms: Option<u64>,
}

/// Finds out what changed while you were not connected, and sets what you want to hear.
#[derive(Debug, Object)]
pub(crate) struct SyncCommand {
    /// The `cursor` of the last time.
    /// 지난번에 받은 `cursor`.
    since: Option<String>,
    /// As of `open`.
    /// `open` 명령의 대화 목록과 같습니다.
    #[oai(validator(max_items = 16))]
    open: Option<Vec<Uuid>>,
    /// As of `subscribe`.
    /// `subscribe` 명령의 주제와 같습니다.
    #[oai(validator(max_items = 64))]
    topics: Option<Vec<String>>,
    /// As `users` of `presence`.
    /// `presence` 명령의 `users`와 같습니다.
    #[oai(validator(max_items = 100))]
    presence: Option<Vec<Uuid>>,
}

/// What somebody wants to hear.
pub(crate) struct Wants {
    pub(crate) since: Option<String>,
    pub(crate) open: Option<Vec<ConversationId>>,
    pub(crate) topics: Vec<String>,
    pub(crate) presence: Option<Vec<UserId>>,
}

impl Input for SyncCommand {
    type Parsed = Wants;

    fn parse(fields: &mut Fields) -> Option<Wants> {
        Some(Wants {
            since: fields.optional_text("since", |raw| Ok(raw.to_owned())),
            open: conversations(fields, "open"),
            topics: topics(fields).unwrap_or_default(),
            presence: users(fields, "presence"),
        })
    }
}

fn topics(fields: &mut Fields) -> Option<Vec<String>> {
    // Judged one by one: a topic that is none does not keep the others from being heard.
    fields.optional_texts("topics", MAX_TOPICS, |raw| Ok(raw.chars().take(256).collect()))
}

fn conversations(fields: &mut Fields, name: &str) -> Option<Vec<ConversationId>> {
    fields.optional_texts(name, MAX_OPEN, |raw| {
        raw.parse().map_err(|_| Violation::InvalidCharacters("must be the id of a conversation"))
    })
}

fn users(fields: &mut Fields, name: &str) -> Option<Vec<UserId>> {
    fields.optional_texts(name, MAX_WATCHED, |raw| {
        raw.parse().map_err(|_| Violation::InvalidCharacters("must be the id of a user"))
    })
}

fn conversation(fields: &mut Fields) -> Option<ConversationId> {
    fields.text("conversation_id", |raw| {
        raw.parse().map_err(|_| Violation::InvalidCharacters("must be the id of a conversation"))
    })
}

fn message(fields: &mut Fields) -> Option<MessageId> {
    fields.text("message_id", |raw| {
        raw.parse().map_err(|_| Violation::InvalidCharacters("must be the id of a message"))
    })
}

/// What changed, and what you will hear.
#[derive(Debug, Object, Serialize)]
pub(crate) struct SyncAnswer {
    #[oai(flatten)]
    #[serde(flatten)]
    pub(crate) sync: SyncResult,
    /// As of `subscribe`.
    /// `subscribe` 명령의 주제와 같습니다.
    pub(crate) topics: HashMap<String, String>,
    /// As `states` of `presence`.
    /// `presence` 응답의 `states`와 같습니다.
    pub(crate) presence: Vec<PresenceEvent>,
}

/// Names what you want to hear of, or no more.
#[derive(Debug, Object)]
pub(crate) struct TopicsCommand {
    /// `timeline:home`, `timeline:public`, `hashtag:<tag>`, `user:<id>`, `post:<id>`.
    /// 구독할 주제, 최대 64개.
    #[oai(validator(max_items = 64))]
    topics: Option<Vec<String>>,
}

impl Input for TopicsCommand {
    type Parsed = Vec<String>;

    fn parse(fields: &mut Fields) -> Option<Vec<String>> {
        required(fields, "topics").then_some(())?;
        topics(fields)
    }
}

fn required(fields: &mut Fields, name: &str) -> bool {
    let is_there = fields.has(name);
    if !is_there {
        fields.fail_required(name);
    }
    is_there
}

/// What became of each topic.
#[derive(Debug, Object, Serialize)]
pub(crate) struct TopicsAnswer {
    /// `ok`, `forbidden`, `not-found`, `invalid` or `limit`.
    /// 주제별 결과.
    pub(crate) topics: HashMap<String, String>,
}

/// Names the conversations that are on the screen, instead of those before: in these you hear who is typing.
#[derive(Debug, Object)]
pub(crate) struct OpenCommand {
    /// The ids of the conversations, at most 16.
    /// 대화의 ID, 최대 16개.
    #[oai(validator(max_items = 16))]
    conversations: Option<Vec<Uuid>>,
}

impl Input for OpenCommand {
    type Parsed = Vec<ConversationId>;

    fn parse(fields: &mut Fields) -> Option<Vec<ConversationId>> {
        required(fields, "conversations").then_some(())?;
        conversations(fields, "conversations")
    }
}

/// Done; there is nothing to say.
#[derive(Debug, Object, Serialize)]
pub(crate) struct DoneAnswer {}

/// Names the users whose presence you want to hear, instead of those before. You hear of those who follow you as you follow
/// them, and of those with whom you are in a conversation.
#[derive(Debug, Object)]
pub(crate) struct PresenceCommand {
    /// The ids of the users, at most 100.
    /// 사용자의 ID, 최대 100개.
    #[oai(validator(max_items = 100))]
    users: Option<Vec<Uuid>>,
}

impl Input for PresenceCommand {
    type Parsed = Vec<UserId>;

    fn parse(fields: &mut Fields) -> Option<Vec<UserId>> {
        required(fields, "users").then_some(())?;
        users(fields, "users")
    }
}

/// Who is there now.
#[derive(Debug, Object, Serialize)]
pub(crate) struct PresenceAnswer {
    /// Of each user whom you named; of whom you may not hear, it is said that they are not there.
    /// 지정한 사용자의 접속 상태. 볼 수 없는 사용자는 접속하지 않은 것으로 나옵니다.
    pub(crate) states: Vec<PresenceEvent>,
}

/// Sends a message, as sendMessage does.
#[derive(Debug, Object)]
pub(crate) struct MessageSendCommand {
    /// The id of the conversation.
    /// 대화의 ID.
    conversation_id: Uuid,
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

impl Input for MessageSendCommand {
    type Parsed = (ConversationId, Send);

    fn parse(fields: &mut Fields) -> Option<Self::Parsed> {
        let conversation = conversation(fields);
        let message = SendMessage::parse(fields);
        Some((conversation?, message?))
    }
}

/// It is kept: whatever happens to the server now, it is there.
#[derive(Debug, Object, Serialize)]
pub(crate) struct MessageSentAnswer {
    /// Number of the event `message.created`.
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
    /// Whether it was there already, because you sent it before.
    /// 이미 보낸 적이 있어 저장되어 있던 메시지인지 여부.
    pub(crate) duplicate: bool,
}

/// Lets a message of yours say something else.
#[derive(Debug, Object)]
pub(crate) struct MessageEditCommand {
    /// The id of the conversation.
    /// 대화의 ID.
    conversation_id: Uuid,
    /// The id of the message.
    /// 메시지의 ID.
    message_id: Uuid,
    /// Plain text, at most 2,000 characters and 8 KiB.
    /// 일반 텍스트, 최대 2,000자, 8 KiB.
    text: String,
}

impl Input for MessageEditCommand {
    type Parsed = (ConversationId, MessageId, MessageText);

    fn parse(fields: &mut Fields) -> Option<Self::Parsed> {
        let (conversation, message) = (conversation(fields), message(fields));
        let text = fields.text("text", MessageText::parse);
        Some((conversation?, message?, text?))
    }
}

/// The message as it is now.
#[derive(Debug, Object, Serialize)]
pub(crate) struct MessageEditedAnswer {
    /// The message after the edit.
    /// 수정된 메시지.
    pub(crate) message: Message,
}

/// Takes a message of yours back.
#[derive(Debug, Object)]
pub(crate) struct MessageDeleteCommand {
    /// The id of the conversation.
    /// 대화의 ID.
    conversation_id: Uuid,
    /// The id of the message.
    /// 메시지의 ID.
    message_id: Uuid,
}

impl Input for MessageDeleteCommand {
    type Parsed = (ConversationId, MessageId);

    fn parse(fields: &mut Fields) -> Option<Self::Parsed> {
        let (conversation, message) = (conversation(fields), message(fields));
        Some((conversation?, message?))
    }
}

/// Marks messages as read.
#[derive(Debug, Object)]
pub(crate) struct ReadCommand {
    /// The id of the conversation.
    /// 대화의 ID.
    conversation_id: Uuid,
    /// The number of the newest message that you have seen.
    /// 마지막으로 본 메시지의 번호.
    message_no: u64,
}

impl Input for ReadCommand {
    type Parsed = (ConversationId, u64);

    fn parse(fields: &mut Fields) -> Option<Self::Parsed> {
        let conversation = conversation(fields);
        let message_no = fields.integer("message_no", 0..=u64::MAX, "must be the number of a message");
        Some((conversation?, message_no?))
    }
}

/// Says that you are writing something. Once in three seconds is enough; more is passed over.
#[derive(Debug, Object)]
pub(crate) struct TypingCommand {
    /// The id of the conversation.
    /// 대화의 ID.
    conversation_id: Uuid,
}

impl Input for TypingCommand {
    type Parsed = ConversationId;

    fn parse(fields: &mut Fields) -> Option<Self::Parsed> {
        conversation(fields)
    }
}

/// Reads what happened in a conversation, as listConversationEvents does.
#[derive(Debug, Object)]
pub(crate) struct HistoryCommand {
    /// The id of the conversation.
    /// 대화의 ID.
    conversation_id: Uuid,
    /// The number of the last thing that you know of.
    /// 알고 있는 마지막 이벤트의 번호.
    after: u64,
    /// How many things at most, up to 100.
    /// 받을 이벤트 수, 최대 100개.
    limit: Option<u64>,
}

/// What is to be read.
pub(crate) struct History {
    pub(crate) conversation: ConversationId,
    pub(crate) after: u64,
    pub(crate) limit: usize,
}

impl Input for HistoryCommand {
    type Parsed = History;

    fn parse(fields: &mut Fields) -> Option<Self::Parsed> {
        let conversation = conversation(fields);
        let after = fields.integer("after", 0..=u64::MAX, "must be the number of something that happened");
        let limit = if fields.has("limit") {
            fields.integer("limit", 1..=100, "must be from 1 to 100")
        } else {
            fields.skip("limit");
            Some(100)
        };
        Some(History { conversation: conversation?, after: after?, limit: usize::try_from(limit?).ok()? })
    }
}

/// Goes on with another credential of the same user: one of the two.
#[derive(Debug, Object)]
pub(crate) struct AuthCommand {
    /// An access token of the same user.
    /// 같은 사용자의 액세스 토큰.
    access_token: Option<String>,
    /// Of createGatewayTicket.
    /// createGatewayTicket으로 받은 티켓.
    ticket: Option<String>,
}

/// What somebody goes on with.
pub(crate) enum RenewedCredential {
    AccessToken(String),
    Ticket(String),
}

impl Input for AuthCommand {
    type Parsed = RenewedCredential;

    fn parse(fields: &mut Fields) -> Option<Self::Parsed> {
        let token = fields.optional_text("access_token", |raw| Ok(raw.to_owned()));
        let ticket = fields.optional_text("ticket", |raw| Ok(raw.to_owned()));
        match (token, ticket) {
            (Some(token), None) => Some(RenewedCredential::AccessToken(token)),
            (None, Some(ticket)) => Some(RenewedCredential::Ticket(ticket)),
            _ => {
                fields.fail_whole(Violation::InvalidCharacters("must have access_token or ticket"));
                None
            }
        }
    }
}

/// It goes on.
#[derive(Debug, Object, Serialize)]
pub(crate) struct AuthAnswer {
    /// When the credential ends, and with it the connection.
    /// 자격 증명이 만료되어 연결이 끝날 때까지의 밀리초.
    pub(crate) auth_expires_in_ms: u64,
}
