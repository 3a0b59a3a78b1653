//! The one table from the errors of the other crates to problems. No match has a `_` arm: a new variant does not compile
//! until it has a code here.

use blegram_domain::Violation;
use blegram_http::{Rejection, bearer};
use blegram_limits::RateLimited;
use blegram_media::ImageRejection;
use poem::http::{HeaderValue, header};

use super::{Code, Failure, NO_IMAGE, PAUSE_SECONDS, Problem, UPLOAD_PAUSE_SECONDS};

fn storage(cause: blegram_auth::StorageError) -> Problem {
    let code = if cause.is_transient() { Code::Unavailable } else { Code::Internal };
    Problem { cause: Some(cause.into()), ..Problem::new(code) }
}

impl From<blegram_auth::Error> for Problem {
    fn from(error: blegram_auth::Error) -> Self {
        match error {
            blegram_auth::Error::UsernameTaken => Self::new(Code::UsernameTaken),
            blegram_auth::Error::RegistrationClosed => Self::new(Code::RegistrationClosed),
            blegram_auth::Error::InvalidCredentials => Self::new(Code::InvalidCredentials),
            blegram_auth::Error::AccountSuspended => Self::new(Code::AccountSuspended),
            blegram_auth::Error::WrongPassword => Self::new(Code::WrongPassword),
            blegram_auth::Error::ReauthenticationRequired => Self::new(Code::ReauthenticationRequired),
            blegram_auth::Error::LoginChallengeInvalid => Self::new(Code::LoginChallengeInvalid),
            blegram_auth::Error::SecondFactorInvalid => Self::new(Code::SecondFactorInvalid),
            blegram_auth::Error::SecondFactorRequired => Self::new(Code::SecondFactorRequired),
            blegram_auth::Error::WrongCode => Self::new(Code::WrongCode),
            blegram_auth::Error::PasskeysUnavailable => Self::not_found().with_detail(NO_PASSKEYS),
            blegram_auth::Error::PasskeyRejected => Self::new(Code::PasskeyRejected),
            blegram_auth::Error::PasskeyInUse => Self::new(Code::PasskeyInUse),
            blegram_auth::Error::TooManyPasskeys => Self::new(Code::TooManyPasskeys),
            blegram_auth::Error::WeakPassword(violation) => {
                Self::invalid(vec![Failure::of("/new_password", violation)])
            }
            blegram_auth::Error::PreconditionFailed => Self::new(Code::PreconditionFailed),
            blegram_auth::Error::InvalidGrant => Self::new(Code::InvalidGrant),
            blegram_auth::Error::ProviderUnavailable(provider) => Self::new(Code::ProviderUnavailable)
                .with_detail(format!("The login provider \"{provider}\" does not respond. Try again later, or log in another way.")),
            blegram_auth::Error::ProviderRejected(provider) => Self::new(Code::LoginRejected)
                .with_detail(format!("The login with the provider \"{provider}\" was rejected. Begin again.")),
            blegram_auth::Error::LoginCancelled => Self::new(Code::LoginCancelled),
            blegram_auth::Error::LoginExpired => Self::new(Code::LoginExpired),
            blegram_auth::Error::RedirectUriNotAllowed => Self::invalid(vec![Failure::of(
                "/redirect_uri",
                Violation::NotFound("must be one of the redirect URIs in login.app_redirect_uris of this site"),
            )]),
            blegram_auth::Error::IdentityInUse => Self::new(Code::IdentityInUse),
            blegram_auth::Error::LastLoginMethod => Self::new(Code::LastLoginMethod),
            blegram_auth::Error::BrowserRequired => Self::new(Code::BrowserRequired),
            blegram_auth::Error::NoticeRejected => {
                Self::new(Code::Unauthenticated).with_detail("The notice is not authentic.")
            }
            blegram_auth::Error::SessionEnded => Self::new(Code::Unauthenticated),
            blegram_auth::Error::EmailTokenInvalid => Self::new(Code::EmailTokenInvalid),
            blegram_auth::Error::EmailTaken => Self::new(Code::EmailTaken),
            blegram_auth::Error::MailDisabled => Self::new(Code::MailDisabled),
            blegram_auth::Error::SessionNotFound
            | blegram_auth::Error::FactorNotFound
            | blegram_auth::Error::AccountNotFound
            | blegram_auth::Error::ProviderNotFound
            | blegram_auth::Error::IdentityNotFound => Self::not_found(),
            blegram_auth::Error::RateLimited(limited) => limited.into(),
            blegram_auth::Error::Overloaded(retry_after) => Self::overloaded(retry_after),
            blegram_auth::Error::Hashing(cause)
            | blegram_auth::Error::Signing(cause)
            | blegram_auth::Error::Mail(cause)
            | blegram_auth::Error::Passkey(cause) => Self::internal(cause),
            blegram_auth::Error::Storage(cause) => storage(cause),
        }
    }
}

impl From<Rejection> for Problem {
    fn from(rejection: Rejection) -> Self {
        let text = rejection.to_string();
        match rejection {
            Rejection::NotFound => Self::not_found(),
            Rejection::MethodNotAllowed => Self::new(Code::MethodNotAllowed),
            Rejection::HeadersTooLarge { .. } => Self::new(Code::HeadersTooLarge).with_detail(text),
            Rejection::BodyTooLarge => Self::new(Code::BodyTooLarge),
            Rejection::UnsupportedMediaType => Self::new(Code::UnsupportedMediaType),
            Rejection::MalformedHost
            | Rejection::ForeignHost
            | Rejection::UnreadableBody(_)
            | Rejection::UnreadableForm(_) => Self::new(Code::MalformedRequest).with_detail(text),
            Rejection::BodyTimeout => Self::new(Code::RequestTimeout),
            Rejection::RateLimited(rate_limit) => Self::rate_limited(&rate_limit),
            Rejection::Unauthenticated => Self::new(Code::Unauthenticated),
            Rejection::InvalidToken => {
                let challenge = HeaderValue::from_static(bearer::INVALID_TOKEN);
                Self::with_challenge(Code::Unauthenticated, challenge).with_detail(INVALID_TOKEN)
            }
            Rejection::InvalidAuthorization => Self::new(Code::Unauthenticated).with_detail(text),
            Rejection::Forbidden(_) => Self::new(Code::Forbidden).with_detail(text),
            Rejection::CrossSite => Self::new(Code::CsrfRejected),
            Rejection::InvalidKey(violation) => {
                Self::invalid(vec![Failure::of("/Idempotency-Key", violation)])
            }
            Rejection::KeyInProgress => Self::new(Code::RequestInProgress),
            Rejection::KeyReused => Self::new(Code::IdempotencyKeyReused),
            Rejection::DeadlineExceeded { is_write: false } => {
                Self::new(Code::Unavailable).with_detail("The request timed out on the server.")
            }
            Rejection::DeadlineExceeded { is_write: true } => {
                Self::new(Code::Unavailable).with_detail(UNKNOWN_OUTCOME)
            }
            Rejection::Auth(error) => error.into(),
            Rejection::Internal(cause) => Self::internal(cause),
        }
    }
}

const NO_PASSKEYS: &str =
    "This site cannot have passkeys: browsers demand a domain name in its address (server.public_url).";

const INVALID_TOKEN: &str =
    "The access token in Authorization is invalid or has expired. Get a new one, or omit the header.";

/// The detail for a write that timed out: the outcome is unknown, so the client has to check it.
const UNKNOWN_OUTCOME: &str = "The request timed out on the server. It may have taken effect, or may still take effect. Check \
    before you send it again, or retry with the same Idempotency-Key or client_id, with which it takes effect only once.";

impl From<RateLimited> for Problem {
    fn from(RateLimited(rate_limit): RateLimited) -> Self {
        Self::rate_limited(&rate_limit)
    }
}

impl From<blegram_social::Error> for Problem {
    fn from(error: blegram_social::Error) -> Self {
        match error {
            blegram_social::Error::PostNotFound
            | blegram_social::Error::CommentNotFound
            | blegram_social::Error::MessageNotFound
            | blegram_social::Error::SearchNotFound
            | blegram_social::Error::UserNotFound => Self::not_found(),
            blegram_social::Error::ParentNotFound => Self::invalid(vec![Failure::of(
                "/parent_id",
                Violation::NotFound("must be the id of a comment on this post that accepts replies"),
            )]),
            blegram_social::Error::MediaNotFound(indexes) => Self::invalid(
                indexes.into_iter().map(|at| Failure::of(format!("/media_ids/{at}"), NO_IMAGE)).collect(),
            ),
            blegram_social::Error::AvatarNotFound => {
                Self::invalid(vec![Failure::of("/avatar_media_id", NO_IMAGE)])
            }
            blegram_social::Error::MediaInUse => Self::new(Code::MediaInUse),
            blegram_social::Error::PostBlank => Self::invalid(vec![Failure::of("/text", Violation::Blank)]),
            blegram_social::Error::Blocked => Self::new(Code::Blocked),
            blegram_social::Error::AccountPrivate => Self::new(Code::AccountPrivate),
            blegram_social::Error::Oneself => {
                Self::invalid(vec![Failure::new("/user", "self", "must not be your own account")])
            }
            blegram_social::Error::OwnReported => {
                Self::invalid(vec![Failure::new("", "self", "must not be your own account or content")])
            }
            blegram_social::Error::PreconditionFailed => Self::new(Code::PreconditionFailed),
            blegram_social::Error::NotAuthor | blegram_social::Error::NotModerator => {
                Self::new(Code::Forbidden)
            }
            blegram_social::Error::Storage(cause) => storage(cause),
        }
    }
}

impl From<blegram_media::Error> for Problem {
    fn from(error: blegram_media::Error) -> Self {
        match error {
            blegram_media::Error::Refused(rejection) => {
                Self::new(rejected_image(rejection)).with_detail(rejection.to_string())
            }
            blegram_media::Error::NotFound | blegram_media::Error::AccountNotFound => Self::not_found(),
            blegram_media::Error::InUse => Self::new(Code::MediaInUse),
            blegram_media::Error::PreconditionFailed => Self::new(Code::PreconditionFailed),
            blegram_media::Error::NotArrived => Self::new(Code::UploadNotArrived),
            blegram_media::Error::Expired => Self::new(Code::UploadExpired),
            blegram_media::Error::RangeNotSatisfiable(size) => {
                let problem = Self::new(Code::RangeNotSatisfiable);
                match HeaderValue::from_str(&format!("bytes */{size}")) {
                    Ok(range) => problem.with_header(header::CONTENT_RANGE, range),
                    Err(_) => problem,
                }
            }
            blegram_media::Error::InProgress => {
                Self::new(Code::UploadInProgress).with_header(header::RETRY_AFTER, PAUSE_SECONDS.into())
            }
            // A fixed delay: the server cannot know when the client ends one of its uploads.
            blegram_media::Error::TooManyAtOnce(_) => Self::new(Code::RateLimited)
                .with_header(header::RETRY_AFTER, UPLOAD_PAUSE_SECONDS.into())
                .with_detail(error.to_string()),
            blegram_media::Error::QuotaExceeded(exceeded) => {
                Self::new(Code::QuotaExceeded).with_detail(exceeded.to_string())
            }
            blegram_media::Error::RateLimited(limited) => limited.into(),
            blegram_media::Error::Overloaded => Self::new(Code::Overloaded),
            blegram_media::Error::Interrupted(cause) => Rejection::of_body(&cause).into(),
            blegram_media::Error::Internal(cause) | blegram_media::Error::Configuration(cause) => {
                Self::internal(cause)
            }
            blegram_media::Error::Unavailable(cause) => {
                Self { cause: Some(cause), ..Self::new(Code::Unavailable) }
            }
            error @ blegram_media::Error::ForeignStorage(_) => {
                Self { cause: Some(error.into()), ..Self::new(Code::Unavailable) }
            }
            blegram_media::Error::Storage(cause) => storage(cause),
        }
    }
}

impl From<blegram_chat::Error> for Problem {
    fn from(error: blegram_chat::Error) -> Self {
        let each = |indexes: Vec<usize>, list: &str, violation: Violation| {
            Self::invalid(indexes.iter().map(|at| Failure::of(format!("/{list}/{at}"), violation)).collect())
        };
        match error {
            blegram_chat::Error::NotFound | blegram_chat::Error::AccountNotFound => Self::not_found(),
            blegram_chat::Error::MembersNotFound(indexes) => each(
                indexes,
                "members",
                Violation::NotFound("must be an account that you can send messages to"),
            ),
            blegram_chat::Error::Oneself => {
                Self::invalid(vec![Failure::new("/members", "self", "must contain another account")])
            }
            blegram_chat::Error::TooManyMembers => {
                let max = blegram_domain::Conversation::MAX_MEMBERS;
                Self::invalid(vec![Failure::of("/members", Violation::TooMany { max, what: "members" })])
            }
            blegram_chat::Error::NotAGroup => Self::new(Code::NotAGroup),
            blegram_chat::Error::Forbidden => Self::new(Code::Forbidden),
            blegram_chat::Error::Blocked => Self::new(Code::Blocked),
            blegram_chat::Error::CannotWrite => {
                Self::new(Code::Forbidden).with_detail("You cannot send messages to this account.")
            }
            blegram_chat::Error::RecipientDeleted => Self::new(Code::Forbidden)
                .with_detail("The account was deleted. Old messages remain, but you cannot send new ones."),
            blegram_chat::Error::ClientIdReused => Self::new(Code::ClientIdReused),
            blegram_chat::Error::ReplyNotFound => Self::invalid(vec![Failure::of(
                "/reply_to",
                Violation::NotFound("must be the id of a message in this conversation"),
            )]),
            blegram_chat::Error::MediaNotFound(indexes) => each(indexes, "media_ids", NO_IMAGE),
            blegram_chat::Error::MediaInUse => Self::new(Code::MediaInUse),
            blegram_chat::Error::MessageBlank => Self::invalid(vec![Failure::of("/text", Violation::Blank)]),
            blegram_chat::Error::PreconditionFailed => Self::new(Code::PreconditionFailed),
            blegram_chat::Error::Busy => Self::new(Code::Overloaded),
            blegram_chat::Error::Storage(cause) => storage(cause),
        }
    }
}

const fn rejected_image(rejection: ImageRejection) -> Code {
    match rejection {
        ImageRejection::Empty => Code::MediaEmpty,
        ImageRejection::TooLarge(_) => Code::MediaTooLarge,
        ImageRejection::WrongSize | ImageRejection::WrongHash => Code::UploadMismatch,
        ImageRejection::Unsupported(_) => Code::MediaUnsupported,
        ImageRejection::WrongType { .. } => Code::MediaTypeMismatch,
        ImageRejection::TooManyPixels => Code::MediaTooManyPixels,
        ImageRejection::Broken => Code::MediaBroken,
        ImageRejection::TooSlow => Code::MediaTooSlow,
    }
}

impl From<blegram_domain::page::CursorInvalid> for Problem {
    fn from(_: blegram_domain::page::CursorInvalid) -> Self {
        Self::new(Code::CursorInvalid)
    }
}

#[cfg(test)]
mod tests {
    use blegram_limits::{Policy, Quotas, RateLimitStatus};
    use poem::error::ResponseError;

    use super::*;

    #[test]
    fn rejections_keep_the_status_that_the_layers_give_them() {
        let quota = Quotas::default().login_per_address;
        let rate_limit = RateLimitStatus { policy: Policy::Login, quota, remaining: 0, reset: quota.per };
        let rejections = [
            Rejection::NotFound,
            Rejection::MethodNotAllowed,
            Rejection::HeadersTooLarge { max_bytes: 1 },
            Rejection::MalformedHost,
            Rejection::ForeignHost,
            Rejection::BodyTooLarge,
            Rejection::UnsupportedMediaType,
            Rejection::UnreadableBody("end of file".to_owned()),
            Rejection::UnreadableForm("no boundary".to_owned()),
            Rejection::BodyTimeout,
            Rejection::RateLimited(rate_limit),
            Rejection::Unauthenticated,
            Rejection::InvalidToken,
            Rejection::InvalidAuthorization,
            Rejection::CrossSite,
            Rejection::InvalidKey(Violation::Blank),
            Rejection::KeyInProgress,
            Rejection::KeyReused,
            Rejection::DeadlineExceeded { is_write: true },
            Rejection::Auth(blegram_auth::Error::Hashing("no memory".to_owned())),
            Rejection::internal("a bug"),
        ];
        for rejection in rejections {
            let (status, text) = (rejection.status(), format!("{rejection:?}"));
            assert_eq!(Problem::from(rejection).status(), status, "{text}");
        }
    }
}
