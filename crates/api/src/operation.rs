//! The row of an operation: its requirements, its headers and its possible errors.
//!
//! Each file of `routes/` has the rows of its handlers in `OPERATIONS`. The gate enforces the rule of a row, and the OpenAPI
//! document describes the whole row. Tests fail for an operation without a row, and for a response that the row does not list.

use blegram_domain::user::Role;
pub(crate) use blegram_http::Login;
use blegram_http::{Deadline, RequestBody, Rule};
use blegram_limits::Policy;

use crate::{form, problem::Code, routes::OPERATIONS};

/// The query parameters of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paging {
    /// `limit` and `cursor`.
    Cursor,
    /// Also `since_id`.
    WithSince,
}

/// One operation of the API.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Operation {
    /// The `operationId`.
    pub(crate) id: &'static str,
    /// What it demands of a request.
    pub(crate) rule: Rule,
    /// Whether its response has an `ETag`, so that reads support `If-None-Match`.
    pub(crate) has_tag: bool,
    /// Whether it supports `If-Match`.
    pub(crate) has_precondition: bool,
    /// The query parameters of a list; `None` for an operation that returns no list.
    pub(crate) paging: Option<Paging>,
    /// Whether its 201 response has a `Location`.
    pub(crate) has_location: bool,
    /// Whether its response can set or remove the session cookie.
    pub(crate) sets_cookie: bool,
    /// Whether its response can end the session of the browser.
    pub(crate) ends_session: bool,
    /// Its specific problem codes; [`Operation::codes`] adds those that follow from the other fields.
    own_codes: &'static [Code],
}

/// The problem codes of every operation.
// Rate limited, because every request counts under the global limit. Unauthenticated, because an invalid bearer token is rejected even where no login is required.
const ALWAYS: [Code; 5] =
    [Code::HeadersTooLarge, Code::Internal, Code::RateLimited, Code::Unauthenticated, Code::Unavailable];

/// The problem codes of operations that process image files.
const IMAGE_REJECTIONS: [Code; 6] = [
    Code::MediaTooLarge,
    Code::MediaUnsupported,
    Code::MediaTooManyPixels,
    Code::MediaBroken,
    Code::MediaTooSlow,
    Code::Overloaded,
];

impl Operation {
    pub(crate) const fn read(id: &'static str, login: Login, own_codes: &'static [Code]) -> Self {
        Self::new(id, Rule::read(login), own_codes)
    }

    /// For users with the role `role` at least.
    pub(crate) const fn read_as(id: &'static str, role: Role, own_codes: &'static [Code]) -> Self {
        Self::new(id, Rule { role, ..Rule::read(Login::Required) }, own_codes)
    }

    pub(crate) const fn write(id: &'static str, login: Login, own_codes: &'static [Code]) -> Self {
        Self::new(id, Rule::write(login), own_codes)
    }

    const fn new(id: &'static str, rule: Rule, own_codes: &'static [Code]) -> Self {
        Self {
            id,
            rule,
            has_tag: false,
            has_precondition: false,
            paging: None,
            has_location: false,
            sets_cookie: false,
            ends_session: false,
            own_codes,
        }
    }

    pub(crate) const fn with_body(self) -> Self {
        Self { rule: Rule { body: RequestBody::Json, ..self.rule }, ..self }
    }

    /// For an operation that another service calls with the fields of a form.
    pub(crate) const fn with_fields(self) -> Self {
        Self { rule: Rule { body: RequestBody::Fields, ..self.rule }, ..self }
    }

    pub(crate) const fn with_form(self) -> Self {
        let body = RequestBody::Form { max_bytes: form::MAX_BYTES };
        Self { rule: Rule { body, ..self.rule }, ..self }
    }

    pub(crate) const fn with_key(self) -> Self {
        Self { rule: Rule { takes_key: true, ..self.rule }, ..self }
    }

    pub(crate) const fn tagged(self) -> Self {
        Self { has_tag: true, ..self }
    }

    pub(crate) const fn with_precondition(self) -> Self {
        Self { has_precondition: true, ..self }
    }

    pub(crate) const fn list(self) -> Self {
        Self { paging: Some(Paging::Cursor), ..self }
    }

    pub(crate) const fn list_with_since(self) -> Self {
        Self { paging: Some(Paging::WithSince), ..self }
    }

    pub(crate) const fn with_location(self) -> Self {
        Self { has_location: true, ..self }
    }

    pub(crate) const fn setting_cookie(self) -> Self {
        Self { sets_cookie: true, ..self }
    }

    /// For an operation that can end the session of its client.
    pub(crate) const fn ending_session(self) -> Self {
        Self { sets_cookie: true, ends_session: true, ..self }
    }

    /// For an operation that processes image files.
    pub(crate) const fn taking_images(self) -> Self {
        Self { rule: Rule { deadline: Deadline::Images, ..self.rule }, ..self }
    }

    /// For an operation that hashes a password.
    pub(crate) const fn hashing_password(self) -> Self {
        Self { rule: Rule { deadline: Deadline::PasswordHash, ..self.rule }, ..self }
    }

    pub(crate) const fn limiting_failures(self, policy: Policy) -> Self {
        Self { rule: Rule { failure_policy: Some(policy), ..self.rule }, ..self }
    }

    pub(crate) const fn limited(self, policy: Policy) -> Self {
        Self { rule: Rule { policy: Some(policy), ..self.rule }, ..self }
    }

    /// All possible problem codes, sorted and without duplicates.
    pub(crate) fn codes(&self) -> Vec<Code> {
        let Rule { role, is_write, body, takes_key, deadline, .. } = self.rule;
        let mut codes = [&ALWAYS[..], self.own_codes].concat();
        if is_write {
            codes.extend([Code::CsrfRejected, Code::BodyTooLarge, Code::RequestTimeout]);
        }
        if body == RequestBody::Fields {
            codes.extend([Code::BodyTooLarge, Code::RequestTimeout]);
        }
        if body != RequestBody::None {
            codes.extend([Code::MalformedRequest, Code::UnsupportedMediaType, Code::Invalid]);
        }
        if role != Role::User {
            codes.push(Code::Forbidden);
        }
        if takes_key {
            codes.extend([Code::RequestInProgress, Code::IdempotencyKeyReused, Code::Invalid]);
        }
        if self.paging.is_some() {
            codes.extend([Code::CursorInvalid, Code::Invalid]);
        }
        if deadline == Deadline::Images {
            codes.extend(IMAGE_REJECTIONS);
        }
        if self.has_precondition {
            codes.push(Code::PreconditionFailed);
        }
        codes.sort_unstable();
        codes.dedup();
        codes
    }
}

/// All operations, by file.
pub(crate) fn operations() -> impl Iterator<Item = &'static Operation> {
    OPERATIONS.iter().copied().flatten()
}

/// Finds an operation by its `operationId`.
pub(crate) fn operation(id: &str) -> Option<&'static Operation> {
    operations().find(|operation| operation.id == id)
}
