//! Storage errors, classified by the error codes of SQLite and PostgreSQL: whether the same call may succeed later,
//! whether the database itself fails, and whether a connection is still usable.

use std::sync::Arc;

use sea_orm::{
    DbErr, RuntimeErr,
    sqlx::{self, error::DatabaseError, sqlite::SqliteError},
};

/// A storage failure. None is the caller's fault: outcomes that callers can cause are return values.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// The database is unreachable or too busy. The same call may succeed later.
    #[error("the database is unavailable")]
    Unavailable(#[source] DbErr),
    /// The database did not respond in time. It may have executed the statement. The same call may succeed later.
    #[error("the database did not respond in time")]
    TimedOut,
    /// A row that violates a domain rule, such as one edited by hand.
    #[error("{table} {id}: {reason}")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// The row's id.
        id: String,
        /// The rule that it violates.
        reason: String,
    },
    /// Any other error that the database reports: a bug.
    #[error("the database rejected a statement")]
    Rejected(#[source] DbErr),
}

/// A result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        if FailureKind::classify(&error).is_some() { Self::Unavailable(error) } else { Self::Rejected(error) }
    }
}

impl Error {
    /// Whether the same call may succeed later.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::TimedOut)
    }

    /// Whether the database fails, not this statement alone: any other call would fail now, too.
    pub fn is_unreachable(&self) -> bool {
        match self {
            Self::Unavailable(error) => FailureKind::classify(error) != Some(FailureKind::Statement),
            Self::TimedOut => true,
            Self::Corrupt { .. } | Self::Rejected(_) => false,
        }
    }

    /// Whether a wait timed out and nothing else is known to be wrong.
    pub(crate) fn is_wait(&self) -> bool {
        match self {
            Self::Unavailable(error) => FailureKind::classify(error) == Some(FailureKind::Locked),
            Self::TimedOut => true,
            Self::Corrupt { .. } | Self::Rejected(_) => false,
        }
    }

    /// Whether the database had no space for the write, or is read-only. A smaller write may still succeed.
    pub(crate) fn rejects_writes(&self) -> bool {
        let Self::Unavailable(error) = self else { return false };
        matches!(FailureKind::classify(error), Some(FailureKind::Full | FailureKind::ReadOnly))
    }

    /// What is wrong with the database, for operators. Contains nothing of the statement.
    pub fn reason(&self) -> &'static str {
        let error = match self {
            Self::Unavailable(error) | Self::Rejected(error) => error,
            Self::TimedOut => return "the database does not answer in time",
            Self::Corrupt { .. } => return "a row in the database is corrupt",
        };
        match FailureKind::classify(error) {
            Some(FailureKind::Full) => "the database cannot write: its disk is full",
            Some(FailureKind::ReadOnly) => "the database cannot write: it is read-only",
            Some(FailureKind::Locked) => "the database cannot write: it is locked",
            Some(FailureKind::Disk) => "the database reports a disk I/O error",
            Some(FailureKind::Unreachable) => "the database cannot be reached",
            Some(FailureKind::Statement) | None => "the database rejects a statement",
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

/// Why a call failed that may succeed later.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum FailureKind {
    /// Timed out waiting for a lock or a connection.
    Locked,
    Full,
    ReadOnly,
    /// I/O error: the files cannot be read or written.
    Disk,
    /// No connection, or an unusable one.
    Unreachable,
    /// Concerns this statement only: it timed out, or conflicted with another transaction.
    Statement,
}

impl FailureKind {
    fn classify(error: &DbErr) -> Option<Self> {
        match error {
            DbErr::ConnectionAcquire(sea_orm::ConnAcquireErr::Timeout) => Some(Self::Locked),
            DbErr::ConnectionAcquire(_) => Some(Self::Unreachable),
            DbErr::Conn(RuntimeErr::SqlxError(cause)) => {
                Some(Self::from_sqlx(cause).unwrap_or(Self::Unreachable))
            }
            DbErr::Conn(_) => Some(Self::Unreachable),
            DbErr::Exec(RuntimeErr::SqlxError(cause)) | DbErr::Query(RuntimeErr::SqlxError(cause)) => {
                Self::from_sqlx(cause)
            }
            _ => None,
        }
    }

    fn from_sqlx(cause: &sqlx::Error) -> Option<Self> {
        match cause {
            sqlx::Error::PoolTimedOut => Some(Self::Locked),
            sqlx::Error::Io(_) | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => {
                Some(Self::Unreachable)
            }
            sqlx::Error::Database(error) => match sqlite_code(&**error) {
                Some(code) => Self::from_sqlite_code(code),
                None => Self::from_sqlstate(&error.code()?),
            },
            _ => None,
        }
    }

    /// By the primary result code, the lowest byte: <https://sqlite.org/rescode.html>.
    const fn from_sqlite_code(code: i32) -> Option<Self> {
        /// The commit hook rejected a commit: the statement ran after SQLite had ended the transaction.
        const CONSTRAINT_COMMITHOOK: i32 = 19 | 2 << 8;
        if code == CONSTRAINT_COMMITHOOK {
            return Some(Self::Unreachable);
        }
        Some(match code & 0xff {
            // BUSY, LOCKED
            5 | 6 => Self::Locked,
            // FULL, NOLFS (the file cannot grow further)
            13 | 22 => Self::Full,
            // READONLY
            8 => Self::ReadOnly,
            // IOERR, CANTOPEN, PROTOCOL
            10 | 14 | 15 => Self::Disk,
            // ABORT (by a rollback), NOMEM
            4 | 7 => Self::Unreachable,
            // INTERRUPT
            9 => Self::Statement,
            _ => return None,
        })
    }

    /// <https://www.postgresql.org/docs/current/errcodes-appendix.html>
    fn from_sqlstate(code: &str) -> Option<Self> {
        Some(match code {
            // read_only_sql_transaction: a standby, or a database that was set to read-only
            "25006" => Self::ReadOnly,
            // idle_in_transaction_session_timeout, transaction_timeout
            "25P03" | "25P04" => Self::Unreachable,
            "53100" => Self::Full,
            // query_canceled, lock_not_available
            "57014" | "55P03" => Self::Statement,
            _ => match code.get(..2)? {
                // Transaction rollback: serialization failure, deadlock.
                "40" => Self::Statement,
                // Connection exception, insufficient resources, operator intervention.
                "08" | "53" | "57" => Self::Unreachable,
                // System error of the server, such as I/O.
                "58" => Self::Disk,
                _ => return None,
            },
        })
    }
}

fn sqlite_code(error: &dyn DatabaseError) -> Option<i32> {
    error.try_downcast_ref::<SqliteError>()?;
    error.code()?.parse().ok()
}

/// Whether the error is `SQLITE_BUSY`: another connection or process holds the lock.
pub(crate) fn is_locked(error: &DbErr) -> bool {
    let (DbErr::Conn(RuntimeErr::SqlxError(cause))
    | DbErr::Exec(RuntimeErr::SqlxError(cause))
    | DbErr::Query(RuntimeErr::SqlxError(cause))) = error
    else {
        return false;
    };
    cause.as_database_error().and_then(sqlite_code).is_some_and(|code| code & 0xff == 5)
}

/// Whether a connection to SQLite is unusable after this error: its view of the file may be wrong.
pub(crate) fn breaks_connection(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::WorkerCrashed => true,
        // NOMEM, READONLY, IOERR, CORRUPT, CANTOPEN, PROTOCOL, NOTADB
        sqlx::Error::Database(error) => {
            sqlite_code(&**error).is_some_and(|code| matches!(code & 0xff, 7 | 8 | 10 | 11 | 14 | 15 | 26))
        }
        _ => false,
    }
}

/// Whether this error makes other connections to PostgreSQL suspect.
pub(crate) fn makes_connections_suspect(error: &sqlx::Error) -> bool {
    matches!(
        FailureKind::from_sqlx(error),
        Some(FailureKind::Unreachable | FailureKind::ReadOnly | FailureKind::Disk)
    )
}

/// Whether this error makes the connection to PostgreSQL unusable.
pub(crate) const fn breaks_server_connection(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_))
}

/// Whether connecting to PostgreSQL may soon succeed: the server is starting, or all its connection slots are taken.
pub(crate) fn is_starting(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(error) => error.kind() == std::io::ErrorKind::ConnectionRefused,
        sqlx::Error::Database(error) => error.is_transient_in_connect_phase(),
        _ => false,
    }
}

pub(crate) fn connecting(error: sqlx::Error) -> DbErr {
    DbErr::Conn(RuntimeErr::SqlxError(Arc::new(error)))
}

pub(crate) fn executing(error: sqlx::Error) -> DbErr {
    DbErr::Exec(RuntimeErr::SqlxError(Arc::new(error)))
}

pub(crate) fn querying(error: sqlx::Error) -> DbErr {
    DbErr::Query(RuntimeErr::SqlxError(Arc::new(error)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sqlite_errors_are_classified_by_primary_code() {
        use FailureKind::{Disk, Full, Locked, ReadOnly, Statement, Unreachable};
        let table = [
            (5, Some(Locked)),
            (261, Some(Locked)), // BUSY_RECOVERY
            (517, Some(Locked)), // BUSY_SNAPSHOT
            (773, Some(Locked)), // BUSY_TIMEOUT
            (262, Some(Locked)), // LOCKED_SHAREDCACHE
            (13, Some(Full)),
            (22, Some(Full)),
            (8, Some(ReadOnly)),
            (1032, Some(ReadOnly)), // READONLY_DBMOVED
            (10, Some(Disk)),
            (266, Some(Disk)),  // IOERR_READ
            (778, Some(Disk)),  // IOERR_WRITE
            (1034, Some(Disk)), // IOERR_FSYNC
            (8458, Some(Disk)), // IOERR_DATA
            (14, Some(Disk)),
            (270, Some(Disk)), // CANTOPEN_NOTEMPDIR
            (15, Some(Disk)),
            (7, Some(Unreachable)),
            (516, Some(Unreachable)), // ABORT_ROLLBACK
            (531, Some(Unreachable)), // CONSTRAINT_COMMITHOOK
            (9, Some(Statement)),
            (1, None),
            (11, None),
            (19, None),
            (787, None),  // CONSTRAINT_FOREIGNKEY
            (2067, None), // CONSTRAINT_UNIQUE
            (26, None),
        ];
        for (code, kind) in table {
            assert_eq!(FailureKind::from_sqlite_code(code), kind, "{code}");
        }
    }

    #[test]
    fn postgres_errors_are_classified_by_code_or_class() {
        use FailureKind::{Disk, Full, ReadOnly, Statement, Unreachable};
        let table = [
            ("25006", Some(ReadOnly)),
            ("25P03", Some(Unreachable)),
            ("25P04", Some(Unreachable)),
            ("25P02", None),
            ("08006", Some(Unreachable)),
            ("08P01", Some(Unreachable)),
            ("53000", Some(Unreachable)),
            ("53100", Some(Full)),
            ("53200", Some(Unreachable)),
            ("53300", Some(Unreachable)),
            ("57P01", Some(Unreachable)),
            ("57P02", Some(Unreachable)),
            ("57P03", Some(Unreachable)),
            ("57014", Some(Statement)),
            ("55P03", Some(Statement)),
            ("40001", Some(Statement)),
            ("40P01", Some(Statement)),
            ("58030", Some(Disk)),
            ("23505", None),
            ("42601", None),
            ("XX000", None),
            ("", None),
        ];
        for (code, kind) in table {
            assert_eq!(FailureKind::from_sqlstate(code), kind, "{code}");
        }
    }
}
