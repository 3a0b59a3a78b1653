use sea_orm::{DbErr, RuntimeErr, sqlx::error::DatabaseError};

/// A storage failure. None is the caller's fault: what callers may cause is a return value.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The database cannot be reached or is too busy: the same call may succeed later.
    #[error("the database is unavailable")]
    Unavailable(#[source] DbErr),
    /// The database did not answer in time, and may have done what it was asked to: the same call may succeed later.
    #[error("the database did not answer in time")]
    TimedOut,
    /// A row that the domain refuses, such as one edited by hand.
    #[error("{table} {id}: {reason}")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The row's id.
        id: String,
        /// What the domain says of it.
        reason: String,
    },
    /// Anything else that the database refused: a bug, or a full disk.
    #[error("the database refused a statement")]
    Refused(#[source] DbErr),
}

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        if is_transient(&error) { Self::Unavailable(error) } else { Self::Refused(error) }
    }
}

impl Error {
    /// Whether the same call may succeed later.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::TimedOut)
    }

    /// Whether it is of the database, not of what it was asked: any other call would fail now, too.
    pub fn is_unreachable(&self) -> bool {
        match self {
            Self::Unavailable(error) => !is_of_statement(error),
            Self::TimedOut => true,
            Self::Corrupt { .. } | Self::Refused(_) => false,
        }
    }

    #[expect(
        clippy::needless_pass_by_value,
        reason = "a cold path whose callers read better without borrows"
    )]
    pub(crate) fn corrupt(table: &'static str, id: impl ToString, reason: impl ToString) -> Self {
        Self::Corrupt { table, id: id.to_string(), reason: reason.to_string() }
    }
}

fn is_transient(error: &DbErr) -> bool {
    match error {
        DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => true,
        DbErr::Exec(RuntimeErr::SqlxError(cause)) | DbErr::Query(RuntimeErr::SqlxError(cause)) => {
            is_transient_cause(cause)
        }
        _ => false,
    }
}

/// PostgreSQL: 40 rolled back to resolve a conflict, 57014 waited too long.
fn is_of_statement(error: &DbErr) -> bool {
    let (DbErr::Exec(RuntimeErr::SqlxError(cause)) | DbErr::Query(RuntimeErr::SqlxError(cause))) = error
    else {
        return false;
    };
    let code = cause.as_database_error().and_then(DatabaseError::code);
    code.is_some_and(|code| code.len() == 5 && (code.starts_with("40") || code == "57014"))
}

/// PostgreSQL: 40 rolled back to resolve a conflict, 53 out of resources, 57 shut down or timed out,
/// 08 connection lost. SQLite: 5 busy, 6 locked.
fn is_transient_cause(cause: &sea_orm::sqlx::Error) -> bool {
    match cause {
        sea_orm::sqlx::Error::Io(_)
        | sea_orm::sqlx::Error::PoolTimedOut
        | sea_orm::sqlx::Error::PoolClosed => true,
        sea_orm::sqlx::Error::Database(cause) => cause.code().is_some_and(|code| {
            matches!(code.as_ref(), "5" | "6")
                || ["40", "53", "57", "08"].iter().any(|class| code.len() == 5 && code.starts_with(class))
        }),
        _ => false,
    }
}
