//! The OpenAPI document: what generated clients rely on.

use std::collections::BTreeSet;

use blegram_persistence::testing::Backend;
use serde_json::{Value, json};

use crate::{contract::CONTRACT, world::TestApp};

const COMMITTED: &str = include_str!("../../../../docs/openapi.json");

#[test]
fn the_committed_document_is_the_one_that_is_served() {
    let served = blegram_api::openapi("http://127.0.0.1:8080");
    assert!(COMMITTED == served, "docs/openapi.json is not up to date: run `cargo xtask gen`");
}

#[test]
fn operations_are_named_tagged_and_described() {
    let mut ids = BTreeSet::new();
    let tags: BTreeSet<&str> = CONTRACT.document["tags"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tag| tag["name"].as_str().unwrap())
        .collect();
    assert!(CONTRACT.document["tags"].as_array().unwrap().iter().all(|tag| tag["description"].is_string()));
    for (_, template, operation) in CONTRACT.operations() {
        let id = operation["operationId"].as_str().unwrap();
        assert!(ids.insert(id), "{id} twice");
        assert!(
            id.starts_with(|c: char| c.is_ascii_lowercase()) && id.chars().all(|c| c.is_ascii_alphanumeric()),
            "{id}"
        );
        // The keys are where others look for them (RFC 8615).
        let is_well_known = template == "/.well-known/jwks.json";
        assert!(is_well_known || template.starts_with("/api/v1/"), "{template}");
        assert!(operation["summary"].is_string(), "{id}");
        let description = operation["description"].as_str().unwrap();
        assert!(description.chars().any(|c| ('가'..='힣').contains(&c)), "{id} is not described in Korean");
        assert!(operation["security"].is_array(), "{id}");
        for tag in operation["tags"].as_array().unwrap() {
            assert!(tags.contains(tag.as_str().unwrap()), "{id}");
        }
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            assert!(parameter["description"].is_string(), "{id} {}", parameter["name"]);
        }
    }
}

/// Those whose answers hold secrets, or that happen once by themselves.
const WITHOUT_KEY: &[&str] = &["/api/v1/auth/", "/api/v1/me/deletion", "/api/v1/gateway/tickets"];

#[test]
fn every_write_of_somebody_logged_in_can_be_sent_again() {
    for (method, template, operation) in CONTRACT.operations() {
        let is_open = operation["security"].as_array().unwrap().contains(&json!({}));
        let is_exempt = is_open || WITHOUT_KEY.iter().any(|path| template.starts_with(path));
        let expected = ["POST", "PATCH", "DELETE"].contains(&method.as_str()) && !is_exempt;
        let parameters = operation["parameters"].as_array();
        let takes_key = parameters.is_some_and(|all| all.iter().any(|it| it["name"] == "Idempotency-Key"));
        assert_eq!(takes_key, expected, "{}", operation["operationId"]);
    }
}

#[test]
fn every_answer_is_described_by_a_named_schema() {
    for (_, _, operation) in CONTRACT.operations() {
        let id = operation["operationId"].as_str().unwrap();
        for (status, response) in operation["responses"].as_object().unwrap() {
            let is_error = status.starts_with(['4', '5']);
            let media_type = if is_error { "application/problem+json" } else { "application/json" };
            let schema = &response["content"][media_type]["schema"]["$ref"];
            assert!(
                ["101", "204", "304"].contains(&status.as_str()) || schema.is_string(),
                "{id} {status}: {response}"
            );
            assert_eq!(is_error, schema == "#/components/schemas/Problem", "{id} {status}");
            assert!(response["headers"]["X-Request-Id"].is_object(), "{id} {status}");
            assert!(!response["description"].as_str().unwrap().is_empty());
        }
        for status in ["500", "503", "431"] {
            assert!(operation["responses"][status].is_object(), "{id} does not list {status}");
        }
    }
}

#[test]
fn no_schema_is_anonymous_and_none_is_unused() {
    let schemas = CONTRACT.document["components"]["schemas"].as_object().unwrap();
    for (name, schema) in schemas {
        for (property, value) in schema["properties"].as_object().into_iter().flatten() {
            assert!(
                value["properties"].is_null() && value["items"]["properties"].is_null(),
                "{name}.{property} is inline"
            );
        }
        let reference = format!("\"#/components/schemas/{name}\"");
        assert!(CONTRACT.document.to_string().contains(&reference), "{name} is not used");
    }
}

#[test]
fn answers_have_every_property_and_no_closed_choices() {
    let requests: BTreeSet<&str> = request_schemas().map(|(_, _, name)| name).chain([FORM]).collect();
    let schemas = CONTRACT.document["components"]["schemas"].as_object().unwrap();
    for (name, schema) in schemas.iter().filter(|(name, _)| !requests.contains(name.as_str())) {
        let Some(properties) = schema["properties"].as_object() else { continue };
        let required: Vec<&str> =
            schema["required"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
        assert_eq!(required, properties.keys().collect::<Vec<_>>(), "{name}");
        assert!(properties.values().all(|property| property["enum"].is_null()), "{name}");
    }
}

fn request_schemas() -> impl Iterator<Item = (&'static str, poem::http::Method, &'static str)> {
    CONTRACT.operations().filter_map(|(method, template, operation)| {
        let reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].as_str()?;
        Some((template, method, reference.rsplit('/').next()?))
    })
}

/// The schema of the only body that is a form.
const FORM: &str = "UploadMedia";

#[test]
fn every_example_is_valid() {
    let mut count = 0;
    for (_, _, operation) in CONTRACT.operations() {
        let id = operation["operationId"].as_str().unwrap();
        let bodies = operation["responses"].as_object().unwrap().values().chain([&operation["requestBody"]]);
        for media_type in bodies.filter_map(|body| body["content"].get("application/json")) {
            let examples =
                media_type["examples"].as_object().unwrap_or_else(|| panic!("{id} has no examples"));
            for (name, example) in examples {
                let valid = CONTRACT.validate(&media_type["schema"], &example["value"]);
                assert_eq!(valid, Ok(()), "{id} {name}");
                count += 1;
            }
        }
    }
    assert!(count > 20);
}

/// Asks the parser of each body which fields it knows, and compares with the schema.
#[tokio::test]
async fn parsers_and_schemas_know_the_same_fields() {
    let t = TestApp::new(Backend::Sqlite).await;
    let [ann] = t.users(["ann"]).await;
    for (template, method, name) in request_schemas() {
        let schema = &CONTRACT.document["components"]["schemas"][name];
        let send = async |body: Value| {
            let headers = [("content-type", "application/json")];
            // From an address of its own each time, so that limits do not come first.
            let sender = t.stranger();
            sender.set_cookie(ann.cookie());
            sender.send(method.clone(), template, &headers, body.to_string().into_bytes()).await.json()["errors"]
                .clone()
        };
        let refused = |errors: &Value, code: &str| -> BTreeSet<String> {
            let errors = errors.as_array().into_iter().flatten().filter(|error| error["code"] == code);
            errors
                .map(|error| error["pointer"].as_str().unwrap().trim_start_matches('/').to_owned())
                .collect()
        };
        let required: BTreeSet<String> =
            serde_json::from_value(schema["required"].clone()).unwrap_or_default();
        assert_eq!(refused(&send(json!({})).await, "required"), required, "{name}");

        let properties = schema["properties"].as_object().unwrap();
        let wrong: Value = properties.keys().map(|property| (property.clone(), json!({}))).collect();
        let known: BTreeSet<String> = properties.keys().cloned().collect();
        assert_eq!(refused(&send(wrong).await, "wrong-type"), known, "{name}");
        assert_eq!(refused(&send(json!({ "no such field": 1 })).await, "unknown-field").len(), 1, "{name}");
        assert_eq!(schema["additionalProperties"], json!(false));

        for (property, value) in properties {
            let nulled = refused(&send(json!({ property: null })).await, "wrong-type").contains(property);
            assert_eq!(nulled, value["nullable"] != json!(true), "{name}.{property} and null");
        }
    }
}
