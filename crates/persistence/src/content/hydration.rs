//! Posts with everything that a page shows of them, in one statement: their authors and mentioned accounts with the
//! viewer's relation to each, their images, and the viewer's marks.
//!
//! One statement instead of one per kind of row: each costs a round trip to the database, or to the thread of a SQLite
//! connection, and that is most of the cost of a small page. The database writes each post as a JSON array, which both
//! support. See `docs/decisions/0066-posts-are-read-in-one-statement.md` and
//! `docs/decisions/0071-a-page-is-one-json-value.md`.

mod row;

use std::collections::HashMap;

use blegram_domain::{
    Media, PageRequest, Post, PostId, Relation, UserId, UserSummary,
    page::{Order, PageKeys, Window},
    post::Marks,
};
use sea_orm::{DbBackend, DbErr, prelude::Uuid};

use self::row::Row;
use crate::{
    Conn, Error, Result, Tx,
    sql::{self, Values},
};

/// A post with the rows that a page shows of it. Does not depend on who may see them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HydratedPost {
    /// The post.
    pub post: Post,
    /// Its author, and what of the viewer's relation to them decides whether lists show the post: `followed_by` and
    /// `requested` are not read, and `following` only where not everyone may see the post.
    pub author: (UserSummary, Relation),
    /// The mentioned accounts that exist, in order. Of the viewer's relation to them, only blocks are read.
    pub mentions: Vec<(UserSummary, Relation)>,
    /// Its images, in order.
    pub media: Vec<Media>,
    /// What the viewer did with it; `None` without a viewer.
    pub marks: Option<Marks>,
}

/// The posts of a page with the cursors around it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HydratedPage {
    /// The ids of the posts, which the page's cursors refer to.
    pub page_keys: PageKeys,
    /// The posts, in the order of the list.
    pub posts: Vec<HydratedPost>,
}

/// Lists the posts of `ids`, in that order, in one statement. Skips posts that do not exist or are deleted.
pub async fn list_posts(
    conn: &impl Conn,
    viewer: Option<UserId>,
    ids: &[PostId],
) -> Result<Vec<HydratedPost>> {
    let backend = sql::backend(conn);
    let mut values = Values::default();
    let posts = match ids {
        [] => return Ok(Vec::new()),
        [id] => by_id(*id, &mut values),
        ids => {
            let bound = values.bind(sql::ids(backend, ids.iter().map(|id| id.as_uuid())));
            undeleted(&sql::is_one_of(backend, &bound))
        }
    };
    let rows = read(conn, viewer, &posts, values).await?;
    take(rows, ids.iter().map(|id| id.as_uuid()), viewer)
}

/// Lists a page of posts, the newest first, in one statement. `select` returns the SQL that selects the rows of `posts` in
/// a window.
pub(crate) async fn list_page(
    conn: &impl Conn,
    viewer: Option<UserId>,
    request: &PageRequest,
    select: impl FnOnce(&Window, &mut Values) -> String,
) -> Result<HydratedPage> {
    let window = request.window(Order::Descending);
    let mut values = Values::default();
    let posts = select(&window, &mut values);
    let rows = read(conn, viewer, &posts, values).await?;
    // A join need not preserve the order of the scan.
    let mut ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    ids.sort_unstable();
    if !window.ascending {
        ids.reverse();
    }
    let page_keys = request.page_keys(ids);
    let posts = take(rows, page_keys.keys().iter().copied(), viewer)?;
    Ok(HydratedPage { page_keys, posts })
}

/// Finds a post with its author and the viewer's relation to them, as in [`HydratedPost`], in one statement. Does not
/// check who may see it.
pub async fn find_post(
    conn: &impl Conn,
    viewer: Option<UserId>,
    id: PostId,
) -> Result<Option<(Post, UserSummary, Relation)>> {
    let mut values = Values::default();
    let posts = by_id(id, &mut values);
    let viewer = bind(viewer, &mut values);
    let sql = select(sql::backend(conn), viewer.as_deref(), &posts, WITHOUT_LISTS);
    let post = rows(conn, sql, values).await?.pop().map(|row| row.hydrated(false)).transpose()?;
    Ok(post.map(|HydratedPost { post, author: (author, relation), .. }| (post, author, relation)))
}

/// A post that an account acts on, for example likes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostForActor {
    /// The post.
    pub post: Post,
    /// Its author, and the relation of the actor to them, as in [`HydratedPost`].
    pub author: (UserSummary, Relation),
    /// The account that acts.
    pub actor: UserSummary,
}

/// Like [`find_post`], and locks the account rows of its author and of `actor` like [`users::lock_shared`]. `None` also if
/// there is no such actor.
///
/// [`users::lock_shared`]: crate::users::lock_shared
pub async fn find_post_and_lock_accounts(tx: &Tx, actor: UserId, id: PostId) -> Result<Option<PostForActor>> {
    let backend = sql::backend(tx);
    let mut values = Values::default();
    let posts = by_id(id, &mut values);
    let actor = values.bind(actor.as_uuid());
    let columns = format!("{WITHOUT_LISTS}, {}", Dialect::of(backend).person("actor", "0"));
    let sql = select(backend, Some(&actor), &posts, &columns);
    let lock = if sql::is_postgres(tx) { " FOR KEY SHARE OF author, actor" } else { "" };
    let sql = format!("{sql} JOIN users AS actor ON actor.id = {actor}{lock}");
    rows(tx, sql, values).await?.pop().map(Row::for_actor).transpose()
}

/// Reads the posts that the SQL `posts` selects, with their lists.
async fn read(conn: &impl Conn, viewer: Option<UserId>, posts: &str, mut values: Values) -> Result<Vec<Row>> {
    let backend = sql::backend(conn);
    let viewer = bind(viewer, &mut values);
    let lists = lists(backend, viewer.as_deref());
    rows(conn, select(backend, viewer.as_deref(), posts, &lists), values).await
}

async fn rows(conn: &impl Conn, sql: String, values: Values) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for json in sql::list::<String>(conn, sql, values).await? {
        let parsed: Vec<Row> =
            serde_json::from_str(&json).map_err(|error| Error::Rejected(DbErr::Json(error.to_string())))?;
        rows.extend(parsed);
    }
    Ok(rows)
}

/// The posts of `ids`, in that order.
fn take(
    rows: Vec<Row>,
    ids: impl IntoIterator<Item = Uuid>,
    viewer: Option<UserId>,
) -> Result<Vec<HydratedPost>> {
    let mut rows: HashMap<Uuid, Row> = rows.into_iter().map(|row| (row.id, row)).collect();
    ids.into_iter().filter_map(|id| rows.remove(&id)).map(|row| row.hydrated(viewer.is_some())).collect()
}

fn bind(viewer: Option<UserId>, values: &mut Values) -> Option<String> {
    viewer.map(|viewer| values.bind(viewer.as_uuid()))
}

fn by_id(id: PostId, values: &mut Values) -> String {
    undeleted(&format!("= {}", values.bind(id.as_uuid())))
}

fn undeleted(which: &str) -> String {
    format!("SELECT * FROM posts WHERE deleted_at IS NULL AND id {which}")
}

/// Selects the fields of [`Row`] for the posts that the SQL `posts` selects. `viewer` is a placeholder.
fn select(backend: DbBackend, viewer: Option<&str>, posts: &str, lists: &str) -> String {
    let dialect = Dialect::of(backend);
    let Dialect { uuid, json, rows, array, author: join, .. } = dialect;
    let id = uuid.replace("{}", "post.id");
    let [media, hashtags, mentions] = ["media", "hashtags", "mentions"].map(|list| json.replace("{}", list));
    let relation = viewer.map_or_else(|| "0".to_owned(), relation_to_author);
    let author = dialect.person("author", &relation);
    format!(
        "SELECT CAST({rows}({array}({id}, text, {media}, {hashtags}, {mentions}, visibility, like_count, comment_count, \
           post.created_at, edited_at, post.version, {author}, {lists})) AS TEXT) \
         FROM ({posts}) AS post {join}"
    )
}

/// What [`lists`] selects, without reading it.
const WITHOUT_LISTS: &str = "0, NULL, NULL";

/// Selects the viewer's marks, the images and the mentioned accounts.
fn lists(backend: DbBackend, viewer: Option<&str>) -> String {
    let dialect = Dialect::of(backend);
    let Dialect { uuid, json, list, array, is_empty, is_mentioned, .. } = dialect;
    let (marks, relation) = match viewer {
        Some(viewer) => (marks(viewer), relation_to("mentioned.id", viewer, &[])),
        None => ("0".to_owned(), "0".to_owned()),
    };
    let [id, owner] = ["media.id", "owner_id"].map(|id| uuid.replace("{}", id));
    let person = dialect.person("mentioned", &relation);
    let [no_media, no_mentions] = ["post.media", "post.mentions"].map(|list| is_empty.replace("{}", list));
    let variants = json.replace("{}", "variants");
    format!(
        "{marks}, \
         CASE WHEN {no_media} THEN NULL ELSE (SELECT {list}({array}(\
           {id}, {owner}, key, CAST(is_public AS INTEGER), previous_key, blurhash, alt, {variants}, created_at, \
           version)) \
           FROM media WHERE post_id = post.id AND deleted_at IS NULL) END, \
         CASE WHEN {no_mentions} THEN NULL ELSE (SELECT {list}({person}) \
           FROM users AS mentioned WHERE id {is_mentioned}) END"
    )
}

/// How the databases write JSON.
struct Dialect {
    /// A UUID as a JSON string.
    uuid: &'static str,
    /// A column that contains JSON.
    json: &'static str,
    /// Makes an array of one or all rows. SQLite returns a page as one row, because each row that it returns wakes the
    /// task that reads them.
    rows: &'static str,
    /// Aggregates rows to an array.
    list: &'static str,
    array: &'static str,
    is_empty: &'static str,
    /// Joins the author of a post.
    author: &'static str,
    /// Whether an id is in `post.mentions`.
    is_mentioned: &'static str,
}

impl Dialect {
    const fn of(backend: DbBackend) -> Self {
        match backend {
            DbBackend::Postgres => Self {
                uuid: "{}",
                json: "{}",
                rows: "json_build_array",
                list: "json_agg",
                array: "json_build_array",
                is_empty: "{} = '[]'",
                // One lookup per post. PostgreSQL does not move a subquery with an offset into the join, for which it
                // would scan a table of a few thousand accounts.
                author: "JOIN LATERAL (SELECT * FROM users WHERE id = post.author_id OFFSET 0) AS author ON true",
                // As an array: PostgreSQL expects a hundred rows from the function, and would scan a small table.
                is_mentioned: "= ANY (ARRAY(SELECT value::uuid FROM jsonb_array_elements_text(post.mentions) AS ids(value)))",
            },
            _ => Self {
                uuid: "hex({})",
                // Text until it is parsed.
                json: "json({})",
                rows: "json_group_array",
                list: "json_group_array",
                array: "json_array",
                is_empty: "json_array_length({}) = 0",
                author: "JOIN users AS author ON author.id = post.author_id",
                is_mentioned: "IN (SELECT unhex(value, '-') FROM json_each(post.mentions))",
            },
        }
    }
}

impl Dialect {
    /// The fields of an account in the row `users`, which has the relation `relation` to the viewer.
    fn person(&self, users: &str, relation: &str) -> String {
        let (array, id) = (self.array, self.uuid.replace("{}", &format!("{users}.id")));
        format!(
            "{array}({id}, {users}.username, {users}.display_name, {users}.avatar_key, \
             CAST({users}.is_private AS INTEGER), {users}.status, {relation})"
        )
    }
}

/// What the viewer did with a post, as a sum of bits.
fn marks(viewer: &str) -> String {
    let mark = |table, value| {
        bit(&format!("EXISTS (SELECT 1 FROM {table} WHERE user_id = {viewer} AND post_id = post.id)"), value)
    };
    format!("{} + {}", mark("post_likes", 1), mark("bookmarks", 2))
}

/// What of the viewer's relation to the author decides whether lists show the post.
fn relation_to_author(viewer: &str) -> String {
    let follows =
        format!("EXISTS (SELECT 1 FROM follows WHERE follower_id = {viewer} AND followee_id = author.id)");
    // Everyone may see most posts, followers or not.
    let follows = format!("(visibility <> 'public' OR author.is_private) AND {follows}");
    let mutes = format!("EXISTS (SELECT 1 FROM mutes WHERE muter_id = {viewer} AND muted_id = author.id)");
    relation_to("author.id", viewer, &[bit(&follows, 1), bit(&mutes, 32)])
}

/// The blocks between the viewer and the account `other`, and `more`, as a sum of bits.
fn relation_to(other: &str, viewer: &str, more: &[String]) -> String {
    let blocks = |blocker, blocked| {
        format!("EXISTS (SELECT 1 FROM blocks WHERE blocker_id = {blocker} AND blocked_id = {blocked})")
    };
    let blocks = [bit(&blocks(viewer, other), 8), bit(&blocks(other, viewer), 16)];
    // Most people on a page are strangers to the viewer, or the viewer.
    format!("CASE WHEN {other} = {viewer} THEN 0 ELSE {} END", [&blocks, more].concat().join(" + "))
}

fn bit(condition: &str, value: u8) -> String {
    format!("CASE WHEN {condition} THEN {value} ELSE 0 END")
}
