//! The newest row over all tables whose ids order lists. A process starts generating ids after it.

use blegram_domain::{
    Timestamp,
    id::{self, AnyId},
};
use sea_orm::prelude::Uuid;

use crate::{Conn, Result, sql};

/// Every table whose id orders a list, with the column of the row's creation time, if there is one. A test compares
/// this with the schema.
const TABLES: [(&str, Option<&str>); 23] = [
    ("audit_events", Some("created_at")),
    ("bookmarks", None),
    ("blocks", None),
    ("comment_likes", None),
    ("comments", Some("created_at")),
    ("conversations", Some("created_at")),
    ("dismissed_suggestions", None),
    // The order of these two decides which token is the newest.
    ("email_tokens", None),
    ("mails", Some("created_at")),
    ("follow_requests", None),
    ("follows", None),
    ("media", Some("created_at")),
    ("messages", Some("created_at")),
    ("mutes", None),
    ("notifications", Some("created_at")),
    ("post_likes", None),
    ("posts", Some("created_at")),
    ("recent_searches", Some("searched_at")),
    ("reports", Some("created_at")),
    // A row is inserted when its text is replaced, but `created_at` says when the text was written.
    ("revisions", None),
    ("sessions", Some("created_at")),
    ("uploads", Some("created_at")),
    ("users", Some("created_at")),
];

/// Read marks outlive the notifications that they refer to, and new notifications must have larger ids.
const MARKS: &str = "SELECT notifications_read AS id, CAST(NULL AS BIGINT) AS at FROM users \
                     WHERE notifications_read IS NOT NULL ORDER BY notifications_read DESC LIMIT 1";

/// The newest row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Newest {
    /// The largest id.
    pub id: Option<AnyId>,
    /// The creation time of the newest row that has one.
    pub at: Option<Timestamp>,
}

/// An id, and the creation time of its row.
type Row = (Uuid, Option<i64>);

/// Finds the newest row, read marks included. Reads the read mark of every account, so call it only at startup.
pub async fn find(conn: &impl Conn) -> Result<Newest> {
    let mut rows = list(conn, Some(MARKS)).await?;
    rows.sort_by_key(|(id, _)| *id);
    let at = rows.iter().rev().find_map(|(_, at)| Timestamp::from_micros((*at)?));
    Ok(Newest { id: rows.last().map(|(id, _)| AnyId::from_uuid(*id)), at })
}

/// Finds the largest id: reads the end of one index per table.
pub async fn find_id(conn: &impl Conn) -> Result<Option<AnyId>> {
    Ok(list(conn, None).await?.into_iter().map(|(id, _)| AnyId::from_uuid(id)).max())
}

/// Reads the clock of the database server; `None` for SQLite, which runs in this process.
pub async fn find_database_time(conn: &impl Conn) -> Result<Option<Timestamp>> {
    if !sql::is_postgres(conn) {
        return Ok(None);
    }
    let sql = "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000 AS BIGINT) AS at";
    let time: Option<i64> = sql::find(conn, sql, []).await?;
    Ok(time.and_then(Timestamp::from_micros))
}

async fn list(conn: &impl Conn, more: Option<&str>) -> Result<Vec<Row>> {
    let newest = TABLES.iter().map(|(table, at)| {
        let at = at.unwrap_or("CAST(NULL AS BIGINT)");
        format!("SELECT id, {at} AS at FROM {table} ORDER BY id DESC LIMIT 1")
    });
    let parts: Vec<String> = newest
        .chain(more.map(ToOwned::to_owned))
        .enumerate()
        .map(|(number, part)| format!("SELECT id, at FROM ({part}) AS part_{number}"))
        .collect();
    let rows: Vec<Row> = sql::list(conn, parts.join(" UNION ALL "), []).await?;
    // Ignore ids that no clock can have made, such as those inserted by hand.
    Ok(rows.into_iter().filter(|(id, _)| id::instant_of(*id).is_ok()).collect())
}
