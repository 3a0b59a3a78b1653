/// Why a use-case of this crate did not happen.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such post, or not for this viewer.
    #[error("no such post")]
    PostNotFound,
    /// No such account, or not for this viewer.
    #[error("no such user")]
    UserNotFound,
    /// The actor may see the thing but not change it.
    #[error("only its author may do this")]
    NotAuthor,
    /// The thing is not, or not any more, what the change was meant for.
    #[error("it was changed meanwhile")]
    PreconditionFailed,
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] blegram_persistence::Error),
}

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;
