//! The home timeline: the posts of the accounts that a user follows.

use blegram_domain::{
    PageRequest, UserId,
    page::{Order, PageKeys},
};
use sea_orm::DbBackend;

use crate::{
    Conn, Result, keyset,
    sql::{self, Values},
};

/// Lists the ids of the posts of `user` and of the accounts they follow, the newest first. Does not check who may see
/// each post.
///
/// Costs about one index lookup per followed account, however many posts there are. The SQL differs per database to
/// achieve that. SQLite iterates over a list of authors (an `OR` for the user's own posts would make it read all
/// posts); PostgreSQL reads the newest posts of each author (`LATERAL`) and merges them.
pub async fn list_home_ids(conn: &impl Conn, user: UserId, page: &PageRequest) -> Result<PageKeys> {
    let window = page.window(Order::Descending);
    let mut values = Values::from([user.as_uuid().into()]);
    let bounds = keyset::bounds("posts.id", &window, &mut values);
    let (order, rows) = (keyset::direction(&window), values.bind(sql::signed(window.rows)));
    let authors = "SELECT followee_id AS author_id FROM follows WHERE follower_id = $1 UNION ALL SELECT $1";
    let sql = match sql::backend(conn) {
        DbBackend::Postgres => format!(
            "SELECT newest.id FROM ({authors}) AS authors CROSS JOIN LATERAL (\
               SELECT posts.id FROM posts WHERE posts.author_id = authors.author_id AND posts.deleted_at IS NULL{bounds} \
               ORDER BY posts.id {order} LIMIT {rows}) AS newest \
             ORDER BY newest.id {order} LIMIT {rows}"
        ),
        _ => format!(
            "SELECT posts.id FROM posts WHERE posts.author_id IN ({authors}) AND posts.deleted_at IS NULL{bounds} \
             ORDER BY posts.id {order} LIMIT {rows}"
        ),
    };
    Ok(page.page_keys(sql::list(conn, sql, values).await?))
}
