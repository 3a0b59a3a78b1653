//! Errors as problem details (RFC 9457).
//!
//! [`Code`] is the catalogue of problem codes with their status, title and texts; [`Problem`] is one error response.
//! No other module knows status codes: errors of the other crates become problems in `problem/mapping.rs`.

mod code;
mod mapping;

pub use self::code::Code;

use std::{borrow::Cow, time::Duration};

use blegram_domain::{PostText, Violation};
use blegram_http::{rate_limit, surface::ErrorCode};
use blegram_limits::{Policy, Quotas, RateLimitStatus};
use poem::{
    Response,
    http::{HeaderValue, StatusCode, header},
};
use poem_openapi::{
    ApiResponse,
    registry::{MetaResponses, Registry},
};
use serde::Serialize;

use crate::address::{address, in_text};

/// One invalid value in a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The location of the value: a JSON pointer (RFC 6901) into the body, or `/` and the name of a parameter.
    pub pointer: String,
    /// The rule that the value breaks, in kebab-case.
    pub code: &'static str,
    /// The accepted values, as text for people.
    pub detail: String,
}

impl Failure {
    pub(crate) fn new(pointer: impl Into<String>, code: &'static str, detail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), code, detail: detail.into() }
    }

    pub(crate) fn of(pointer: impl Into<String>, violation: Violation) -> Self {
        Self::new(pointer, violation.code(), violation.to_string())
    }
}

/// An error response. The edge has it rendered, because it knows the path and the id of the request.
#[derive(Debug, thiserror::Error)]
#[error("{}", self.code.as_str())]
pub struct Problem {
    code: Code,
    detail: Option<String>,
    failures: Vec<Failure>,
    headers: Vec<(header::HeaderName, HeaderValue)>,
    /// The underlying error: logged for operators, never sent to clients.
    #[source]
    cause: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The authentication challenges (RFC 9110, 11.6.1): a bearer token for apps, the cookie for browsers.
const CHALLENGES: &str = "Bearer realm=\"blegram\", Cookie realm=\"blegram\"";

/// `Retry-After` of a server that is overloaded or misses a dependency.
const PAUSE_SECONDS: u64 = 2;

/// The longest `Retry-After` of a server that is overloaded.
const MAX_PAUSE_SECONDS: u64 = 60;

/// `Retry-After` of an account that sends too many files at the same time.
const UPLOAD_PAUSE_SECONDS: u64 = 5;

const NO_IMAGE: Violation = Violation::NotFound("must be the id of one of your images");

impl Problem {
    /// Creates a problem of `code`, with the headers that the code requires.
    pub fn new(code: Code) -> Self {
        let problem = Self { code, detail: None, failures: Vec::new(), headers: Vec::new(), cause: None };
        match code {
            Code::Unauthenticated
            | Code::InvalidCredentials
            | Code::InvalidGrant
            | Code::LoginChallengeInvalid
            | Code::SecondFactorInvalid => {
                problem.with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static(CHALLENGES))
            }
            Code::UpgradeRequired => problem
                .with_header(header::UPGRADE, HeaderValue::from_static("websocket"))
                .with_header(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13")),
            Code::Overloaded | Code::ProviderUnavailable | Code::Unavailable => {
                problem.with_header(header::RETRY_AFTER, PAUSE_SECONDS.into())
            }
            _ => problem,
        }
    }

    /// Creates a problem of `code` with the given `WWW-Authenticate` challenge.
    pub(crate) fn with_challenge(code: Code, challenge: HeaderValue) -> Self {
        let headers = vec![(header::WWW_AUTHENTICATE, challenge)];
        Self { code, detail: None, failures: Vec::new(), headers, cause: None }
    }

    pub(crate) fn not_found() -> Self {
        Self::new(Code::NotFound)
    }

    pub(crate) fn invalid(failures: Vec<Failure>) -> Self {
        Self { failures, ..Self::new(Code::Invalid) }
    }

    /// Adds the invalid values that caused the problem.
    pub(crate) fn with_failures(self, failures: Vec<Failure>) -> Self {
        Self { failures, ..self }
    }

    pub(crate) fn internal(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { cause: Some(cause.into()), ..Self::new(Code::Internal) }
    }

    /// Something that the server reads for the answer is not there now.
    pub(crate) fn unavailable(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { cause: Some(cause.into()), ..Self::new(Code::Unavailable) }
    }

    pub(crate) fn rate_limited(rate_limit: &RateLimitStatus) -> Self {
        let detail = format!(
            "The rate limit \"{}\" allows {} requests in {} seconds.",
            rate_limit.policy.as_str(),
            rate_limit.quota.burst,
            rate_limit.quota.per.as_secs()
        );
        // Rounded up, so that a client that retries at that time is admitted.
        let seconds = rate_limit.reset.as_micros().div_ceil(1_000_000);
        let seconds = u64::try_from(seconds).unwrap_or(u64::MAX).max(1);
        rate_limit::headers(rate_limit)
            .into_iter()
            .fold(Self::new(Code::RateLimited), |problem, (name, value)| problem.with_header(name, value))
            .with_header(header::RETRY_AFTER, seconds.into())
            .with_detail(detail)
    }

    /// The server is overloaded, probably for another `wait`.
    pub(crate) fn overloaded(wait: Duration) -> Self {
        let seconds = wait.as_millis().div_ceil(1_000);
        let seconds = u64::try_from(seconds).unwrap_or(u64::MAX).clamp(PAUSE_SECONDS, MAX_PAUSE_SECONDS);
        let mut problem = Self::new(Code::Overloaded);
        problem.headers.retain(|(name, _)| *name != header::RETRY_AFTER);
        problem.with_header(header::RETRY_AFTER, seconds.into())
    }

    /// Replaces the general text of the code with a specific one.
    #[must_use]
    pub fn with_detail(self, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..self }
    }

    #[must_use]
    pub(crate) fn with_header(mut self, name: header::HeaderName, value: HeaderValue) -> Self {
        // The first value wins: the layer that rejected the request set it and knows best.
        if !self.headers.iter().any(|(other, _)| *other == name) {
            self.headers.push((name, value));
        }
        self
    }

    /// Converts the problem to the failure of one value in a list of values. Logs the cause.
    pub(crate) fn failure(&self, pointer: String, request_id: &str) -> Failure {
        self.log(request_id);
        Failure::new(pointer, self.code.as_str(), self.detail.as_deref().unwrap_or(self.code.english()))
    }

    /// Converts the problem to the error reply of a gateway command. Logs the cause.
    pub(crate) fn into_command_error(self, connection: &str) -> blegram_gateway::CommandError {
        self.log(connection);
        let seconds = self.headers.iter().find(|(name, _)| *name == header::RETRY_AFTER);
        let seconds = seconds.and_then(|(_, value)| value.to_str().ok()?.parse::<u64>().ok());
        blegram_gateway::CommandError {
            code: self.code.as_str(),
            detail: self.detail.unwrap_or_else(|| self.code.english().to_owned()),
            errors: (!self.failures.is_empty())
                .then(|| serde_json::to_value(&self.failures).unwrap_or_default()),
            retry_after_ms: seconds.map(|seconds| seconds * 1000),
        }
    }

    fn log(&self, request_id: &str) {
        if let Some(cause) = &self.cause {
            tracing::error!(
                request_id,
                code = self.code.as_str(),
                error = &**cause as &dyn std::error::Error,
                "the request failed"
            );
        }
    }

    pub(crate) const fn code(&self) -> Code {
        self.code
    }

    /// Renders the response to the request `request_id` for `path` on a site below `base_path`. Logs the cause, which
    /// nothing else does.
    pub fn into_response(self, base_path: &str, path: &str, request_id: &str) -> Response {
        self.log(request_id);
        let mut response = Response::builder()
            .status(self.code.status())
            .content_type("application/problem+json")
            .body(serde_json::to_vec(&self.body(base_path, path, request_id)).unwrap_or_default());
        response.headers_mut().extend(self.headers);
        response.set_data(ErrorCode(self.code.as_str()));
        response
    }

    /// What a page for people shows of the problem, and the headers of its response. Logs the cause, which nothing else
    /// does.
    pub(crate) fn into_parts(self, request_id: &str) -> (Code, Vec<(header::HeaderName, HeaderValue)>) {
        self.log(request_id);
        (self.code, self.headers)
    }

    fn body<'a>(&'a self, base_path: &str, path: &str, request_id: &'a str) -> Body<'a> {
        Body {
            r#type: address(base_path, &format!("/problems/{}", self.code.as_str())),
            title: self.code.title(),
            status: self.code.status().as_u16(),
            detail: in_text(base_path, self.detail.as_deref().unwrap_or(self.code.english())),
            instance: address(base_path, path),
            code: self.code.as_str(),
            request_id,
            errors: (self.code == Code::Invalid || !self.failures.is_empty()).then_some(&self.failures),
        }
    }

    /// An example of a response body with `code`, for the OpenAPI document.
    pub(crate) fn example(code: Code) -> serde_json::Value {
        let problem = match code {
            Code::Invalid => Self::invalid(vec![
                Failure::of("/text", Violation::TooLong { max: PostText::MAX_GRAPHEMES, unit: "characters" }),
                Failure::of("/media_ids/0", NO_IMAGE),
            ]),
            Code::RateLimited => {
                let quota = Quotas::default().login_per_address;
                Self::rate_limited(&RateLimitStatus {
                    policy: Policy::Login,
                    quota,
                    remaining: 0,
                    reset: quota.per,
                })
            }
            _ => Self::new(code),
        };
        let body = problem.body("", "/api/v1/posts", "019aaf4c-8d21-7f30-9a41-2b3c4d5e6f70");
        serde_json::to_value(body).unwrap_or_default()
    }
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: Cow<'a, str>,
    instance: String,
    code: &'a str,
    request_id: &'a str,
    errors: Option<&'a Vec<Failure>>,
}

/// Handlers return problems; the document describes them from the row of the operation.
impl ApiResponse for Problem {
    fn meta() -> MetaResponses {
        MetaResponses { responses: Vec::new() }
    }

    fn register(_registry: &mut Registry) {}
}

impl poem::error::ResponseError for Problem {
    fn status(&self) -> StatusCode {
        self.code.status()
    }
}
