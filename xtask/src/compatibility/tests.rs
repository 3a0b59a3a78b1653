//! For each kind of change: that it is found where it breaks clients, and accepted where it does not.

use serde_json::{Value, json};

use super::*;

/// A small document with everything that is compared.
fn openapi() -> Value {
    json!({
        "openapi": "3.0.3",
        "info": { "version": "0.1.0" },
        "paths": {
            "/posts": {
                "post": {
                    "operationId": "createPost", "tags": ["Posts"],
                    "security": [{ "bearerAuth": [] }, { "cookieAuth": [] }],
                    "parameters": [
                        { "$ref": "#/components/parameters/LimitParam" },
                        { "name": "If-Match", "in": "header", "schema": { "type": "string" } },
                    ],
                    "requestBody": { "content": {
                        "application/json": { "schema": { "$ref": "#/components/schemas/CreatePost" } },
                        "multipart/form-data": {
                            "schema": { "$ref": "#/components/schemas/CreatePost" },
                            "encoding": { "alts": { "style": "form" } },
                        },
                    } },
                    "responses": {
                        "201": {
                            "headers": { "Location": {} },
                            "content": { "application/json": { "schema": { "$ref": "#/components/schemas/Post" } } },
                        },
                        "404": { "$ref": "#/components/responses/NotFound" },
                    },
                },
            },
            "/public": { "get": { "operationId": "listPosts", "security": [], "responses": {} } },
            "/optional": { "get": { "operationId": "getPost", "security": [{}, { "bearerAuth": [] }], "responses": {} } },
        },
        "components": {
            "parameters": {
                "LimitParam": { "name": "limit", "in": "query", "schema": { "type": "integer", "minimum": 1 } },
            },
            "responses": {
                "NotFound": { "content": { "application/problem+json": {
                    "schema": { "$ref": "#/components/schemas/Problem" },
                    "examples": { "not-found": {}, "hidden": {} },
                } } },
            },
            "schemas": {
                "CreatePost": {
                    "type": "object", "required": ["text"],
                    "properties": {
                        "text": { "type": "string", "maxLength": 10, "minLength": 1 },
                        "visibility": { "type": "string", "enum": ["public", "followers"], "nullable": true },
                        "alts": { "type": "array", "items": { "type": "string", "maxLength": 5 }, "maxItems": 10 },
                    },
                },
                "Post": {
                    "type": "object", "required": ["id", "author", "kind", "counts"],
                    "properties": {
                        "id": { "type": "string", "format": "uuid" },
                        "author": { "allOf": [{ "$ref": "#/components/schemas/User" }] },
                        "kind": { "type": "string", "enum": ["text", "photo"] },
                        "counts": { "type": "object", "additionalProperties": { "type": "integer" } },
                    },
                },
                "User": { "type": "object", "required": ["name"], "properties": { "name": { "type": "string" } } },
                "Problem": { "type": "object", "properties": { "code": { "type": "string" } } },
            },
            "securitySchemes": {
                "bearerAuth": { "type": "http", "scheme": "bearer" },
                "cookieAuth": { "type": "apiKey", "in": "cookie", "name": "session" },
            },
        },
    })
}

/// The breaks when the value at each pointer is replaced; null removes it.
fn breaks(changes: &[(&str, Value)]) -> Vec<String> {
    let (before, mut after) = (openapi(), openapi());
    for (pointer, value) in changes {
        change(&mut after, pointer, value.clone());
    }
    operations::compare(&before, &after)
}

fn change(document: &mut Value, pointer: &str, value: Value) {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let key = key.replace("~1", "/");
    match document.pointer_mut(parent).unwrap_or_else(|| panic!("{pointer} has no parent")) {
        Value::Object(fields) if value.is_null() => drop(fields.remove(&key).expect(pointer)),
        Value::Array(items) if value.is_null() => drop(items.remove(key.parse().unwrap())),
        Value::Array(items) => items[key.parse::<usize>().unwrap()] = value,
        parent => parent[key] = value,
    }
}

#[track_caller]
fn assert_break(pointer: &str, value: Value, expected: &str) {
    assert_eq!(breaks(&[(pointer, value)]), [expected], "{pointer}");
}

#[track_caller]
fn assert_compatible(pointer: &str, value: Value) {
    assert_eq!(breaks(&[(pointer, value)]), [""; 0], "{pointer}");
}

const POST: &str = "/paths/~1posts/post";
const CREATE_POST: &str = "/components/schemas/CreatePost";
const POST_SCHEMA: &str = "/components/schemas/Post";

#[test]
fn unchanged_documents_are_compatible() {
    assert_eq!(breaks(&[]), [""; 0]);
}

#[test]
fn removed_and_renamed_operations_are_found() {
    assert_break("/paths/~1public", Value::Null, "listPosts: GET /public was removed");
    assert_break("/paths/~1public/get", Value::Null, "listPosts: GET /public was removed");
    let renamed = "listPosts: `operationId` changed from \"listPosts\" to \"posts\"";
    assert_break("/paths/~1public/get/operationId", json!("posts"), renamed);
    let moved = "createPost: `tags` changed from [\"Posts\"] to [\"Feed\"]";
    assert_break(&format!("{POST}/tags/0"), json!("Feed"), moved);
    assert_compatible("/paths/~1new", json!({ "get": { "operationId": "new" } }));
}

#[test]
fn parameters_that_requests_can_no_longer_have_are_found() {
    let parameters = format!("{POST}/parameters");
    assert_break(
        &format!("{parameters}/0"),
        Value::Null,
        "createPost: the query parameter \"limit\" was removed",
    );
    assert_break(
        &format!("{parameters}/1"),
        Value::Null,
        "createPost: the header parameter \"If-Match\" was removed",
    );
    assert_compatible(&format!("{parameters}/1/name"), json!("if-match"));
    let required = "createPost: the query parameter \"limit\" is required now";
    assert_break("/components/parameters/LimitParam/required", json!(true), required);
    let narrowed = "createPost the query parameter \"limit\": `minimum` was narrowed from 1 to 2";
    assert_break("/components/parameters/LimitParam/schema/minimum", json!(2), narrowed);
    assert_compatible("/components/parameters/LimitParam/schema/minimum", json!(0));
    let old = openapi()["paths"]["/posts"]["post"]["parameters"].as_array().unwrap().clone();
    let with = |parameter: Value| json!([old[0], old[1], parameter]);
    let added = "createPost: the query parameter \"q\" was added and is required";
    assert_break(&parameters, with(json!({ "name": "q", "in": "query", "required": true })), added);
    assert_compatible(&parameters, with(json!({ "name": "q", "in": "query" })));
}

#[test]
fn bodies_that_are_no_longer_accepted_are_found() {
    let body = format!("{POST}/requestBody");
    assert_break(&format!("{body}/required"), json!(true), "createPost: a body is required now");
    let removed = "createPost: a body of multipart/form-data is no longer accepted";
    assert_break(&format!("{body}/content/multipart~1form-data"), Value::Null, removed);
    let encoding = format!("{body}/content/multipart~1form-data/encoding/alts/style");
    assert_break(&encoding, json!("deepObject"), "createPost: the encoding of the body changed");
    assert_compatible(&format!("{body}/content/text~1plain"), json!({ "schema": {} }));
}

#[test]
fn request_fields_that_became_stricter_are_found() {
    let field = |name: &str| format!("{CREATE_POST}/properties/{name}");
    assert_break(&field("alts"), Value::Null, "schema CreatePost.alts: was removed");
    assert_compatible(&field("title"), json!({ "type": "string" }));
    let required = "schema CreatePost.alts: is required now";
    assert_break(&format!("{CREATE_POST}/required"), json!(["text", "alts"]), required);
    assert_compatible(&format!("{CREATE_POST}/required"), json!([]));
    let null = "schema CreatePost.visibility: null is no longer accepted";
    assert_break(&field("visibility/nullable"), json!(false), null);
    assert_compatible(&field("text/nullable"), json!(true));
    let value = "schema CreatePost.visibility: the value \"followers\" was removed";
    assert_break(&field("visibility/enum"), json!(["public"]), value);
    assert_compatible(&field("visibility/enum"), json!(["public", "followers", "unlisted"]));
    let values = "schema CreatePost.text: only some values are accepted now";
    assert_break(&field("text/enum"), json!(["a"]), values);
    let further = "schema CreatePost: further properties are no longer accepted";
    assert_break(&format!("{CREATE_POST}/additionalProperties"), json!(false), further);
}

#[test]
fn narrowed_limits_of_requests_are_found() {
    let field = |name: &str| format!("{CREATE_POST}/properties/{name}");
    for (pointer, value, change) in [
        ("text/maxLength", json!(9), "text: `maxLength` was narrowed from 10 to 9"),
        ("text/minLength", json!(2), "text: `minLength` was narrowed from 1 to 2"),
        ("alts/maxItems", json!(9), "alts: `maxItems` was narrowed from 10 to 9"),
        ("alts/minItems", json!(1), "alts: `minItems` was narrowed from nothing to 1"),
        ("alts/items/maxLength", json!(4), "alts[]: `maxLength` was narrowed from 5 to 4"),
        ("text/pattern", json!("^a$"), "text: `pattern` changed to \"^a$\""),
        ("text/maximum", json!(5), "text: `maximum` was narrowed from nothing to 5"),
        ("text/minimum", json!(5), "text: `minimum` was narrowed from nothing to 5"),
        ("alts/minProperties", json!(5), "alts: `minProperties` was narrowed from nothing to 5"),
        ("alts/maxProperties", json!(5), "alts: `maxProperties` was narrowed from nothing to 5"),
    ] {
        assert_break(&field(pointer), value, &format!("schema CreatePost.{change}"));
    }
    assert_compatible(&field("text/maxLength"), json!(11));
    assert_compatible(&field("text/maxLength"), Value::Null);
    // What the server sends may be shorter than before.
    assert_compatible("/components/schemas/User/properties/name/maxLength", json!(3));
}

#[test]
fn changed_types_are_found() {
    let changed = "schema Post.id: `format` changed from \"uuid\" to nothing";
    assert_break(&format!("{POST_SCHEMA}/properties/id/format"), Value::Null, changed);
    let changed = "schema User.name: `type` changed from \"string\" to \"integer\"";
    assert_break("/components/schemas/User/properties/name/type", json!("integer"), changed);
    let changed = "schema CreatePost.alts[]: `type` changed from \"string\" to \"integer\"";
    assert_break(&format!("{CREATE_POST}/properties/alts/items/type"), json!("integer"), changed);
    let changed = "schema Post.counts: `additionalProperties` was removed";
    assert_break(&format!("{POST_SCHEMA}/properties/counts/additionalProperties"), Value::Null, changed);
    let changed = "schema Post.counts[]: `type` changed from \"integer\" to \"string\"";
    assert_break(
        &format!("{POST_SCHEMA}/properties/counts/additionalProperties/type"),
        json!("string"),
        changed,
    );
    let changed = "schema User.name: `const` changed from nothing to \"ann\"";
    assert_break("/components/schemas/User/properties/name/const", json!("ann"), changed);
    let changed = "schema User.name: `oneOf` changed";
    assert_break("/components/schemas/User/properties/name/oneOf", json!([]), changed);
    // A reference without an `allOf` is the same schema.
    assert_compatible(
        &format!("{POST_SCHEMA}/properties/author"),
        json!({ "$ref": "#/components/schemas/User" }),
    );
    let dangling = json!({ "$ref": "#/components/schemas/Nothing" });
    assert_break(
        &format!("{POST_SCHEMA}/properties/author"),
        dangling,
        "schema Post.author: the schema changed",
    );
}

#[test]
fn response_fields_that_are_missing_or_can_be_null_are_found() {
    assert_break(&format!("{POST_SCHEMA}/properties/id"), Value::Null, "schema Post.id: was removed");
    assert_compatible(&format!("{POST_SCHEMA}/properties/new"), json!({ "type": "string" }));
    let optional = "schema User.name: is no longer always present";
    assert_break("/components/schemas/User/required", json!([]), optional);
    assert_compatible("/components/schemas/Problem/required", json!(["code"]));
    let author = format!("{POST_SCHEMA}/properties/author/nullable");
    assert_break(&author, json!(true), "schema Post.author: can be null now");
    let added = "schema Post.kind: the value \"film\" was added to a closed list";
    assert_break(&format!("{POST_SCHEMA}/properties/kind/enum"), json!(["text", "photo", "film"]), added);
    assert_compatible(&format!("{POST_SCHEMA}/properties/kind/enum"), json!(["text"]));
    let opened = "schema Post.kind: the list of values was removed";
    assert_break(&format!("{POST_SCHEMA}/properties/kind/enum"), Value::Null, opened);
}

#[test]
fn removed_statuses_codes_and_headers_are_found() {
    assert_break(&format!("{POST}/responses/201"), Value::Null, "createPost: the status 201 was removed");
    assert_compatible(&format!("{POST}/responses/409"), json!({}));
    let code = "createPost: the code hidden of 404 was removed";
    let examples = "/components/responses/NotFound/content/application~1problem+json/examples";
    assert_break(&format!("{examples}/hidden"), Value::Null, code);
    assert_compatible(&format!("{examples}/new"), json!({}));
    let header = "createPost: the header Location of 201 was removed";
    assert_break(&format!("{POST}/responses/201/headers/Location"), Value::Null, header);
    let body = "createPost: 201 no longer has a body of application/json";
    assert_break(&format!("{POST}/responses/201/content"), Value::Null, body);
}

#[test]
fn security_changes_are_found() {
    let cookie = "createPost: cookieAuth no longer suffices";
    assert_break(&format!("{POST}/security/1"), Value::Null, cookie);
    assert_compatible(&format!("{POST}/security"), json!([]));
    let open = "listPosts: no credentials no longer suffices";
    assert_break("/paths/~1public/get/security", json!([{ "bearerAuth": [] }]), open);
    assert_compatible("/paths/~1public/get/security", json!([{}, { "bearerAuth": [] }]));
    assert_break(
        "/paths/~1optional/get/security/0",
        Value::Null,
        "getPost: no credentials no longer suffices",
    );
    let renamed = "security scheme cookieAuth: `name` changed";
    assert_break("/components/securitySchemes/cookieAuth/name", json!("other"), renamed);
    let removed = breaks(&[("/components/securitySchemes/bearerAuth", Value::Null)]);
    assert_eq!(removed.len(), 2, "{removed:?}");
}

#[test]
fn removed_schemas_are_found() {
    let replaced = [
        ("/components/schemas/Person", openapi()["components"]["schemas"]["User"].clone()),
        ("/components/schemas/User", Value::Null),
        ("/components/schemas/Post/properties/author/allOf/0/$ref", json!("#/components/schemas/Person")),
    ];
    assert_eq!(breaks(&replaced), ["schema User: was removed: generated clients have a type of this name"]);
}

fn asyncapi() -> Value {
    let payload = |name: &str| json!({ "payload": { "$ref": format!("#/components/schemas/{name}") } });
    let text = json!({ "type": "string" });
    json!({
        "channels": { "gateway": { "address": "/gateway" } },
        "components": {
            "messages": { "event.typing": payload("Typing"), "command.typing": payload("Type"), "pong": payload("Pong") },
            "schemas": {
                "Typing": { "type": "object", "properties": { "user": { "anyOf": [text, { "type": "null" }] } } },
                "Type": { "type": "object", "properties": { "user": { "anyOf": [text, { "type": "null" }] } } },
                "Pong": { "type": "object", "properties": { "pong": { "type": "integer", "maximum": 9 } } },
            },
            "securitySchemes": { "ticket": { "type": "httpApiKey", "name": "Sec-WebSocket-Protocol" } },
        },
    })
}

#[test]
fn breaks_of_the_gateway_are_found() {
    let breaks = |pointer: &str, value: Value| {
        let mut after = asyncapi();
        change(&mut after, pointer, value);
        gateway::compare(&asyncapi(), &after)
    };
    assert_eq!(breaks("/components/messages/event.typing", Value::Null), ["event.typing: was removed"]);
    assert_eq!(breaks("/channels/gateway/address", json!("/ws")), ["gateway: the address changed"]);
    let renamed = breaks("/components/securitySchemes/ticket/name", json!("X-Ticket"));
    assert_eq!(renamed, ["security scheme ticket: `name` changed"]);
    // Null, as JSON Schema writes it: a client may no longer send it, and the server no longer sends it.
    let text = json!({ "type": "string" });
    let narrowed = breaks("/components/schemas/Type/properties/user", text.clone());
    assert_eq!(narrowed, ["schema Type.user: null is no longer accepted"]);
    assert_eq!(breaks("/components/schemas/Typing/properties/user", text), [""; 0]);
    let narrowed = breaks("/components/schemas/Pong/properties/pong/maximum", json!(8));
    assert_eq!(narrowed, ["schema Pong.pong: `maximum` was narrowed from 9 to 8"]);
}

fn documents(version: &str, change_at: Option<&str>) -> Documents {
    let mut openapi = openapi();
    if let Some(pointer) = change_at {
        change(&mut openapi, pointer, Value::Null);
    }
    Documents { version: Version::parse(version).unwrap(), openapi, asyncapi: asyncapi() }
}

#[test]
fn only_incompatible_versions_may_break_clients() {
    let removed = Some("/paths/~1public");
    let step = |before: &str, after: &str, change_at| {
        check_step(&documents(before, None), &documents(after, change_at)).map_err(|error| error.to_string())
    };
    for (before, after) in [("0.1.0", "0.1.0"), ("0.1.0", "0.1.1"), ("1.2.0", "1.3.0")] {
        assert_eq!(step(before, after, None), Ok(()));
        let error = step(before, after, removed).unwrap_err();
        assert!(error.contains("listPosts: GET /public was removed"), "{error}");
    }
    for (before, after) in [("0.1.0", "0.2.0"), ("0.0.1", "0.0.2"), ("0.9.0", "1.0.0"), ("1.2.0", "2.0.0")] {
        assert_eq!(step(before, after, removed), Ok(()), "{before} {after}");
    }
    assert!(step("0.1.0", "0.1.0", removed).unwrap_err().contains("docs/released/0.2.0.json"));
    assert!(step("1.2.0", "1.2.1", removed).unwrap_err().contains("docs/released/2.0.0.json"));
    assert!(step("0.2.0", "0.1.0", None).unwrap_err().contains("which is newer"));
}

#[test]
fn released_documents_are_sorted_and_named_after_their_version() {
    let scratch = crate::scratch::Scratch::new().unwrap();
    let write = |name: &str, version: &str| {
        fs::write(scratch.path().join(name), json!({ "info": { "version": version } }).to_string()).unwrap();
    };
    for version in ["0.10.0", "0.9.0"] {
        write(&format!("{version}.json"), version);
        write(&format!("{version}.gateway.json"), version);
    }
    let versions: Vec<String> =
        released(scratch.path()).unwrap().iter().map(|documents| documents.version.to_string()).collect();
    assert_eq!(versions, ["0.9.0", "0.10.0"]);
    write("0.9.0.json", "0.8.0");
    assert!(released(scratch.path()).is_err());
}

#[test]
fn committed_documents_are_compatible() {
    check().unwrap();
}
