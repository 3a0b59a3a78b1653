//! Whether a connection to PostgreSQL keeps its session. A pooler in between, such as PgBouncer with
//! `pool_mode = transaction` or `statement`, lends a server session for one transaction or statement only. Limits that are
//! set for a session, prepared statements, and the advisory lock of schema changes then belong to whichever client comes
//! next.

use std::{str::FromStr, time::Duration};

use sea_orm::{
    DbErr, RuntimeErr,
    sqlx::{
        self, AssertSqlSafe, ConnectOptions, PgConnection, Row,
        postgres::{PgConnectOptions, PgRow},
        raw_sql,
    },
};
use tokio::time::timeout;

use crate::{Error, Result, db::new_identity};

/// How long one step may take. Where each connection has its session, a pooler whose sessions are all taken lets the
/// second connection wait.
const PATIENCE: Duration = Duration::from_secs(3);

/// Other clients of a pooler may change which session is lent next, so one look is not enough.
const ROUNDS: usize = 5;

/// The session that answered: its process, and what was set in it.
#[derive(Debug, PartialEq, Eq)]
struct Session {
    process: i32,
    mark: String,
}

const LOOK: &str = "SELECT pg_backend_pid(), coalesce(current_setting('blegram.session', true), '')";
const BEGIN_AND_LOOK: &str =
    "BEGIN; SELECT pg_backend_pid(), coalesce(current_setting('blegram.session', true), '')";

/// Whether connections to `url` share their sessions with others. Always false for SQLite.
///
/// One connection marks its session by a setting. While others hold transactions open, the mark and the session's process
/// must stay with this connection, and be nobody else's. That shows sharing whether the pooler lends the session that was
/// used last or takes turns, and whether it has one session or many.
///
/// # Errors
/// [`Error::Unavailable`] or [`Error::TimedOut`] when the database does not answer.
pub async fn shares_sessions(url: &str) -> Result<bool> {
    if url.starts_with("sqlite:") {
        return Ok(false);
    }
    let options = PgConnectOptions::from_str(url).map_err(error)?;
    let options = options.application_name("blegram").extra_float_digits(None);
    // By chance: an id would move all later ones to where this machine's clock is, which is not checked yet.
    let mark = new_identity();
    let set = format!("SELECT pg_backend_pid(), set_config('blegram.session', '{mark}', false)");
    let mut own = step(options.connect()).await?;
    let first = step(raw_sql(AssertSqlSafe(set)).fetch_one(&mut own)).await?;
    let first = session(&first)?;
    let mut others = Others::connect(&options).await;
    for _ in 0..ROUNDS {
        // Twice, for a pooler that takes turns.
        if look(&mut own, LOOK).await? != first || look(&mut own, LOOK).await? != first {
            return Ok(true);
        }
        let is_shared = others.meet(&first).await;
        if is_shared || look(&mut own, LOOK).await? != first {
            return Ok(true);
        }
        others.end().await;
    }
    Ok(false)
}

/// Connections that take sessions away from the first one, if they can. One that cannot be made, or waits for long, takes
/// none, and is given up.
struct Others(Vec<PgConnection>);

impl Others {
    async fn connect(options: &PgConnectOptions) -> Self {
        let mut others = Vec::new();
        for _ in 0..2 {
            others.extend(step(options.connect()).await.ok());
        }
        Self(others)
    }

    /// Looks around outside a transaction and in one, which stays open. Whether one of them met the session of another
    /// connection.
    async fn meet(&mut self, session: &Session) -> bool {
        let mut kept = Vec::new();
        for mut other in std::mem::take(&mut self.0) {
            for sql in [LOOK, BEGIN_AND_LOOK] {
                match look(&mut other, sql).await {
                    Ok(met) if met.process == session.process || met.mark == session.mark => return true,
                    Ok(_) => {}
                    Err(error) if is_statement_pooling(&error) => return true,
                    Err(_) => return false,
                }
            }
            kept.push(other);
        }
        self.0 = kept;
        false
    }

    async fn end(&mut self) {
        for other in &mut self.0 {
            // One that failed is found out by its next look.
            let _ = step(raw_sql("ROLLBACK").execute(other)).await;
        }
    }
}

/// A pooler that lends sessions for single statements takes no transactions.
fn is_statement_pooling(error: &Error) -> bool {
    let (Error::Unavailable(cause) | Error::Refused(cause)) = error else { return false };
    cause.to_string().contains("statement pooling")
}

async fn look(connection: &mut PgConnection, sql: &'static str) -> Result<Session> {
    // Without preparing it: a prepared statement would be looked for in a session that does not have it.
    session(&step(raw_sql(sql).fetch_one(connection)).await?)
}

fn session(row: &PgRow) -> Result<Session> {
    Ok(Session { process: row.try_get(0).map_err(error)?, mark: row.try_get(1).map_err(error)? })
}

async fn step<T>(work: impl Future<Output = sqlx::Result<T>>) -> Result<T> {
    timeout(PATIENCE, work).await.map_err(|_| Error::TimedOut)?.map_err(error)
}

fn error(cause: sqlx::Error) -> Error {
    DbErr::Query(RuntimeErr::SqlxError(cause.into())).into()
}
