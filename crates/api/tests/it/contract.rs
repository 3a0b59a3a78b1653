//! Validates responses against the OpenAPI document, and gateway frames against the AsyncAPI document.

use std::{
    collections::HashMap,
    sync::{Arc, LazyLock, Mutex},
};

use jsonschema::{Registry, Validator};
use poem::http::Method;
use serde_json::{Map, Value, json};

use crate::world::Answer;

pub(crate) static CONTRACT: LazyLock<Contract> = LazyLock::new(Contract::new);

pub(crate) struct Contract {
    /// The document as served.
    pub(crate) raw: Value,
    /// The document with all references resolved except those to schemas.
    pub(crate) document: Value,
    paths: matchit::Router<Value>,
    schemas: Schemas,
}

impl Contract {
    fn new() -> Self {
        let raw: Value = serde_json::from_str(&blegram_api::openapi("https://blegram.example")).unwrap();
        let document = resolve(&raw, &raw["components"]);
        let mut paths = matchit::Router::new();
        for (template, item) in document["paths"].as_object().unwrap() {
            paths.insert(template.clone(), item.clone()).unwrap();
        }
        let schemas = Schemas::new(&document["components"]["schemas"]);
        Self { raw, document, paths, schemas }
    }

    /// Every operation: method, path template, definition.
    pub(crate) fn operations(&self) -> impl Iterator<Item = (Method, &str, &Value)> {
        self.document["paths"].as_object().unwrap().iter().flat_map(|(template, item)| {
            let methods = item.as_object().unwrap().iter();
            methods.map(move |(method, operation)| {
                (method.to_uppercase().parse().unwrap(), template.as_str(), operation)
            })
        })
    }

    /// Panics unless the document describes the response.
    pub(crate) fn check(&self, public_url: &str, method: &Method, path: &str, answer: &Answer) {
        let Answer { status, headers, body, .. } = answer;
        let Ok(found) = self.paths.at(path) else { return };
        let operation = &found.value[method.as_str().to_lowercase()];
        if operation.is_null() {
            return;
        }
        let (id, status) = (operation["operationId"].as_str().unwrap(), status.as_str());
        let response = &operation["responses"][status];
        assert!(!response.is_null(), "{id} returned {status}, which the document does not list");
        for name in response["headers"].as_object().unwrap().keys() {
            // A single page has no links; the session of a native app has no cookie.
            let is_optional =
                ["Link", "Set-Cookie", "Clear-Site-Data", "Idempotent-Replayed"].contains(&name.as_str());
            assert!(is_optional || headers.contains_key(name), "{id} returned {status} without {name}");
        }
        let Some(content) = response["content"].as_object() else {
            return assert!(body.is_empty(), "{id} returned {status} with a body");
        };
        let value: Value = serde_json::from_slice(body).unwrap();
        let schema = &content.values().next().unwrap()["schema"];
        self.validate(schema, &value).unwrap_or_else(|error| panic!("{id} {status}: {error}\n{value:#}"));
        if let Some(code) = value["code"].as_str() {
            let base_path = blegram_http::base_path(public_url);
            assert_eq!(value["instance"], format!("{base_path}{path}"));
            let listed = response["description"].as_str().unwrap();
            assert!(
                listed.contains(&format!("`{code}`:")),
                "{id} returned {code}, which the response's description does not list"
            );
            let example = &content["application/problem+json"]["examples"][code]["value"];
            assert_eq!(value["type"], format!("{base_path}{}", example["type"].as_str().unwrap()));
            for member in ["title", "status", "code"] {
                assert_eq!(
                    example[member], value[member],
                    "{id} returned {code} with a {member} that differs from the example"
                );
            }
        }
    }

    /// Validates `value` against `schema`. The error lists every violation.
    pub(crate) fn validate(&self, schema: &Value, value: &Value) -> Result<(), String> {
        let errors = self.schemas.errors(schema, value);
        if errors.is_empty() { Ok(()) } else { Err(errors.join("\n")) }
    }
}

/// The schemas of a document. Each is compiled once, when it is first used: compiling takes longer than most requests.
struct Schemas {
    components: Registry<'static>,
    validators: Mutex<HashMap<Value, Arc<Validator>>>,
}

impl Schemas {
    /// The URI under which validators find the schemas of the document.
    const URI: &str = "document:///";

    fn new(components: &Value) -> Self {
        let document = json!({ "components": { "schemas": json_schema(components) } });
        let components = Registry::new().add(Self::URI, document).unwrap().prepare().unwrap();
        Self { components, validators: Mutex::default() }
    }

    /// Every violation of `schema` by `value`.
    fn errors(&self, schema: &Value, value: &Value) -> Vec<String> {
        let validator = self.validator(schema);
        validator.iter_errors(value).map(|error| format!("{} {error}", error.instance_path())).collect()
    }

    /// Panics when the schema refers to one that does not exist.
    fn validator(&self, schema: &Value) -> Arc<Validator> {
        let known = self.validators.lock().unwrap().get(schema).cloned();
        known.unwrap_or_else(|| {
            // Not under the lock, because a panic would fail all other tests as well.
            let options = jsonschema::options().with_registry(&self.components).should_validate_formats(true);
            let validator = Arc::new(options.build(&json_schema(schema)).unwrap());
            self.validators.lock().unwrap().insert(schema.clone(), Arc::clone(&validator));
            validator
        })
    }
}

/// Replaces references to parameters, responses and examples with what they refer to.
fn resolve(value: &Value, components: &Value) -> Value {
    match value {
        Value::Object(object) => {
            let path = object.get("$ref").and_then(|path| path.as_str()?.strip_prefix("#/components/"));
            match path.and_then(|path| path.split_once('/')) {
                Some((kind, name)) if kind != "schemas" => {
                    assert!(components[kind][name].is_object(), "{kind} {name} does not exist");
                    resolve(&components[kind][name], components)
                }
                _ => object.iter().map(|(key, value)| (key.clone(), resolve(value, components))).collect(),
            }
        }
        Value::Array(items) => items.iter().map(|item| resolve(item, components)).collect(),
        other => other.clone(),
    }
}

/// Validates gateway frames against the AsyncAPI document.
pub(crate) static FRAMES: LazyLock<Frames> = LazyLock::new(Frames::new);

pub(crate) struct Frames {
    messages: Value,
    schemas: Schemas,
}

impl Frames {
    fn new() -> Self {
        let document: Value =
            serde_json::from_str(&blegram_api::asyncapi("https://blegram.example")).unwrap();
        let components = &document["components"];
        Self { messages: components["messages"].clone(), schemas: Schemas::new(&components["schemas"]) }
    }

    pub(crate) fn check_event(&self, frame: &Value) {
        self.check(&format!("event.{}", frame["ev"].as_str().unwrap()), frame);
    }

    pub(crate) fn check_reply(&self, op: &str, frame: &Value) {
        let is_error = frame["ok"].is_null();
        self.check(&if is_error { "error".to_owned() } else { format!("reply.{op}") }, frame);
    }

    pub(crate) fn check(&self, name: &str, frame: &Value) {
        let payload = &self.messages[name]["payload"];
        assert!(payload.is_object(), "{name} is not in the document");
        let errors = self.schemas.errors(payload, frame);
        assert!(errors.is_empty(), "{name}: {}\n{frame:#}", errors.join("\n"));
    }

    /// Panics when a schema refers to one that does not exist.
    pub(crate) fn assert_resolves(&self, name: &str, payload: &Value) {
        assert!(payload["type"] == "object", "{name}");
        self.schemas.validator(payload);
    }
}

/// Converts OpenAPI 3.0 to JSON Schema: `nullable` becomes `anyOf` with `null`, and objects allow no properties that
/// they do not list, so that none stays undocumented. References become absolute: a schema is compiled without the
/// document around it.
fn json_schema(schema: &Value) -> Value {
    let Value::Object(object) = schema else {
        return match schema {
            Value::Array(items) => items.iter().map(json_schema).collect(),
            other => other.clone(),
        };
    };
    let mut converted: Map<String, Value> = object
        .iter()
        .filter(|(key, _)| *key != "nullable")
        .map(|(key, value)| match (key.as_str(), value) {
            ("$ref", Value::String(reference)) => {
                (key.clone(), json!(format!("{}{reference}", Schemas::URI)))
            }
            _ => (key.clone(), json_schema(value)),
        })
        .collect();
    // Defect 10 of the predecessors: a response has no property that its schema does not list.
    if object.get("type") == Some(&json!("object")) && !object.contains_key("additionalProperties") {
        converted.insert("additionalProperties".to_owned(), json!(false));
    }
    if object.get("nullable") == Some(&json!(true)) {
        return json!({ "anyOf": [converted, { "type": "null" }] });
    }
    Value::Object(converted)
}
