//! Posts with everything that a page shows of them, in one statement: their authors and mentioned accounts with the
//! viewer's relation to each, their images, and the viewer's marks.
//!
//! One statement instead of one per kind of row: each costs a round trip to the database, or to the thread of a SQLite
//! connection, and that is most of the cost of a small page. What is fastest to read differs: SQLite writes a page as
//! one JSON value, PostgreSQL as columns. See `docs/decisions/0066-posts-are-read-in-one-statement.md`,
//! `docs/decisions/0071-a-page-is-one-json-value.md` and `docs/decisions/0072-postgresql-returns-posts-as-columns.md`.

mod postgres;
mod row;
mod sqlite;

use std::collections::HashMap;

use blegram_domain::{
    Media, PageRequest, Post, PostId, Relation, UserId, UserSummary,
    page::{Order, PageKeys, Window},
    post::Marks,
};
use sea_orm::{DbErr, prelude::Uuid};
use serde::de::DeserializeOwned;

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
    let mut values = Values::default();
    let posts = match ids {
        [] => return Ok(Vec::new()),
        [id] => by_id(*id, &mut values),
        ids => {
            let backend = sql::backend(conn);
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
    let parts = Parts { viewer: viewer.as_deref(), ..Parts::default() };
    let post = rows(conn, &parts, &posts, values).await?.pop().map(|row| row.hydrated(false)).transpose()?;
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
    let mut values = Values::default();
    let posts = by_id(id, &mut values);
    let actor = values.bind(actor.as_uuid());
    let parts = Parts { viewer: Some(&actor), actor: Some(&actor), ..Parts::default() };
    rows(tx, &parts, &posts, values).await?.pop().map(Row::for_actor).transpose()
}

/// What a statement reads besides posts, their authors, and the viewer's relation to each author.
#[derive(Debug, Clone, Copy, Default)]
struct Parts<'a> {
    /// The placeholder of the viewer's id.
    viewer: Option<&'a str>,
    /// The viewer's marks, the images and the mentioned accounts.
    has_lists: bool,
    /// The placeholder of the id of an account to read and to lock, together with the author.
    actor: Option<&'a str>,
}

/// Reads the posts that the SQL `posts` selects, with their lists.
async fn read(conn: &impl Conn, viewer: Option<UserId>, posts: &str, mut values: Values) -> Result<Vec<Row>> {
    let viewer = bind(viewer, &mut values);
    let parts = Parts { viewer: viewer.as_deref(), has_lists: true, ..Parts::default() };
    rows(conn, &parts, posts, values).await
}

async fn rows(conn: &impl Conn, parts: &Parts<'_>, posts: &str, values: Values) -> Result<Vec<Row>> {
    if sql::is_postgres(conn) {
        postgres::rows(conn, parts, posts, values).await
    } else {
        sqlite::rows(conn, parts, posts, values).await
    }
}

/// Parses JSON that the database wrote.
fn parse<T: DeserializeOwned>(json: &str) -> Result<T> {
    serde_json::from_str(json).map_err(|error| Error::Rejected(DbErr::Json(error.to_string())))
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

/// What the viewer did with a post, as a sum of bits.
fn marks(viewer: Option<&str>) -> String {
    let Some(viewer) = viewer else { return "0".to_owned() };
    let mark = |table, value| {
        bit(&format!("EXISTS (SELECT 1 FROM {table} WHERE user_id = {viewer} AND post_id = post.id)"), value)
    };
    format!("{} + {}", mark("post_likes", 1), mark("bookmarks", 2))
}

/// What of the viewer's relation to the author decides whether lists show the post, as a sum of bits.
fn relation_to_author(viewer: Option<&str>) -> String {
    let Some(viewer) = viewer else { return "0".to_owned() };
    let follows =
        format!("EXISTS (SELECT 1 FROM follows WHERE follower_id = {viewer} AND followee_id = author.id)");
    // Everyone may see most posts, followers or not.
    let follows = format!("(visibility <> 'public' OR author.is_private) AND {follows}");
    let mutes = format!("EXISTS (SELECT 1 FROM mutes WHERE muter_id = {viewer} AND muted_id = author.id)");
    relation_to("author.id", viewer, &[bit(&follows, 1), bit(&mutes, 32)])
}

/// The blocks between the viewer and a mentioned account, as a sum of bits.
fn relation_to_mentioned(viewer: Option<&str>) -> String {
    viewer.map_or_else(|| "0".to_owned(), |viewer| relation_to("mentioned.id", viewer, &[]))
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
