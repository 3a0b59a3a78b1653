//! The fields of a JSON object: each is removed and parsed, and every failure is recorded.

use std::{marker::PhantomData, ops::RangeInclusive, str::FromStr};

use blegram_domain::Violation;
use poem_openapi::types::Type;
use serde_json::{Map, Value};

use super::Input;
use crate::problem::{Failure, Problem};

/// The maximum number of failures in a response, so that a request cannot cause a much larger response.
const MAX_FAILURES: usize = 50;

/// A field of a body that was not parsed yet. `D` is its type in the document, which decides whether it is required.
#[derive(Debug)]
pub(crate) struct Field<D> {
    name: &'static str,
    documented: PhantomData<D>,
}

impl<D: Type> Field<D> {
    pub(crate) const fn new(name: &'static str) -> Self {
        Self { name, documented: PhantomData }
    }

    /// The field of a PATCH body that null clears.
    pub(crate) const fn nullable(self) -> NullableField {
        NullableField { name: self.name }
    }

    const fn into_name(self) -> &'static str {
        self.name
    }
}

/// A field of a PATCH body that null clears. An absent one keeps its value.
#[derive(Debug)]
pub(crate) struct NullableField {
    name: &'static str,
}

impl NullableField {
    const fn into_name(self) -> &'static str {
        self.name
    }
}

/// Parses a string as `T`; `violation` is the error if that fails.
pub(crate) fn parse_or<T: FromStr>(violation: Violation) -> impl Fn(&str) -> Result<T, Violation> {
    move |raw| raw.parse().map_err(|_| violation)
}

/// The fields of a body. Each method removes the field that it parses; fields that remain at the end are unknown.
///
/// For an invalid field, the methods record the failure and return `None`, as for an absent one. Parse all fields first
/// and use `?` afterwards, so that all failures are reported. The methods are what follows a field in
/// [`request!`](macro@super::request).
#[derive(Debug)]
pub(crate) struct Fields {
    object: Map<String, Value>,
    /// Whether an absent field keeps its value, so that null is not the same as absent.
    is_patch: bool,
    failures: Vec<Failure>,
}

impl Fields {
    pub(super) fn new(object: Map<String, Value>, is_patch: bool) -> Self {
        Self { object, is_patch, failures: Vec::new() }
    }

    /// Removes a field. Null counts as absent, except in a PATCH body, where it could only clear the field.
    fn take(&mut self, name: &str, is_required: bool) -> Option<Value> {
        match self.object.remove(name) {
            Some(Value::Null) if self.is_patch => {
                let rule = "must not be null; omit it to keep the current value";
                self.failures.push(Failure::new(pointer(name), "null-not-allowed", rule));
                None
            }
            None | Some(Value::Null) => {
                if is_required {
                    self.failures.push(Failure::new(pointer(name), "required", "is required"));
                }
                None
            }
            value => value,
        }
    }

    /// Parses a string.
    pub(crate) fn text<D: Type, T>(
        &mut self,
        field: Field<D>,
        parse: impl FnOnce(&str) -> Result<T, Violation>,
    ) -> Option<T> {
        self.text_if(field, D::IS_REQUIRED, parse)
    }

    /// Parses a string that is required if `is_required`, which depends on other fields.
    pub(crate) fn text_if<D: Type, T>(
        &mut self,
        field: Field<D>,
        is_required: bool,
        parse: impl FnOnce(&str) -> Result<T, Violation>,
    ) -> Option<T> {
        let name = field.into_name();
        let value = self.take(name, is_required)?;
        self.parse_text(name, &value, parse)
    }

    /// Parses a string that must not be blank unless the body has the field `other`, which is parsed later.
    pub(crate) fn text_unless<D: Type, E: Type, T>(
        &mut self,
        field: Field<D>,
        other: &Field<E>,
        parse: impl FnOnce(&str) -> Result<T, Violation>,
    ) -> Option<T> {
        if !self.has(field.name) && !self.has(other.name) {
            self.fail(field.name, Violation::Blank);
        }
        self.text(field, parse)
    }

    /// Parses a string of a PATCH body: null clears the value, as an empty string does.
    pub(crate) fn patch_text<T>(
        &mut self,
        field: NullableField,
        parse: impl FnOnce(&str) -> Result<T, Violation>,
    ) -> Option<T> {
        let name = field.into_name();
        match self.object.remove(name)? {
            Value::Null => self.parse_text(name, &Value::String(String::new()), parse),
            value => self.parse_text(name, &value, parse),
        }
    }

    /// Parses a string of a PATCH body for which null has its own meaning: `Some(None)`.
    pub(crate) fn patch_nullable<T>(
        &mut self,
        field: NullableField,
        parse: impl FnOnce(&str) -> Result<T, Violation>,
    ) -> Option<Option<T>> {
        let name = field.into_name();
        match self.object.remove(name)? {
            Value::Null => Some(None),
            value => self.parse_text(name, &value, parse).map(Some),
        }
    }

    /// Takes an object whose members the use-case reads.
    pub(crate) fn object<D: Type>(&mut self, field: Field<D>) -> Option<Value> {
        self.object_if(field, D::IS_REQUIRED)
    }

    /// Takes an object that is required if `is_required`, which depends on other fields.
    pub(crate) fn object_if<D: Type>(&mut self, field: Field<D>, is_required: bool) -> Option<Value> {
        let name = field.into_name();
        let value = self.take(name, is_required)?;
        if !value.is_object() {
            self.failures.push(Failure::new(pointer(name), "wrong-type", "must be an object"));
        }
        Some(value).filter(Value::is_object)
    }

    /// Parses a boolean.
    pub(crate) fn flag<D: Type<RawValueType = bool>>(&mut self, field: Field<D>) -> Option<bool> {
        let name = field.into_name();
        let value = self.take(name, D::IS_REQUIRED)?;
        if value.as_bool().is_none() {
            self.failures.push(Failure::new(pointer(name), "wrong-type", "must be true or false"));
        }
        value.as_bool()
    }

    /// Parses an integer in `range`.
    pub(crate) fn integer<D: Type<RawValueType = u64>>(
        &mut self,
        field: Field<D>,
        range: RangeInclusive<u64>,
        rule: &'static str,
    ) -> Option<u64> {
        let name = field.into_name();
        let value = self.take(name, D::IS_REQUIRED)?;
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

    /// Parses an array of at most `max` strings.
    pub(crate) fn texts<E: Type, D: Type<RawValueType = Vec<E>>, T>(
        &mut self,
        field: Field<D>,
        max: usize,
        parse: impl FnMut(&str) -> Result<T, Violation>,
    ) -> Option<Vec<T>> {
        let name = field.into_name();
        // An absent array is an empty one; null is not an array.
        let is_null = !D::IS_REQUIRED && !self.is_patch && self.object.get(name) == Some(&Value::Null);
        let value = if is_null { self.object.remove(name) } else { self.take(name, D::IS_REQUIRED) };
        self.parse_texts(name, max, value?, parse)
    }

    /// Parses the fields that a field with `#[oai(flatten)]` stands for.
    pub(crate) fn flatten<I: Input>(&mut self, _: Field<I>) -> Option<I::Parsed> {
        I::parse(self)
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

    /// Records a failure of a field that was already parsed, such as a conflict with another field.
    pub(crate) fn fail(&mut self, name: &str, violation: Violation) {
        self.failures.push(Failure::of(pointer(name), violation));
    }

    /// Records a failure of the whole body, such as an invalid combination of fields.
    pub(crate) fn fail_whole(&mut self, violation: Violation) {
        self.failures.push(Failure::of("", violation));
    }

    /// Whether the body has a field of this name that is not null and was not parsed yet.
    fn has(&self, name: &str) -> bool {
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
