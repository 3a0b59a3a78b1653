//! The home timeline: the posts of the accounts that a user follows.

use blegram_domain::{
    PageRequest, UserId,
    page::{Order, PageKeys, Window},
};
use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult, Statement, Value, prelude::Uuid};

use crate::{Conn, Result};

#[derive(FromQueryResult)]
struct Row {
    id: Uuid,
}

/// Lists the ids of the posts of `user` and of the accounts they follow, the newest first. Does not check who may see
/// each post.
///
/// Costs about one index lookup per followed account, however many posts there are. The SQL differs per database to
/// achieve that. SQLite iterates over a list of authors (an `OR` for the user's own posts would make it read all
/// posts); PostgreSQL reads the newest posts of each author (`LATERAL`) and merges them.
pub async fn list_home_ids(conn: &impl Conn, user: UserId, page: &PageRequest) -> Result<PageKeys> {
    let backend = conn.inner().get_database_backend();
    let window = page.window(Order::Descending);
    let (bounds, mut values) = bounds(&window);
    values.insert(0, user.as_uuid().into());
    values.push(i64::try_from(window.rows).unwrap_or(i64::MAX).into());
    let (order, rows) = (if window.ascending { "ASC" } else { "DESC" }, values.len());
    let authors = "SELECT followee_id AS author_id FROM follows WHERE follower_id = $1 UNION ALL SELECT $1";
    let sql = match backend {
        DbBackend::Postgres => format!(
            "SELECT newest.id FROM ({authors}) AS authors CROSS JOIN LATERAL (\
               SELECT posts.id FROM posts WHERE posts.author_id = authors.author_id AND posts.deleted_at IS NULL{bounds} \
               ORDER BY posts.id {order} LIMIT ${rows}) AS newest \
             ORDER BY newest.id {order} LIMIT ${rows}"
        ),
        _ => format!(
            "SELECT posts.id FROM posts WHERE posts.author_id IN ({authors}) AND posts.deleted_at IS NULL{bounds} \
             ORDER BY posts.id {order} LIMIT ${rows}"
        ),
    };
    let statement = Statement::from_sql_and_values(backend, sql, values);
    let found = Row::find_by_statement(statement).all(conn.inner()).await?;
    Ok(page.page_keys(found.into_iter().map(|row| row.id).collect()))
}

/// The SQL conditions of a window, and their values from `$2` on.
fn bounds(window: &Window) -> (String, Vec<Value>) {
    let bounds = [(">", window.after), (">=", window.from), ("<", window.before), ("<=", window.to)];
    let set = bounds.into_iter().filter_map(|(sign, bound)| Some((sign, bound?)));
    let (mut sql, mut values) = (String::new(), Vec::new());
    for (at, (sign, bound)) in set.enumerate() {
        sql.push_str(&format!(" AND posts.id {sign} ${}", at + 2));
        values.push(bound.into());
    }
    (sql, values)
}
