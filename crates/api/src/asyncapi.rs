//! The AsyncAPI document of the gateway: every frame, made of the types that are sent and read.

mod examples;

use blegram_gateway::{CloseCode, MAX_MESSAGE_BYTES, PROTOCOL, Timing};
use poem_openapi::{registry::Registry, types::Type};
use serde_json::{Map, Value, json};

use crate::{
    base_path,
    openapi::{capitalized, complete_addresses, complete_schema, normalize_schema},
    schema::{
        conversation::{ConversationEvents, ConversationRead, EventBody},
        gateway as wire,
        notification::NotificationRead,
    },
};

/// Something that is said, with the schema of what it says.
struct Message {
    name: &'static str,
    summary: &'static str,
    schema: String,
    /// The schema of the reply to a command; none has none.
    reply: Option<String>,
}

fn schema<T: Type>(registry: &mut Registry) -> String {
    T::register(registry);
    T::name().into_owned()
}

macro_rules! messages {
    ($registry:ident; $($name:literal, $type:ty $(=> $reply:ty)?, $summary:literal;)*) => {
        vec![$(Message {
            name: $name,
            summary: $summary,
            schema: schema::<$type>($registry),
            reply: None $(.or(Some(schema::<$reply>($registry))))?,
        },)*]
    };
}

fn events(registry: &mut Registry) -> Vec<Message> {
    messages! { registry;
        "ready", wire::Ready, "The first frame. 연결 후 첫 프레임입니다.";
        "auth.expiring", wire::AuthExpiringEvent, "The credential expires soon: renew it by `auth`. Sent once per credential, two minutes before it expires, or a fifth of its lifetime if that is less. 자격 증명이 곧 만료됩니다. 자격 증명마다 한 번, 만료 2분 전(수명이 짧으면 수명의 5분의 1이 남았을 때)에 보냅니다.";
        "reconnect", wire::ReconnectEvent, "This node stops. 노드가 종료되니 알려 준 시간에 다시 연결하세요.";
        "message.created", EventBody, "Durable. A message was sent. 새 메시지.";
        "message.edited", EventBody, "Durable. A message says something else. 메시지 수정.";
        "message.deleted", EventBody, "Durable. A message was taken back. 메시지 취소.";
        "member.joined", EventBody, "Durable. Somebody was let in. 참여.";
        "member.left", EventBody, "Durable. Somebody is out. 나감.";
        "conversation.updated", EventBody, "Durable. Its title or its owner changed. 제목이나 소유자 변경.";
        "conversation.skipped", EventBody, "Durable, in `history` only. In the place of an edit or a deletion of a message from before you joined: only its `seq` is for you. 참여하기 전 메시지의 수정·삭제 자리이며 `seq`만 적용합니다.";
        "conversation.added", wire::ConversationAddedEvent, "A conversation is in your list. 대화가 목록에 추가됨.";
        "conversation.removed", wire::ConversationRemovedEvent, "A conversation is out of your list. 대화가 목록에서 빠짐.";
        "conversation.head", wire::ConversationHeadEvent, "Not every event was sent to you: pull with `history`. Also sent in the place of an event that is not for you, such as the edit of a message from before you joined. 빠진 이벤트가 있으니 history로 읽으세요.";
        "conversation.read", wire::ConversationReadEvent, "Somebody read messages. 읽음.";
        "conversation.delivered", wire::ConversationDeliveredEvent, "Somebody's device has got messages. 전달됨.";
        "typing", wire::TypingEvent, "Hint, for open conversations. 입력 중.";
        "presence", wire::PresenceEvent, "Somebody whom you watch came or went. 접속 상태.";
        "notification.created", wire::NotificationCreatedEvent, "A new notification. The same (type, actor and object) is announced at most once an hour: if it returns earlier, `notification.state` is sent instead. 새 알림. 같은 알림은 한 시간에 한 번만 알립니다.";
        "notification.deleted", wire::NotificationDeletedEvent, "A notification was taken back: what it told of was undone or deleted. 취소되거나 삭제되어 사라진 알림.";
        "notification.state", NotificationRead, "Your unread count and read mark, after you read notifications on some device, after more than 20 were taken back at once, or after one returned that was announced within the hour. List them again if they are on the screen. 알림 읽음 상태와 읽지 않은 수.";
        "topic.revoked", wire::TopicRevokedEvent, "A topic is not for you any more. 구독이 취소됨.";
        "timeline.head", wire::TimelineHeadEvent, "More posts came than are told one by one. 새 게시글이 많아 개수만 알립니다.";
        "post.counts", wire::PostCountsEvent, "On `post:<id>`. 좋아요·댓글 수.";
        "post.created", wire::PostEvent, "Hint. A post of a topic. 새 게시글.";
        "post.updated", wire::PostEvent, "A post was edited. 게시글 수정.";
        "post.deleted", wire::DeletedEvent, "A post is gone, or not for you any more. 게시글 삭제.";
        "comment.created", wire::CommentEvent, "On `post:<id>`. 새 댓글.";
        "comment.updated", wire::CommentEvent, "On `post:<id>`. 댓글 수정.";
        "comment.deleted", wire::DeletedEvent, "On `post:<id>`. 댓글 삭제.";
    }
}

fn commands(registry: &mut Registry) -> Vec<Message> {
    messages! { registry;
        "sync", wire::SyncCommand => wire::SyncAnswer, "Find out what changed, and say what you want to hear. 바뀐 내용을 확인합니다.";
        "subscribe", wire::TopicsCommand => wire::TopicsAnswer, "Hear of topics. 주제를 구독합니다.";
        "unsubscribe", wire::TopicsCommand => wire::TopicsAnswer, "Hear of topics no more. 구독을 취소합니다.";
        "open", wire::OpenCommand => wire::DoneAnswer, "Say which conversations are on the screen. 화면에 열린 대화를 알립니다.";
        "presence", wire::PresenceCommand => wire::PresenceAnswer, "Watch who comes and goes. 접속 상태를 지켜봅니다.";
        "message.send", wire::MessageSendCommand => wire::MessageSentAnswer, "Send a message; answered once it is kept. 저장된 뒤에 응답합니다.";
        "message.edit", wire::MessageEditCommand => wire::MessageEditedAnswer, "Edit a message of yours. 메시지를 수정합니다.";
        "message.delete", wire::MessageDeleteCommand => wire::DoneAnswer, "Take a message of yours back. 메시지를 취소합니다.";
        "read", wire::ReadCommand => ConversationRead, "Mark messages as read. 읽음으로 표시합니다.";
        "history", wire::HistoryCommand => ConversationEvents, "Read what happened. 놓친 이벤트를 읽습니다.";
        "auth", wire::AuthCommand => wire::AuthAnswer, "Go on with another credential. 자격 증명을 갱신합니다.";
        "typing", wire::TypingCommand, "Say that you are writing; answered only when it is refused. 입력 중임을 알립니다.";
    }
}

/// The document as JSON, for a site at `public_url`.
pub fn asyncapi(public_url: &str) -> String {
    let mut text = serde_json::to_string_pretty(&document(public_url)).unwrap_or_default();
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
    let is_said = |name: &&String| name.starts_with("command.") || *name == "pong";
    let said: Vec<Value> = messages.keys().filter(is_said).map(|name| in_channel(name)).collect();
    let told: Vec<Value> = messages.keys().filter(|it| !is_said(it)).map(|name| in_channel(name)).collect();
    let (protocol, rest) = public_url.split_once("://").unwrap_or(("http", public_url));
    let (host, path) = (rest.split('/').next().unwrap_or_default(), base_path(public_url));
    let mut document = json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "blegram gateway",
            "version": env!("CARGO_PKG_VERSION"),
            "description": description(),
            "license": { "name": "MIT OR Apache-2.0", "url": "https://spdx.org/licenses/MIT.html" },
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
            "title": "One connection",
            "description": "Logged in by one of `cookie`, `bearer` and `ticket`, as connectGateway of the HTTP API says. `cookie`, `bearer`, `ticket` 가운데 하나로 로그인합니다. HTTP API의 connectGateway를 보세요.",
            "messages": channel,
            "bindings": { "ws": { "method": "GET" } },
        } },
        "operations": {
            "told": {
                "action": "send", "channel": { "$ref": "#/channels/gateway" },
                "summary": "What the server says.", "messages": told,
            },
            "said": {
                "action": "receive", "channel": { "$ref": "#/channels/gateway" },
                "summary": "What a client says.", "messages": said,
            },
        },
        "components": {
            "messages": messages,
            "schemas": schemas(registry, &commands),
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
A WebSocket (RFC 6455) with the subprotocol `{PROTOCOL}`. Frames are text: JSON objects, of a client at most {MAX_MESSAGE_BYTES} bytes.

A client sends `{{\"id\", \"op\", \"d\"}}` and gets `{{\"re\", \"ok\"}}` or `{{\"re\", \"err\"}}`. Events are `{{\"ev\", \"d\"}}`. `{{\"ping\": n}}` is to be answered by `{{\"pong\": n, \"recv\": {{<conversation>: <seq>}}}}`, where `recv` says what the device has got; the same may be sent unasked.

**Durable** events have a `seq` without gap in their conversation. Keep the highest that you applied: pass over what is not above it, apply the next, and for anything later pull by `history`; with `reset`, load the messages anew. Other events tell a state, of which the last counts, or are hints.

**Sends** have a `client_id` of yours. Keep what was not answered, and send it again in order after reconnecting: it is there once.

**Deadlines**: every command is answered within {deadline} s of its arrival. `unavailable` with `retry_after_ms` means that it was given up: it may have taken effect, or still take effect. Send it again later; a message with the same `client_id` is stored once. While {waiting} commands wait, more are refused as `overloaded`: those were not begun. Pings are answered whatever waits.

**Members who join again** see what happens from then on. Edits and deletions of messages from before are never sent to them: live they get `conversation.head`, in `history` a `conversation.skipped` with the same `seq`.

**Reconnect** as `reconnect` says, else after a random time of up to min(30 s, 0.5 s · 2ⁿ). The reason of close code 4000 ends with `reconnect in <n> ms` (n in decimal digits): the delay of `reconnect`, counted from the close, for clients that did not receive that event. Close codes from 4000 to 4499 mean: again; from 4500: not again by itself.

모든 명령은 도착한 뒤 {deadline}초 안에 응답합니다. `unavailable`은 처리를 포기했다는 뜻이며 이미 반영되었거나 나중에 반영될 수 있으니 `retry_after_ms` 뒤에 다시 보내세요. 다시 참여한 사람에게는 그전 메시지의 수정과 삭제를 보내지 않습니다. 닫힘 코드 4000의 사유는 `reconnect in <n> ms`로 끝납니다.

메시지는 대화마다 빈틈없는 `seq`를 가집니다. 적용한 가장 큰 값을 기억하고, 건너뛴 번호가 보이면 `history`로 읽으세요. 보낸 메시지는 `client_id`로 한 번만 저장되므로 응답을 받지 못했다면 다시 보내면 됩니다.

{}
",
        codes.collect::<Vec<_>>().join("\n"),
        deadline = Timing::default().command_deadline.as_secs(),
        waiting = blegram_gateway::MAX_WAITING,
    )
}

/// The most common first.
const SECURITY_SCHEMES: [&str; 3] = ["bearer", "cookie", "ticket"];

fn security_schemes() -> Value {
    json!({
        "bearer": {
            "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
            "description": "Native apps: the access token in `Authorization` of the handshake. 네이티브 앱은 핸드셰이크의 `Authorization`에 액세스 토큰을 보냅니다.",
        },
        "cookie": {
            "type": "httpApiKey", "in": "cookie", "name": "auth-blegram",
            "description": "Pages of the site and of trusted origins: the session's cookie, named `__Host-auth-blegram` on https. 사이트나 신뢰된 출처의 페이지는 세션 쿠키를 씁니다. https에서는 이름이 `__Host-auth-blegram`입니다.",
        },
        "ticket": {
            "type": "httpApiKey", "in": "header", "name": "Sec-WebSocket-Protocol",
            "description": "Where neither can be sent: a ticket of createGatewayTicket as a second subprotocol, `blegram.ticket.<ticket>`, beside the protocol. It is good once, for 30 seconds. 둘 다 보낼 수 없으면 createGatewayTicket의 티켓을 두 번째 서브프로토콜 `blegram.ticket.<ticket>`으로 보냅니다. 30초 안에 한 번만 쓸 수 있습니다.",
        },
    })
}

/// Gives a message what generators and readers need: a name for its payload, and an example.
fn complete_message((key, message): (&String, &mut Value)) {
    let title: String = key.split('.').map(capitalized).collect();
    message["payload"]["title"] = json!(title);
    message["examples"] = json!([{ "name": title, "payload": examples::frame(key) }]);
}

fn reference(schema: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{schema}") })
}

/// An object with exactly these properties.
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
    let id =
        number("A number of your choice; the reply repeats it. 직접 정하는 번호. 응답에 그대로 돌아옵니다.");
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
        "description": "`re` is the `id` of the command. Replies may come in another order than their commands. `re`는 명령의 `id`입니다. 응답은 명령을 보낸 순서와 다르게 올 수 있습니다.",
        "payload": object(&json!({ "re": number(RE), "ok": reference(schema) })),
    })
}

fn error_message(schema: &str) -> Value {
    json!({
        "name": "error",
        "summary": "A command was refused. 명령이 거부되었습니다.",
        "description": "The reply to any command. Codes and texts are those of the HTTP API. 모든 명령의 응답이 될 수 있으며, 코드와 설명은 HTTP API와 같습니다.",
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
        "summary": "The server asks whether you are there. 연결이 살아 있는지 확인합니다.",
        "description": "Comes about every `heartbeat_ms` of `ready`. Answer with `pong` and the same number; a connection that does not answer is closed. `ready`의 `heartbeat_ms`마다 옵니다. 같은 번호의 `pong`으로 답하세요. 답하지 않는 연결은 닫힙니다.",
        "payload": object(&json!({ "ping": number("The number of the ping. ping의 번호.") })),
    })
}

fn pong_message() -> Value {
    let marks = json!({
        "type": "object", "maxProperties": 100,
        "propertyNames": { "format": "uuid" },
        "additionalProperties": { "type": "integer", "format": "int64", "minimum": 0 },
        "description": "By conversation, the highest `seq` that the device received. 대화별로 기기가 받은 가장 큰 `seq`.",
    });
    let pong = number("The number of the ping. ping의 번호.");
    let mut payload = object(&json!({ "pong": pong, "recv": marks }));
    payload["required"] = json!(["pong"]);
    json!({
        "name": "pong",
        "summary": "The answer to a ping, also unasked. ping에 대한 응답이며, ping 없이도 보낼 수 있습니다.",
        "description": "`recv` sets the delivery marks that others see as `conversation.delivered`. `recv`는 다른 참여자에게 `conversation.delivered`로 전해집니다.",
        "payload": payload,
    })
}

/// The schemas as JSON Schema of draft 7, which AsyncAPI takes: there null is a type.
fn schemas(registry: Registry, commands: &[Message]) -> Value {
    let schemas = registry.schemas.into_iter().map(|(name, schema)| {
        let mut schema = serde_json::to_value(schema).unwrap_or_default();
        normalize_schema(&mut schema);
        complete_schema(&mut schema, commands.iter().any(|command| command.schema == name));
        if name == "CommandError" {
            // Here what does not apply is left out.
            schema["required"] = json!(["code", "detail"]);
        }
        from_openapi(&mut schema);
        (name, schema)
    });
    Value::Object(schemas.collect())
}

/// `nullable` is of OpenAPI 3.0 only.
fn from_openapi(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            let is_nullable = object.remove("nullable") == Some(json!(true));
            object.values_mut().for_each(from_openapi);
            if is_nullable {
                // What describes stays outside, where generators look for it.
                let description = object.remove("description");
                let mut inner = std::mem::take(object);
                // Of one part, it is the part itself.
                if let (1, Some([only])) =
                    (inner.len(), inner.get("allOf").and_then(Value::as_array).map(Vec::as_slice))
                {
                    inner = only.as_object().cloned().unwrap_or_default();
                }
                object.extend(description.map(|text| ("description".to_owned(), text)));
                object.insert("anyOf".to_owned(), json!([inner, { "type": "null" }]));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(from_openapi),
        _ => {}
    }
}
