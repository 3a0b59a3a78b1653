//! What each operation demands and may answer: one row each. The gate enforces it, the OpenAPI document
//! says it, and the tests refuse an operation without a row, or an answer that its row does not list.

use std::time::Duration;

use blegram_auth::Policy;

use crate::problem::Code;

/// Whom an operation serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Login {
    /// Anybody; who they are is not looked up.
    None,
    /// Anybody; somebody logged in sees how they stand to things.
    Optional,
    /// Somebody logged in.
    Required,
}

/// What an operation takes as its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    /// Nothing.
    Nothing,
    /// JSON, all of it before anything else.
    Json,
    /// A form with files, which are read when it is known whose they are.
    Form,
}

/// One operation of the API.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Operation {
    /// Its `operationId`.
    pub(crate) id: &'static str,
    /// Whom it serves.
    pub(crate) login: Login,
    /// What its calls are counted against, by address.
    pub(crate) policy: Option<Policy>,
    /// What its refused calls are counted against, by address. Those that succeed are not: others behind the same address
    /// must not be locked out.
    pub(crate) failure_policy: Option<Policy>,
    /// What it takes as its body.
    pub(crate) takes: Takes,
    /// Whether it changes things, and so must be meant.
    pub(crate) is_write: bool,
    /// Whether a client may name its calls with a key, to send them again.
    pub(crate) takes_key: bool,
    /// Whether its answer has a tag: a reader who names it is told when nothing is new.
    pub(crate) has_tag: bool,
    /// Whether it can be bound to what its sender read.
    pub(crate) has_precondition: bool,
    /// Whether it looks at files and makes images of them.
    pub(crate) takes_images: bool,
    /// Whether it hashes a password, for which it may have to wait.
    pub(crate) hashes_password: bool,
    /// What it answers of its own, beyond what [`Operation::codes`] adds for the above.
    own_codes: &'static [Code],
}

/// What every operation may answer.
// A bad bearer is refused everywhere, also where nobody need log in.
const ALWAYS: [Code; 4] = [Code::HeadersTooLarge, Code::Internal, Code::Unauthenticated, Code::Unavailable];

/// Why a file is no image that is taken, or not now.
const REFUSED_IMAGES: [Code; 6] = [
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
            takes: Takes::Nothing,
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
        Self { takes: Takes::Json, ..self }
    }

    const fn with_form(self) -> Self {
        Self { takes: Takes::Form, ..self }
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

    /// How long it may take from when it was read until it is answered.
    pub(crate) const fn deadline(&self) -> Duration {
        match self {
            // Ten images, each with the time of `media.deadline_ms` and its way into storage.
            Self { takes_images: true, .. } => Duration::from_secs(600),
            Self { hashes_password: true, .. } => Duration::from_secs(30),
            _ => Duration::from_secs(10),
        }
    }

    const fn limited(self, policy: Policy) -> Self {
        Self { policy: Some(policy), ..self }
    }

    /// Every code it may answer, sorted, each once.
    pub(crate) fn codes(&self) -> Vec<Code> {
        let mut codes = [&ALWAYS[..], self.own_codes].concat();
        if self.is_write {
            codes.extend([Code::CsrfRejected, Code::BodyTooLarge, Code::RequestTimeout]);
        }
        if self.takes != Takes::Nothing {
            codes.extend([Code::MalformedRequest, Code::UnsupportedMediaType, Code::Invalid]);
        }
        if self.takes_key {
            codes.extend([Code::RequestInProgress, Code::IdempotencyKeyReused, Code::Invalid]);
        }
        if self.takes_images {
            codes.extend(REFUSED_IMAGES);
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

/// The operations, by group.
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

/// The row of `id`.
pub(crate) fn operation(id: &str) -> Option<&'static Operation> {
    OPERATIONS.iter().find(|operation| operation.id == id)
}
