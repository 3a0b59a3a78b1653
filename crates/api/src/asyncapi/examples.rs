//! Examples of gateway frames, read from `examples.json`.
//!
//! A value that the HTTP API also returns is taken from the examples of its operations: `{"$example": "getPost"}` is
//! replaced by the first response example of getPost. A JSON pointer may follow (`getGatewayStatus/limits`) to select a
//! part of it, and the other properties of the object override those of the example.

use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use crate::{
    openapi::examples,
    problem::{Code, Problem},
};

static EXAMPLES: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("examples.json")).expect("a JSON object"));

/// An example frame for the message that the document lists under `key`.
pub(super) fn frame(key: &str) -> Value {
    let content = || resolve(&EXAMPLES[key]);
    match key.split_once('.') {
        Some(("event", name)) => json!({ "ev": name, "d": content() }),
        Some(("command", name)) => json!({ "id": 7, "op": name, "d": content() }),
        Some(("reply", _)) => json!({ "re": 7, "ok": content() }),
        _ if key == "ping" => json!({ "ping": 12 }),
        _ if key == "pong" => json!({ "pong": 12, "recv": content() }),
        _ => json!({ "re": 7, "err": rejection() }),
    }
}

fn rejection() -> Value {
    let problem = Problem::example(Code::Invalid);
    json!({ "code": problem["code"], "detail": problem["detail"], "errors": problem["errors"] })
}

fn resolve(value: &Value) -> Value {
    match value {
        Value::Object(object) => match object.get("$example").and_then(Value::as_str) {
            Some(path) => replaced(example(path), object),
            None => object.iter().map(|(key, value)| (key.clone(), resolve(value))).collect(),
        },
        Value::Array(items) => items.iter().map(resolve).collect(),
        other => other.clone(),
    }
}

fn example(path: &str) -> Value {
    let (operation, pointer) = path.split_at(path.find('/').unwrap_or(path.len()));
    let examples = examples::response(operation).unwrap_or_default();
    let first = examples.as_object().and_then(|examples| examples.values().next());
    first.and_then(|first| first["value"].pointer(pointer)).cloned().unwrap_or_default()
}

fn replaced(mut example: Value, by: &Map<String, Value>) -> Value {
    for (key, value) in by.iter().filter(|(key, _)| *key != "$example") {
        example[key] = resolve(value);
    }
    example
}
