//! The OpenAPI document: what poem-openapi derives from the routes, made exact.
//!
//! poem-openapi knows paths, parameters and schemas. This adds what it cannot say: that response
//! properties are always there and which may be null, who may call an operation, every error it may
//! answer (from its row in `operation.rs`), headers, and examples in Korean and English.

pub(crate) mod catalogue;
pub(crate) mod examples;
mod problems;
mod schemas;
mod shared;

use poem::IntoEndpoint;
use poem_openapi::{OpenApiService, registry::Registry, types::Type};
use serde_json::{Map, Value, json};

pub(crate) use self::schemas::{complete_schema, normalize_schema};
use self::{
    problems::Problems,
    schemas::{complete_schemas, encode_forms, normalize_schemas},
};
use crate::{
    address::{address, base_path, in_text},
    idempotency,
    operation::{Login, Operation, operation},
    routes::{
        auth::AuthApi, bookmarks::BookmarksApi, comments::CommentsApi, conversations::ConversationsApi,
        gateway::GatewayApi, instance::InstanceApi, jwks::JwksApi, likes::LikesApi, media::MediaApi,
        notifications::NotificationsApi, people::PeopleApi, posts::PostsApi, relations::RelationsApi,
        reports::ReportsApi, search::SearchApi, sessions::SessionsApi, timelines::TimelinesApi,
        users::UsersApi,
    },
    schema,
};

type Apis = (
    (InstanceApi, AuthApi, SessionsApi, JwksApi),
    (UsersApi, RelationsApi, PeopleApi),
    (PostsApi, LikesApi, BookmarksApi, CommentsApi, MediaApi),
    (TimelinesApi, SearchApi, NotificationsApi, ReportsApi, ConversationsApi, GatewayApi),
);

fn apis() -> OpenApiService<Apis, ()> {
    let apis = (
        (InstanceApi, AuthApi, SessionsApi, JwksApi),
        (UsersApi, RelationsApi, PeopleApi),
        (PostsApi, LikesApi, BookmarksApi, CommentsApi, MediaApi),
        (TimelinesApi, SearchApi, NotificationsApi, ReportsApi, ConversationsApi, GatewayApi),
    );
    OpenApiService::new(apis, "blegram", env!("CARGO_PKG_VERSION"))
}

/// The operations, as poem serves them.
pub(crate) fn service() -> impl IntoEndpoint {
    apis()
}

/// The document as JSON, for a site at `public_url`.
pub fn openapi(public_url: &str) -> String {
    let mut text = serde_json::to_string_pretty(&document(public_url)).unwrap_or_default();
    text.push('\n');
    text
}

/// The document as YAML.
pub fn openapi_yaml(public_url: &str) -> String {
    serde_yaml::to_string(&document(public_url)).unwrap_or_default()
}

const DESCRIPTION: &str = "\
The backend of a photo-and-short-post community. 사진과 짧은 글 커뮤니티의 백엔드입니다.

**Log in here**: run `signUp` or `logIn` below with *Try it out*; your browser keeps the session's cookie, and every
other operation works as you. 아래의 `signUp`이나 `logIn`을 실행하면 브라우저가 세션 쿠키를 보관하므로 바로 다른 기능을 써 볼
수 있습니다.

**Errors** are `application/problem+json` (RFC 9457) with a `code` for programs; each code has a page at
`/problems/<code>`. **Lists** are pages: follow `next_cursor` until it is null. Where the
newest come first, `prev_cursor` of the newest page that you have leads to newer items; where a list takes `since_id`, so
does the largest id that you have. Nothing is passed over that way, however many add to the list at once.
목록은 페이지로 나뉩니다. `prev_cursor`나 `since_id`로 새 항목을 이어 받으면, 여러 사람이 동시에 추가해도 빠지는 항목이 없습니다.
**Ids** sort by time of creation.
**Repetitions**: a write with an `Idempotency-Key` of yours can be sent again when its answer was lost; for a day it
gets the first answer. `Idempotency-Key`를 붙인 쓰기 요청은 응답을 받지 못했을 때 같은 키로 다시 보내도 한 번만 처리됩니다.
**Tags**: name the `ETag` of an answer in `If-None-Match` to hear only what is new (304), or in `If-Match` to change
only what you read (412 if its owner edited it since; other people's likes do not count).
**What happens, as it happens** comes over a WebSocket: see the group *Gateway*, and `/asyncapi.json` for what is said
there. 실시간 이벤트는 WebSocket으로 받습니다. *Gateway* 그룹과 `/asyncapi.json`을 보세요.

응답의 `ETag`를 `If-None-Match`로 보내면 바뀐 것이 없을 때 304를, `If-Match`로 보내면 그 사이 수정되었을 때 412를 받습니다.";

/// The document.
pub(crate) fn document(public_url: &str) -> Value {
    let mut document: Value = serde_json::from_str(&apis().spec()).unwrap_or_default();
    document["openapi"] = json!("3.0.3");
    document["info"] = json!({
        "title": "blegram",
        "version": env!("CARGO_PKG_VERSION"),
        "description": DESCRIPTION,
        "license": { "name": "MIT OR Apache-2.0", "url": "https://spdx.org/licenses/MIT.html" },
    });
    document["servers"] = json!([{ "url": public_url }]);
    add_problem(&mut document);
    normalize_schemas(&mut document);
    complete_schemas(&mut document);
    deny_null(&mut document);
    encode_forms(&mut document);
    let mut problems = Problems::default();
    for_each_operation(&mut document, |operation, value| complete_operation(operation, value, &mut problems));
    problems.add_to(&mut document);
    shared::share_parameters(&mut document);
    document["components"]["securitySchemes"] = json!({
        "bearerAuth": {
            "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
            "description": "The access token of a native app, from signUp, logIn or issueToken with `client: native`. Treat it as opaque. With a cookie beside it, the bearer decides.",
        },
        "cookieAuth": {
            "type": "apiKey", "in": "cookie", "name": "auth-blegram",
            "description": "The session of a browser, set by signUp and logIn. On https it is named `__Host-auth-blegram`.",
        },
    });
    document["components"]["headers"] = headers();
    complete_addresses(&mut document, base_path(public_url));
    document
}

/// What a change cannot clear is optional and yet not nullable.
fn deny_null(document: &mut Value) {
    for (schema, fields) in schema::KEPT {
        for field in *fields {
            let property = &mut document["components"]["schemas"][schema]["properties"][field];
            property.as_object_mut().and_then(|property| property.remove("nullable"));
        }
    }
}

/// Writes the path of the public URL into the addresses that texts and examples name.
pub(crate) fn complete_addresses(value: &mut Value, base_path: &str) {
    match value {
        _ if base_path.is_empty() => {}
        Value::Array(items) => items.iter_mut().for_each(|item| complete_addresses(item, base_path)),
        Value::Object(fields) => {
            fields.iter_mut().for_each(|(name, field)| match (name.as_str(), &mut *field) {
                ("description" | "detail", Value::String(text)) => {
                    *text = in_text(base_path, text).into_owned()
                }
                ("type" | "instance", Value::String(text)) if text.starts_with('/') => {
                    *text = address(base_path, text)
                }
                (_, field) => complete_addresses(field, base_path),
            })
        }
        _ => {}
    }
}

/// poem-openapi leaves out schemas that no handler names.
fn add_problem(document: &mut Value) {
    let mut registry = Registry::new();
    schema::Problem::register(&mut registry);
    for (name, schema) in registry.schemas {
        document["components"]["schemas"][name] = serde_json::to_value(schema).unwrap_or_default();
    }
}

fn for_each_operation(document: &mut Value, mut visit: impl FnMut(&Operation, &mut Value)) {
    let paths = document["paths"].as_object_mut().into_iter().flat_map(Map::values_mut);
    for value in paths.filter_map(Value::as_object_mut).flat_map(Map::values_mut) {
        if let Some(operation) = value["operationId"].as_str().and_then(operation) {
            visit(operation, value);
        }
    }
}

fn complete_operation(operation: &Operation, value: &mut Value, problems: &mut Problems) {
    value["security"] = match operation.login {
        Login::None => json!([]),
        // Tools that support one scheme take the first, and a cookie can only be set by a browser.
        Login::Optional => json!([{}, { "bearerAuth": [] }, { "cookieAuth": [] }]),
        Login::Required => json!([{ "bearerAuth": [] }, { "cookieAuth": [] }]),
    };
    let parameters = header_parameters(operation);
    if !parameters.is_empty() {
        let mut all = value["parameters"].as_array().cloned().unwrap_or_default();
        all.extend(parameters);
        value["parameters"] = Value::Array(all);
    }
    let Some(responses) = value["responses"].as_object_mut() else { return };
    for (status, response) in responses.iter_mut() {
        describe_success(operation, status, response);
    }
    if operation.has_tag && !operation.is_write {
        responses.insert("304".to_owned(), problems.not_modified());
    }
    for (status, codes) in problems::by_status(&operation.codes()) {
        responses.insert(status, problems.response(operation, &codes));
    }
    responses.sort_keys();
    if let Some(examples) = examples::request(operation.id) {
        value["requestBody"]["content"]["application/json"]["examples"] = examples;
    }
}

fn describe_success(operation: &Operation, status: &str, response: &mut Value) {
    response["description"] = json!(match status {
        "101" => "It is a WebSocket now.",
        "200" => "Done.",
        "201" => "Created.",
        _ => "Done; there is nothing to say.",
    });
    let mut headers = vec!["X-Request-Id"];
    if operation.policy.is_some() {
        headers.extend(["RateLimit-Policy", "RateLimit"]);
    }
    if ["signUp", "logIn", "logOut", "revokeSession", "changePassword"].contains(&operation.id) {
        headers.push("Set-Cookie");
    }
    if status == "201"
        && !["createReport", "uploadMedia", "createUpload", "sendMessage", "createGatewayTicket"]
            .contains(&operation.id)
    {
        headers.push("Location");
    }
    if operation.has_tag {
        headers.push("ETag");
    }
    if operation.takes_key {
        headers.push("Idempotent-Replayed");
    }
    let content = &mut response["content"]["application/json"];
    if content["schema"]["$ref"].as_str().is_some_and(|name| name.ends_with("Page")) {
        headers.push("Link");
    }
    if status == "204" || status == "101" {
        response.as_object_mut().and_then(|response| response.remove("content"));
    } else if let Some(example) = examples::response(operation.id) {
        content["examples"] = example;
    }
    response["headers"] = header_references(&headers);
}

/// Headers that poem-openapi is not told of, because no handler reads them.
fn header_parameters(operation: &Operation) -> Vec<Value> {
    let header = |name: &str, schema: Value, description: &str| json!({ "name": name, "in": "header", "required": false, "schema": schema, "description": description });
    let text = json!({ "type": "string" });
    let mut parameters = Vec::new();
    if operation.has_tag && !operation.is_write {
        parameters.push(header(
            "If-None-Match",
            text.clone(),
            "The `ETag` of an earlier answer: if nothing is new, the answer is 304.",
        ));
    }
    if operation.takes_key {
        parameters.push(header("Idempotency-Key", idempotency::key_schema(), "A name of yours for this request, 1 to 255 visible ASCII characters, such as a UUID: sent again with it within a day, it does not happen again."));
    }
    if operation.has_precondition {
        parameters.push(header(
            "If-Match",
            text,
            "The `ETag` of what you read: if its owner edited it since, the answer is 412.",
        ));
    }
    parameters
}

fn header_references(names: &[&str]) -> Value {
    names
        .iter()
        .map(|name| ((*name).to_owned(), json!({ "$ref": format!("#/components/headers/{name}") })))
        .collect()
}

fn headers() -> Value {
    let header =
        |description: &str, kind: &str| json!({ "description": description, "schema": { "type": kind } });
    let seconds = json!({ "type": "integer", "format": "int32", "minimum": 0 });
    json!({
        "X-Request-Id": header("Names the request in the server's log; taken over from the request when it has one.", "string"),
        "Location": header("Where the new thing is.", "string"),
        "Link": header("The next and previous pages (RFC 8288), `rel=\"next\"` first.", "string"),
        "Set-Cookie": header("The session's cookie: set, or removed. Not for native apps, nor when another session was revoked.", "string"),
        "WWW-Authenticate": header("How to log in.", "string"),
        "ETag": header("What the answer is: `\"<edits>-<hash>\"`, or weak for a page.", "string"),
        "Idempotent-Replayed": header("`true` when the request happened before and this was its answer.", "string"),
        "Retry-After": { "description": "Seconds to wait.", "schema": seconds },
        "RateLimit-Policy": header("The limit that counts this request: `\"login\";q=25;w=300`.", "string"),
        "RateLimit": header("What is left of it: `\"login\";r=24;t=12`.", "string"),
    })
}

/// `name` with its first letter in upper case.
pub(crate) fn capitalized(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map(|first| first.to_ascii_uppercase().to_string() + chars.as_str()).unwrap_or_default()
}
