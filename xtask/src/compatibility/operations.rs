//! Compares the operations of two OpenAPI documents.

use serde_json::{Map, Value};

use super::schemas::{Comparison, Sender};

/// The changes that break clients of the API, one line each.
pub(super) fn compare(before: &Value, after: &Value) -> Vec<String> {
    let mut comparison = Comparison::new(before, after);
    for (path, method, old) in operations(before) {
        let id = old["operationId"].as_str().unwrap_or_default();
        match after["paths"][path].get(method) {
            Some(new) => Operations { before, after, id, comparison: &mut comparison }.compare(old, new),
            None => comparison.report(id, format!("{} {path} was removed", method.to_uppercase())),
        }
    }
    for (name, _) in fields(&before["components"]["schemas"]) {
        if after["components"]["schemas"][name].is_null() {
            comparison
                .report(&format!("schema {name}"), "was removed: generated clients have a type of this name");
        }
    }
    for (name, scheme) in fields(&before["components"]["securitySchemes"]) {
        for keyword in ["type", "scheme", "in", "name"] {
            if scheme[keyword] != after["components"]["securitySchemes"][name][keyword] {
                comparison.report(&format!("security scheme {name}"), format!("`{keyword}` changed"));
            }
        }
    }
    comparison.breaks
}

/// Path, method and operation.
fn operations(document: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    fields(&document["paths"]).flat_map(|(path, operations)| {
        let operations = fields(operations).filter(|(_, operation)| operation["operationId"].is_string());
        operations.map(move |(method, operation)| (path, method, operation))
    })
}

fn fields(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(name, value)| (&**name, value))
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// One operation of both documents.
struct Operations<'a, 'b> {
    before: &'a Value,
    after: &'a Value,
    id: &'a str,
    comparison: &'b mut Comparison<'a>,
}

impl<'a> Operations<'a, '_> {
    fn compare(&mut self, old: &'a Value, new: &'a Value) {
        // Generators make methods of the IDs, and classes of the tags.
        for keyword in ["operationId", "tags"] {
            if old[keyword] != new[keyword] {
                self.report(format!("`{keyword}` changed from {} to {}", old[keyword], new[keyword]));
            }
        }
        self.security(&old["security"], &new["security"]);
        self.parameters(old, new);
        self.body(&old["requestBody"], &new["requestBody"]);
        self.responses(old, new);
    }

    fn report(&mut self, change: impl AsRef<str>) {
        self.comparison.report(self.id, change);
    }

    fn security(&mut self, old: &Value, new: &Value) {
        let is_open = |security: &Value| security.as_array().is_none_or(Vec::is_empty);
        for way in items(old).filter(|way| !is_open(new) && !items(new).any(|other| other == *way)) {
            let names: Vec<&str> = fields(way).map(|(name, _)| name).collect();
            let way = if names.is_empty() { "no credentials".to_owned() } else { names.join(" and ") };
            self.report(format!("{way} no longer suffices"));
        }
        if is_open(old) && !is_open(new) && !items(new).any(|way| way.as_object().is_some_and(Map::is_empty))
        {
            self.report("no credentials no longer suffices");
        }
    }

    fn parameters(&mut self, old: &'a Value, new: &'a Value) {
        let (old, new) = (parameters(self.before, old), parameters(self.after, new));
        let find = |all: &[&'a Value], other: &Value| {
            let is_same = |parameter: &&&Value| key(parameter) == key(other);
            all.iter().find(is_same).copied()
        };
        for parameter in &old {
            let name = name(parameter);
            match find(&new, parameter) {
                None => self.report(format!("{name} was removed")),
                Some(after) => {
                    let place = format!("{} {name}", self.id);
                    self.comparison.schema(&place, &parameter["schema"], &after["schema"], Sender::Client);
                    if after["required"] == true && parameter["required"] != true {
                        self.report(format!("{name} is required now"));
                    }
                }
            }
        }
        for parameter in new.iter().filter(|parameter| parameter["required"] == true) {
            if find(&old, parameter).is_none() {
                self.report(format!("{} was added and is required", name(parameter)));
            }
        }
    }

    fn body(&mut self, old: &'a Value, new: &'a Value) {
        if new["required"] == true && old["required"] != true {
            self.report("a body is required now");
        }
        for (media_type, before) in fields(&old["content"]) {
            match new["content"].get(media_type) {
                None => self.report(format!("a body of {media_type} is no longer accepted")),
                Some(after) => {
                    let place = format!("{} body", self.id);
                    self.comparison.schema(&place, &before["schema"], &after["schema"], Sender::Client);
                    if before["encoding"] != after["encoding"] {
                        self.report("the encoding of the body changed");
                    }
                }
            }
        }
    }

    fn responses(&mut self, old: &'a Value, new: &'a Value) {
        for (status, before) in fields(&old["responses"]) {
            let before = target(self.before, before);
            match new["responses"].get(status) {
                None => self.report(format!("the status {status} was removed")),
                Some(after) => self.response(status, before, target(self.after, after)),
            }
        }
    }

    fn response(&mut self, status: &str, old: &'a Value, new: &'a Value) {
        for (name, _) in fields(&old["headers"]).filter(|(name, _)| new["headers"][*name].is_null()) {
            self.report(format!("the header {name} of {status} was removed"));
        }
        for (media_type, before) in fields(&old["content"]) {
            let Some(after) = new["content"].get(media_type) else {
                self.report(format!("{status} no longer has a body of {media_type}"));
                continue;
            };
            let place = format!("{} {status}", self.id);
            self.comparison.schema(&place, &before["schema"], &after["schema"], Sender::Server);
            // The examples of problems are named after their codes.
            if media_type == "application/problem+json" {
                for (code, _) in
                    fields(&before["examples"]).filter(|(code, _)| after["examples"][*code].is_null())
                {
                    self.report(format!("the code {code} of {status} was removed"));
                }
            }
        }
    }
}

fn parameters<'a>(document: &'a Value, operation: &'a Value) -> Vec<&'a Value> {
    items(&operation["parameters"]).map(|parameter| target(document, parameter)).collect()
}

/// What identifies a parameter (OpenAPI). The names of headers are case-insensitive.
fn key(parameter: &Value) -> (String, String) {
    let text = |name: &str| parameter[name].as_str().unwrap_or_default().to_owned();
    let name = text("name");
    if text("in") == "header" { (text("in"), name.to_lowercase()) } else { (text("in"), name) }
}

fn name(parameter: &Value) -> String {
    format!("the {} parameter {}", parameter["in"].as_str().unwrap_or_default(), parameter["name"])
}

/// The component that a value refers to, or the value itself.
fn target<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    let pointer = value["$ref"].as_str().and_then(|reference| reference.strip_prefix('#'));
    pointer.and_then(|pointer| document.pointer(pointer)).unwrap_or(value)
}
