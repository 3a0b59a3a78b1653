/// An error of a use case of this crate.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The conversation, message or member does not exist, or the actor may not see it.
    #[error("conversation not found")]
    NotFound,
    /// The actor's account is not active.
    #[error("account not found")]
    AccountNotFound,
    /// At these indexes of the list, there is no account that the actor may message.
    #[error("members not found")]
    MembersNotFound(Vec<usize>),
    /// The list names only the actor.
    #[error("the actor is the only member")]
    Oneself,
    /// The group would exceed the maximum number of members.
    #[error("too many members")]
    TooManyMembers,
    /// Only groups have titles, owners and changing members.
    #[error("the conversation is not a group")]
    NotAGroup,
    /// The actor may see it, but not do this.
    #[error("only the sender or owner may do this")]
    Forbidden,
    /// The actor blocks the other member of a direct conversation.
    #[error("the actor blocks the account")]
    Blocked,
    /// The actor may not message the other member of a direct conversation. Does not say why: an actor must not learn
    /// that they are blocked.
    #[error("the actor cannot message the account")]
    CannotWrite,
    /// The account of the other member of a direct conversation is deleted.
    #[error("the recipient's account is deleted")]
    RecipientDeleted,
    /// The actor has used the client id for a different message.
    #[error("the client id belongs to another message")]
    ClientIdReused,
    /// The message to reply to is not in this conversation, or the actor may not see it.
    #[error("message to reply to not found")]
    ReplyNotFound,
    /// At these indexes of the list, there is no image of the actor.
    #[error("image not found")]
    MediaNotFound(Vec<usize>),
    /// An image has one use only.
    #[error("image is already in use")]
    MediaInUse,
    /// A message needs text or an image.
    #[error("a message needs text or an image")]
    MessageBlank,
    /// Too many messages of the conversation are waiting to be written. The client may send the same message again
    /// later.
    #[error("too many messages are queued in the conversation")]
    Busy,
    /// The current version does not match the precondition.
    #[error("the version does not match the precondition")]
    PreconditionFailed,
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] blegram_persistence::Error),
}

/// A [`Result`](std::result::Result) with this crate's [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;
