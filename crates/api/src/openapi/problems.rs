//! What operations answer when they refuse: a few dozen answers, said once in `components` and named by each operation
//! that has them, with an example of every problem.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{capitalized, header_references};
use crate::{
    operation::Operation,
    problem::{Code, Problem},
};

/// So many codes name an answer; one of more is named by the first operation that has it.
const MAX_CODES_IN_NAME: usize = 3;

/// The answers that operations share, by name.
#[derive(Default)]
pub(super) struct Problems {
    responses: Map<String, Value>,
    codes: BTreeSet<Code>,
}

impl Problems {
    /// A reference to what `operation` answers with `codes`, which have one status.
    pub(super) fn response(&mut self, operation: &Operation, codes: &[Code]) -> Value {
        self.codes.extend(codes);
        let response = response(operation, codes);
        let known = self.responses.iter().find(|(_, other)| **other == response);
        let name = known.map_or_else(|| self.new_name(operation, codes), |(name, _)| name.clone());
        self.reference(name, response)
    }

    /// A reference to what says that nothing is new.
    pub(super) fn not_modified(&mut self) -> Value {
        let response = json!({
            "description": "You have it already: nothing is new since the `ETag` in `If-None-Match`.",
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

    /// Puts the answers and the examples of their problems into `document`.
    pub(super) fn add_to(mut self, document: &mut Value) {
        self.responses.sort_keys();
        document["components"]["responses"] = Value::Object(self.responses);
        document["components"]["examples"] =
            self.codes.into_iter().map(|code| (name_of(code), example(code))).collect();
    }
}

/// The codes that are answered together, by status.
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
        // Connections are counted, and no attempts.
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
