//! The AsyncAPI 3.0 document of the gateway.
//!
//! Two tables list every event and every command with its wire type. The document is generated from them: one message
//! per frame, with the schemas that poem-openapi derives (converted to JSON Schema draft 7) and the examples of
//! `examples.json`. The summaries here are in English and Korean.

mod examples;

use blegram_gateway::{CloseCode, MAX_MESSAGE_BYTES, PROTOCOL, Timing};
use blegram_http::base_path;
use poem_openapi::{registry::Registry, types::Type};
use serde_json::{Map, Value, json};

use crate::{
    openapi::{
        SERIALISES, Usage, capitalized, complete_addresses, complete_schema, contact, license,
        normalize_schema,
    },
    realtime::protocol::{CommandName, EventName},
    schema::{
        conversation::{ConversationEvents, ConversationRead, EventBody},
        gateway as wire,
        notification::NotificationRead,
    },
};

/// A row of the tables: an event or a command.
struct Message {
    name: &'static str,
    summary: &'static str,
    schema: String,
    /// Schema of the reply to a command; `None` for events and for commands without a reply.
    reply: Option<String>,
}

fn schema<T: Type>(registry: &mut Registry) -> String {
    T::register(registry);
    T::name().into_owned()
}

/// One row for each name: a name without a row does not compile.
macro_rules! messages {
    ($registry:ident, $names:ident; $($name:ident, $type:ty $(=> $reply:ty)?, $summary:literal;)*) => {{
        let message = |name: &$names| match name {
            $($names::$name => Message {
                name: name.as_str(),
                summary: $summary,
                schema: schema::<$type>($registry),
                reply: None $(.or(Some(schema::<$reply>($registry))))?,
            },)*
        };
        $names::ALL.iter().map(message).collect()
    }};
}

fn events(registry: &mut Registry) -> Vec<Message> {
    messages! { registry, EventName;
        Ready, wire::Ready, "The first frame of a connection. 연결 후 첫 프레임입니다.";
        AuthExpiring, wire::AuthExpiringEvent, "The credential expires soon: renew it with `auth`. Sent once per credential, two minutes before it expires, or a fifth of its lifetime if that is less. 자격 증명이 곧 만료되니 `auth`로 갱신하세요. 자격 증명마다 한 번, 만료 2분 전(수명이 짧으면 수명의 5분의 1이 남았을 때)에 보냅니다.";
        Degraded, wire::DegradedEvent, "State. Nodes cannot reach each other, or can again: the new value of `degraded` in `ready`. 노드끼리 연결되지 않거나 다시 연결되었습니다. `ready`의 `degraded` 값이 바뀐 것입니다.";
        Reconnect, wire::ReconnectEvent, "This node is shutting down: reconnect after the delay. 노드가 종료되니 알려 준 시간 뒤에 다시 연결하세요.";
        MessageCreated, EventBody, "Durable. A message was sent. 새 메시지가 전송되었습니다.";
        MessageEdited, EventBody, "Durable. A message was edited. 메시지가 수정되었습니다.";
        MessageDeleted, EventBody, "Durable. A message was deleted (unsent). 메시지가 삭제(전송 취소)되었습니다.";
        MemberJoined, EventBody, "Durable. A member joined. 참여자가 들어왔습니다.";
        MemberLeft, EventBody, "Durable. A member left or was removed. 참여자가 나갔거나 내보내졌습니다.";
        ConversationUpdated, EventBody, "Durable. The title or the owner of a group changed. 그룹 이름이나 소유자가 바뀌었습니다.";
        ConversationSkipped, EventBody, "Durable, in `history` only. Replaces the edit or deletion of a message from before you joined: apply only its `seq`. 참여하기 전 메시지의 수정이나 삭제를 대신합니다. `seq`만 적용하세요.";
        ConversationAdded, wire::ConversationAddedEvent, "A conversation was added to your list. 대화가 목록에 추가되었습니다.";
        ConversationRemoved, wire::ConversationRemovedEvent, "A conversation was removed from your list. 대화가 목록에서 빠졌습니다.";
        ConversationHead, wire::ConversationHeadEvent, "You did not receive every event: read the missing ones with `history`. Also replaces events that you may not see, such as the edit of a message from before you joined. 받지 못한 이벤트가 있으니 `history`로 읽으세요. 참여하기 전 메시지의 수정처럼 볼 수 없는 이벤트를 대신하기도 합니다.";
        ConversationRead, wire::ConversationReadEvent, "A member read messages. 참여자가 메시지를 읽었습니다.";
        ConversationDelivered, wire::ConversationDeliveredEvent, "A member's device received events. 참여자의 기기가 이벤트를 받았습니다.";
        Typing, wire::TypingEvent, "Hint, only for open conversations. A member is typing. 화면에 열린 대화에서 참여자가 입력 중입니다.";
        Presence, wire::PresenceEvent, "A user whom you watch went online or offline. 구독한 사용자의 접속 상태가 바뀌었습니다.";
        NotificationCreated, wire::NotificationCreatedEvent, "A new notification. The same notification (type, actor and object) is sent at most once an hour; if it recurs earlier, `notification.state` is sent instead. 새 알림입니다. 종류, 행위자, 대상이 같은 알림은 한 시간에 한 번만 보내고, 그 안에 다시 생기면 `notification.state`를 보냅니다.";
        NotificationDeleted, wire::NotificationDeletedEvent, "A notification was withdrawn: its cause was undone or deleted. 원인이 취소되거나 삭제되어 알림이 사라졌습니다.";
        NotificationState, NotificationRead, "Your unread count and read mark. Sent after you read notifications on any device, after more than 20 were withdrawn at once, or when one recurs that was sent within the last hour. If your client shows the list, load it again. 읽지 않은 알림 수와 읽은 위치입니다. 어느 기기에서든 알림을 읽었을 때, 한꺼번에 20개가 넘게 취소되었을 때, 한 시간 안에 보낸 알림이 다시 생겼을 때 보냅니다. 알림 목록이 화면에 있으면 다시 읽으세요.";
        TopicRevoked, wire::TopicRevokedEvent, "You may no longer see a topic: the subscription was removed. 더 이상 볼 수 없는 주제라 구독이 취소되었습니다.";
        TimelineHead, wire::TimelineHeadEvent, "There are more new posts than are sent individually: their number and the newest one. 새 게시글이 많아 개수와 가장 최근 게시글만 알립니다.";
        PostCounts, wire::PostCountsEvent, "On `post:<id>`. The like and comment counts changed. 좋아요 수나 댓글 수가 바뀌었습니다.";
        PostCreated, wire::PostEvent, "Hint. A new post of a topic. 주제에 새 게시글이 있습니다.";
        PostUpdated, wire::PostEvent, "A post was edited. 게시글이 수정되었습니다.";
        PostDeleted, wire::DeletedEvent, "A post was deleted, left the topic, or is no longer visible to you. 게시글이 삭제되었거나, 주제에서 빠졌거나, 더 이상 볼 수 없습니다.";
        CommentCreated, wire::CommentEvent, "On `post:<id>`. A new comment. 새 댓글이 있습니다.";
        CommentUpdated, wire::CommentEvent, "On `post:<id>`. A comment was edited. 댓글이 수정되었습니다.";
        CommentDeleted, wire::DeletedEvent, "On `post:<id>`. A comment was deleted. 댓글이 삭제되었습니다.";
    }
}

fn commands(registry: &mut Registry) -> Vec<Message> {
    messages! { registry, CommandName;
        Sync, wire::SyncCommand => wire::SyncAnswer, "Sync conversations and set subscriptions. 대화의 변경 사항을 받고 구독을 설정합니다.";
        Subscribe, wire::TopicsCommand => wire::TopicsAnswer, "Subscribe to topics. 주제를 구독합니다.";
        Unsubscribe, wire::TopicsCommand => wire::TopicsAnswer, "Unsubscribe from topics. 주제 구독을 취소합니다.";
        Open, wire::OpenCommand => wire::DoneAnswer, "Set the open conversations. 화면에 열린 대화를 설정합니다.";
        Presence, wire::PresenceCommand => wire::PresenceAnswer, "Watch the presence of users. 사용자의 접속 상태를 구독합니다.";
        MessageSend, wire::MessageSendCommand => wire::MessageSentAnswer, "Send a message. The reply confirms that it is stored. 메시지를 보냅니다. 저장된 뒤에 응답합니다.";
        MessageEdit, wire::MessageEditCommand => wire::MessageEditedAnswer, "Edit one of your messages. 내 메시지를 수정합니다.";
        MessageDelete, wire::MessageDeleteCommand => wire::DoneAnswer, "Delete (unsend) one of your messages. 내 메시지를 삭제(전송 취소)합니다.";
        Read, wire::ReadCommand => ConversationRead, "Mark messages as read. 메시지를 읽음으로 표시합니다.";
        History, wire::HistoryCommand => ConversationEvents, "List events of a conversation. 대화의 이벤트를 읽습니다.";
        Auth, wire::AuthCommand => wire::AuthAnswer, "Renew the credential. 자격 증명을 갱신합니다.";
        Typing, wire::TypingCommand, "Show that you are typing. There is a reply only if the command is rejected. 입력 중임을 알립니다. 거부될 때만 응답합니다.";
    }
}

/// The document as JSON, for a site at `public_url`.
pub fn asyncapi(public_url: &str) -> String {
    let mut text = serde_json::to_string_pretty(&document(public_url)).expect(SERIALISES);
    text.push('\n');
    text
}

fn document(public_url: &str) -> Value {
    let mut registry = Registry::new();
    let (events, commands) = (events(&mut registry), commands(&mut registry));
    let error = schema::<wire::CommandError>(&mut registry);
    let mut messages = Map::new();
    for event in &events {
        messages.insert(format!("event.{}", event.name), event_message(event));
    }
    for command in &commands {
        messages.insert(format!("command.{}", command.name), command_message(command));
        if let Some(reply) = &command.reply {
            messages.insert(format!("reply.{}", command.name), reply_message(command.name, reply));
        }
    }
    messages.insert("error".to_owned(), error_message(&error));
    messages.insert("ping".to_owned(), ping_message());
    messages.insert("pong".to_owned(), pong_message());
    messages.iter_mut().for_each(complete_message);
    let in_channel = |name: &str| json!({ "$ref": format!("#/channels/gateway/messages/{name}") });
    let channel: Map<String, Value> = messages
        .keys()
        .map(|name| (name.clone(), json!({ "$ref": format!("#/components/messages/{name}") })))
        .collect();
    let is_from_client = |name: &&String| name.starts_with("command.") || *name == "pong";
    let received: Vec<Value> = messages.keys().filter(is_from_client).map(|name| in_channel(name)).collect();
    let sent: Vec<Value> =
        messages.keys().filter(|name| !is_from_client(name)).map(|name| in_channel(name)).collect();
    let (protocol, rest) = public_url.split_once("://").unwrap_or(("http", public_url));
    let (host, path) = (rest.split('/').next().unwrap_or_default(), base_path(public_url));
    let mut document = json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "blegram gateway",
            "version": env!("CARGO_PKG_VERSION"),
            "description": description(),
            "contact": contact(public_url),
            "license": license(),
            "tags": [{ "name": "realtime", "description": "Events and commands over a WebSocket. 웹소켓으로 주고받는 이벤트와 명령." }],
            "externalDocs": {
                "description": "The HTTP API (OpenAPI). HTTP API(OpenAPI).",
                "url": format!("{public_url}/openapi.json"),
            },
        },
        "defaultContentType": "application/json",
        "servers": { "site": {
            "host": if host.is_empty() { "localhost" } else { host },
            "pathname": path,
            "protocol": if protocol == "https" { "wss" } else { "ws" },
            "security": SECURITY_SCHEMES.map(|name| json!({ "$ref": format!("#/components/securitySchemes/{name}") })),
        } },
        "channels": { "gateway": {
            "address": "/api/v1/gateway",
            "title": "Gateway connection",
            "description": "Authenticate with one of `cookie`, `bearer` and `ticket`; see connectGateway of the HTTP API. `cookie`, `bearer`, `ticket` 가운데 하나로 인증합니다. HTTP API의 connectGateway를 참고하세요.",
            "messages": channel,
            "bindings": { "ws": { "method": "GET" } },
        } },
        "operations": {
            "sendFrames": {
                "action": "send", "channel": { "$ref": "#/channels/gateway" },
                "summary": "Frames that the server sends. 서버가 보내는 프레임입니다.",
                "description": "Events, replies to commands, and pings. 이벤트, 명령에 대한 응답, ping입니다.",
                "messages": sent,
            },
            "receiveFrames": {
                "action": "receive", "channel": { "$ref": "#/channels/gateway" },
                "summary": "Frames that a client sends. 클라이언트가 보내는 프레임입니다.",
                "description": "Commands, and pongs. 명령과 pong입니다.",
                "messages": received,
            },
        },
        "components": {
            "schemas": referenced(&messages, schemas(registry, &commands)),
            "messages": messages,
            "securitySchemes": security_schemes(),
        },
    });
    complete_addresses(&mut document, path);
    document
}

fn description() -> String {
    let codes = CloseCode::ALL.iter().map(|code| format!("- `{}`: {}", code.as_u16(), code.reason()));
    format!(
        "\
A WebSocket (RFC 6455) with the subprotocol `{PROTOCOL}`. Frames are text frames with one JSON object each. A client frame has at most {MAX_MESSAGE_BYTES} bytes.

**Frames**: a client sends commands as `{{\"id\", \"op\", \"d\"}}` and receives replies as `{{\"re\", \"ok\"}}` or `{{\"re\", \"err\"}}`. Events are `{{\"ev\", \"d\"}}`. Answer `{{\"ping\": n}}` with `{{\"pong\": n, \"recv\": {{<conversation>: <seq>}}}}`, where `recv` acknowledges the events that the device has received. A client may also send a pong without a ping.

**Durable** events have a `seq`, which numbers the events of a conversation without gaps. Remember the highest `seq` that you applied. Ignore an event whose `seq` is not higher, apply the next one, and read missing events with `history`; if the reply has `reset`, load the messages again. Other events carry a state, of which the latest replaces earlier ones, or are hints that may be lost.

**Sends** have a `client_id` that the client chooses. Store messages until they are confirmed, and send unconfirmed ones again, in order, after reconnecting: each is stored once.

**Deadlines**: the server replies to every command within {deadline} s of its arrival. `unavailable` with `retry_after_ms` means that the server stopped waiting for the command, which may have taken effect or may still take effect. Send it again later; a message with the same `client_id` is stored once. While {waiting} commands wait, the server rejects further ones with `overloaded`, without running them. Waiting commands delay neither pings nor pongs.

**Members who rejoin** see only what happens after they rejoin. They do not receive edits and deletions of earlier messages: the server sends `conversation.head` instead, and `history` returns `conversation.skipped` with the same `seq`.

**Reconnecting**: follow the `reconnect` event; otherwise wait a random time of up to min(30 s, 0.5 s · 2ⁿ), where n counts the attempts. The reason of close code 4000 ends with `reconnect in <n> ms` (n in decimal digits): the delay of the `reconnect` event, counted from the close, for clients that did not receive the event. After close codes 4000 to 4499, reconnect automatically; from 4500 on, do not.

서브프로토콜 `{PROTOCOL}`을 쓰는 웹소켓(RFC 6455)입니다. 프레임은 JSON 객체 하나를 담은 텍스트 프레임이며, 클라이언트가 보내는 프레임은 최대 {MAX_MESSAGE_BYTES}바이트입니다.

**프레임**: 클라이언트는 `{{\"id\", \"op\", \"d\"}}`로 명령을 보내고 `{{\"re\", \"ok\"}}`나 `{{\"re\", \"err\"}}`로 응답을 받습니다. 이벤트는 `{{\"ev\", \"d\"}}`입니다. `{{\"ping\": n}}`에는 `{{\"pong\": n, \"recv\": {{<conversation>: <seq>}}}}`로 답하세요. `recv`는 기기가 받은 이벤트를 알립니다. ping 없이도 보낼 수 있습니다.

**지속(Durable) 이벤트**에는 대화마다 빠짐없이 이어지는 `seq`가 있습니다. 적용한 가장 큰 `seq`를 기억하고, 그보다 크지 않은 이벤트는 무시하고, 바로 다음 이벤트는 적용하고, 빠진 이벤트는 `history`로 읽으세요. 응답의 `reset`이 true이면 메시지를 다시 읽으세요. 그 밖의 이벤트는 마지막 것만 유효한 상태이거나, 유실될 수 있는 힌트입니다.

**전송**: 메시지에는 클라이언트가 정한 `client_id`가 있습니다. 응답을 받지 못한 메시지는 보관했다가 다시 연결한 뒤 순서대로 다시 보내세요. 한 번만 저장됩니다.

**응답 시한**: 서버는 명령이 도착한 뒤 {deadline}초 안에 응답합니다. `retry_after_ms`가 있는 `unavailable`은 서버가 처리를 기다리지 않기로 했다는 뜻이며, 이미 반영되었거나 나중에 반영될 수 있습니다. 나중에 다시 보내세요. `client_id`가 같은 메시지는 한 번만 저장됩니다. 명령 {waiting}개가 대기 중이면 그다음 명령은 실행하지 않고 `overloaded`로 거부합니다. 대기 중인 명령이 있어도 ping과 pong은 지연되지 않습니다.

**다시 참여한 사람**은 그 뒤의 이벤트만 봅니다. 그전 메시지의 수정과 삭제는 보내지 않고 `conversation.head`를 대신 보내며, `history`에는 `seq`가 같은 `conversation.skipped`가 나옵니다.

**재연결**: `reconnect` 이벤트를 따르고, 없으면 최대 min(30초, 0.5초 · 2ⁿ)의 임의 시간 뒤에 다시 연결하세요. n은 시도 횟수입니다. 닫힘 코드 4000의 사유는 `reconnect in <n> ms`(n은 십진수)로 끝납니다. `reconnect` 이벤트를 받지 못한 클라이언트를 위한 것으로, 연결이 닫힌 시점부터 셉니다. 닫힘 코드가 4000~4499이면 자동으로 다시 연결하고, 4500 이상이면 자동으로 다시 연결하지 마세요.

{}
",
        codes.collect::<Vec<_>>().join("\n"),
        deadline = Timing::default().command_deadline.as_secs(),
        waiting = blegram_gateway::MAX_WAITING,
    )
}

/// In the order of the document: the most common first.
const SECURITY_SCHEMES: [&str; 3] = ["bearer", "cookie", "ticket"];

fn security_schemes() -> Value {
    json!({
        "bearer": {
            "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
            "description": "Native apps: send the access token in the `Authorization` header of the handshake. 네이티브 앱은 핸드셰이크의 `Authorization` 헤더로 액세스 토큰을 보냅니다.",
        },
        "cookie": {
            "type": "httpApiKey", "in": "cookie", "name": "auth-blegram",
            "description": "Pages of this site and of trusted origins: the session cookie, named `__Host-auth-blegram` on https. 이 사이트나 신뢰하는 출처의 페이지는 세션 쿠키를 사용합니다. https에서는 쿠키 이름이 `__Host-auth-blegram`입니다.",
        },
        "ticket": {
            "type": "httpApiKey", "in": "header", "name": "Sec-WebSocket-Protocol",
            "description": "Clients that can send neither: a ticket from createGatewayTicket as a second subprotocol, `blegram.ticket.<ticket>`, in addition to the protocol. A ticket can be used once, within 30 seconds. 둘 다 보낼 수 없으면 createGatewayTicket의 티켓을 두 번째 서브프로토콜 `blegram.ticket.<ticket>`으로 보냅니다. 30초 안에 한 번만 쓸 수 있습니다.",
        },
    })
}

/// Adds what generators and readers need to a message: a title for its payload, and an example.
fn complete_message((key, message): (&String, &mut Value)) {
    let title: String = key.split('.').map(capitalized).collect();
    message["payload"]["title"] = json!(title);
    message["examples"] = json!([{ "name": title, "payload": examples::frame(key) }]);
}

fn reference(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}

/// The schema of an object with exactly these properties, all required.
fn object(properties: &Value) -> Value {
    let required: Vec<&String> = properties.as_object().into_iter().flat_map(Map::keys).collect();
    json!({ "type": "object", "required": required, "additionalProperties": false, "properties": properties })
}

fn event_message(event: &Message) -> Value {
    json!({
        "name": event.name,
        "summary": event.summary,
        "payload": object(&json!({ "ev": { "const": event.name }, "d": reference(&event.schema) })),
    })
}

fn command_message(command: &Message) -> Value {
    let id = number(
        "A number that the client chooses; the reply repeats it. 클라이언트가 정하는 번호. 응답에 그대로 돌아옵니다.",
    );
    json!({
        "name": command.name,
        "summary": command.summary,
        "payload": object(&json!({ "id": id, "op": { "const": command.name }, "d": reference(&command.schema) })),
    })
}

fn reply_message(name: &str, schema: &str) -> Value {
    json!({
        "name": format!("reply to {name}"),
        "summary": format!("The reply to `{name}`. `{name}` 명령의 응답입니다."),
        "description": "`re` is the `id` of the command. Replies may arrive in a different order from their commands. `re`는 명령의 `id`입니다. 응답은 명령을 보낸 순서와 다르게 올 수 있습니다.",
        "payload": object(&json!({ "re": number(RE), "ok": reference(schema) })),
    })
}

fn error_message(schema: &str) -> Value {
    json!({
        "name": "error",
        "summary": "A command was rejected. 명령이 거부되었습니다.",
        "description": "A possible reply to any command. Codes and texts are those of the HTTP API. 모든 명령의 응답이 될 수 있으며, 코드와 설명은 HTTP API와 같습니다.",
        "payload": object(&json!({ "re": number(RE), "err": reference(schema) })),
    })
}

const RE: &str = "The `id` of the command. 명령의 `id`.";

fn number(description: &str) -> Value {
    json!({ "type": "integer", "format": "int64", "minimum": 0, "description": description })
}

fn ping_message() -> Value {
    json!({
        "name": "ping",
        "summary": "Heartbeat: the server checks that the connection is alive. 서버가 연결이 살아 있는지 확인합니다.",
        "description": "Sent about every `heartbeat_ms` of `ready`. Answer with a `pong` that has the same number; the server closes a connection that does not answer. `ready`의 `heartbeat_ms` 정도마다 보냅니다. 같은 번호의 `pong`으로 답하세요. 답하지 않는 연결은 닫힙니다.",
        "payload": object(&json!({ "ping": number("The number of the ping. ping의 번호.") })),
    })
}

fn pong_message() -> Value {
    let marks = json!({
        "type": "object", "maxProperties": 100,
        "propertyNames": { "format": "uuid" },
        "additionalProperties": { "type": "integer", "format": "int64", "minimum": 0 },
        "description": "The highest `seq` that the device received, by conversation. 대화별로 기기가 받은 가장 큰 `seq`.",
    });
    let pong = number("The number of the ping. ping의 번호.");
    let mut payload = object(&json!({ "pong": pong, "recv": marks }));
    payload["required"] = json!(["pong"]);
    json!({
        "name": "pong",
        "summary": "The answer to a ping; may also be sent without a ping. ping에 대한 응답이며, ping 없이도 보낼 수 있습니다.",
        "description": "`recv` sets the delivery marks that the other members receive as `conversation.delivered`. `recv`의 값은 다른 참여자에게 `conversation.delivered`로 전해집니다.",
        "payload": payload,
    })
}

/// Converts the schemas to JSON Schema draft 7, which AsyncAPI uses and in which null is a type.
fn schemas(registry: Registry, commands: &[Message]) -> Map<String, Value> {
    let schemas = registry.schemas.into_iter().map(|(name, schema)| {
        let mut schema = serde_json::to_value(schema).expect(SERIALISES);
        normalize_schema(&mut schema);
        let is_command = commands.iter().any(|command| command.schema == name);
        complete_schema(&mut schema, if is_command { Usage::Request } else { Usage::Response });
        if name == "CommandError" {
            // Unlike in HTTP responses, absent values are omitted instead of null.
            schema["required"] = json!(["code", "detail"]);
        }
        from_openapi(&mut schema);
        (name, schema)
    });
    schemas.collect()
}

/// The schemas that the messages refer to, directly or through others. A flattened type is registered, too.
fn referenced(messages: &Map<String, Value>, mut schemas: Map<String, Value>) -> Map<String, Value> {
    let mut used = Map::new();
    let mut names: Vec<String> = messages.values().flat_map(references).collect();
    while let Some(name) = names.pop() {
        if let Some(schema) = schemas.remove(&name) {
            names.extend(references(&schema));
            used.insert(name, schema);
        }
    }
    used
}

/// The names of the schemas in the `$ref`s of `value`.
fn references(value: &Value) -> Vec<String> {
    match value {
        Value::Object(object) => {
            let own = object.get("$ref").and_then(Value::as_str);
            let own = own.and_then(|path| path.strip_prefix("#/components/schemas/")).map(str::to_owned);
            own.into_iter().chain(object.values().flat_map(references)).collect()
        }
        Value::Array(items) => items.iter().flat_map(references).collect(),
        _ => Vec::new(),
    }
}

/// Replaces `nullable`, which only OpenAPI 3.0 has, by an `anyOf` with the type null, and an `allOf` of one reference, which
/// carries a description of its own, by an `anyOf`: of an `allOf`, Modelina makes a copy without a name.
fn from_openapi(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            let is_nullable = object.remove("nullable") == Some(json!(true));
            object.values_mut().for_each(from_openapi);
            if is_nullable {
                // The description stays outside the `anyOf`, where generators look for it.
                let description = object.remove("description");
                let mut inner = std::mem::take(object);
                // An `allOf` with a single part is equivalent to the part.
                if let (1, Some([only])) =
                    (inner.len(), inner.get("allOf").and_then(Value::as_array).map(Vec::as_slice))
                {
                    inner = only.as_object().cloned().unwrap_or_default();
                }
                object.extend(description.map(|text| ("description".to_owned(), text)));
                object.insert("anyOf".to_owned(), json!([inner, { "type": "null" }]));
            } else if object.get("allOf").and_then(Value::as_array).is_some_and(|parts| parts.len() == 1)
                && let Some(only) = object.remove("allOf")
            {
                object.insert("anyOf".to_owned(), only);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(from_openapi),
        _ => {}
    }
}
