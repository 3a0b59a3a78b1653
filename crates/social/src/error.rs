/// An error of a use case of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The post does not exist, or the viewer may not see it.
    #[error("post not found")]
    PostNotFound,
    /// The comment does not exist, or the viewer may not see it.
    #[error("comment not found")]
    CommentNotFound,
    /// The comment to reply to does not exist, is deleted, belongs to another post, or the actor may not see it.
    #[error("comment to reply to not found")]
    ParentNotFound,
    /// The account does not exist, or the viewer may not see it.
    #[error("user not found")]
    UserNotFound,
    /// The actor may see the content but not change it.
    #[error("only the author may do this")]
    NotAuthor,
    /// The actor may see the content, but only its author and moderators may do this.
    #[error("only the author and moderators may do this")]
    NotModerator,
    /// At these indexes of the list, there is no image of the actor.
    #[error("image not found")]
    MediaNotFound(Vec<usize>),
    /// The avatar is not an image of the actor.
    #[error("avatar image not found")]
    AvatarNotFound,
    /// An image has one use only.
    #[error("image is already in use")]
    MediaInUse,
    /// A post needs text or an image.
    #[error("a post needs text or an image")]
    PostBlank,
    /// The message does not exist, or the actor may not see it.
    #[error("message not found")]
    MessageNotFound,
    /// The recent search does not exist, or belongs to another user.
    #[error("recent search not found")]
    SearchNotFound,
    /// The actor blocks the account.
    #[error("the actor blocks the account")]
    Blocked,
    /// The account is private, and the viewer does not follow it.
    #[error("the account is private")]
    AccountPrivate,
    /// The actor cannot do this to their own account.
    #[error("the target is the actor's own account")]
    Oneself,
    /// Users cannot report themselves or their own content.
    #[error("the target is the reporter or their own content")]
    OwnReported,
    /// The current version does not match the precondition.
    #[error("the version does not match the precondition")]
    PreconditionFailed,
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] blegram_persistence::Error),
}

/// A [`Result`](std::result::Result) with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;
