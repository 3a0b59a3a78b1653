//! Compares schemas, of OpenAPI 3.0 or JSON Schema.
//!
//! What breaks a client depends on who sends the value: a request may accept more than before, and a response may
//! promise more than before, but not the other way round.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

/// Who sends a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sender {
    Client,
    Server,
}

/// Compares schemas of two documents. A schema in `components` is compared once for each sender, and its breaks are
/// reported under its name.
pub(super) struct Comparison<'a> {
    before: &'a Value,
    after: &'a Value,
    compared: BTreeSet<(String, String, Sender)>,
    /// One line for each break.
    pub(super) breaks: Vec<String>,
}

/// A schema without references and combinations: its own keywords, and whether it accepts null.
struct Resolved<'a> {
    keywords: &'a Map<String, Value>,
    is_nullable: bool,
    /// The component that it was resolved from.
    name: Option<&'a str>,
}

/// A limit narrows what a client may send when it grows (`true`) or when it shrinks.
const LIMITS: [(&str, bool); 8] = [
    ("minLength", true),
    ("minItems", true),
    ("minimum", true),
    ("minProperties", true),
    ("maxLength", false),
    ("maxItems", false),
    ("maximum", false),
    ("maxProperties", false),
];

impl<'a> Comparison<'a> {
    pub(super) fn new(before: &'a Value, after: &'a Value) -> Self {
        Self { before, after, compared: BTreeSet::new(), breaks: Vec::new() }
    }

    pub(super) fn report(&mut self, place: &str, change: impl AsRef<str>) {
        self.breaks.push(format!("{place}: {}", change.as_ref()));
    }

    /// Compares the schema of a value that `sender` sends.
    pub(super) fn schema(&mut self, place: &str, before: &'a Value, after: &'a Value, sender: Sender) {
        let (Some(old), Some(new)) = (resolve(self.before, before), resolve(self.after, after)) else {
            if before != after {
                self.report(place, "the schema changed");
            }
            return;
        };
        self.null(place, &old, &new, sender);
        let names =
            (old.name.unwrap_or_default().to_owned(), new.name.unwrap_or_default().to_owned(), sender);
        let is_component = old.name.is_some();
        if is_component && !self.compared.insert(names) {
            return;
        }
        let place = old.name.map_or_else(|| place.to_owned(), |name| format!("schema {name}"));
        self.keywords(&place, old.keywords, new.keywords, sender);
    }

    fn null(&mut self, place: &str, old: &Resolved<'_>, new: &Resolved<'_>, sender: Sender) {
        match (old.is_nullable, new.is_nullable, sender) {
            (true, false, Sender::Client) => self.report(place, "null is no longer accepted"),
            (false, true, Sender::Server) => self.report(place, "can be null now"),
            _ => {}
        }
    }

    fn keywords(
        &mut self,
        place: &str,
        old: &'a Map<String, Value>,
        new: &'a Map<String, Value>,
        sender: Sender,
    ) {
        for keyword in ["type", "format", "const"] {
            let (old, new) = (old.get(keyword), new.get(keyword));
            if old != new {
                self.report(place, format!("`{keyword}` changed from {} to {}", text(old), text(new)));
            }
        }
        self.values(place, old, new, sender);
        if sender == Sender::Client {
            self.limits(place, old, new);
        }
        self.properties(place, old, new, sender);
        for keyword in ["items", "additionalProperties"] {
            match (old.get(keyword), new.get(keyword)) {
                (Some(old @ Value::Object(_)), Some(new @ Value::Object(_))) => {
                    self.schema(&format!("{place}[]"), old, new, sender);
                }
                (old, Some(Value::Bool(false))) if old != Some(&json!(false)) && sender == Sender::Client => {
                    self.report(place, "further properties are no longer accepted");
                }
                (Some(Value::Object(_)), _) => self.report(place, format!("`{keyword}` was removed")),
                _ => {}
            }
        }
        for keyword in ["oneOf", "anyOf", "allOf", "not"] {
            if old.get(keyword) != new.get(keyword) {
                self.report(place, format!("`{keyword}` changed"));
            }
        }
    }

    fn values(&mut self, place: &str, old: &Map<String, Value>, new: &Map<String, Value>, sender: Sender) {
        let values = |schema: &Map<String, Value>| schema.get("enum").and_then(Value::as_array).cloned();
        match (values(old), values(new), sender) {
            (Some(old), Some(new), Sender::Client) => {
                for value in old.iter().filter(|value| !new.contains(value)) {
                    self.report(place, format!("the value {value} was removed"));
                }
            }
            // A generated client fails to parse a value that its enum does not have.
            (Some(old), Some(new), Sender::Server) => {
                for value in new.iter().filter(|value| !old.contains(value)) {
                    self.report(place, format!("the value {value} was added to a closed list"));
                }
            }
            (None, Some(_), Sender::Client) => self.report(place, "only some values are accepted now"),
            (Some(_), None, Sender::Server) => self.report(place, "the list of values was removed"),
            _ => {}
        }
    }

    fn limits(&mut self, place: &str, old: &Map<String, Value>, new: &Map<String, Value>) {
        let number = |schema: &Map<String, Value>, name| schema.get(name).and_then(Value::as_f64);
        for (name, narrows_upwards) in LIMITS {
            let Some(after) = number(new, name) else { continue };
            let before = number(old, name);
            let is_narrower =
                before.is_none_or(|before| if narrows_upwards { after > before } else { after < before });
            if is_narrower {
                let (before, after) = (text(old.get(name)), text(new.get(name)));
                self.report(place, format!("`{name}` was narrowed from {before} to {after}"));
            }
        }
        let pattern = new.get("pattern");
        if pattern.is_some() && pattern != old.get("pattern") {
            self.report(place, format!("`pattern` changed to {}", text(pattern)));
        }
    }

    fn properties(
        &mut self,
        place: &str,
        old: &'a Map<String, Value>,
        new: &'a Map<String, Value>,
        sender: Sender,
    ) {
        let properties = |schema: &'a Map<String, Value>| schema.get("properties").and_then(Value::as_object);
        for (name, before) in properties(old).into_iter().flatten() {
            let place = format!("{place}.{name}");
            match properties(new).and_then(|properties| properties.get(name)) {
                Some(after) => self.schema(&place, before, after, sender),
                None => self.report(&place, "was removed"),
            }
        }
        let (before, after) = (required(old), required(new));
        for name in after.difference(&before).filter(|_| sender == Sender::Client) {
            self.report(&format!("{place}.{name}"), "is required now");
        }
        let remains =
            |name: &&&str| properties(new).is_some_and(|properties| properties.contains_key(**name));
        for name in before.difference(&after).filter(|_| sender == Sender::Server).filter(remains) {
            self.report(&format!("{place}.{name}"), "is no longer always present");
        }
    }
}

fn required(schema: &Map<String, Value>) -> BTreeSet<&str> {
    schema.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
}

fn text(value: Option<&Value>) -> String {
    value.map_or_else(|| "nothing".to_owned(), Value::to_string)
}

/// Follows references, single-element combinations, and the two ways to write "or null".
fn resolve<'a>(document: &'a Value, schema: &'a Value) -> Option<Resolved<'a>> {
    let is_nullable = schema["nullable"] == true;
    if let Some(name) = schema["$ref"].as_str() {
        let target = document.pointer(name.strip_prefix('#')?)?;
        let mut resolved = resolve(document, target)?;
        resolved.name = name.rsplit('/').next();
        return Some(resolved);
    }
    let wrapped = ["allOf", "anyOf"].iter().find_map(|keyword| schema[keyword].as_array().map(Vec::as_slice));
    if let Some([only]) = wrapped {
        let mut resolved = resolve(document, only)?;
        resolved.is_nullable |= is_nullable;
        return Some(resolved);
    }
    let is_null = |schema: &&Value| schema["type"] == "null";
    if let Some(parts) = schema["anyOf"].as_array()
        && parts.iter().any(|part| is_null(&part))
        && let [only] = parts.iter().filter(|part| !is_null(part)).collect::<Vec<_>>()[..]
    {
        return Some(Resolved { is_nullable: true, ..resolve(document, only)? });
    }
    Some(Resolved { keywords: schema.as_object()?, is_nullable, name: None })
}
