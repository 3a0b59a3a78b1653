//! Merges the two documents into one JSON schema (draft 7), as typify reads it.
//!
//! A client must accept more than a server of today sends. So values are not restricted, an object may have more fields,
//! and an enum is any string. The Korean half of the descriptions is left out.

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value, json};

/// Restrictions that the server checks; a client that repeated them would reject what a later version allows.
const RESTRICTIONS: &[&str] = &[
    "additionalProperties",
    "enum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minimum",
    "maximum",
    "pattern",
    "title",
];
/// Members of OpenAPI that JSON schema does not have.
const FOREIGN: &[&str] = &["example", "externalDocs", "nullable"];

/// Both documents' schemas, and the enum of the gateway's events.
pub(crate) fn of_documents(mut openapi: Value, mut asyncapi: Value) -> Result<Value> {
    let mut definitions = Map::new();
    for document in [&mut openapi, &mut asyncapi] {
        let schemas = document["components"]["schemas"].take();
        let Value::Object(schemas) = schemas else { anyhow::bail!("the document has no schemas") };
        for (name, schema) in schemas {
            insert(&mut definitions, name, convert(schema))?;
        }
    }
    definitions.insert("Event".to_owned(), event(&asyncapi["components"]["messages"])?);
    Ok(json!({ "$schema": "http://json-schema.org/draft-07/schema#", "definitions": definitions }))
}

/// A schema that both documents have must be the same.
fn insert(definitions: &mut Map<String, Value>, name: String, schema: Value) -> Result<()> {
    if let Some(other) = definitions.get(&name) {
        ensure!(shape(other) == shape(&schema), "the documents differ in the schema {name}");
    }
    definitions.insert(name, schema);
    Ok(())
}

/// The schema without its descriptions.
fn shape(schema: &Value) -> Value {
    match schema {
        Value::Object(fields) => {
            let described = |(name, value): &(&String, &Value)| *name == "description" && value.is_string();
            let fields = fields.iter().filter(|field| !described(field));
            fields.map(|(name, value)| (name.clone(), shape(value))).collect()
        }
        Value::Array(items) => items.iter().map(shape).collect(),
        other => other.clone(),
    }
}

/// Converts a schema of OpenAPI 3.0 or AsyncAPI 3.
fn convert(schema: Value) -> Value {
    let Value::Object(mut fields) = schema else { return schema };
    let is_nullable = fields.get("nullable") == Some(&json!(true));
    let map_of = fields.get("additionalProperties").filter(|values| values.is_object()).cloned();
    require_what_cannot_be_null(&mut fields);
    if fields.get("minimum") == Some(&json!(0)) {
        fields.insert("format".to_owned(), json!("uint64"));
    }
    fields.retain(|name, _| !RESTRICTIONS.contains(&name.as_str()) && !FOREIGN.contains(&name.as_str()));
    let description = fields.remove("description").as_ref().and_then(Value::as_str).map(english);
    let mut converted = convert_content(fields);
    if let Some(values) = map_of {
        converted["additionalProperties"] = convert(values);
    }
    if is_nullable {
        converted = json!({ "anyOf": [converted, { "type": "null" }] });
    }
    if let Some(description) = description.filter(|text| !text.is_empty()) {
        // The space after the slashes of a doc comment.
        converted["description"] = json!(format!(" {description}"));
    }
    converted
}

/// For a client, null and absent are the same.
fn require_what_cannot_be_null(fields: &mut Map<String, Value>) {
    let Some(properties) = fields.get("properties").cloned() else { return };
    if let Some(Value::Array(required)) = fields.get_mut("required") {
        required.retain(|name| !is_nullable(&properties[name.as_str().unwrap_or_default()]));
    }
}

fn is_nullable(schema: &Value) -> bool {
    let is_null = |part: &Value| part["type"] == "null";
    schema["nullable"] == true || schema["anyOf"].as_array().is_some_and(|parts| parts.iter().any(is_null))
}

fn convert_content(mut fields: Map<String, Value>) -> Value {
    // OpenAPI and AsyncAPI wrap a reference that has a description of its own.
    for combination in ["allOf", "anyOf"] {
        if let Some(Value::Array(parts)) = fields.get_mut(combination)
            && let [part] = &mut parts[..]
        {
            return convert(part.take());
        }
    }
    if let Some(Value::String(name)) = fields.get("$ref") {
        let name = name.rsplit('/').next().unwrap_or_default();
        return json!({ "$ref": format!("#/definitions/{name}") });
    }
    for (name, value) in &mut fields {
        *value = match (name.as_str(), value.take()) {
            ("properties", Value::Object(properties)) => {
                properties.into_iter().map(|(name, schema)| (name, convert(schema))).collect()
            }
            ("anyOf" | "oneOf", Value::Array(parts)) => parts.into_iter().map(convert).collect(),
            ("items", schema) => convert(schema),
            (_, value) => value,
        };
    }
    Value::Object(fields)
}

/// Descriptions are in English, then in Korean, which begins after the last sentence before the first Korean word. Words
/// in code spans are examples.
fn english(description: &str) -> String {
    let text = description.lines().collect::<Vec<_>>().join(" ");
    let mut is_code = false;
    let korean = text.char_indices().find(|(_, char)| {
        is_code ^= *char == '`';
        !is_code && ('가'..='힣').contains(char)
    });
    let Some((korean, _)) = korean else { return text };
    let end = text[..korean].rfind(". ").map_or(0, |end| end + 1);
    text[..end].to_owned()
}

/// The events that the gateway sends, as `{"ev": name, "d": payload}`.
fn event(messages: &Value) -> Result<Value> {
    let messages = messages.as_object().context("the AsyncAPI document has no messages")?;
    let events = messages.iter().filter_map(|(key, message)| Some((key.strip_prefix("event.")?, message)));
    let variants = events.map(|(name, message)| {
        let payload = convert(message["payload"]["properties"]["d"].clone());
        let summary = message["summary"].as_str().unwrap_or_default();
        json!({
            "type": "object", "required": ["ev", "d"], "description": format!(" {}", english(summary)),
            "properties": { "ev": { "type": "string", "enum": [name] }, "d": payload },
        })
    });
    let variants: Vec<Value> = variants.collect();
    Ok(json!({ "description": " An event from the gateway.", "oneOf": variants }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nullable_references_become_optional() {
        let schema = json!({
            "description": "The sender.\n보낸 사람.", "allOf": [{ "$ref": "#/components/schemas/User" }], "nullable": true,
        });
        let expected = json!({
            "anyOf": [{ "$ref": "#/definitions/User" }, { "type": "null" }], "description": " The sender.",
        });
        assert_eq!(convert(schema), expected);
    }

    #[test]
    fn restrictions_are_left_out() {
        let schema = json!({
            "type": "object", "additionalProperties": false,
            "properties": { "title": { "type": "string", "maxLength": 3 }, "kind": { "type": "string", "enum": ["a"] } },
        });
        let expected = json!({
            "type": "object", "properties": { "title": { "type": "string" }, "kind": { "type": "string" } },
        });
        assert_eq!(convert(schema), expected);
    }

    #[test]
    fn documents_that_differ_are_rejected() {
        let document = |format: &str| {
            let schemas = json!({ "A": { "type": "string", "format": format, "description": format } });
            json!({ "components": { "schemas": schemas, "messages": {} } })
        };
        assert!(of_documents(document("uuid"), document("uuid")).is_ok());
        assert!(of_documents(document("uuid"), document("date-time")).is_err());
    }

    #[test]
    fn english_half_of_a_description_is_used() {
        assert_eq!(english("One line\nof two, with `제주`.\n`ev`는 이름."), "One line of two, with `제주`.");
        assert_eq!(english("A topic. 주제."), "A topic.");
        assert_eq!(english("A topic."), "A topic.");
    }
}
