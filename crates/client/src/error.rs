//! Why a request failed, by what the caller can do about it.

use std::time::Duration;

use crate::types::{LoginChallenge, Problem};

/// Why a request of the HTTP API failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The password is wrong, the session has ended, or there was no login: log in (again).
    #[error("{0}")]
    Unauthorized(String),
    /// The account has a second factor: complete the login with `POST /auth/login/second-factor`.
    #[error("the login needs a second factor")]
    SecondFactor(Box<LoginChallenge>),
    /// The server rejects the request, and would reject it again. [`Error::code`] says why.
    #[error("{}", .0.detail)]
    Rejected(Box<Problem>),
    /// The request may succeed later: the server is overloaded or cannot be reached, or a rate limit is exhausted. The
    /// client has retried what can be repeated. Whether a change took effect is unknown, unless the status is 429.
    #[error("{detail}")]
    Unavailable {
        /// The status of the response; `None` if there was none.
        status: Option<u16>,
        /// The explanation of the server, or the cause.
        detail: String,
        /// Do not retry earlier.
        retry_after: Option<Duration>,
    },
    /// The response is not what the API's document says.
    #[error("unexpected response: {0}")]
    Unexpected(String),
    /// The request could not be made, because of the URL or the body.
    #[error("invalid request: {0}")]
    InvalidRequest(String),
}

impl Error {
    /// The code of a rejection, such as `not-found`. Each has a page at `/problems/<code>`.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        match self {
            Self::Rejected(problem) => Some(&problem.code),
            _ => None,
        }
    }

    /// Whether the same request may succeed later.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }

    /// The delay before a retry that the server requested.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after, .. } => *retry_after,
            _ => None,
        }
    }

    /// The error of a response with this status; `body` is its problem+json, or anything else from a proxy.
    pub(crate) fn of_response(status: u16, retry_after: Option<Duration>, body: &[u8]) -> Self {
        let problem: Option<Problem> = serde_json::from_slice(body).ok();
        let detail =
            problem.as_ref().map_or_else(|| format!("status {status}"), |problem| problem.detail.clone());
        match (status, problem) {
            (401, _) => Self::Unauthorized(detail),
            (429 | 500..=599, _) => Self::Unavailable { status: Some(status), detail, retry_after },
            (_, Some(problem)) => Self::Rejected(Box::new(problem)),
            (_, None) => Self::Unexpected(detail),
        }
    }

    pub(crate) fn of_transport(error: &reqwest::Error) -> Self {
        if error.is_builder() {
            return Self::InvalidRequest(error.to_string());
        }
        Self::Unavailable { status: None, detail: innermost(error), retry_after: None }
    }
}

/// The innermost cause, which is the most specific ("connection refused").
fn innermost(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), innermost)
}

/// Parses a `Retry-After` in seconds. A date is ignored; then the client's own backoff applies.
pub(crate) fn seconds(value: &str) -> Option<Duration> {
    value.trim().parse().ok().map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_decides_what_the_caller_can_do() {
        let problem = br#"{"type":"/problems/not-found","title":"t","status":404,"detail":"no such post",
            "instance":"/","code":"not-found","request_id":"r","errors":null}"#;
        let error = |status| Error::of_response(status, Some(Duration::from_secs(7)), problem);
        assert_eq!(error(404).code(), Some("not-found"));
        assert_eq!(error(404).to_string(), "no such post");
        assert!(matches!(error(401), Error::Unauthorized(_)));
        for status in [429, 500, 502, 503, 504] {
            assert!(error(status).is_temporary(), "{status}");
            assert_eq!(error(status).retry_after(), Some(Duration::from_secs(7)), "{status}");
        }
        assert!(
            matches!(Error::of_response(404, None, b"<html>"), Error::Unexpected(_)),
            "of another server"
        );
    }

    #[test]
    fn retry_after_is_read_in_seconds() {
        assert_eq!(seconds(" 7"), Some(Duration::from_secs(7)));
        assert_eq!(seconds("tomorrow"), None);
    }
}
