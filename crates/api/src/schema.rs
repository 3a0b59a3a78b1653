//! The wire: JSON schemas, by noun, and how domain types become them.
//!
//! Responses have every property always; those that may be null are `Option`. Nothing in a response is
//! a closed enumeration, so that a new value breaks no client. Requests document here and are read by
//! [`crate::body::Fields`].

pub(crate) mod account;
pub(crate) mod instance;
pub(crate) mod post;
pub(crate) mod time;
pub(crate) mod user;

use poem_openapi::Object;

pub(crate) use time::Time;

/// Why a request was refused (RFC 9457).
#[derive(Debug, Object)]
pub(crate) struct Problem {
    /// A page about this kind of problem, relative to the site.
    r#type: String,
    /// A few words for people.
    title: String,
    /// The HTTP status.
    status: u16,
    /// What to do about it.
    detail: String,
    /// The path of the request.
    instance: String,
    /// The kind of problem, for programs. New kinds may come.
    code: String,
    /// What to tell the operators. Also in the header `X-Request-Id`.
    request_id: String,
    /// Every value that was refused, when `code` is `invalid`; else null.
    errors: Option<Vec<FieldProblem>>,
}

/// A value that was refused.
#[derive(Debug, Object)]
pub(crate) struct FieldProblem {
    /// Where it is: a JSON pointer (RFC 6901) into the body, or `/` and the name of a query parameter.
    pointer: String,
    /// The rule that it breaks, such as `required`, `too-long` or `unknown-field`. New rules may come.
    code: String,
    /// What would be accepted.
    detail: String,
}
