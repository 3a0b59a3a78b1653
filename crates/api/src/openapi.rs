//! The OpenAPI document: what poem-openapi derives from the routes, completed.
//!
//! poem-openapi knows paths, parameters and schemas. This module adds what it cannot express: that response properties
//! are always present and which of them can be null, the authentication of each operation, every error that it can
//! return (from its row in `operation.rs`), headers, and examples in Korean and English.

pub(crate) mod examples;
mod problems;
mod progenitor;
mod schemas;
mod shared;

use blegram_http::{Login, base_path, idempotency::MAX_CHARS};
use poem_openapi::{OpenApi, OpenApiService, registry::Registry, types::Type};
use serde_json::{Map, Value, json};

pub use self::progenitor::openapi_for_progenitor;
pub(crate) use self::schemas::{Usage, complete_schema, normalize_schema};
use self::{
    problems::Problems,
    schemas::{complete_schemas, encode_forms, normalize_schemas},
};
use crate::{
    address::{address, in_text},
    list,
    operation::{Operation, operation},
    routes::apis,
    schema,
};

/// The service with all operations: the endpoint, and the document as poem-openapi derives it.
pub(crate) fn service() -> OpenApiService<impl OpenApi, ()> {
    OpenApiService::new(apis(), "blegram", env!("CARGO_PKG_VERSION"))
}

/// The message of the panic if a document cannot be serialised. The server builds both documents when it starts, so such
/// a bug stops the start.
pub(crate) const SERIALISES: &str = "the parts of a document are serialisable";

/// The OpenAPI document as JSON, for a site at `public_url`.
pub fn openapi(public_url: &str) -> String {
    let mut text = serde_json::to_string_pretty(&document(public_url)).expect(SERIALISES);
    text.push('\n');
    text
}

/// The OpenAPI document as YAML, for a site at `public_url`.
pub fn openapi_yaml(public_url: &str) -> String {
    serde_saphyr::to_string(&document(public_url)).expect(SERIALISES)
}

const DESCRIPTION: &str = "\
The backend of a photo-and-short-post community. 사진과 짧은 글 커뮤니티의 백엔드입니다.

**Authentication**: run `signUp` or `logIn` below with *Try it out*. Your browser stores the session cookie, and every
other operation runs as your account. 아래의 `signUp`이나 `logIn`을 실행하면 브라우저가 세션 쿠키를 저장하므로 다른 기능도
내 계정으로 바로 실행해 볼 수 있습니다.

**Errors** are `application/problem+json` (RFC 9457) with a machine-readable `code`; each code is documented at
`/problems/<code>`. 오류는 프로그램이 읽을 수 있는 `code`가 있는 `application/problem+json`(RFC 9457)이며, 각 코드의 설명은
`/problems/<code>`에 있습니다.

**Pagination**: lists return pages. Follow `next_cursor` until it is null. In a list with the newest items first, the
`prev_cursor` of your newest page leads to newer items; in a list that takes `since_id`, so does the largest ID that you
have. No item is skipped, even if many clients add to the list at the same time. 목록은 페이지로 나뉩니다. `next_cursor`가
null이 될 때까지 이어서 읽으세요. `prev_cursor`나 `since_id`로 새 항목을 이어 받으면, 여러 클라이언트가 동시에 추가해도 빠지는
항목이 없습니다.

**IDs** sort by time of creation. ID는 만들어진 시각 순서로 정렬됩니다.

**Idempotency**: send a write request with an `Idempotency-Key`, and you can safely send it again if the response is lost:
for a day, the same key returns the first response. `Idempotency-Key`를 붙인 쓰기 요청은 응답을 받지 못했을 때 같은 키로 다시
보내도 한 번만 처리되며, 하루 동안 첫 응답을 그대로 반환합니다.

**Conditional requests**: send the `ETag` of a response as `If-None-Match` to get 304 if nothing has changed, or as
`If-Match` to change only the version that you have read: the response is 412 if the owner has edited it since. Likes of
other users do not count as edits. 응답의 `ETag`를 `If-None-Match`로 보내면 바뀐 것이 없을 때 304를, `If-Match`로 보내면 그 사이
소유자가 수정했을 때 412를 받습니다. 다른 사용자의 좋아요는 수정으로 보지 않습니다.

**Realtime events** are delivered over a WebSocket: see the group *Gateway*, and `/asyncapi.json` for the protocol. 실시간
이벤트는 웹소켓으로 받습니다. *Gateway* 그룹과 `/asyncapi.json`의 프로토콜을 참고하세요.";

/// The OpenAPI document of a site at `public_url`.
pub(crate) fn document(public_url: &str) -> Value {
    let mut document: Value = serde_json::from_str(&service().spec()).expect("poem-openapi writes JSON");
    document["openapi"] = json!("3.0.3");
    document["info"] = json!({
        "title": "blegram",
        "version": env!("CARGO_PKG_VERSION"),
        "description": DESCRIPTION,
        "contact": contact(public_url),
        "license": license(),
    });
    document["externalDocs"] = json!({
        "description": "The protocol of the realtime gateway (AsyncAPI). 실시간 게이트웨이의 프로토콜(AsyncAPI).",
        "url": format!("{public_url}/asyncapi.json"),
    });
    document["servers"] = json!([{ "url": public_url }]);
    add_problem(&mut document);
    normalize_schemas(&mut document);
    complete_schemas(&mut document);
    encode_forms(&mut document);
    let mut problems = Problems::default();
    for_each_operation(&mut document, |operation, value| complete_operation(operation, value, &mut problems));
    problems.add_to(&mut document);
    shared::share_parameters(&mut document);
    document["components"]["securitySchemes"] = json!({
        "bearerAuth": {
            "type": "http", "scheme": "bearer", "bearerFormat": "JWT",
            "description": "The access token of a native app, from signUp or logIn with `client: native`, or from issueToken. Apps treat it as opaque; another service can verify it with the keys of getJwks (docs/guide/rust.md lists the stable claims). If a request also has a session cookie, the token takes precedence. signUp과 logIn(`client: native`) 또는 issueToken으로 받은 네이티브 앱의 액세스 토큰입니다. 앱은 내용을 해석하지 마세요. 다른 서비스는 getJwks의 키로 검증할 수 있습니다. 세션 쿠키와 함께 보내면 토큰이 우선합니다.",
        },
        "cookieAuth": {
            "type": "apiKey", "in": "cookie", "name": "auth-blegram",
            "description": "The session cookie of a browser, set by signUp and logIn. Over https its name is `__Host-auth-blegram`. signUp과 logIn이 설정하는 브라우저의 세션 쿠키입니다. https에서는 이름이 `__Host-auth-blegram`입니다.",
        },
    });
    document["components"]["headers"] = headers();
    complete_addresses(&mut document, base_path(public_url));
    document
}

/// The contact of both documents: questions about the API of a site go to its operator.
pub(crate) fn contact(public_url: &str) -> Value {
    json!({ "name": "The operator of this site", "url": public_url })
}

/// The license of both documents. `url` cannot be an expression, so it leads to the list that has both texts.
pub(crate) fn license() -> Value {
    json!({ "name": "MIT OR Apache-2.0", "url": "https://spdx.org/licenses/" })
}

/// Prepends the path of the public URL to the addresses in descriptions and examples.
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

/// Adds the schema of problems: poem-openapi leaves out schemas that no handler refers to.
fn add_problem(document: &mut Value) {
    let mut registry = Registry::new();
    schema::Problem::register(&mut registry);
    for (name, schema) in registry.schemas {
        document["components"]["schemas"][name] = serde_json::to_value(schema).expect(SERIALISES);
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
    value["security"] = match operation.rule.login {
        Login::None | Login::Foreign => json!([]),
        // The bearer comes first: tools that support one scheme take the first, and only browsers can set the cookie.
        Login::Optional => json!([{}, { "bearerAuth": [] }, { "cookieAuth": [] }]),
        Login::Required => json!([{ "bearerAuth": [] }, { "cookieAuth": [] }]),
    };
    let mut parameters = operation.paging.map(list::parameters).unwrap_or_default();
    parameters.extend(header_parameters(operation));
    if !parameters.is_empty() {
        let mut all = value["parameters"].as_array().cloned().unwrap_or_default();
        all.extend(parameters);
        value["parameters"] = Value::Array(all);
    }
    accept_empty_values(value);
    let Some(responses) = value["responses"].as_object_mut() else { return };
    for (status, response) in responses.iter_mut() {
        describe_success(operation, status, response);
    }
    if operation.has_tag && !operation.rule.is_write {
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

/// Documents that an optional query parameter without a value (`?cursor=`) counts as absent. Not by its schema, from which
/// generators derive its type.
fn accept_empty_values(operation: &mut Value) {
    let parameters = operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten();
    for parameter in
        parameters.filter(|parameter| parameter["in"] == "query" && parameter["required"] != true)
    {
        parameter["allowEmptyValue"] = json!(true);
    }
}

fn describe_success(operation: &Operation, status: &str, response: &mut Value) {
    response["description"] = json!(match status {
        "101" => "Switching to the WebSocket protocol. WebSocket 프로토콜로 전환합니다.",
        "200" => "Success. 성공.",
        "201" => "Created. 생성되었습니다.",
        "202" => "Accepted: another step is missing. 접수되었으며, 다음 단계가 남아 있습니다.",
        "302" | "303" => "Redirect to the address in `Location`. `Location`의 주소로 이동합니다.",
        _ => "Success without a response body. 성공했으며 응답 본문은 없습니다.",
    });
    let mut headers = vec!["X-Request-Id"];
    if operation.rule.policy.is_some() {
        headers.extend(["RateLimit-Policy", "RateLimit"]);
    }
    if operation.sets_cookie {
        headers.push("Set-Cookie");
    }
    if operation.ends_session {
        headers.push("Clear-Site-Data");
    }
    if status == "201" && operation.has_location || status.starts_with('3') {
        headers.push("Location");
    }
    if operation.has_tag {
        headers.push("ETag");
    }
    if operation.rule.takes_key {
        headers.push("Idempotent-Replayed");
    }
    let content = &mut response["content"]["application/json"];
    if content["schema"]["$ref"].as_str().is_some_and(|name| name.ends_with("Page")) {
        headers.push("Link");
    }
    if content["schema"].is_null() {
        response.as_object_mut().and_then(|response| response.remove("content"));
    } else if status == "202" {
        content["examples"] = examples::accepted(operation.id).unwrap_or_default();
    } else if let Some(example) = examples::response(operation.id) {
        content["examples"] = example;
    }
    response["headers"] = header_references(&headers);
}

/// The request headers that poem-openapi does not know, because layers before the handlers read them.
fn header_parameters(operation: &Operation) -> Vec<Value> {
    let header = |name: &str, schema: Value, description: &str| json!({ "name": name, "in": "header", "required": false, "schema": schema, "description": description });
    let text = json!({ "type": "string" });
    let mut parameters = Vec::new();
    if operation.has_tag && !operation.rule.is_write {
        parameters.push(header(
            "If-None-Match",
            text.clone(),
            "The `ETag` of an earlier response: if nothing has changed since, the response is 304. 이전 응답의 `ETag`. 바뀐 것이 없으면 304를 반환합니다.",
        ));
    }
    if operation.rule.takes_key {
        parameters.push(header("Idempotency-Key", json!({ "type": "string", "minLength": 1, "maxLength": MAX_CHARS, "pattern": "^[!-~]+$" }), "A unique key for this request, such as a UUID: 1 to 255 visible ASCII characters. Sending the request again with the same key within a day returns the first response instead of executing it again. 이 요청의 고유한 키(예: UUID). 화면에 표시되는 ASCII 문자 1~255자입니다. 하루 안에 같은 키로 다시 보내면 다시 처리하지 않고 첫 응답을 반환합니다."));
    }
    if operation.has_precondition {
        parameters.push(header(
            "If-Match",
            text,
            "The `ETag` of the version that you have read: if the owner has edited it since, the response is 412. 읽은 버전의 `ETag`. 그 뒤 소유자가 수정했으면 412를 반환합니다.",
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
        "X-Request-Id": header("The ID of the request in the server's log; taken from the request header if it has a valid one. 서버 로그에 남는 요청 ID. 요청 헤더에 올바른 값이 있으면 그 값을 씁니다.", "string"),
        "Location": header("The URL of the new resource. 새 리소스의 주소.", "string"),
        "Link": header("The next and previous pages (RFC 8288), `rel=\"next\"` first. 다음과 이전 페이지(RFC 8288). `rel=\"next\"`가 먼저 나옵니다.", "string"),
        "Set-Cookie": header("Sets or removes the session cookie. Not sent to native apps, nor when another session is revoked. 세션 쿠키를 설정하거나 삭제합니다. 네이티브 앱이거나 다른 세션을 종료한 경우에는 없습니다.", "string"),
        "Clear-Site-Data": header("Has the browser delete what it stored of this site, if its session has ended: `\"cache\", \"storage\"`. 브라우저의 세션이 종료되면 브라우저가 저장한 이 사이트의 데이터를 삭제하게 합니다.", "string"),
        "WWW-Authenticate": header("The authentication scheme to use. 사용할 인증 방식.", "string"),
        "ETag": header("The entity tag: `\"<version>-<hash>\"`, or a weak tag for a page. 엔티티 태그. `\"<버전>-<해시>\"` 형식이며, 페이지에는 약한 태그를 씁니다.", "string"),
        "Idempotent-Replayed": header("`true` if this is the stored response of an earlier request with the same key. 같은 키로 보낸 이전 요청의 저장된 응답이면 `true`입니다.", "string"),
        "Retry-After": { "description": "Seconds to wait before the next attempt. 다시 시도하기 전에 기다릴 초.", "schema": seconds },
        "RateLimit-Policy": header("The rate limit that applies to this request: `\"login\";q=25;w=300`. 이 요청에 적용되는 요청 한도.", "string"),
        "RateLimit": header("The remaining quota of the rate limit: `\"login\";r=24;t=12`. 남은 요청 한도.", "string"),
    })
}

/// `name` with its first letter in upper case.
pub(crate) fn capitalized(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map(|first| first.to_ascii_uppercase().to_string() + chars.as_str()).unwrap_or_default()
}
