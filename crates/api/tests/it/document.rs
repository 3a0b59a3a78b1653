//! The OpenAPI document: the properties that generated clients rely on.

use std::collections::BTreeSet;

use blegram_persistence::testing::Backend;
use serde_json::{Value, json};

use crate::{contract::CONTRACT, world::TestApp};

const COMMITTED: &str = include_str!("../../../../docs/openapi.json");

#[test]
fn committed_openapi_document_is_up_to_date() {
    let served = blegram_api::openapi("http://127.0.0.1:8080");
    assert!(COMMITTED == served, "docs/openapi.json is not up to date: run `cargo xtask gen`");
}

#[test]
fn operations_have_ids_tags_and_descriptions() {
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
        assert!(ids.insert(id), "{id} is used twice");
        assert!(
            id.starts_with(|c: char| c.is_ascii_lowercase()) && id.chars().all(|c| c.is_ascii_alphanumeric()),
            "{id}"
        );
        // Well-known URIs have a fixed place (RFC 8615).
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

/// Paths whose writes take no idempotency key: their responses contain secrets, or they happen at most once anyway.
const WITHOUT_KEY: &[&str] = &[
    "/api/v1/auth/",
    "/api/v1/me/deletion",
    "/api/v1/gateway/tickets",
    "/api/v1/me/factors",
    "/api/v1/me/identities/",
];

#[test]
fn authenticated_writes_take_an_idempotency_key() {
    for (method, template, operation) in CONTRACT.operations() {
        let is_open = operation["security"].as_array().unwrap().contains(&json!({}));
        let is_exempt = is_open || WITHOUT_KEY.iter().any(|path| template.starts_with(path));
        let expected = ["POST", "PATCH", "DELETE"].contains(&method.as_str()) && !is_exempt;
        let parameters = operation["parameters"].as_array();
        let takes_key =
            parameters.is_some_and(|all| all.iter().any(|parameter| parameter["name"] == "Idempotency-Key"));
        assert_eq!(takes_key, expected, "{}", operation["operationId"]);
    }
}

#[test]
fn responses_have_named_schemas() {
    for (_, _, operation) in CONTRACT.operations() {
        let id = operation["operationId"].as_str().unwrap();
        for (status, response) in operation["responses"].as_object().unwrap() {
            let is_error = status.starts_with(['4', '5']);
            let media_type = if is_error { "application/problem+json" } else { "application/json" };
            let schema = &response["content"][media_type]["schema"]["$ref"];
            assert!(
                ["101", "202", "204", "302", "303", "304"].contains(&status.as_str()) || schema.is_string(),
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

/// The linters ignore these by name (`docs/.redocly.lint-ignore.yaml`, `docs/spectral.yaml`).
#[test]
fn only_redirects_and_the_handshake_have_no_success() {
    let has_none = |operation: &Value| {
        !operation["responses"].as_object().unwrap().keys().any(|status| status.starts_with('2'))
    };
    let without: BTreeSet<&str> = CONTRACT
        .operations()
        .filter(|(_, _, operation)| has_none(operation))
        .map(|(_, _, operation)| operation["operationId"].as_str().unwrap())
        .collect();
    let expected = ["connectGateway", "finishLogin", "finishLoginByForm", "startLogin"];
    assert_eq!(without, BTreeSet::from(expected));
}

#[test]
fn documents_name_their_contact_and_each_other() {
    let site = "https://blegram.example/forum";
    let openapi: Value = serde_json::from_str(&blegram_api::openapi(site)).unwrap();
    let asyncapi: Value = serde_json::from_str(&blegram_api::asyncapi(site)).unwrap();
    for document in [&openapi, &asyncapi] {
        assert_eq!(document["info"]["contact"]["url"], site);
        assert_eq!(document["info"]["license"]["name"], "MIT OR Apache-2.0");
    }
    assert_eq!(openapi["externalDocs"]["url"], format!("{site}/asyncapi.json"));
    assert_eq!(asyncapi["info"]["externalDocs"]["url"], format!("{site}/openapi.json"));
}

/// Modelina, the generator of AsyncAPI, makes a copy without a name of an `allOf`.
#[test]
fn references_of_the_gateway_are_wrapped_in_any_of() {
    let (document, mut wrapped) = (asyncapi(), 0);
    walk(&document["components"], &mut |value| {
        assert_eq!(value.get("allOf"), None, "{value}");
        let parts = value["anyOf"].as_array().map(Vec::as_slice);
        wrapped += usize::from(matches!(parts, Some([only]) if only["$ref"].is_string()));
    });
    assert!(wrapped > 0);
}

#[test]
fn schemas_are_named_and_used() {
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
fn response_schemas_require_every_property_and_have_no_enums() {
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

/// The schema of the only multipart body.
const FORM: &str = "UploadMedia";

#[test]
fn examples_match_their_schemas() {
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

/// Sends invalid bodies to find out which fields each parser knows, and compares them with the schema.
#[tokio::test]
async fn parsers_and_schemas_have_the_same_fields() {
    let t = TestApp::new(Backend::Sqlite).await;
    let [ann] = t.users(["ann"]).await;
    for (template, method, name) in request_schemas() {
        let schema = &CONTRACT.document["components"]["schemas"][name];
        let send = async |body: Value| {
            let headers = [("content-type", "application/json")];
            // A new address each time, so that rate limits do not reject the request first.
            let sender = t.stranger();
            sender.set_cookie(ann.cookie());
            sender.send(method.clone(), template, &headers, body.to_string().into_bytes()).await.json()["errors"]
                .clone()
        };
        let rejected_fields = |errors: &Value, code: &str| -> BTreeSet<String> {
            let errors = errors.as_array().into_iter().flatten().filter(|error| error["code"] == code);
            errors
                .map(|error| error["pointer"].as_str().unwrap().trim_start_matches('/').to_owned())
                .collect()
        };
        let required: BTreeSet<String> =
            serde_json::from_value(schema["required"].clone()).unwrap_or_default();
        assert_eq!(rejected_fields(&send(json!({})).await, "required"), required, "{name}");

        let properties = schema["properties"].as_object().unwrap();
        // An object has the wrong type, except for a property that is one.
        let is_object = |value: &Value| {
            let reference = value["$ref"].as_str().or(value["allOf"][0]["$ref"].as_str());
            let name = reference.and_then(|reference| reference.rsplit('/').next());
            name.is_some_and(|name| CONTRACT.document["components"]["schemas"][name]["type"] == "object")
        };
        let wrong_for = |value: &Value| if is_object(value) { json!("text") } else { json!({}) };
        let wrong: Value =
            properties.iter().map(|(property, value)| (property.clone(), wrong_for(value))).collect();
        let known: BTreeSet<String> = properties.keys().cloned().collect();
        assert_eq!(rejected_fields(&send(wrong).await, "wrong-type"), known, "{name}");
        assert_eq!(
            rejected_fields(&send(json!({ "no such field": 1 })).await, "unknown-field").len(),
            1,
            "{name}"
        );
        assert_eq!(schema["additionalProperties"], json!(false));

        for (property, value) in properties {
            let errors = send(json!({ property: null })).await;
            let is_rejected = |code: &str| rejected_fields(&errors, code).contains(property);
            let nulled = ["wrong-type", "null-not-allowed", "required"].into_iter().any(is_rejected);
            assert_eq!(nulled, value["nullable"] != json!(true), "{name}.{property}: null");
            // A PATCH reports a field that it cannot clear as `null-not-allowed`, not as `wrong-type`.
            let is_change = method == poem::http::Method::PATCH;
            assert_eq!(nulled && is_change, is_rejected("null-not-allowed"), "{name}.{property}");
        }
    }
}

fn walk<'a>(value: &'a Value, visit: &mut impl FnMut(&'a Value)) {
    visit(value);
    match value {
        Value::Object(object) => object.values().for_each(|value| walk(value, visit)),
        Value::Array(items) => items.iter().for_each(|item| walk(item, visit)),
        _ => {}
    }
}

fn asyncapi() -> Value {
    serde_json::from_str(&blegram_api::asyncapi("https://blegram.example")).unwrap()
}

/// Generators take an `allOf` with anything beside the reference for a different type.
#[test]
fn references_have_no_siblings() {
    for document in [&CONTRACT.raw, &asyncapi()] {
        walk(&document["components"], &mut |value| {
            if !value["$ref"].is_null() {
                assert_eq!(value.as_object().unwrap().len(), 1, "{value}");
            }
            if let Some(parts) = value["allOf"].as_array() {
                assert!(parts.len() == 1 && parts[0]["$ref"].is_string(), "{value}");
            }
        });
    }
}

#[test]
fn integers_are_int32_or_int64() {
    // The limit of a list is an integer of any size, and generators take their usual type for it.
    let any_size = json!({ "type": "integer", "default": 20, "minimum": 1 });
    for document in [&CONTRACT.raw, &asyncapi()] {
        walk(document, &mut |value| {
            if value["type"] == "integer" && *value != any_size {
                assert!(value["format"] == "int32" || value["format"] == "int64", "{value}");
                for bound in ["minimum", "maximum"] {
                    assert!(value[bound].is_null() || value[bound].is_i64(), "{value}");
                }
            }
        });
    }
}

#[test]
fn shared_parameters_and_responses_are_components() {
    let mut seen = BTreeSet::new();
    let parameters = CONTRACT.raw["components"]["parameters"].as_object().unwrap();
    let shared: BTreeSet<&str> = parameters.values().filter_map(|shared| shared["name"].as_str()).collect();
    walk(&CONTRACT.raw["paths"], &mut |value| {
        for parameter in value["parameters"].as_array().into_iter().flatten() {
            // Among parameters with the same name and different meanings, the most frequent one is the component.
            let name = parameter["name"].as_str();
            let is_taken = name.is_some_and(|name| shared.contains(name));
            let is_new = seen.insert(parameter.to_string());
            assert!(is_new || is_taken || parameter["$ref"].is_string(), "duplicate: {parameter}");
        }
        for (status, response) in value["responses"].as_object().into_iter().flatten() {
            // Redirects differ by their cookies.
            let is_redirect = ["302", "303"].contains(&status.as_str());
            let is_shared = status.starts_with(['3', '4', '5']) && !is_redirect;
            assert!(!is_shared || response["$ref"].is_string(), "{status} is inline: {response}");
        }
    });
    for name in ["Limit", "Cursor", "SinceId", "Q", "IdempotencyKey", "IfMatch", "IfNoneMatch", "User"] {
        assert!(parameters.contains_key(&format!("{name}Param")), "{name}");
    }
    // Equal responses share one component.
    let responses = CONTRACT.raw["components"]["responses"].as_object().unwrap();
    let different: BTreeSet<String> = responses.values().map(Value::to_string).collect();
    assert_eq!(different.len(), responses.len());
}

#[test]
fn problems_have_examples() {
    let mut codes = BTreeSet::new();
    for (_, _, operation) in CONTRACT.operations() {
        let id = &operation["operationId"];
        for (status, response) in operation["responses"].as_object().unwrap() {
            let Some(media_type) = response["content"].get("application/problem+json") else { continue };
            let examples = media_type["examples"].as_object().unwrap();
            let listed = response["description"].as_str().unwrap().matches("`: ").count();
            assert_eq!(examples.len(), listed, "{id} {status}");
            for (code, example) in examples {
                let value = &example["value"];
                assert_eq!(CONTRACT.validate(&media_type["schema"], value), Ok(()), "{id} {code}");
                assert_eq!(value["code"], **code);
                assert_eq!(value["status"].to_string(), *status);
                assert_eq!(value["errors"].is_array(), code == "invalid");
                codes.insert(code.as_str());
            }
        }
    }
    assert!(codes.len() > 30, "{codes:?}");
}

/// Swagger UI and Postman converters use the first scheme, and only browsers can send the cookie.
#[test]
fn bearer_scheme_comes_before_the_cookie_scheme() {
    let schemes = CONTRACT.raw["components"]["securitySchemes"].as_object().unwrap();
    assert_eq!(schemes.keys().collect::<Vec<_>>(), ["bearerAuth", "cookieAuth"]);
    let (bearer, cookie) = (json!({ "bearerAuth": [] }), json!({ "cookieAuth": [] }));
    for (_, _, operation) in CONTRACT.operations() {
        let security = operation["security"].as_array().unwrap();
        let is_known =
            [&[][..], &[bearer.clone(), cookie.clone()], &[json!({}), bearer.clone(), cookie.clone()]]
                .contains(&security.as_slice());
        assert!(is_known, "{}", operation["operationId"]);
    }
}

#[test]
fn search_query_parameter_is_required() {
    let mut count = 0;
    for (_, _, operation) in CONTRACT.operations() {
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            if parameter["name"] == "q" {
                assert_eq!(parameter["required"], true, "{}", operation["operationId"]);
                count += 1;
            }
        }
    }
    assert_eq!(count, 4);
}

/// Without `explode`, generated clients send several texts as one, separated by commas.
#[test]
fn alt_texts_of_a_form_are_separate_parts() {
    let (_, _, upload) =
        CONTRACT.operations().find(|(_, _, operation)| operation["operationId"] == "uploadMedia").unwrap();
    let encoding = &upload["requestBody"]["content"]["multipart/form-data"]["encoding"];
    assert_eq!(*encoding, json!({ "alt": { "style": "form", "explode": true } }));
}

/// Names that the generators of the usual languages rename, or that shadow a type: keywords, names of the standard
/// libraries, and names of the generated clients themselves.
const COLLIDING: &str = "abstract any api apiclient apiexception apiresponse array as assert async await base bool \
    boolean buffer byte case catch char class client collection comparable complex config configuration const \
    continue data date datetime decimal default delete dictionary do double duration dynamic element else empty \
    encoder enum environment error errors event exception export extends external false field file final finally \
    float for form function future generic get global guid header headers hook if implements import in index int \
    integer interface internal is iterable iterator json key late let library list locale long map match math \
    mixin model module namespace native new nil none null number object operation operator option optional \
    override package parameter part pattern private process promise property protocol public query record \
    request required response result return runtimetype security self sequence server service set short static \
    status stream string struct super switch symbol sync system task template test text this thread throw throws \
    time timespan true try tuple type typedef types undefined union unit unset uri url uuid value var version view \
    void volatile while with yield";

#[test]
fn schema_names_do_not_collide_in_generated_clients() {
    let colliding: BTreeSet<&str> = COLLIDING.split_whitespace().collect();
    for document in [&CONTRACT.raw, &asyncapi()] {
        for name in document["components"]["schemas"].as_object().unwrap().keys() {
            assert!(!colliding.contains(name.to_lowercase().as_str()), "{name}");
        }
    }
}

#[test]
fn properties_are_described_in_english_and_korean() {
    for document in [&CONTRACT.raw, &asyncapi()] {
        for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
            assert!(schema["description"].is_string(), "{name}");
            for (property, value) in schema["properties"].as_object().into_iter().flatten() {
                let text = value["description"].as_str();
                let text = text.unwrap_or_else(|| panic!("{name}.{property} is not described"));
                let (english, korean) = (|c: char| c.is_ascii_alphabetic(), |c| ('가'..='힣').contains(&c));
                assert!(
                    text.contains(english) && text.contains(korean),
                    "{name}.{property} is not described in English and Korean: {text}"
                );
            }
        }
    }
}

/// The operations that `guide` names, as pairs of a method with a path and an id: `` `POST /posts` createPost ``.
fn named_operations(guide: &str) -> Vec<(String, String)> {
    let parts: Vec<&str> = guide.split('`').collect();
    let named = parts.windows(2).skip(1).step_by(2).filter_map(|parts| {
        let id: String =
            parts[1].strip_prefix(' ')?.chars().take_while(char::is_ascii_alphanumeric).collect();
        let is_id = id.starts_with(|first: char| first.is_ascii_lowercase())
            && id.contains(|letter: char| letter.is_ascii_uppercase());
        (is_id && parts[0].contains(" /")).then(|| (parts[0].to_owned(), id))
    });
    named.collect()
}

#[test]
fn guide_for_users_of_the_predecessors_names_operations_of_the_document() {
    let guide = include_str!("../../../../docs/guide/predecessors.md");
    let operations: Vec<(String, String)> = CONTRACT
        .operations()
        .map(|(method, path, operation)| {
            let path = path.trim_start_matches("/api/v1");
            (format!("{method} {path}"), operation["operationId"].as_str().unwrap().to_owned())
        })
        .collect();
    let named = named_operations(guide);
    assert!(named.len() > 50, "{named:?}");
    for operation in named {
        assert!(operations.contains(&operation), "{operation:?}");
    }
}
