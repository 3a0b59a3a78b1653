/// Why a use-case of this crate did not happen.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// No such conversation, message or member, or not for this person.
    #[error("no such conversation")]
    NotFound,
    /// The actor's account is gone.
    #[error("no such account")]
    AccountNotFound,
    /// At these places of a list, nobody whom the actor may write to.
    #[error("nobody to write to")]
    MembersNotFound(Vec<usize>),
    /// Nobody but the actor.
    #[error("this is oneself")]
    Oneself,
    /// More members than a conversation has.
    #[error("too many members")]
    TooManyMembers,
    /// Only groups have titles, owners and others who come and go.
    #[error("this is no group")]
    NotAGroup,
    /// The actor sees it, and may not do this.
    #[error("only its sender or owner may do this")]
    Forbidden,
    /// The actor blocks the other of a direct conversation.
    #[error("the actor blocks the account")]
    Blocked,
    /// The other of a direct conversation takes nothing from the actor. Why is theirs: an actor must not learn that they
    /// are blocked.
    #[error("the actor cannot write to the account")]
    CannotWrite,
    /// The account of the other of a direct conversation is gone.
    #[error("the account to write to is gone")]
    RecipientGone,
    /// The device called another message so before.
    #[error("the client id belongs to another message")]
    ClientIdReused,
    /// No message of this conversation that could be answered.
    #[error("no such message to answer")]
    ReplyNotFound,
    /// At these places of a list, no image of the actor.
    #[error("no such image")]
    MediaNotFound(Vec<usize>),
    /// An image has one use.
    #[error("the image is in use")]
    MediaInUse,
    /// A message says or shows something.
    #[error("a message needs a text or an image")]
    MessageBlank,
    /// More is being said in the conversation than is written down: the same message may be sent later.
    #[error("too much is being said at once")]
    Busy,
    /// It was edited since the actor read it.
    #[error("it was edited meanwhile")]
    PreconditionFailed,
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] blegram_persistence::Error),
}

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;
