//! The row of an operation: its requirements, its headers and its possible errors.
//!
//! Each file of `routes/` has the rows of its handlers in `OPERATIONS`. The gate enforces the requirements and the OpenAPI
//! document describes them. Tests fail for an operation without a row, and for a response that the row does not list.

use std::time::Duration;

use blegram_auth::Policy;

use crate::{problem::Code, routes::OPERATIONS};

/// Whether an operation requires a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Login {
    /// No login; reads do not look up the session.
    None,
    /// Optional: a logged-in viewer also gets their relationship to each item.
    Optional,
    /// A login is required.
    Required,
}

/// The request body of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RequestBody {
    /// No body.
    None,
    /// JSON, which the gate reads before it authenticates the request.
    Json,
    /// A multipart form with files, which the gate reads after it has authenticated the request.
    Form,
}

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
    /// Whether it requires a login.
    pub(crate) login: Login,
    /// The rate limit for all calls, by address.
    pub(crate) policy: Option<Policy>,
    /// The rate limit for rejected calls, by address. Successful calls do not count, so that clients that share an
    /// address are not locked out.
    pub(crate) failure_policy: Option<Policy>,
    /// Its request body.
    pub(crate) body: RequestBody,
    /// Whether it changes data, and so needs the CSRF check.
    pub(crate) is_write: bool,
    /// Whether it supports `Idempotency-Key`.
    pub(crate) takes_key: bool,
    /// Whether its response has an `ETag`, so that reads support `If-None-Match`.
    pub(crate) has_tag: bool,
    /// Whether it supports `If-Match`.
    pub(crate) has_precondition: bool,
    /// Whether it processes image files.
    pub(crate) takes_images: bool,
    /// Whether it hashes a password, which may have to wait for a free worker.
    pub(crate) hashes_password: bool,
    /// The query parameters of a list; `None` for an operation that returns no list.
    pub(crate) paging: Option<Paging>,
    /// Whether its 201 response has a `Location`.
    pub(crate) has_location: bool,
    /// Whether its response can set or remove the session cookie.
    pub(crate) sets_cookie: bool,
    /// Its specific problem codes; [`Operation::codes`] adds those that follow from the other fields.
    own_codes: &'static [Code],
}

/// The problem codes of every operation.
// Unauthenticated, because an invalid bearer token is rejected even where no login is required.
const ALWAYS: [Code; 4] = [Code::HeadersTooLarge, Code::Internal, Code::Unauthenticated, Code::Unavailable];

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
        Self {
            id,
            login,
            policy: None,
            failure_policy: None,
            body: RequestBody::None,
            is_write: false,
            takes_key: false,
            has_tag: false,
            has_precondition: false,
            takes_images: false,
            hashes_password: false,
            paging: None,
            has_location: false,
            sets_cookie: false,
            own_codes,
        }
    }

    pub(crate) const fn write(id: &'static str, login: Login, own_codes: &'static [Code]) -> Self {
        Self { is_write: true, ..Self::read(id, login, own_codes) }
    }

    pub(crate) const fn with_body(self) -> Self {
        Self { body: RequestBody::Json, ..self }
    }

    pub(crate) const fn with_form(self) -> Self {
        Self { body: RequestBody::Form, ..self }
    }

    pub(crate) const fn with_key(self) -> Self {
        Self { takes_key: true, ..self }
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

    pub(crate) const fn taking_images(self) -> Self {
        Self { takes_images: true, ..self }
    }

    pub(crate) const fn hashing_password(self) -> Self {
        Self { hashes_password: true, ..self }
    }

    pub(crate) const fn limiting_failures(self, policy: Policy) -> Self {
        Self { failure_policy: Some(policy), ..self }
    }

    /// The time limit for authentication and the handler; reading the request body does not count.
    pub(crate) const fn deadline(&self) -> Duration {
        match self {
            // Ten images, each with up to `media.deadline_ms` of processing and its transfer to storage.
            Self { takes_images: true, .. } => Duration::from_secs(600),
            Self { hashes_password: true, .. } => Duration::from_secs(30),
            _ => Duration::from_secs(10),
        }
    }

    pub(crate) const fn limited(self, policy: Policy) -> Self {
        Self { policy: Some(policy), ..self }
    }

    /// All possible problem codes, sorted and without duplicates.
    pub(crate) fn codes(&self) -> Vec<Code> {
        let mut codes = [&ALWAYS[..], self.own_codes].concat();
        if self.is_write {
            codes.extend([Code::CsrfRejected, Code::BodyTooLarge, Code::RequestTimeout]);
        }
        if self.body != RequestBody::None {
            codes.extend([Code::MalformedRequest, Code::UnsupportedMediaType, Code::Invalid]);
        }
        if self.takes_key {
            codes.extend([Code::RequestInProgress, Code::IdempotencyKeyReused, Code::Invalid]);
        }
        if self.paging.is_some() {
            codes.extend([Code::CursorInvalid, Code::Invalid]);
        }
        if self.takes_images {
            codes.extend(IMAGE_REJECTIONS);
        }
        if self.has_precondition {
            codes.push(Code::PreconditionFailed);
        }
        if self.policy.is_some() || self.failure_policy.is_some() {
            codes.push(Code::RateLimited);
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
