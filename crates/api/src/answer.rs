//! Responses of handlers: one type per status and set of headers, each serialised once, from the wire type directly to
//! the bytes that are sent.
//!
//! The types implement `ApiResponse`, so that poem-openapi documents their status and schema, and `IntoResponse`. Those
//! with a version add an `ETag` (see [`conditional`]). Errors are [`Problem`]s.

mod login;

use blegram_http::conditional;
use poem::{
    IntoResponse, Response,
    http::{HeaderName, HeaderValue, StatusCode, header},
};
use poem_openapi::{
    ApiResponse,
    payload::Payload,
    registry::{MetaMediaType, MetaResponse, MetaResponses, MetaSchemaRef, Registry},
    types::Type,
};
use serde::Serialize;

use crate::problem::Problem;

pub(crate) use self::login::{Found, NoticeAnswer, Redirect, SeeOther, TokenAnswer};

/// The result of a handler.
pub(crate) type ApiResult<T> = Result<T, Problem>;

const JSON: &str = "application/json";

/// 200 with a JSON body. Replaces poem-openapi's `Json`, which builds a `serde_json::Value` first: that costs as much
/// again as the serialisation itself.
#[derive(Debug)]
pub(crate) struct Answer<T>(pub(crate) T);

/// 200 with a resource and its `ETag`.
#[derive(Debug)]
pub(crate) struct Versioned<T> {
    pub(crate) version: u64,
    pub(crate) body: T,
}

/// 201 with the new resource, and with its `Location` and `ETag` if it has them.
#[derive(Debug)]
pub(crate) struct Created<T> {
    pub(crate) location: Option<String>,
    /// `None` for a resource that cannot be edited: the response then has no `ETag`.
    pub(crate) version: Option<u64>,
    pub(crate) body: T,
}

/// 201 with a new resource, or 200 with the existing one.
#[derive(Debug)]
pub(crate) struct MaybeNew<T> {
    pub(crate) is_new: bool,
    pub(crate) location: Option<String>,
    pub(crate) version: u64,
    pub(crate) body: T,
}

/// 200 with the result, or 202 with what is missing for it.
#[derive(Debug)]
pub(crate) enum MaybeAccepted<T, M> {
    Done(T),
    Accepted(M),
}

/// 204 without a body.
#[derive(Debug)]
pub(crate) struct NoContent;

/// 202 without a body: the effect follows.
#[derive(Debug)]
pub(crate) struct Accepted;

/// A response that also sets or removes the session cookie.
#[derive(Debug)]
pub(crate) struct WithCookie<R> {
    /// The values of `Set-Cookie`; without any, the client's cookies stay.
    pub(crate) cookies: Vec<HeaderValue>,
    pub(crate) answer: R,
}

/// 204 for a request that ended the session of its client, if it was that of a browser.
#[derive(Debug)]
pub(crate) struct SessionEnded {
    /// Removes the session cookie; `None` if the client stays logged in, or is no browser.
    pub(crate) cookie: Option<HeaderValue>,
}

/// What a browser deletes when its session has ended (ASVS 14.3.1). Not `cookies`: the device cookie lets its owner log in
/// while strangers use up the attempts, and must outlive a logout.
const CLEAR_SITE_DATA: HeaderValue = HeaderValue::from_static("\"cache\", \"storage\"");

impl IntoResponse for SessionEnded {
    fn into_response(self) -> Response {
        let mut response = NoContent.into_response();
        if let Some(cookie) = self.cookie {
            let headers = response.headers_mut();
            headers.append(header::SET_COOKIE, cookie);
            headers.insert(HeaderName::from_static("clear-site-data"), CLEAR_SITE_DATA);
        }
        response
    }
}

impl ApiResponse for SessionEnded {
    fn meta() -> MetaResponses {
        NoContent::meta()
    }

    fn register(registry: &mut Registry) {
        NoContent::register(registry);
    }
}

/// A response that is the same for every client and can be cached for five minutes.
#[derive(Debug)]
pub(crate) struct Public<R>(pub(crate) R);

impl<R: IntoResponse> IntoResponse for Public<R> {
    fn into_response(self) -> Response {
        self.0.with_header(header::CACHE_CONTROL, "public, max-age=300").into_response()
    }
}

impl<R: ApiResponse> ApiResponse for Public<R> {
    fn meta() -> MetaResponses {
        R::meta()
    }

    fn register(registry: &mut Registry) {
        R::register(registry);
    }
}

impl<T: Type> Payload for Answer<T> {
    const CONTENT_TYPE: &'static str = JSON;

    fn schema_ref() -> MetaSchemaRef {
        T::schema_ref()
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

impl<T: Type + Serialize> IntoResponse for Answer<T> {
    fn into_response(self) -> Response {
        tagged(&self.0, |_| None)
    }
}

impl<T: Type + Serialize> IntoResponse for Versioned<T> {
    fn into_response(self) -> Response {
        tagged(&self.body, |bytes| conditional::strong(self.version, bytes))
    }
}

/// 200 with a JSON body. `tag` computes the `ETag` from the serialised body; `None` sends no `ETag`.
pub(crate) fn tagged<T: Serialize>(body: &T, tag: impl FnOnce(&[u8]) -> Option<HeaderValue>) -> Response {
    match serde_json::to_vec(body) {
        Ok(bytes) => {
            let tag = tag(&bytes);
            let mut response = Response::builder().content_type(JSON).body(bytes);
            response.headers_mut().extend(tag.map(|tag| (header::ETAG, tag)));
            response
        }
        Err(error) => poem::Error::from(Problem::internal(error)).into_response(),
    }
}

impl<T: Type + Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        let tag = |bytes: &[u8]| self.version.and_then(|version| conditional::strong(version, bytes));
        let mut response = tagged(&self.body, tag);
        response.set_status(StatusCode::CREATED);
        if let Some(location) = self.location.and_then(|location| HeaderValue::from_str(&location).ok()) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        response
    }
}

impl<T: Type + Serialize> IntoResponse for MaybeNew<T> {
    fn into_response(self) -> Response {
        if self.is_new {
            Created { location: self.location, version: Some(self.version), body: self.body }.into_response()
        } else {
            Versioned { version: self.version, body: self.body }.into_response()
        }
    }
}

impl<T: Type + Serialize, M: Type + Serialize> IntoResponse for MaybeAccepted<T, M> {
    fn into_response(self) -> Response {
        match self {
            Self::Done(body) => Answer(body).into_response(),
            Self::Accepted(missing) => {
                let mut response = Answer(missing).into_response();
                response.set_status(StatusCode::ACCEPTED);
                response
            }
        }
    }
}

impl IntoResponse for NoContent {
    fn into_response(self) -> Response {
        StatusCode::NO_CONTENT.into_response()
    }
}

impl IntoResponse for Accepted {
    fn into_response(self) -> Response {
        StatusCode::ACCEPTED.into_response()
    }
}

impl<R: IntoResponse> IntoResponse for WithCookie<R> {
    fn into_response(self) -> Response {
        let mut response = self.answer.into_response();
        for cookie in self.cookies {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        response
    }
}

fn meta(status: u16, content: Vec<MetaMediaType>) -> MetaResponses {
    let response = MetaResponse {
        description: "",
        status: Some(status),
        status_range: None,
        content,
        headers: Vec::new(),
    };
    MetaResponses { responses: vec![response] }
}

impl<T: Type + Serialize> ApiResponse for Answer<T> {
    fn meta() -> MetaResponses {
        meta(200, vec![MetaMediaType { content_type: JSON, schema: T::schema_ref() }])
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

impl<T: Type + Serialize> ApiResponse for Versioned<T> {
    fn meta() -> MetaResponses {
        Answer::<T>::meta()
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

impl<T: Type + Serialize> ApiResponse for Created<T> {
    fn meta() -> MetaResponses {
        meta(201, vec![MetaMediaType { content_type: JSON, schema: T::schema_ref() }])
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

impl<T: Type + Serialize> ApiResponse for MaybeNew<T> {
    fn meta() -> MetaResponses {
        let (new, before) = (Created::<T>::meta(), Answer::<T>::meta());
        MetaResponses { responses: new.responses.into_iter().chain(before.responses).collect() }
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

impl<T: Type + Serialize, M: Type + Serialize> ApiResponse for MaybeAccepted<T, M> {
    fn meta() -> MetaResponses {
        let accepted = meta(202, vec![MetaMediaType { content_type: JSON, schema: M::schema_ref() }]);
        let responses = Answer::<T>::meta().responses.into_iter().chain(accepted.responses);
        MetaResponses { responses: responses.collect() }
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
        M::register(registry);
    }
}

impl ApiResponse for NoContent {
    fn meta() -> MetaResponses {
        meta(204, Vec::new())
    }

    fn register(_registry: &mut Registry) {}
}

impl ApiResponse for Accepted {
    fn meta() -> MetaResponses {
        meta(202, Vec::new())
    }

    fn register(_registry: &mut Registry) {}
}

impl<R: ApiResponse> ApiResponse for WithCookie<R> {
    fn meta() -> MetaResponses {
        R::meta()
    }

    fn register(registry: &mut Registry) {
        R::register(registry);
    }
}
