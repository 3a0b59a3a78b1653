//! The error responses of operations. The same few dozen occur again and again, so they are defined once in
//! `components.responses` and referenced by each operation, with an example of every problem code.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{capitalized, header_references};
use crate::{
    operation::Operation,
    problem::{Code, Problem},
};

/// A response with up to this many codes is named after them; one with more, after the first operation that has it.
const MAX_CODES_IN_NAME: usize = 3;

/// The responses that operations share, by name, and the problem codes in them.
#[derive(Default)]
pub(super) struct Problems {
    responses: Map<String, Value>,
    codes: BTreeSet<Code>,
}

impl Problems {
    /// A reference to the response of `operation` with `codes`, which have the same status.
    pub(super) fn response(&mut self, operation: &Operation, codes: &[Code]) -> Value {
        self.codes.extend(codes);
        let response = response(operation, codes);
        let existing = self.responses.iter().find(|(_, other)| **other == response);
        let name = existing.map_or_else(|| self.new_name(operation, codes), |(name, _)| name.clone());
        self.reference(name, response)
    }

    /// A reference to the response 304.
    pub(super) fn not_modified(&mut self) -> Value {
        let response = json!({
            "description": "Not modified: nothing has changed since the `ETag` in `If-None-Match`. `If-None-Match`의 `ETag` 이후 바뀐 것이 없습니다.",
            "headers": header_references(&["X-Request-Id", "ETag", "Link"]),
        });
        self.reference("NotModified".to_owned(), response)
    }

    fn reference(&mut self, name: String, response: Value) -> Value {
        let reference = json!({ "$ref": format!("#/components/responses/{name}") });
        self.responses.insert(name, response);
        reference
    }

    fn new_name(&self, operation: &Operation, codes: &[Code]) -> String {
        let by_codes = codes.iter().map(|code| format!("{code:?}")).collect::<Vec<_>>().join("Or");
        let is_free = codes.len() <= MAX_CODES_IN_NAME && !self.responses.contains_key(&by_codes);
        if is_free {
            by_codes
        } else {
            format!("{}{}", capitalized(operation.id), codes[0].status().as_u16())
        }
    }

    /// Adds the responses and the examples of their problems to `components` of `document`.
    pub(super) fn add_to(mut self, document: &mut Value) {
        self.responses.sort_keys();
        document["components"]["responses"] = Value::Object(self.responses);
        document["components"]["examples"] =
            self.codes.into_iter().map(|code| (name_of(code), example(code))).collect();
    }
}

/// Groups `codes` by status.
pub(super) fn by_status(codes: &[Code]) -> Vec<(String, Vec<Code>)> {
    let mut groups: Vec<(String, Vec<Code>)> = Vec::new();
    for code in codes {
        let status = code.status().as_u16().to_string();
        match groups.iter_mut().find(|(other, _)| *other == status) {
            Some((_, group)) => group.push(*code),
            None => groups.push((status, vec![*code])),
        }
    }
    groups
}

fn response(operation: &Operation, codes: &[Code]) -> Value {
    let lines = codes.iter().map(|code| format!("`{}`: {} {}", code.as_str(), code.english(), code.korean()));
    let examples: Map<String, Value> = codes
        .iter()
        .map(|code| (name_of(*code), json!({ "$ref": format!("#/components/examples/{}", code.as_str()) })))
        .collect();
    let mut headers = vec!["X-Request-Id"];
    match codes[0].status().as_u16() {
        401 => headers.push("WWW-Authenticate"),
        // Of the gateway, it may mean too many open connections, and then it has no rate limit headers.
        429 if operation.id.contains("Gateway") => headers.push("Retry-After"),
        429 => headers.extend(["Retry-After", "RateLimit-Policy", "RateLimit"]),
        503 => headers.push("Retry-After"),
        _ => {}
    }
    json!({
        "description": lines.collect::<Vec<_>>().join("\n\n"),
        "headers": header_references(&headers),
        "content": { "application/problem+json": {
            "schema": { "$ref": "#/components/schemas/Problem" },
            "examples": examples,
        } },
    })
}

fn example(code: Code) -> Value {
    json!({
        "summary": code.title(),
        "description": format!("{} {}", code.english(), code.korean()),
        "value": Problem::example(code),
    })
}

fn name_of(code: Code) -> String {
    code.as_str().to_owned()
}
