//! Commands that clients send to the gateway, with their replies. The commands on one conversation are in
//! `conversation`; sync, subscriptions and credentials are here.

mod conversation;

use std::collections::HashMap;

use blegram_domain::{ConversationId, UserId, Violation};
use poem_openapi::Object;
use serde::Serialize;
use uuid::Uuid;

pub(crate) use self::conversation::{
    History, HistoryCommand, MessageDeleteCommand, MessageEditCommand, MessageEditedAnswer,
    MessageSendCommand, MessageSentAnswer, ReadCommand, TypingCommand,
};
use super::{MAX_OPEN, MAX_TOPICS, MAX_WATCHED, event::PresenceEvent};
use crate::{
    body::{parse_or, request},
    schema::{FieldProblem, conversation::SyncResult},
};

/// The error of a rejected command.
/// 거부된 명령의 오류.
#[derive(Debug, Object, Serialize)]
pub(crate) struct CommandError {
    /// Error code, as in the problems of the HTTP API; each code has a page at `/problems/<code>`.
    /// HTTP API와 같은 오류 코드. 코드마다 `/problems/<code>` 페이지가 있습니다.
    code: String,
    /// Human-readable explanation and remedy.
    /// 오류에 대한 설명과 해결 방법.
    detail: String,
    /// All rejected values, with JSON pointers into `d`. Absent if there are none.
    /// 거부된 모든 값. 위치는 `d`를 가리키는 JSON 포인터입니다. 없으면 생략됩니다.
    errors: Option<Vec<FieldProblem>>,
    /// Milliseconds to wait before retrying. Absent if unknown.
    /// 다시 시도하기 전에 기다릴 밀리초. 알 수 없으면 생략됩니다.
    retry_after_ms: Option<u64>,
}

request! {
    /// Returns what changed while you were disconnected, and sets your subscriptions.
    /// 연결이 끊긴 동안 바뀐 내용을 돌려주고 구독을 설정합니다.
    pub(crate) struct SyncCommand {
        /// The `cursor` of the previous sync; absent for the first sync.
        /// 이전 동기화에서 받은 `cursor`. 첫 동기화에서는 생략합니다.
        since: Option<String> = text(parse_any),
        /// Ids of the open conversations, as `conversations` of the `open` command.
        /// 화면에 열린 대화의 ID. `open` 명령의 `conversations`와 같습니다.
        #[oai(validator(max_items = 16))]
        open: Option<Vec<Uuid>> = texts(MAX_OPEN, parse_or(INVALID_CONVERSATION_ID)),
        /// Topics to subscribe to, as `topics` of the `subscribe` command.
        /// 구독할 주제. `subscribe` 명령의 `topics`와 같습니다.
        #[oai(validator(max_items = 64))]
        topics: Option<Vec<String>> = texts(MAX_TOPICS, parse_topic),
        /// Ids of the users whose presence to watch, as `users` of the `presence` command.
        /// 접속 상태를 구독할 사용자의 ID. `presence` 명령의 `users`와 같습니다.
        #[oai(validator(max_items = 100))]
        presence: Option<Vec<Uuid>> = texts(MAX_WATCHED, parse_or(INVALID_USER_ID)),
    }

    fn parse(fields) -> Option<Authenticate> {
        Some(Authenticate { since, open, topics: topics.unwrap_or_default(), presence })
    }
}

/// A parsed [`SyncCommand`].
pub(crate) struct Authenticate {
    pub(crate) since: Option<String>,
    pub(crate) open: Option<Vec<ConversationId>>,
    pub(crate) topics: Vec<String>,
    pub(crate) presence: Option<Vec<UserId>>,
}

const INVALID_CONVERSATION_ID: Violation = Violation::InvalidCharacters("must be the id of a conversation");
const INVALID_USER_ID: Violation = Violation::InvalidCharacters("must be the id of a user");

// Not validated: each topic has its own outcome in the reply, so that an invalid one does not reject the command.
fn parse_topic(raw: &str) -> Result<String, Violation> {
    Ok(raw.chars().take(256).collect())
}

fn parse_any(raw: &str) -> Result<String, Violation> {
    Ok(raw.to_owned())
}

/// The changes since the cursor, and the outcome of the subscriptions.
/// 커서 이후의 변경 사항과 구독 결과.
#[derive(Debug, Object, Serialize)]
pub(crate) struct SyncAnswer {
    #[oai(flatten)]
    #[serde(flatten)]
    pub(crate) sync: SyncResult,
    /// Outcome of each topic, as in the reply to `subscribe`.
    /// 주제별 결과. `subscribe` 응답의 `topics`와 같습니다.
    pub(crate) topics: HashMap<String, String>,
    /// Presence of each user, as `states` in the reply to `presence`.
    /// 사용자별 접속 상태. `presence` 응답의 `states`와 같습니다.
    pub(crate) presence: Vec<PresenceEvent>,
}

request! {
    /// The topics to subscribe to or to unsubscribe from.
    /// 구독하거나 구독을 취소할 주제.
    pub(crate) struct TopicsCommand {
        /// Topics, at most 64: `timeline:home`, `timeline:public`, `hashtag:<tag>`, `user:<id>` or `post:<id>`.
        /// 주제, 최대 64개: `timeline:home`, `timeline:public`, `hashtag:<tag>`, `user:<id>`, `post:<id>`.
        #[oai(validator(max_items = 64))]
        topics: Vec<String> = texts(MAX_TOPICS, parse_topic),
    }

    fn parse(fields) -> Option<Vec<String>> {
        topics
    }
}

/// The outcome of each topic.
/// 주제별 결과.
#[derive(Debug, Object, Serialize)]
pub(crate) struct TopicsAnswer {
    /// Outcome by topic: `ok`, `forbidden`, `not-found`, `invalid` or `limit`.
    /// 주제별 결과: `ok`, `forbidden`(볼 수 없음), `not-found`(없음), `invalid`(잘못된 주제), `limit`(구독 수 초과).
    pub(crate) topics: HashMap<String, String>,
}

request! {
    /// Sets the open conversations, replacing the previous ones. You receive `typing` events only for open conversations.
    /// 화면에 열린 대화를 설정합니다. 이전 목록을 대체하며, 열린 대화에 대해서만 `typing` 이벤트를 받습니다.
    pub(crate) struct OpenCommand {
        /// The ids of the conversations, at most 16.
        /// 대화의 ID, 최대 16개.
        #[oai(validator(max_items = 16))]
        conversations: Vec<Uuid> = texts(MAX_OPEN, parse_or(INVALID_CONVERSATION_ID)),
    }

    fn parse(fields) -> Option<Vec<ConversationId>> {
        conversations
    }
}

/// An empty reply: the command succeeded.
/// 빈 응답. 명령이 성공했습니다.
#[derive(Debug, Object, Serialize)]
pub(crate) struct DoneAnswer {}

request! {
    /// Sets the users whose presence you watch, replacing the previous ones. You receive the presence of users who share a
    /// conversation with you, and of users whom you follow and who follow you.
    /// 접속 상태를 구독할 사용자를 설정합니다. 이전 목록을 대체합니다. 서로 팔로우하는 사용자와 같은 대화에 참여한 사용자의 접속 상태를 받을 수 있습니다.
    pub(crate) struct PresenceCommand {
        /// The ids of the users, at most 100.
        /// 사용자의 ID, 최대 100개.
        #[oai(validator(max_items = 100))]
        users: Vec<Uuid> = texts(MAX_WATCHED, parse_or(INVALID_USER_ID)),
    }

    fn parse(fields) -> Option<Vec<UserId>> {
        users
    }
}

/// The current presence of the users.
/// 사용자의 현재 접속 상태.
#[derive(Debug, Object, Serialize)]
pub(crate) struct PresenceAnswer {
    /// Presence of each requested user. Users whose presence you may not see appear offline.
    /// 요청한 사용자별 접속 상태. 접속 상태를 볼 수 없는 사용자는 오프라인으로 나옵니다.
    pub(crate) states: Vec<PresenceEvent>,
}

request! {
    /// Renews the credential of the connection with another one of the same user. Set exactly one of the two fields.
    /// 같은 사용자의 다른 자격 증명으로 연결을 갱신합니다. 두 필드 가운데 하나만 보내세요.
    pub(crate) struct AuthCommand {
        /// An access token of the same user.
        /// 같은 사용자의 액세스 토큰.
        access_token: Option<String> = text(parse_any),
        /// A ticket from createGatewayTicket.
        /// createGatewayTicket으로 받은 티켓.
        ticket: Option<String> = text(parse_any),
    }

    fn parse(fields) -> Option<RenewedCredential> {
        match (access_token, ticket) {
            (Some(token), None) => Some(RenewedCredential::AccessToken(token)),
            (None, Some(ticket)) => Some(RenewedCredential::Ticket(ticket)),
            _ => {
                fields.fail_whole(Violation::InvalidCharacters(
                    "must have exactly one of access_token and ticket",
                ));
                None
            }
        }
    }
}

/// A parsed [`AuthCommand`].
pub(crate) enum RenewedCredential {
    AccessToken(String),
    Ticket(String),
}

/// The credential of the connection was renewed.
/// 연결의 자격 증명이 갱신되었습니다.
#[derive(Debug, Object, Serialize)]
pub(crate) struct AuthAnswer {
    /// Milliseconds until the credential expires and the server closes the connection.
    /// 자격 증명이 만료되어 연결이 닫힐 때까지의 밀리초.
    pub(crate) auth_expires_in_ms: u64,
}
