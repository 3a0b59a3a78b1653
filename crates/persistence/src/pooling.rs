//! Detects a connection pooler in front of PostgreSQL that does not keep one server session per connection, such as
//! PgBouncer with `pool_mode = transaction` or `statement`. Such a pooler assigns a server session for a single
//! transaction or statement. Session settings (timeouts), prepared statements, and the advisory lock for schema changes
//! would then apply to whichever client gets the session next.

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

/// The timeout of one step. If every connection has its own session, a session pooler without free sessions makes the
/// second connection wait.
const STEP_TIMEOUT: Duration = Duration::from_secs(3);

/// Other clients of the pooler may change which session is assigned next, so one round is not enough.
const ROUNDS: usize = 5;

/// The session that executed the query: its backend process id, and the mark set in it.
#[derive(Debug, PartialEq, Eq)]
struct Session {
    process: i32,
    mark: String,
}

const SELECT_SESSION: &str =
    "SELECT pg_backend_pid(), coalesce(current_setting('blegram.session', true), '')";
const BEGIN_AND_SELECT_SESSION: &str =
    "BEGIN; SELECT pg_backend_pid(), coalesce(current_setting('blegram.session', true), '')";

/// Whether connections to `url` share their sessions with other connections. Always `false` for SQLite.
///
/// One connection marks its session with a setting. While other connections keep transactions open, the mark and the
/// backend process must stay with this connection and appear on no other. This detects sharing whether the pooler
/// assigns the most recently used session or rotates, and whether it has one session or many.
///
/// # Errors
/// [`Error::Unavailable`] or [`Error::TimedOut`] when the database does not respond.
pub async fn shares_sessions(url: &str) -> Result<bool> {
    if url.starts_with("sqlite:") {
        return Ok(false);
    }
    let options = PgConnectOptions::from_str(url).map_err(error)?;
    let options = options.application_name("blegram").extra_float_digits(None);
    // Random rather than an id: generating an id would advance the id generator to this machine's clock, which is not
    // checked yet.
    let mark = new_identity();
    let set = format!("SELECT pg_backend_pid(), set_config('blegram.session', '{mark}', false)");
    let mut own = step(options.connect()).await?;
    let first = step(raw_sql(AssertSqlSafe(set)).fetch_one(&mut own)).await?;
    let first = session(&first)?;
    let mut others = OtherConnections::connect(&options).await;
    for _ in 0..ROUNDS {
        // Twice, for a pooler that rotates sessions.
        if query_session(&mut own, SELECT_SESSION).await? != first
            || query_session(&mut own, SELECT_SESSION).await? != first
        {
            return Ok(true);
        }
        let is_shared = others.sees_session(&first).await;
        if is_shared || query_session(&mut own, SELECT_SESSION).await? != first {
            return Ok(true);
        }
        others.end().await;
    }
    Ok(false)
}

/// Connections that try to get the session of the first one. A connection that fails to open, or waits too long, is
/// dropped.
struct OtherConnections(Vec<PgConnection>);

impl OtherConnections {
    async fn connect(options: &PgConnectOptions) -> Self {
        let mut others = Vec::new();
        for _ in 0..2 {
            others.extend(step(options.connect()).await.ok());
        }
        Self(others)
    }

    /// Queries the session outside a transaction and inside one, which stays open. Returns whether one of these
    /// connections got the session of another connection.
    async fn sees_session(&mut self, session: &Session) -> bool {
        let mut usable = Vec::new();
        for mut other in std::mem::take(&mut self.0) {
            for sql in [SELECT_SESSION, BEGIN_AND_SELECT_SESSION] {
                match query_session(&mut other, sql).await {
                    Ok(found) if found.process == session.process || found.mark == session.mark => {
                        return true;
                    }
                    Ok(_) => {}
                    Err(error) if is_statement_pooling(&error) => return true,
                    Err(_) => return false,
                }
            }
            usable.push(other);
        }
        self.0 = usable;
        false
    }

    async fn end(&mut self) {
        for other in &mut self.0 {
            // The next query detects a connection that failed here.
            let _ = step(raw_sql("ROLLBACK").execute(other)).await;
        }
    }
}

/// Whether the pooler rejected a transaction, because it assigns sessions for single statements.
fn is_statement_pooling(error: &Error) -> bool {
    let (Error::Unavailable(cause) | Error::Rejected(cause)) = error else { return false };
    cause.to_string().contains("statement pooling")
}

async fn query_session(connection: &mut PgConnection, sql: &'static str) -> Result<Session> {
    // Unprepared: a prepared statement might be looked up in a session that does not have it.
    session(&step(raw_sql(sql).fetch_one(connection)).await?)
}

fn session(row: &PgRow) -> Result<Session> {
    Ok(Session { process: row.try_get(0).map_err(error)?, mark: row.try_get(1).map_err(error)? })
}

async fn step<T>(work: impl Future<Output = sqlx::Result<T>>) -> Result<T> {
    timeout(STEP_TIMEOUT, work).await.map_err(|_| Error::TimedOut)?.map_err(error)
}

fn error(cause: sqlx::Error) -> Error {
    DbErr::Query(RuntimeErr::SqlxError(cause.into())).into()
}
