//! The document for progenitor, the OpenAPI generator for Rust, which rejects some of what the full document has.

use serde_json::{Map, Value};

use super::{SERIALISES, document};

/// The OpenAPI document as JSON, for a site at `public_url`, reduced to what progenitor can generate:
///
/// - It has no operation with a multipart body, and not the WebSocket handshake.
/// - Of responses that mean success and differ in type, it has those of the type with the lowest status. A client gets the
///   others as `Error::UnexpectedResponse`.
/// - Problems have the media type `application/json`: progenitor has no type for bodies of `application/problem+json`.
pub fn openapi_for_progenitor(public_url: &str) -> String {
    let mut document = document(public_url);
    reduce(&mut document);
    let mut text = serde_json::to_string_pretty(&document).expect(SERIALISES);
    text.push('\n');
    text
}

fn reduce(document: &mut Value) {
    let Some(paths) = document["paths"].as_object_mut() else { return };
    for operations in paths.values_mut().filter_map(Value::as_object_mut) {
        operations.retain(|_, operation| can_generate(operation));
        operations.values_mut().for_each(retain_one_success);
    }
    paths.retain(|_, operations| operations.as_object().is_some_and(|operations| !operations.is_empty()));
    let responses = document["components"]["responses"].as_object_mut();
    responses.into_iter().flat_map(Map::values_mut).for_each(rename_problem);
}

fn can_generate(operation: &Value) -> bool {
    operation["requestBody"]["content"]["multipart/form-data"].is_null()
        && operation["responses"]["101"].is_null()
}

/// progenitor panics on two types of success.
fn retain_one_success(operation: &mut Value) {
    let Some(responses) = operation["responses"].as_object_mut() else { return };
    let is_success = |status: &&String| status.starts_with('2');
    let body = |response: &Value| response["content"]["application/json"]["schema"].clone();
    let Some(first) = responses.keys().filter(is_success).min().map(|status| body(&responses[status])) else {
        return;
    };
    responses.retain(|status, response| !is_success(&status) || body(response) == first);
}

fn rename_problem(response: &mut Value) {
    let Some(content) = response.get_mut("content").and_then(Value::as_object_mut) else { return };
    if let Some(problem) = content.remove("application/problem+json") {
        content.insert("application/json".to_owned(), problem);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn operations(document: &Value) -> BTreeSet<&str> {
        let paths = document["paths"].as_object().unwrap().values();
        let operations = paths.flat_map(|path| path.as_object().unwrap().values());
        operations.filter_map(|operation| operation["operationId"].as_str()).collect()
    }

    #[test]
    fn only_operations_that_progenitor_cannot_generate_are_missing() {
        let full = document("http://127.0.0.1:8080");
        let reduced = serde_json::from_str(&openapi_for_progenitor("http://127.0.0.1:8080")).unwrap();
        let missing: Vec<&str> = operations(&full).difference(&operations(&reduced)).copied().collect();
        assert_eq!(missing, ["connectGateway", "uploadMedia"]);
        let is_empty = |path: &Value| path.as_object().unwrap().is_empty();
        assert!(!reduced["paths"].as_object().unwrap().values().any(is_empty));
    }

    #[test]
    fn operations_have_one_type_of_success() {
        let reduced: Value = serde_json::from_str(&openapi_for_progenitor("http://127.0.0.1:8080")).unwrap();
        let paths = reduced["paths"].as_object().unwrap().values();
        for operation in paths.flat_map(|path| path.as_object().unwrap().values()) {
            let responses = operation["responses"].as_object().unwrap();
            let successes = responses.iter().filter(|(status, _)| status.starts_with('2'));
            let types: BTreeSet<String> = successes
                .map(|(_, response)| response["content"]["application/json"]["schema"].to_string())
                .collect();
            assert!(types.len() <= 1, "{}: {types:?}", operation["operationId"]);
        }
        let statuses = |path: &str| {
            let responses = reduced["paths"][path]["post"]["responses"].as_object().unwrap();
            responses.keys().filter(|status| status.starts_with('2')).cloned().collect::<Vec<_>>()
        };
        assert_eq!(statuses("/api/v1/auth/login"), ["200"]);
        assert_eq!(statuses("/api/v1/conversations"), ["200", "201"]);
    }

    #[test]
    fn problems_are_json() {
        let reduced: Value = serde_json::from_str(&openapi_for_progenitor("http://127.0.0.1:8080")).unwrap();
        let problems = reduced["components"]["responses"].as_object().unwrap();
        let is_problem = |response: &&Value| {
            response["content"]["application/json"]["schema"]["$ref"] == "#/components/schemas/Problem"
        };
        assert!(problems.values().filter(is_problem).count() > 30);
        assert!(!reduced.to_string().contains("\"application/problem+json\""));
        assert_eq!(problems["NotModified"].get("content"), None, "responses without a body stay so");
    }
}
