//! The fields of a JSON object: each is removed and parsed, and every failure is recorded.

use std::ops::RangeInclusive;

use blegram_domain::Violation;
use serde_json::{Map, Value};

use crate::problem::{Failure, Problem};

/// The maximum number of failures in a response, so that a request cannot cause a much larger response.
const MAX_FAILURES: usize = 50;

/// The fields of a body. Each method removes the field that it parses; fields that remain at the end are unknown.
///
/// For an invalid field, the methods record the failure and return `None`. Parse all fields first and use `?`
/// afterwards, so that all failures are reported.
#[derive(Debug)]
pub(crate) struct Fields {
    object: Map<String, Value>,
    /// Whether an absent field keeps its value, so that null is not the same as absent.
    is_patch: bool,
    failures: Vec<Failure>,
}

/// A null for a field of a PATCH body that cannot be cleared; its failure is recorded.
#[derive(Debug, Clone, Copy)]
struct NullRejected;

impl Fields {
    pub(super) fn new(object: Map<String, Value>, is_patch: bool) -> Self {
        Self { object, is_patch, failures: Vec::new() }
    }

    /// Removes a field. Null counts as absent, except in a PATCH body, where it could only clear the field.
    fn take(&mut self, name: &str) -> Result<Option<Value>, NullRejected> {
        match self.object.remove(name) {
            Some(Value::Null) if self.is_patch => {
                let rule = "must not be null; omit it to keep the current value";
                self.failures.push(Failure::new(pointer(name), "null-not-allowed", rule));
                Err(NullRejected)
            }
            value => Ok(value.filter(|value| !value.is_null())),
        }
    }

    /// Removes a required field.
    fn take_required(&mut self, name: &str) -> Option<Value> {
        let value = self.take(name).ok()?;
        if value.is_none() {
            self.failures.push(Failure::new(pointer(name), "required", "is required"));
        }
        value
    }

    /// Parses a required string.
    pub(crate) fn text<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, Violation>,
    ) -> Option<T> {
        let value = self.take_required(name)?;
        self.parse_text(name, &value, parse)
    }

    /// Parses a string that may be absent or null.
    pub(crate) fn optional_text<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, Violation>,
    ) -> Option<T> {
        let value = self.take(name).ok().flatten()?;
        self.parse_text(name, &value, parse)
    }

    /// Parses a string of a PATCH body: absent keeps the value; null clears it, as an empty string does.
    pub(crate) fn patch_text<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, Violation>,
    ) -> Option<T> {
        match self.object.remove(name)? {
            Value::Null => self.parse_text(name, &Value::String(String::new()), parse),
            value => self.parse_text(name, &value, parse),
        }
    }

    /// Parses a string of a PATCH body for which null has its own meaning: `Some(None)`.
    pub(crate) fn patch_nullable<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, Violation>,
    ) -> Option<Option<T>> {
        match self.object.remove(name)? {
            Value::Null => Some(None),
            value => self.parse_text(name, &value, parse).map(Some),
        }
    }

    /// Parses a boolean of a PATCH body: absent keeps the value.
    pub(crate) fn patch_flag(&mut self, name: &str) -> Option<bool> {
        let value = self.take(name).ok().flatten()?;
        if value.as_bool().is_none() {
            self.failures.push(Failure::new(pointer(name), "wrong-type", "must be true or false"));
        }
        value.as_bool()
    }

    /// Parses a string that is required if `is_required` and optional otherwise.
    pub(crate) fn text_if<T>(
        &mut self,
        is_required: bool,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, Violation>,
    ) -> Option<T> {
        if is_required { self.text(name, parse) } else { self.optional_text(name, parse) }
    }

    /// Parses an array of at most `max` strings; `None` if it is absent.
    pub(crate) fn optional_texts<T>(
        &mut self,
        name: &str,
        max: usize,
        parse: impl FnMut(&str) -> Result<T, Violation>,
    ) -> Option<Vec<T>> {
        // Null reaches `parse_texts`, which rejects it, unless `take` does.
        let value = match self.object.get(name)? {
            Value::Null if !self.is_patch => self.object.remove(name),
            _ => self.take(name).ok().flatten(),
        };
        self.parse_texts(name, max, value?, parse)
    }

    /// Parses a required array of at most `max` strings.
    pub(crate) fn texts<T>(
        &mut self,
        name: &str,
        max: usize,
        parse: impl FnMut(&str) -> Result<T, Violation>,
    ) -> Option<Vec<T>> {
        let value = self.take_required(name)?;
        self.parse_texts(name, max, value, parse)
    }

    fn parse_texts<T>(
        &mut self,
        name: &str,
        max: usize,
        value: Value,
        mut parse: impl FnMut(&str) -> Result<T, Violation>,
    ) -> Option<Vec<T>> {
        let Value::Array(items) = value else {
            self.failures.push(Failure::new(pointer(name), "wrong-type", "must be an array"));
            return None;
        };
        if items.len() > max {
            self.fail(name, Violation::TooMany { max, what: "items" });
            return None;
        }
        let indexed = items.iter().enumerate();
        Some(
            indexed
                .filter_map(|(at, item)| self.parse_text(&format!("{name}/{at}"), item, &mut parse))
                .collect(),
        )
    }

    /// Parses a required integer in `range`.
    pub(crate) fn integer(
        &mut self,
        name: &str,
        range: RangeInclusive<u64>,
        rule: &'static str,
    ) -> Option<u64> {
        let value = self.take_required(name)?;
        let Some(number) = value.as_number().filter(|number| number.is_u64() || number.is_i64()) else {
            self.failures.push(Failure::new(pointer(name), "wrong-type", "must be an integer"));
            return None;
        };
        let inside = number.as_u64().filter(|number| range.contains(number));
        if inside.is_none() {
            self.fail(name, Violation::OutOfRange(rule));
        }
        inside
    }

    /// Records a failure of a field that was already parsed, such as a conflict with another field.
    pub(crate) fn fail(&mut self, name: &str, violation: Violation) {
        self.failures.push(Failure::of(pointer(name), violation));
    }

    /// Records that a field is missing.
    pub(crate) fn fail_required(&mut self, name: &str) {
        self.object.remove(name);
        self.failures.push(Failure::new(pointer(name), "required", "is required"));
    }

    /// Ignores a field, whatever its value.
    pub(crate) fn skip(&mut self, name: &str) {
        self.object.remove(name);
    }

    /// Records a failure of the whole body, such as an invalid combination of fields.
    pub(crate) fn fail_whole(&mut self, violation: Violation) {
        self.failures.push(Failure::of("", violation));
    }

    /// Whether the body has a field of this name that is not null and was not parsed yet.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.object.get(name).is_some_and(|value| !value.is_null())
    }

    /// Whether a failure was recorded.
    pub(crate) fn has_failed(&self) -> bool {
        !self.failures.is_empty()
    }

    fn parse_text<T>(
        &mut self,
        name: &str,
        value: &Value,
        parse: impl FnOnce(&str) -> Result<T, Violation>,
    ) -> Option<T> {
        let Value::String(text) = value else {
            self.failures.push(Failure::new(pointer(name), "wrong-type", "must be a string"));
            return None;
        };
        // PostgreSQL cannot store NUL in text.
        let parsed = if text.contains('\0') {
            Err(Violation::InvalidCharacters("must not contain NUL"))
        } else {
            parse(text)
        };
        parsed.map_err(|violation| self.fail(name, violation)).ok()
    }

    pub(super) fn finish<T>(mut self, parsed: Option<T>) -> Result<T, Problem> {
        let remaining = MAX_FAILURES.saturating_sub(self.failures.len());
        let unknown = self
            .object
            .keys()
            .take(remaining)
            .map(|name| Failure::new(pointer(&escape(name)), "unknown-field", "is not a known field"));
        self.failures.extend(unknown);
        match parsed {
            Some(parsed) if self.failures.is_empty() => Ok(parsed),
            _ => Err(Problem::invalid(self.failures)),
        }
    }
}

fn pointer(name: &str) -> String {
    format!("/{name}")
}

// RFC 6901, 3. Long names are truncated, so that a request cannot make its response as large as itself.
fn escape(name: &str) -> String {
    name.chars().take(64).collect::<String>().replace('~', "~0").replace('/', "~1")
}
