//! Checks denormalised counts, and repairs wrong ones.
//!
//! A count changes in the same transaction as the rows that it counts, so this should never find a wrong one. It is for
//! databases that were edited by hand, and for the tests that verify this rule.

use sea_orm::{Value, prelude::Uuid};

use crate::{Result, Tx, sql};

/// A denormalised count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// The table.
    pub table: &'static str,
    /// The column.
    pub column: &'static str,
    key: &'static str,
    /// The subquery that computes the correct value for the row.
    expected: &'static str,
    /// The condition on the rows to check. Deleted rows are skipped: a job removes them together with what they
    /// counted.
    which: &'static str,
}

/// Every count.
pub const COUNTS: [Count; 10] = [
    undeleted(counted("posts", "like_count", "SELECT count(*) FROM post_likes WHERE post_id = posts.id")),
    undeleted(counted(
        "posts",
        "comment_count",
        "SELECT count(*) FROM comments WHERE post_id = posts.id AND comments.deleted_at IS NULL",
    )),
    undeleted(counted(
        "comments",
        "like_count",
        "SELECT count(*) FROM comment_likes WHERE comment_id = comments.id",
    )),
    counted(
        "comments",
        "reply_count",
        "SELECT count(*) FROM comments AS replies WHERE replies.parent_id = comments.id AND replies.deleted_at IS NULL",
    ),
    counted(
        "users",
        "post_count",
        "SELECT count(*) FROM posts WHERE author_id = users.id AND posts.deleted_at IS NULL",
    ),
    counted("users", "follower_count", "SELECT count(*) FROM follows WHERE followee_id = users.id"),
    counted("users", "following_count", "SELECT count(*) FROM follows WHERE follower_id = users.id"),
    Count {
        key: "name",
        ..counted(
            "hashtags",
            "post_count",
            "SELECT count(*) FROM post_hashtags JOIN posts ON posts.id = post_id JOIN users ON users.id = author_id \
             WHERE hashtag = hashtags.name AND posts.deleted_at IS NULL AND users.status = 'active' AND NOT users.is_private",
        )
    },
    of_usage("files", "SELECT count(*) FROM media WHERE owner_id = user_id AND deleted_at IS NULL"),
    of_usage(
        "bytes",
        "SELECT CAST(coalesce(sum(byte_size), 0) AS bigint) FROM media WHERE owner_id = user_id AND deleted_at IS NULL",
    ),
];

const fn counted(table: &'static str, column: &'static str, expected: &'static str) -> Count {
    Count { table, column, key: "id", expected, which: "true" }
}

const fn of_usage(column: &'static str, expected: &'static str) -> Count {
    Count { key: "user_id", ..counted("media_usage", column, expected) }
}

const fn undeleted(count: Count) -> Count {
    Count { which: "deleted_at IS NULL", ..count }
}

/// The result of one step.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The number of rows checked.
    pub rows: u64,
    /// The number of rows that were wrong and are now repaired.
    pub wrong: u64,
    /// Where to continue; `None` at the end of the table.
    pub next: Option<RowPosition>,
}

/// A position in a table, by primary key.
#[derive(Debug, Clone, PartialEq)]
pub struct RowPosition(Value);

/// Repairs `count` in up to `max` rows, starting after `start`.
pub async fn update_some(tx: &Tx, count: Count, start: Option<RowPosition>, max: u64) -> Result<Step> {
    let Count { table, column, key, expected, which } = count;
    // Lock the rows first and count afterwards, so that a concurrent change of a count happens before or after both.
    let lock = if sql::is_postgres(tx) { "FOR UPDATE" } else { "" };
    let after = if start.is_some() { format!("WHERE {key} > $1") } else { String::new() };
    let sql = format!("SELECT {key} AS key FROM {table} {after} ORDER BY {key} LIMIT {max} {lock}");
    let start = start.map(|RowPosition(value)| value);
    let keys: Vec<Value> = if key == "name" {
        sql::list::<String>(tx, sql, start).await?.into_iter().map(Value::from).collect()
    } else {
        sql::list::<Uuid>(tx, sql, start).await?.into_iter().map(Value::from).collect()
    };
    let (Some(first), Some(last)) = (keys.first(), keys.last()) else {
        return Ok(Step { rows: 0, wrong: 0, next: None });
    };
    let sql = format!(
        "UPDATE {table} SET {column} = ({expected}) WHERE {key} >= $1 AND {key} <= $2 AND {which} AND {column} <> ({expected})"
    );
    let wrong = sql::execute(tx, sql, [first.clone(), last.clone()]).await?;
    let rows = keys.len() as u64;
    Ok(Step { rows, wrong, next: (rows == max).then(|| RowPosition(last.clone())) })
}
