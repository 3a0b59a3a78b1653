//! The table of operations: the requirements and possible errors of each.
//!
//! The gate enforces the requirements and the OpenAPI document describes them. Tests fail for an operation without a
//! row, and for a response that the row does not list.

use std::time::Duration;

use blegram_auth::Policy;

use crate::problem::Code;

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
    const fn read(id: &'static str, login: Login, own_codes: &'static [Code]) -> Self {
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
            own_codes,
        }
    }

    const fn write(id: &'static str, login: Login, own_codes: &'static [Code]) -> Self {
        Self { is_write: true, ..Self::read(id, login, own_codes) }
    }

    const fn with_body(self) -> Self {
        Self { body: RequestBody::Json, ..self }
    }

    const fn with_form(self) -> Self {
        Self { body: RequestBody::Form, ..self }
    }

    const fn with_key(self) -> Self {
        Self { takes_key: true, ..self }
    }

    const fn tagged(self) -> Self {
        Self { has_tag: true, ..self }
    }

    const fn with_precondition(self) -> Self {
        Self { has_precondition: true, ..self }
    }

    const fn taking_images(self) -> Self {
        Self { takes_images: true, ..self }
    }

    const fn hashing_password(self) -> Self {
        Self { hashes_password: true, ..self }
    }

    const fn limiting_failures(self, policy: Policy) -> Self {
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

    const fn limited(self, policy: Policy) -> Self {
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

/// All operations, by group.
pub(crate) const OPERATIONS: &[Operation] = &[
    Operation::read("getInstance", Login::None, &[]),
    Operation::write(
        "signUp",
        Login::None,
        &[Code::RegistrationClosed, Code::UsernameTaken, Code::Overloaded],
    )
    .with_body()
    .hashing_password()
    .limited(Policy::SignUp),
    Operation::write(
        "logIn",
        Login::None,
        &[Code::InvalidCredentials, Code::AccountSuspended, Code::Overloaded],
    )
    .with_body()
    .hashing_password()
    .limited(Policy::Login),
    Operation::write("logOut", Login::Optional, &[]),
    Operation::write("issueToken", Login::None, &[Code::InvalidGrant]).with_body(),
    Operation::read("getCsrfToken", Login::Optional, &[]),
    Operation::read("listSessions", Login::Required, &[Code::CursorInvalid, Code::Invalid]).tagged(),
    Operation::write("revokeSession", Login::Required, &[Code::NotFound]),
    Operation::write("revokeOtherSessions", Login::Required, &[]),
    Operation::read("getJwks", Login::None, &[]),
    Operation::write(
        "changePassword",
        Login::Required,
        &[Code::WrongPassword, Code::ReauthenticationRequired, Code::RateLimited, Code::Overloaded],
    )
    .hashing_password()
    .with_body(),
    Operation::read("getMe", Login::Required, &[]).tagged(),
    Operation::write("updateMe", Login::Required, &[Code::NotFound, Code::MediaInUse])
        .with_body()
        .tagged()
        .with_precondition()
        .with_key(),
    Operation::write("changeUsername", Login::Required, &[Code::UsernameTaken, Code::RateLimited])
        .with_body()
        .tagged()
        .with_precondition(),
    Operation::write(
        "deleteMe",
        Login::Required,
        &[Code::WrongPassword, Code::ReauthenticationRequired, Code::RateLimited, Code::Overloaded],
    )
    .hashing_password()
    .with_body(),
    Operation::read("getUser", Login::Optional, &[Code::NotFound]).tagged(),
    Operation::read(
        "listUserPosts",
        Login::Optional,
        &[Code::NotFound, Code::Blocked, Code::AccountPrivate, Code::CursorInvalid, Code::Invalid],
    )
    .tagged(),
    Operation::write("createPost", Login::Required, &[Code::MediaInUse]).with_body().tagged().with_key(),
    Operation::read("getPost", Login::Optional, &[Code::NotFound]).tagged(),
    Operation::write("updatePost", Login::Required, &[Code::NotFound, Code::Forbidden, Code::MediaInUse])
        .with_body()
        .tagged()
        .with_precondition()
        .with_key(),
    Operation::read(
        "listPostRevisions",
        Login::Optional,
        &[Code::NotFound, Code::CursorInvalid, Code::Invalid],
    )
    .tagged(),
    Operation::write("deletePost", Login::Required, &[Code::NotFound, Code::Forbidden])
        .with_precondition()
        .with_key(),
    Operation::read("getPublicTimeline", Login::Optional, &[Code::CursorInvalid, Code::Invalid]).tagged(),
    Operation::read(
        "getHashtagTimeline",
        Login::Optional,
        &[Code::NotFound, Code::CursorInvalid, Code::Invalid],
    )
    .tagged(),
    Operation::read(
        "listFollowers",
        Login::Optional,
        &[Code::NotFound, Code::Blocked, Code::AccountPrivate, Code::CursorInvalid, Code::Invalid],
    )
    .tagged(),
    Operation::read(
        "listFollowing",
        Login::Optional,
        &[Code::NotFound, Code::Blocked, Code::AccountPrivate, Code::CursorInvalid, Code::Invalid],
    )
    .tagged(),
    Operation::read("listFollowRequests", Login::Required, &[Code::CursorInvalid, Code::Invalid]).tagged(),
    Operation::read("listBlocks", Login::Required, &[Code::CursorInvalid, Code::Invalid]).tagged(),
    Operation::read("listMutes", Login::Required, &[Code::CursorInvalid, Code::Invalid]).tagged(),
    Operation::read("listBookmarks", Login::Required, &[Code::CursorInvalid, Code::Invalid]).tagged(),
    Operation::read("listLikedPosts", Login::Required, &[Code::CursorInvalid, Code::Invalid]).tagged(),
    Operation::read("getHomeTimeline", Login::Required, &[Code::CursorInvalid, Code::Invalid]).tagged(),
    Operation::read("listNotifications", Login::Required, &[Code::CursorInvalid, Code::Invalid]).tagged(),
    Operation::write("followUser", Login::Required, &[Code::NotFound, Code::Blocked, Code::Invalid]),
    Operation::write("blockUser", Login::Required, &[Code::NotFound, Code::Invalid]),
    Operation::write("muteUser", Login::Required, &[Code::NotFound, Code::Invalid]),
    Operation::write("acceptFollowRequest", Login::Required, &[Code::NotFound, Code::Invalid]),
    Operation::write("unfollowUser", Login::Required, &[Code::NotFound]).with_key(),
    Operation::write("unblockUser", Login::Required, &[Code::NotFound]).with_key(),
    Operation::write("unmuteUser", Login::Required, &[Code::NotFound]).with_key(),
    Operation::write("rejectFollowRequest", Login::Required, &[Code::NotFound]).with_key(),
    Operation::write("removeFollower", Login::Required, &[Code::NotFound]).with_key(),
    Operation::write("likePost", Login::Required, &[Code::NotFound]),
    Operation::write("bookmarkPost", Login::Required, &[Code::NotFound]),
    Operation::write("likeComment", Login::Required, &[Code::NotFound]),
    Operation::write("unlikePost", Login::Required, &[Code::NotFound]).with_key(),
    Operation::write("unbookmarkPost", Login::Required, &[Code::NotFound]).with_key(),
    Operation::write("unlikeComment", Login::Required, &[Code::NotFound]).with_key(),
    Operation::read("listPostLikers", Login::Optional, &[Code::NotFound, Code::CursorInvalid, Code::Invalid])
        .tagged(),
    Operation::read(
        "listCommentLikers",
        Login::Optional,
        &[Code::NotFound, Code::CursorInvalid, Code::Invalid],
    )
    .tagged(),
    Operation::read("listComments", Login::Optional, &[Code::NotFound, Code::CursorInvalid, Code::Invalid])
        .tagged(),
    Operation::read("listReplies", Login::Optional, &[Code::NotFound, Code::CursorInvalid, Code::Invalid])
        .tagged(),
    Operation::read(
        "listCommentRevisions",
        Login::Required,
        &[Code::NotFound, Code::Forbidden, Code::CursorInvalid, Code::Invalid],
    )
    .tagged(),
    Operation::read("getComment", Login::Optional, &[Code::NotFound]).tagged(),
    Operation::write("createComment", Login::Required, &[Code::NotFound]).with_body().tagged().with_key(),
    Operation::write("updateComment", Login::Required, &[Code::NotFound, Code::Forbidden])
        .with_body()
        .tagged()
        .with_precondition()
        .with_key(),
    Operation::write("deleteComment", Login::Required, &[Code::NotFound, Code::Forbidden])
        .with_precondition()
        .with_key(),
    Operation::write("uploadMedia", Login::Required, &[Code::MediaEmpty])
        .with_form()
        .taking_images()
        .limited(Policy::Upload)
        .with_key(),
    Operation::write("createUpload", Login::Required, &[Code::NotFound, Code::QuotaExceeded])
        .with_body()
        .limited(Policy::Upload)
        .with_key(),
    Operation::write(
        "completeUpload",
        Login::Required,
        &[
            Code::NotFound,
            Code::UploadNotArrived,
            Code::UploadExpired,
            Code::UploadMismatch,
            Code::MediaTypeMismatch,
        ],
    )
    .taking_images()
    .limited(Policy::Upload)
    .tagged()
    .with_key(),
    Operation::read("getMedia", Login::Required, &[Code::NotFound]).tagged(),
    Operation::write("updateMedia", Login::Required, &[Code::NotFound])
        .with_body()
        .tagged()
        .with_precondition()
        .with_key(),
    Operation::write("deleteMedia", Login::Required, &[Code::NotFound, Code::MediaInUse])
        .with_precondition()
        .with_key(),
    Operation::write("createConversation", Login::Required, &[Code::NotFound])
        .with_body()
        .tagged()
        .with_key(),
    Operation::read("listConversations", Login::Required, &[Code::CursorInvalid, Code::Invalid]).tagged(),
    Operation::read("getConversation", Login::Required, &[Code::NotFound]).tagged(),
    Operation::write("updateConversation", Login::Required, &[Code::NotFound, Code::NotAGroup])
        .with_body()
        .tagged()
        .with_precondition()
        .with_key(),
    Operation::write("addMembers", Login::Required, &[Code::NotFound, Code::NotAGroup])
        .with_body()
        .tagged()
        .with_key(),
    Operation::write("removeMember", Login::Required, &[Code::NotFound, Code::NotAGroup, Code::Forbidden])
        .with_key(),
    Operation::read("listMessages", Login::Required, &[Code::NotFound, Code::CursorInvalid, Code::Invalid])
        .tagged(),
    Operation::write(
        "sendMessage",
        Login::Required,
        &[
            Code::NotFound,
            Code::Blocked,
            Code::Forbidden,
            Code::ClientIdReused,
            Code::MediaInUse,
            Code::Overloaded,
        ],
    )
    .with_body()
    .tagged()
    .with_key(),
    Operation::write("editMessage", Login::Required, &[Code::NotFound, Code::Forbidden, Code::Blocked])
        .with_body()
        .tagged()
        .with_precondition()
        .with_key(),
    Operation::write("deleteMessage", Login::Required, &[Code::NotFound, Code::Forbidden])
        .with_precondition()
        .with_key(),
    Operation::read("listConversationEvents", Login::Required, &[Code::NotFound, Code::Invalid]),
    Operation::write("markRead", Login::Required, &[Code::NotFound]).with_body(),
    Operation::write("muteConversation", Login::Required, &[Code::NotFound]),
    Operation::write("unmuteConversation", Login::Required, &[Code::NotFound]).with_key(),
    Operation::read("sync", Login::Required, &[Code::CursorInvalid]),
    Operation::read(
        "connectGateway",
        Login::Optional,
        &[
            Code::MalformedRequest,
            Code::UpgradeRequired,
            Code::RateLimited,
            Code::CsrfRejected,
            Code::Overloaded,
        ],
    )
    .limiting_failures(Policy::HandshakeFailure),
    Operation::read(
        "getGatewayStatus",
        Login::Optional,
        &[Code::RateLimited, Code::CsrfRejected, Code::Overloaded],
    ),
    Operation::write("createGatewayTicket", Login::Required, &[]),
    Operation::read("getUnreadCount", Login::Required, &[]),
    Operation::write("markNotificationsRead", Login::Required, &[]).with_body(),
    Operation::write("createReport", Login::Required, &[Code::NotFound]).with_body().with_key(),
    Operation::read("searchSuggestions", Login::Optional, &[Code::Invalid]),
    Operation::read("searchUsers", Login::Optional, &[Code::CursorInvalid, Code::Invalid]).tagged(),
    Operation::read("searchHashtags", Login::Optional, &[Code::CursorInvalid, Code::Invalid]).tagged(),
    Operation::read("searchPosts", Login::Optional, &[Code::CursorInvalid, Code::Invalid]).tagged(),
    Operation::read("listTrendingHashtags", Login::None, &[Code::CursorInvalid, Code::Invalid]).tagged(),
    Operation::read("getHashtag", Login::Optional, &[Code::NotFound]),
    Operation::read("listRecentSearches", Login::Required, &[Code::CursorInvalid, Code::Invalid]).tagged(),
    Operation::write("deleteRecentSearch", Login::Required, &[Code::NotFound]).with_key(),
    Operation::write("deleteRecentSearches", Login::Required, &[]).with_key(),
    Operation::read("listSuggestedUsers", Login::Required, &[Code::CursorInvalid, Code::Invalid]).tagged(),
    Operation::write("dismissSuggestedUser", Login::Required, &[Code::NotFound, Code::Invalid]),
];

/// Finds an operation by its `operationId`.
pub(crate) fn operation(id: &str) -> Option<&'static Operation> {
    OPERATIONS.iter().find(|operation| operation.id == id)
}
