//! The responses of logins with other providers.

use poem::{
    IntoResponse, Response,
    http::{HeaderValue, StatusCode, header},
};
use poem_openapi::{
    ApiResponse,
    registry::{MetaMediaType, MetaResponses, Registry},
    types::Type,
};

use super::{Answer, JSON, NoContent, meta};
use crate::{
    problem::Problem,
    schema::{
        account::Tokens,
        identity::{NextStep, NoticeReceipt},
    },
};

/// A redirect to an address, which can be on another site.
#[derive(Debug)]
pub(crate) struct Redirect<const STATUS: u16>(pub(crate) String);

/// 302: the browser continues with a GET.
pub(crate) type Found = Redirect<302>;

/// 303: a form was received, and the browser continues with a GET.
pub(crate) type SeeOther = Redirect<303>;

impl<const STATUS: u16> IntoResponse for Redirect<STATUS> {
    fn into_response(self) -> Response {
        // Every address is validated or percent-encoded before.
        let Ok(location) = HeaderValue::from_str(&self.0) else {
            return poem::Error::from(Problem::internal("a redirect to an invalid address")).into_response();
        };
        let status = StatusCode::from_u16(STATUS).unwrap_or(StatusCode::SEE_OTHER);
        let mut response = status.into_response();
        response.headers_mut().insert(header::LOCATION, location);
        response
    }
}

impl<const STATUS: u16> ApiResponse for Redirect<STATUS> {
    fn meta() -> MetaResponses {
        meta(STATUS, Vec::new())
    }

    fn register(_registry: &mut Registry) {}
}

/// The response to an unlink notice, as its provider expects it.
#[derive(Debug)]
pub(crate) enum NoticeAnswer {
    /// 200 with an empty object.
    Ok,
    /// 204.
    NoContent,
    /// 200 with the address of a status page and a code.
    Confirmation {
        /// The page.
        url: String,
        /// The code.
        confirmation_code: String,
    },
}

impl IntoResponse for NoticeAnswer {
    fn into_response(self) -> Response {
        let (url, confirmation_code) = match self {
            Self::NoContent => return NoContent.into_response(),
            Self::Ok => (None, None),
            Self::Confirmation { url, confirmation_code } => (Some(url), Some(confirmation_code)),
        };
        Answer(NoticeReceipt { url, confirmation_code }).into_response()
    }
}

impl ApiResponse for NoticeAnswer {
    fn meta() -> MetaResponses {
        let (with_body, without) = (Answer::<NoticeReceipt>::meta(), NoContent::meta());
        MetaResponses { responses: with_body.responses.into_iter().chain(without.responses).collect() }
    }

    fn register(registry: &mut Registry) {
        NoticeReceipt::register(registry);
    }
}

/// 200 with tokens, or 202 with what the login still needs.
#[derive(Debug)]
pub(crate) enum TokenAnswer {
    /// The tokens.
    Tokens(Tokens),
    /// The next step.
    Pending(NextStep),
}

impl IntoResponse for TokenAnswer {
    fn into_response(self) -> Response {
        match self {
            Self::Tokens(tokens) => Answer(tokens).into_response(),
            Self::Pending(pending) => {
                let mut response = Answer(pending).into_response();
                response.set_status(StatusCode::ACCEPTED);
                response
            }
        }
    }
}

impl ApiResponse for TokenAnswer {
    fn meta() -> MetaResponses {
        let pending = MetaMediaType { content_type: JSON, schema: NextStep::schema_ref() };
        let (tokens, pending) = (Answer::<Tokens>::meta(), meta(202, vec![pending]));
        MetaResponses { responses: tokens.responses.into_iter().chain(pending.responses).collect() }
    }

    fn register(registry: &mut Registry) {
        Tokens::register(registry);
        NextStep::register(registry);
    }
}
