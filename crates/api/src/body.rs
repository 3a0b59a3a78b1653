//! Request bodies: JSON read strictly, with every failure found at once.
//!
//! poem-openapi would take a number for a string and stop at the first failure, so bodies are read
//! here; its schema of the same name only documents. A test holds the two together, field by field.

use std::{fmt::Display, ops::RangeInclusive};

use blegram_domain::Violation;
use poem::{Request, RequestBody};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    registry::{MetaMediaType, MetaRequest, Registry},
    types::Type,
};
use serde_json::{Map, Value};

use crate::problem::{Code, Failure, Problem};

/// The largest JSON body.
pub(crate) const MAX_BYTES: usize = 64 * 1024;

/// The deepest JSON body: each object or array is a level.
const MAX_DEPTH: usize = 32;

/// A schema of a body, and how to read what it stands for.
pub(crate) trait Input: Type {
    /// What a use-case takes.
    type Parsed: Send;

    /// The fields of a change that null cannot clear: they always have a value. Listed in [`crate::schema::KEPT`] as well,
    /// for the document.
    const KEPT: &'static [&'static str] = &[];

    /// Reads the fields. `None` only after [`Fields`] recorded why.
    fn parse(fields: &mut Fields) -> Option<Self::Parsed>;
}

/// The body of a request, read as `I` says.
pub(crate) struct Body<I: Input>(pub(crate) I::Parsed);

impl<'a, I: Input> ApiExtractor<'a> for Body<I> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        I::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        let content = MetaMediaType { content_type: "application/json", schema: I::schema_ref() };
        Some(MetaRequest { description: None, content: vec![content], required: true })
    }

    async fn from_request(
        _: &'a Request,
        body: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        // Bounded by the gate.
        let bytes = body.take()?.into_bytes().await?;
        Ok(Self(read::<I>(&bytes)?))
    }
}

fn read<I: Input>(bytes: &[u8]) -> Result<I::Parsed, Problem> {
    let value: Value = serde_json::from_slice(bytes).map_err(malformed)?;
    read_value::<I>(value)
}

/// Reads a value as `I` says: a body, or what a command of the gateway says.
pub(crate) fn read_value<I: Input>(value: Value) -> Result<I::Parsed, Problem> {
    if depth(&value) > MAX_DEPTH {
        return Err(malformed(format!("the JSON is more than {MAX_DEPTH} levels deep")));
    }
    let Value::Object(object) = value else {
        return Err(Problem::invalid(vec![Failure::new("", "wrong-type", "must be an object")]));
    };
    let mut fields = Fields { object, kept: I::KEPT, failures: Vec::new() };
    let parsed = I::parse(&mut fields);
    fields.finish(parsed)
}

fn malformed(why: impl Display) -> Problem {
    Problem::new(Code::MalformedRequest)
        .with_detail(format!("the body is not the JSON that is taken here: {why}"))
}

// Recursion is safe: serde_json itself reads no deeper than 128.
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

/// How many failures an answer names: it should not be made larger than the request.
const MAX_FAILURES: usize = 50;

/// The fields of a body: each is taken once, and what is left at the end was unknown.
///
/// Every reader returns `None` for a field that is refused, having recorded why; so read all fields
/// first, and use `?` afterwards.
#[derive(Debug)]
pub(crate) struct Fields {
    object: Map<String, Value>,
    kept: &'static [&'static str],
    failures: Vec<Failure>,
}

/// Null where it means nothing. It was recorded.
#[derive(Debug, Clone, Copy)]
struct NullRefused;

impl Fields {
    /// Takes a field. Null is as good as absent, but for what a change cannot clear.
    fn take(&mut self, name: &str) -> Result<Option<Value>, NullRefused> {
        match self.object.remove(name) {
            Some(Value::Null) if self.kept.contains(&name) => {
                let rule = "cannot be cleared; leave it out to keep it";
                self.failures.push(Failure::new(pointer(name), "null-not-allowed", rule));
                Err(NullRefused)
            }
            value => Ok(value.filter(|value| !value.is_null())),
        }
    }

    /// Takes a field that must be there.
    fn take_required(&mut self, name: &str) -> Option<Value> {
        let value = self.take(name).ok()?;
        if value.is_none() {
            self.failures.push(Failure::new(pointer(name), "required", "is required"));
        }
        value
    }

    /// A text that must be there.
    pub(crate) fn text<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, Violation>,
    ) -> Option<T> {
        let value = self.take_required(name)?;
        self.parse_text(name, &value, parse)
    }

    /// A text that may be absent or null.
    pub(crate) fn optional_text<T>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, Violation>,
    ) -> Option<T> {
        let value = self.take(name).ok().flatten()?;
        self.parse_text(name, &value, parse)
    }

    /// A text of a change: absent, it stays as it is; null, it is cleared.
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

    /// A text of a change that has a meaning of its own for null: `Some(None)`.
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

    /// A flag of a change: absent, it stays as it is.
    pub(crate) fn patch_flag(&mut self, name: &str) -> Option<bool> {
        let value = self.take(name).ok().flatten()?;
        if value.as_bool().is_none() {
            self.failures.push(Failure::new(pointer(name), "wrong-type", "must be true or false"));
        }
        value.as_bool()
    }

    /// A text that must be there if `is_wanted`, and is passed over if not.
    pub(crate) fn text_if<T>(
        &mut self,
        is_wanted: bool,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, Violation>,
    ) -> Option<T> {
        if is_wanted { self.text(name, parse) } else { self.optional_text(name, parse) }
    }

    /// A list of texts, each read by `parse`; `None` when it is absent.
    pub(crate) fn optional_texts<T>(
        &mut self,
        name: &str,
        max: usize,
        parse: impl FnMut(&str) -> Result<T, Violation>,
    ) -> Option<Vec<T>> {
        // Null is no list, unless a change says so of what it cannot clear.
        let value = match self.object.get(name)? {
            Value::Null if !self.kept.contains(&name) => self.object.remove(name),
            _ => self.take(name).ok().flatten(),
        };
        self.parse_texts(name, max, value?, parse)
    }

    /// A list of texts that must be there.
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

    /// A whole number of a range that must be there.
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

    /// Refuses a field that was read, for what it means together with others.
    pub(crate) fn fail(&mut self, name: &str, violation: Violation) {
        self.failures.push(Failure::of(pointer(name), violation));
    }

    /// Refuses a field that is not there.
    pub(crate) fn fail_required(&mut self, name: &str) {
        self.object.remove(name);
        self.failures.push(Failure::new(pointer(name), "required", "is required"));
    }

    /// Takes a field that may be null.
    pub(crate) fn skip(&mut self, name: &str) {
        self.object.remove(name);
    }

    /// Refuses the body for what its fields mean together.
    pub(crate) fn fail_whole(&mut self, violation: Violation) {
        self.failures.push(Failure::of("", violation));
    }

    /// Whether there is a field of this name that was not read yet, and is not null.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.object.get(name).is_some_and(|value| !value.is_null())
    }

    /// Whether something was refused already.
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
        // PostgreSQL cannot store it, and nobody means it.
        let parsed = if text.contains('\0') {
            Err(Violation::InvalidCharacters("must not contain NUL"))
        } else {
            parse(text)
        };
        parsed.map_err(|violation| self.fail(name, violation)).ok()
    }

    fn finish<T>(mut self, parsed: Option<T>) -> Result<T, Problem> {
        let room = MAX_FAILURES.saturating_sub(self.failures.len());
        let unknown = self
            .object
            .keys()
            .take(room)
            .map(|name| Failure::new(pointer(&escape(name)), "unknown-field", "is not known here"));
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

// RFC 6901, 3. Long names come back shortened: an answer should not be made as large as a request.
fn escape(name: &str) -> String {
    name.chars().take(64).collect::<String>().replace('~', "~0").replace('/', "~1")
}
