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

/// From this number of followed accounts on, the newest posts of everyone are read first.
const MANY: u64 = 1_000;

/// How many of them are read.
const RECENT: u64 = 500;

/// How to read nothing if a condition that is the same for all rows is false. PostgreSQL evaluates a `WHERE` without
/// columns before it reads; SQLite evaluates one with a subquery for each row, and a limit of no rows first.
struct Gate {
    limit: String,
    condition: String,
}

impl Gate {
    fn new(backend: DbBackend, condition: String, limit: u64) -> Self {
        match backend {
            DbBackend::Postgres => Self { limit: limit.to_string(), condition },
            _ => Self {
                limit: format!("(SELECT CASE WHEN {condition} THEN {limit} ELSE 0 END)"),
                condition: "TRUE".to_owned(),
            },
        }
    }
}

/// Lists the posts of `user` and of the accounts they follow, the newest first. Does not check who may see each post.
///
/// Costs about one index lookup per followed account, however many posts there are. The SQL differs per database to
/// achieve that. SQLite iterates over a list of authors (an `OR` for the user's own posts would make it read all
/// posts); PostgreSQL reads the newest posts of each author (`LATERAL`) and merges them.
///
/// For a user who follows a thousand accounts, the newest posts of all accounts often fill the page. If not,
/// the lookups follow, in the same statement.
pub async fn list_home(conn: &impl Conn, user: UserId, page: &PageRequest) -> Result<HydratedPage> {
    let backend = sql::backend(conn);
    let select = |window: &Window, values: &mut Values| {
        let user = values.bind(user.as_uuid());
        let authors = format!(
            "SELECT followee_id AS author_id FROM follows WHERE follower_id = {user} UNION ALL SELECT {user}"
        );
        let bounds = keyset::bounds("posts.id", window, values);
        let (order, rows) = (keyset::direction(window), window.rows);
        let follows_many = format!("(SELECT following_count FROM users WHERE id = {user}) >= {MANY}");
        let Gate { limit, condition } = Gate::new(backend, follows_many, RECENT);
        let recent = format!(
            "SELECT id FROM (SELECT id, author_id FROM posts WHERE deleted_at IS NULL{bounds} \
               ORDER BY id {order} LIMIT {limit}) AS newest \
             WHERE {condition} AND (author_id = {user} OR EXISTS \
               (SELECT 1 FROM follows WHERE follower_id = {user} AND followee_id = author_id)) \
             ORDER BY id {order} LIMIT {rows}"
        );
        let is_short = format!("(SELECT count(*) FROM recent) < {rows}");
        let Gate { limit, condition } = Gate::new(backend, is_short, rows);
        let merged = match backend {
            DbBackend::Postgres => format!(
                "SELECT newest.id FROM ({authors}) AS authors CROSS JOIN LATERAL (\
                   SELECT posts.id FROM posts WHERE posts.author_id = authors.author_id AND posts.deleted_at IS NULL{bounds} \
                   ORDER BY posts.id {order} LIMIT {rows}) AS newest \
                 ORDER BY newest.id {order} LIMIT {limit}"
            ),
            _ => format!(
                "SELECT posts.id FROM posts WHERE posts.author_id IN ({authors}) AND posts.deleted_at IS NULL{bounds} \
                 ORDER BY posts.id {order} LIMIT {limit}"
            ),
        };
        format!(
            "WITH recent AS MATERIALIZED ({recent}) SELECT posts.* FROM (\
               SELECT id FROM recent WHERE (SELECT count(*) FROM recent) = {rows} UNION ALL \
               SELECT id FROM ({merged}) AS merged WHERE {condition}) AS page \
             JOIN posts ON posts.id = page.id"
        )
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
