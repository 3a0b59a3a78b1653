/// Why a use-case of this crate did not happen.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such post, or not for this viewer.
    #[error("no such post")]
    PostNotFound,
    /// No such comment, or not for this viewer.
    #[error("no such comment")]
    CommentNotFound,
    /// No comment that takes this reply.
    #[error("no such comment to reply to")]
    ParentNotFound,
    /// No such account, or not for this viewer.
    #[error("no such user")]
    UserNotFound,
    /// The actor may see the thing but not change it.
    #[error("only its author may do this")]
    NotAuthor,
    /// The actor sees the thing, and only its author and moderators may do this.
    #[error("only its author and moderators may do this")]
    NotModerator,
    /// At these places of a list, no image of the actor.
    #[error("no such image")]
    MediaNotFound(Vec<usize>),
    /// No image of the actor that could be its picture.
    #[error("no such image for a picture")]
    AvatarNotFound,
    /// An image has one use.
    #[error("the image is in use")]
    MediaInUse,
    /// A post says or shows something.
    #[error("a post needs a text or an image")]
    PostBlank,
    /// No such message, or not for this person.
    #[error("no such message")]
    MessageNotFound,
    /// No such search, or not this person's.
    #[error("no such search")]
    SearchNotFound,
    /// The actor blocks the account.
    #[error("the account is blocked")]
    Blocked,
    /// The account is private, and the viewer no follower.
    #[error("the account is private")]
    AccountPrivate,
    /// What people do to others cannot be done to oneself.
    #[error("this is oneself")]
    Oneself,
    /// Nobody reports themselves, or what they wrote.
    #[error("this is the reporter's own")]
    OwnReported,
    /// The thing is not, or not any more, what the change was meant for.
    #[error("it was changed meanwhile")]
    PreconditionFailed,
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] blegram_persistence::Error),
}

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;
