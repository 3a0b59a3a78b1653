//! Rewrites the schemas that poem-openapi derives into a form that all client generators read the same way: references,
//! integer formats, form encodings, `required` and `nullable`.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::for_each_operation;

/// Applies [`normalize_schema`] to the schemas of components and parameters; bodies only have references. Does not
/// touch examples, where the same keys are data.
pub(super) fn normalize_schemas(document: &mut Value) {
    if let Some(schemas) = document["components"]["schemas"].as_object_mut() {
        schemas.values_mut().for_each(normalize_schema);
    }
    for_each_operation(document, |_, value| {
        let parameters = value.get_mut("parameters").and_then(Value::as_array_mut);
        for schema in parameters.into_iter().flatten().filter_map(|parameter| parameter.get_mut("schema")) {
            normalize_schema(schema);
        }
    });
}

/// Normalises a schema and all schemas inside it: an `allOf` contains references only, with the description beside it,
/// and integers have a format that generators know.
pub(crate) fn normalize_schema(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            hoist_siblings(object);
            name_integer(object);
            object.values_mut().for_each(normalize_schema);
        }
        Value::Array(items) => items.iter_mut().for_each(normalize_schema),
        _ => {}
    }
}

// poem-openapi writes a reference with a description as `allOf: [{$ref}, {description}]`. Generators take the second
// part for a type: openapi-python-client drops every operation that uses it, and TypeScript gets `X & unknown`.
fn hoist_siblings(object: &mut Map<String, Value>) {
    let Some(Value::Array(parts)) = object.remove("allOf") else { return };
    let (constraints, siblings): (Vec<Value>, Vec<Value>) = parts.into_iter().partition(constrains);
    for (key, value) in siblings.into_iter().filter_map(into_object).flatten() {
        object.entry(key).or_insert(value);
    }
    match constraints.as_slice() {
        [] => {}
        [Value::Object(only)] if object.is_empty() => object.clone_from(only),
        _ => drop(object.insert("allOf".to_owned(), Value::Array(constraints))),
    }
}

/// Whether a part of an `allOf` constrains values, and is not a mere annotation.
fn constrains(part: &Value) -> bool {
    const ANNOTATIONS: [&str; 8] =
        ["title", "description", "default", "nullable", "deprecated", "readOnly", "writeOnly", "example"];
    part.as_object().is_none_or(|part| part.keys().any(|key| !ANNOTATIONS.contains(&key.as_str())))
}

fn into_object(value: Value) -> Option<Map<String, Value>> {
    if let Value::Object(object) = value { Some(object) } else { None }
}

// `uint32` and `uint64` are not OpenAPI formats: generators make 32-bit integers of both.
fn name_integer(object: &mut Map<String, Value>) {
    if object.get("type") != Some(&json!("integer")) {
        return;
    }
    let format = object.get("format").and_then(Value::as_str).unwrap_or("int64");
    let (format, is_unsigned) = match format {
        "uint8" | "uint16" => ("int32", true),
        "uint32" | "uint64" => ("int64", true),
        "int8" | "int16" => ("int32", false),
        other => (other, false),
    };
    let format = json!(format);
    object.insert("format".to_owned(), format);
    if is_unsigned {
        object.entry("minimum").or_insert(json!(0));
    }
    // poem-openapi stores bounds as floating-point numbers, and writes `20971520.0`.
    for bound in ["minimum", "maximum"] {
        if let Some(value) = object.get_mut(bound)
            && let Some(integer) = value.as_f64().and_then(whole)
        {
            *value = json!(integer);
        }
    }
}

fn whole(number: f64) -> Option<i64> {
    serde_json::from_str(&format!("{number:.0}")).ok()
}

/// Declares for every array of strings in a form that each string is sent as a separate part. Without it, generators
/// join them with commas.
pub(super) fn encode_forms(document: &mut Value) {
    let schemas = document["components"]["schemas"].clone();
    for_each_operation(document, |_, value| {
        let Some(form) = value.pointer_mut("/requestBody/content/multipart~1form-data") else { return };
        let name = form["schema"]["$ref"].as_str().and_then(|name| name.rsplit('/').next());
        let properties = name.and_then(|name| schemas[name]["properties"].as_object());
        let encoding: Map<String, Value> = properties
            .into_iter()
            .flatten()
            .filter(|(_, property)| is_list_of_texts(property))
            .map(|(name, _)| (name.clone(), json!({ "style": "form", "explode": true })))
            .collect();
        form["encoding"] = Value::Object(encoding);
    });
}

fn is_list_of_texts(property: &Value) -> bool {
    property["items"]["type"] == "string" && property["items"]["format"] != "binary"
}

/// What a schema describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Usage {
    Response,
    Request,
    /// The body of a PATCH request.
    Patch,
}

/// Completes every schema: optional properties are nullable, all properties of a response are required, and a request
/// accepts no properties beyond its own.
pub(super) fn complete_schemas(document: &mut Value) {
    let requests = request_schemas(document);
    let Some(schemas) = document["components"]["schemas"].as_object_mut() else { return };
    for (name, schema) in schemas.iter_mut() {
        complete_schema(schema, requests.get(name).copied().unwrap_or(Usage::Response));
    }
}

fn request_schemas(document: &Value) -> BTreeMap<String, Usage> {
    let mut schemas = BTreeMap::new();
    let paths = document["paths"].as_object().into_iter().flat_map(Map::values);
    for (method, operation) in paths.filter_map(Value::as_object).flatten() {
        let usage = if method == "patch" { Usage::Patch } else { Usage::Request };
        let contents = operation["requestBody"]["content"].as_object().into_iter().flat_map(Map::values);
        let references = contents.filter_map(|content| content["schema"]["$ref"].as_str());
        let names = references.filter_map(|name| name.rsplit('/').next());
        schemas.extend(names.map(|name| (name.to_owned(), usage)));
    }
    schemas
}

/// Completes one schema, as [`complete_schemas`] does.
pub(crate) fn complete_schema(schema: &mut Value, usage: Usage) {
    let required: Vec<String> = serde_json::from_value(schema["required"].clone()).unwrap_or_default();
    let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) else { return };
    let mut names = Vec::new();
    for (name, property) in properties.iter_mut() {
        names.push(name.clone());
        let is_nullable = match usage {
            Usage::Response => true,
            // An absent array is an empty one; null is not an array.
            Usage::Request => property["type"] != "array",
            // Absent keeps the value, and null clears it: the fields that it can clear say so themselves.
            Usage::Patch => false,
        };
        if is_nullable && !required.contains(name) {
            make_nullable(property);
        }
    }
    if usage == Usage::Response {
        schema["required"] = json!(names);
    } else {
        schema["additionalProperties"] = json!(false);
    }
}

// OpenAPI 3.0 ignores everything beside `$ref`, so the reference moves into an `allOf`.
fn make_nullable(property: &mut Value) {
    match property.as_object_mut().and_then(|object| object.remove("$ref")) {
        Some(reference) => {
            property["allOf"] = json!([{ "$ref": reference }]);
            property["nullable"] = json!(true);
        }
        None => property["nullable"] = json!(true),
    }
}
