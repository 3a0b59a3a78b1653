//! JSON request bodies, parsed strictly and with all errors reported at once.
//!
//! poem-openapi would accept a number as a string and stop at the first error. So the struct of a body only documents it,
//! and its [`Input`] parses [`Fields`]. The macro [`request!`](macro@request) makes both from one declaration; a test checks that
//! they agree on every field.

mod fields;
mod request;

use std::fmt::Display;

use poem::{Request, RequestBody, http::Method};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    registry::{MetaMediaType, MetaRequest, Registry},
    types::Type,
};
use serde_json::Value;

pub(crate) use self::{
    fields::{Field, Fields, parse_or},
    request::request,
};
use crate::problem::{Code, Failure, Problem};

/// The maximum size of a JSON body: 64 KiB.
pub(crate) const MAX_BYTES: usize = blegram_http::MAX_BODY_BYTES;

/// The maximum nesting depth of a JSON body: each object or array is one level.
const MAX_DEPTH: usize = 32;

/// The schema of a body and its parser.
pub(crate) trait Input: Type {
    /// The parsed body, as use-cases take it.
    type Parsed: Send;

    /// Parses the fields. Returns `None` only if [`Fields`] has recorded a failure.
    fn parse(fields: &mut Fields) -> Option<Self::Parsed>;
}

/// Extracts the body of a request and parses it as `I`.
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
        request: &'a Request,
        body: &mut RequestBody,
        _: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        // The gate limits its size.
        let bytes = body.take()?.into_bytes().await?;
        let value = serde_json::from_slice(&bytes).map_err(malformed)?;
        Ok(Self(read::<I>(value, request.method() == Method::PATCH)?))
    }
}

/// Parses the `d` of a gateway command as `I`.
pub(crate) fn read_value<I: Input>(value: Value) -> Result<I::Parsed, Problem> {
    read::<I>(value, false)
}

fn read<I: Input>(value: Value, is_patch: bool) -> Result<I::Parsed, Problem> {
    if depth(&value) > MAX_DEPTH {
        return Err(malformed(format!("it has more than {MAX_DEPTH} levels of nesting")));
    }
    let Value::Object(object) = value else {
        return Err(Problem::invalid(vec![Failure::new("", "wrong-type", "must be an object")]));
    };
    let mut fields = Fields::new(object, is_patch);
    let parsed = I::parse(&mut fields);
    fields.finish(parsed)
}

fn malformed(reason: impl Display) -> Problem {
    Problem::new(Code::MalformedRequest)
        .with_detail(format!("Cannot parse the JSON in the request body: {reason}"))
}

// The recursion is bounded: serde_json parses at most 128 levels.
fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}
