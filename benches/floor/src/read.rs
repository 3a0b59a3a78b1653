//! Reads: one statement each.
//!
//! Each statement applies the rules of blegram's own (`Post::is_visible_to`): who may see the post, whom the viewer blocks,
//! is blocked by and mutes, and what the viewer liked.

use std::sync::LazyLock;

use anyhow::Result;
use uuid::Uuid;

use crate::{
    database::{COLUMNS, Database, PostRow, Query},
    json,
};

/// The statements of one database.
pub(crate) struct Statements {
    post: String,
    post_viewer: String,
    public: String,
    public_viewer: String,
    home: String,
}

/// Whose session it is. In front of the statement.
fn viewer(hash: &str, now: &str) -> String {
    format!(
        "WITH viewer AS (SELECT s.user_id AS id FROM sessions s JOIN users v ON v.id = s.user_id \
         WHERE s.token_hash = {hash} AND s.expires_at > {now} AND v.status = 'active')"
    )
}

const AUTHOR: &str = "JOIN users u ON u.id = p.author_id";
const MEDIA: &str = "LEFT JOIN media m ON m.post_id = p.id AND m.deleted_at IS NULL";
const PUBLIC: &str = "p.visibility = 'public' AND NOT u.is_private AND u.status = 'active'";
/// What stands between the viewer and the author or the post, at most one row each. Joins, because PostgreSQL computes an
/// `EXISTS` below an `OR` for the whole table.
const RELATIONS: &str = "LEFT JOIN follows f ON f.follower_id = v.id AND f.followee_id = p.author_id \
    LEFT JOIN blocks b1 ON b1.blocker_id = v.id AND b1.blocked_id = p.author_id \
    LEFT JOIN blocks b2 ON b2.blocker_id = p.author_id AND b2.blocked_id = v.id \
    LEFT JOIN mutes mu ON mu.muter_id = v.id AND mu.muted_id = p.author_id \
    LEFT JOIN post_likes pl ON pl.user_id = v.id AND pl.post_id = p.id \
    LEFT JOIN bookmarks bm ON bm.user_id = v.id AND bm.post_id = p.id";
const MARKS: &str = "pl.id IS NOT NULL, bm.id IS NOT NULL";
const VISIBLE: &str = "u.status = 'active' AND b1.id IS NULL AND b2.id IS NULL \
    AND (p.author_id = v.id OR p.visibility = 'public' AND NOT u.is_private OR f.id IS NOT NULL)";
/// Stands for the number of rows. The statement has it as a literal, because PostgreSQL plans a `LIMIT` of a parameter anew
/// for each request.
const ROWS: &str = "{rows}";
const NOT_MUTED: &str = "mu.id IS NULL";
const NEWEST: &str = "SELECT p.* FROM posts p WHERE p.visibility = 'public' AND p.deleted_at IS NULL ORDER BY p.id DESC LIMIT {rows}";
const AUTHORS: &str = "SELECT followee_id AS author_id FROM follows WHERE follower_id = (SELECT id FROM viewer) \
    UNION ALL SELECT id FROM viewer";

impl Statements {
    fn new(home: &str) -> Self {
        let (viewer, of_post) = (viewer("$1", "$2"), viewer("$2", "$3"));
        let of_viewer = format!("SELECT {COLUMNS}, {MARKS} FROM viewer v CROSS JOIN");
        let page = |page: &str| {
            format!(
                "{viewer}, page AS MATERIALIZED ({page}) {of_viewer} page p {AUTHOR} {RELATIONS} {MEDIA} \
                 WHERE {VISIBLE} AND {NOT_MUTED} ORDER BY p.id DESC, m.id"
            )
        };
        Self {
            post: format!(
                "SELECT {COLUMNS} FROM posts p {AUTHOR} {MEDIA} WHERE p.id = $1 AND p.deleted_at IS NULL AND {PUBLIC} ORDER BY m.id"
            ),
            post_viewer: format!(
                "{of_post} {of_viewer} posts p {AUTHOR} {RELATIONS} {MEDIA} \
                 WHERE p.id = $1 AND p.deleted_at IS NULL AND {VISIBLE} ORDER BY m.id"
            ),
            public: format!(
                "WITH page AS MATERIALIZED ({NEWEST}) SELECT {COLUMNS} FROM page p {AUTHOR} {MEDIA} \
                 WHERE {PUBLIC} ORDER BY p.id DESC, m.id"
            ),
            public_viewer: page(NEWEST),
            home: page(home),
        }
    }
}

static SQLITE: LazyLock<Statements> = LazyLock::new(|| {
    Statements::new(&format!(
        "SELECT p.* FROM posts p WHERE p.author_id IN ({AUTHORS}) AND p.deleted_at IS NULL ORDER BY p.id DESC LIMIT {ROWS}"
    ))
});

static POSTGRES: LazyLock<Statements> = LazyLock::new(|| {
    Statements::new(&format!(
        "SELECT newest.* FROM ({AUTHORS}) AS authors CROSS JOIN LATERAL (\
           SELECT p.* FROM posts p WHERE p.author_id = authors.author_id AND p.deleted_at IS NULL ORDER BY p.id DESC LIMIT {ROWS}) \
         AS newest ORDER BY newest.id DESC LIMIT {ROWS}"
    ))
});

/// A request with a session: the hash of its token, and the time in microseconds.
pub(crate) type Session<'a> = Option<(&'a [u8], i64)>;

impl Database {
    fn statements(&self) -> &'static Statements {
        match self {
            Self::Sqlite { .. } => &SQLITE,
            Self::Postgres(_) => &POSTGRES,
        }
    }

    /// `getPost`; `None` if there is no such post, or no such session.
    pub(crate) async fn post(&self, id: Uuid, session: Session<'_>, site: &str) -> Result<Option<Vec<u8>>> {
        let statements = self.statements();
        let sql = if session.is_some() { &statements.post_viewer } else { &statements.post };
        let posts = self.posts(Query { sql: sql.clone(), id: Some(id), session }).await?;
        Ok(posts.first().map(|post| serde_json::to_vec(&json::Post::new(post, site))).transpose()?)
    }

    /// `getPublicTimeline`.
    pub(crate) async fn public(&self, limit: usize, session: Session<'_>, site: &str) -> Result<Vec<u8>> {
        let statements = self.statements();
        let sql = if session.is_some() { &statements.public_viewer } else { &statements.public };
        self.page(sql, limit, session, site).await
    }

    /// `getHomeTimeline`.
    pub(crate) async fn home(&self, limit: usize, session: Session<'_>, site: &str) -> Result<Vec<u8>> {
        self.page(&self.statements().home, limit, session, site).await
    }

    async fn page(
        &self,
        sql: &'static str,
        limit: usize,
        session: Session<'_>,
        site: &str,
    ) -> Result<Vec<u8>> {
        // One more than the page has, to know whether there is a next one.
        let sql = sql.replace(ROWS, &(limit + 1).to_string());
        let posts = self.posts(Query { sql, id: None, session }).await?;
        let visible = &posts[..posts.len().min(limit)];
        let next = visible.last().filter(|_| posts.len() > limit);
        Ok(serde_json::to_vec(&json::Page {
            items: visible.iter().map(|post| json::Post::new(post, site)).collect(),
            next_cursor: next.map(|PostRow { id, .. }| json::cursor(0, *id)),
            prev_cursor: visible.first().map(|PostRow { id, .. }| json::cursor(1, *id)),
        })?)
    }
}
