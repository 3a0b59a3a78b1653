//! The home timeline, and the public timeline.
//!
//! The limit of a page is part of the text of these statements. As a parameter, it makes PostgreSQL plan each execution
//! anew, which takes longer than the execution: a plan for any limit looks expensive. Only here, because the same plan
//! suits every page of a timeline; where a list is of one account, the better plan depends on the account.

use blegram_domain::{PageRequest, UserId, page::Window};
use sea_orm::DbBackend;

use super::hydration::{HydratedPage, list_page};
use crate::{
    Conn, Result, keyset,
    sql::{self, Values},
};

/// Lists the posts of `user` and of the accounts they follow, the newest first. Does not check who may see each post.
///
/// Costs about one index lookup per followed account, however many posts there are. The SQL differs per database to
/// achieve that. SQLite iterates over a list of authors (an `OR` for the user's own posts would make it read all
/// posts); PostgreSQL reads the newest posts of each author (`LATERAL`) and merges them.
pub async fn list_home(conn: &impl Conn, user: UserId, page: &PageRequest) -> Result<HydratedPage> {
    let backend = sql::backend(conn);
    let select = |window: &Window, values: &mut Values| {
        let user = values.bind(user.as_uuid());
        let authors = format!(
            "SELECT followee_id AS author_id FROM follows WHERE follower_id = {user} UNION ALL SELECT {user}"
        );
        let bounds = keyset::bounds("posts.id", window, values);
        let (order, rows) = (keyset::direction(window), window.rows);
        let ids = match backend {
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
        // The rows of the page alone, not those of each author.
        format!("SELECT posts.* FROM ({ids}) AS page JOIN posts ON posts.id = page.id")
    };
    list_page(conn, Some(user), page, select).await
}

/// Lists the public posts, the newest first. Does not check who may see each post.
pub async fn list_public(
    conn: &impl Conn,
    viewer: Option<UserId>,
    page: &PageRequest,
) -> Result<HydratedPage> {
    let select = |window: &Window, values: &mut Values| {
        let bounds = keyset::bounds("id", window, values);
        let (order, rows) = (keyset::direction(window), window.rows);
        format!(
            "SELECT * FROM posts WHERE deleted_at IS NULL AND visibility = 'public'{bounds} ORDER BY id {order} LIMIT {rows}"
        )
    };
    list_page(conn, viewer, page, select).await
}
