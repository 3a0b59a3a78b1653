//! Posts with everything that a page shows of them, in one statement: their authors and mentioned accounts with the
//! viewer's relation to each, their images, and the viewer's marks.
//!
//! One statement instead of one per kind of row: each costs a round trip to the database, or to the thread of a SQLite
//! connection, and that is most of the cost of a small page. Lists within a post (images, mentioned accounts) are
//! aggregated to JSON arrays, which both databases support. See `docs/decisions/0066-posts-are-read-in-one-statement.md`.

use std::collections::HashMap;

use blegram_domain::{Media, Post, PostId, Relation, UserId, UserSummary, post::Marks};
use sea_orm::{ConnectionTrait, DbBackend, QueryResult, TryGetable, Value, prelude::Uuid};
use serde::{Deserialize, de::DeserializeOwned};

use crate::{
    Conn, Error, Result, Tx,
    entity::{
        media::{self, Variants},
        post::Model,
        user::Summary,
    },
    sql,
};

/// A post with the rows that a page shows of it. Does not depend on who may see them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HydratedPost {
    /// The post.
    pub post: Post,
    /// Its author, and the viewer's relation to them.
    pub author: (UserSummary, Relation),
    /// The mentioned accounts that exist, in order.
    pub mentions: Vec<(UserSummary, Relation)>,
    /// Its images, in order.
    pub media: Vec<Media>,
    /// What the viewer did with it; `None` without a viewer.
    pub marks: Option<Marks>,
}

/// Lists the posts of `ids`, in that order, in one statement. Skips posts that do not exist or are deleted.
pub async fn list_posts(
    conn: &impl Conn,
    viewer: Option<UserId>,
    ids: &[PostId],
) -> Result<Vec<HydratedPost>> {
    let backend = sql::backend(conn);
    let (which, wanted) = match ids {
        [] => return Ok(Vec::new()),
        [id] => ("= $1".to_owned(), id.as_uuid().into()),
        ids => (sql::is_one_of(backend, "$1"), sql::ids(backend, ids.iter().map(|id| id.as_uuid()))),
    };
    let rows = query(conn, viewer, &lists(backend, viewer.is_some()), "", (&which, wanted)).await?;
    let hydrated = rows.iter().map(|row| hydrated(row, viewer.is_some()).map(|post| (post.post.id, post)));
    let mut posts: HashMap<PostId, HydratedPost> = hydrated.collect::<Result<_>>()?;
    Ok(ids.iter().filter_map(|id| posts.remove(id)).collect())
}

/// Finds a post with its author and the viewer's relation to them, in one statement. Does not check who may see it.
pub async fn find_post(
    conn: &impl Conn,
    viewer: Option<UserId>,
    id: PostId,
) -> Result<Option<(Post, UserSummary, Relation)>> {
    let rows = query(conn, viewer, "", "", ("= $1", id.as_uuid().into())).await?;
    rows.first().map(post_with_author).transpose()
}

/// Like [`find_post`], and locks the account rows of its author and of `actor` like [`users::lock_shared`].
///
/// [`users::lock_shared`]: crate::users::lock_shared
pub async fn find_post_and_lock_accounts(
    tx: &Tx,
    actor: UserId,
    id: PostId,
) -> Result<Option<(Post, UserSummary, Relation)>> {
    let (join, lock) = match sql::backend(tx) {
        DbBackend::Postgres => ("JOIN users AS actor ON actor.id = $2", " FOR KEY SHARE OF author, actor"),
        _ => ("", ""),
    };
    let rows = query(tx, Some(actor), "", join, (&format!("= $1{lock}"), id.as_uuid().into())).await?;
    rows.first().map(post_with_author).transpose()
}

fn post_with_author(row: &QueryResult) -> Result<(Post, UserSummary, Relation)> {
    let mut columns = Columns { row, next: 0 };
    let post = columns.post()?;
    let (author, relation) = columns.author(&post)?;
    Ok((post, author, relation))
}

/// Reads posts with their authors, and `more` columns. `join` is for more tables, `wanted` is the value of `$1` in `which`.
async fn query(
    conn: &impl Conn,
    viewer: Option<UserId>,
    more: &str,
    join: &str,
    (which, wanted): (&str, Value),
) -> Result<Vec<QueryResult>> {
    let relation = if viewer.is_some() { relation("author.id") } else { "0".to_owned() };
    let sql = format!(
        "SELECT posts.id, posts.author_id, posts.text, posts.media, posts.hashtags, posts.mentions, \
           posts.visibility, posts.like_count, posts.comment_count, posts.created_at, posts.edited_at, posts.version, \
           author.username, author.display_name, author.avatar_key, author.is_private, author.status, {relation}{more} \
         FROM posts JOIN users AS author ON author.id = posts.author_id {join} \
         WHERE posts.deleted_at IS NULL AND posts.id {which}"
    );
    let viewer = viewer.map(|viewer| viewer.as_uuid().into());
    let statement = sql::statement(conn, sql, [wanted].into_iter().chain(viewer));
    Ok(conn.inner().query_all_raw(statement).await?)
}

/// The columns with the viewer's marks, the images and the mentioned accounts.
fn lists(backend: DbBackend, has_viewer: bool) -> String {
    let Dialect { uuid, list, array, is_empty, is_mentioned, variants } = Dialect::of(backend);
    let (marks, relation) = match has_viewer {
        true => (MARKS, relation("mentioned.id")),
        false => ("0", "0".to_owned()),
    };
    let [id, owner, post, message, mentioned] =
        ["media.id", "owner_id", "post_id", "message_id", "mentioned.id"].map(|id| uuid.replace("{}", id));
    let [no_media, no_mentions] = ["posts.media", "posts.mentions"].map(|list| is_empty.replace("{}", list));
    format!(
        ", {marks}, \
         CAST(CASE WHEN {no_media} THEN NULL ELSE (SELECT {list}({array}(\
           {id}, {owner}, key, is_public, previous_key, blurhash, alt, {variants}, {post}, {message}, is_avatar, \
           created_at, version)) \
           FROM media WHERE post_id = posts.id AND deleted_at IS NULL) END AS TEXT), \
         CAST(CASE WHEN {no_mentions} THEN NULL ELSE (SELECT {list}({array}(\
           {mentioned}, username, display_name, avatar_key, is_private, status, {relation})) \
           FROM users AS mentioned WHERE id {is_mentioned}) END AS TEXT)"
    )
}

/// What the viewer did with a post, as a sum of bits.
const MARKS: &str = "CASE WHEN EXISTS (SELECT 1 FROM post_likes WHERE user_id = $2 AND post_id = posts.id) THEN 1 ELSE 0 END \
     + CASE WHEN EXISTS (SELECT 1 FROM bookmarks WHERE user_id = $2 AND post_id = posts.id) THEN 2 ELSE 0 END";

/// How the databases write JSON.
struct Dialect {
    /// A UUID as a JSON string, `null` for none.
    uuid: &'static str,
    /// Aggregates rows to a JSON array.
    list: &'static str,
    array: &'static str,
    is_empty: &'static str,
    /// Whether an id is in `posts.mentions`.
    is_mentioned: &'static str,
    variants: &'static str,
}

impl Dialect {
    const fn of(backend: DbBackend) -> Self {
        match backend {
            DbBackend::Postgres => Self {
                uuid: "{}",
                list: "json_agg",
                array: "json_build_array",
                is_empty: "{} = '[]'",
                // As an array: PostgreSQL expects a hundred rows from the function, and would scan a small table.
                is_mentioned: "= ANY (ARRAY(SELECT value::uuid FROM jsonb_array_elements_text(posts.mentions) AS ids(value)))",
                variants: "variants",
            },
            _ => Self {
                // `hex(NULL)` is an empty string.
                uuid: "nullif(hex({}), '')",
                list: "json_group_array",
                array: "json_array",
                is_empty: "json_array_length({}) = 0",
                is_mentioned: "IN (SELECT unhex(value, '-') FROM json_each(posts.mentions))",
                // Text until it is parsed.
                variants: "json(variants)",
            },
        }
    }
}

/// The relation of the viewer to the account `other`, as a sum of bits.
fn relation(other: &str) -> String {
    let bit = |table, from, to, bit| {
        format!("CASE WHEN EXISTS (SELECT 1 FROM {table} WHERE {from} AND {to}) THEN {bit} ELSE 0 END")
    };
    let by_viewer = |table, from: &str, to: &str, value| {
        bit(table, format!("{from} = $2"), format!("{to} = {other}"), value)
    };
    let by_other = |table, from: &str, to: &str, value| {
        bit(table, format!("{from} = {other}"), format!("{to} = $2"), value)
    };
    let bits = [
        by_viewer("follows", "follower_id", "followee_id", 1),
        by_other("follows", "follower_id", "followee_id", 2),
        by_viewer("follow_requests", "requester_id", "target_id", 4),
        by_viewer("blocks", "blocker_id", "blocked_id", 8),
        by_other("blocks", "blocker_id", "blocked_id", 16),
        by_viewer("mutes", "muter_id", "muted_id", 32),
    ];
    // Most people on a page are strangers to the viewer, or the viewer.
    format!("(CASE WHEN {other} = $2 THEN 0 ELSE {} END)", bits.join(" + "))
}

const fn relation_of(bits: i32) -> Relation {
    Relation {
        following: bits & 1 != 0,
        followed_by: bits & 2 != 0,
        requested: bits & 4 != 0,
        blocking: bits & 8 != 0,
        blocked_by: bits & 16 != 0,
        muting: bits & 32 != 0,
    }
}

/// The columns of a row, in order.
struct Columns<'a> {
    row: &'a QueryResult,
    next: usize,
}

impl Columns<'_> {
    fn take<T: TryGetable>(&mut self) -> Result<T> {
        let at = self.next;
        self.next += 1;
        Ok(self.row.try_get_by_index(at)?)
    }

    fn post(&mut self) -> Result<Post> {
        let row = Model {
            id: self.take()?,
            author_id: self.take()?,
            text: self.take()?,
            media: self.take()?,
            hashtags: self.take()?,
            mentions: self.take()?,
            visibility: self.take()?,
            like_count: self.take()?,
            comment_count: self.take()?,
            created_at: self.take()?,
            edited_at: self.take()?,
            version: self.take()?,
            deleted_at: None,
        };
        row.try_into()
    }

    fn author(&mut self, post: &Post) -> Result<(UserSummary, Relation)> {
        let row = Summary {
            id: post.author.as_uuid(),
            username: self.take()?,
            display_name: self.take()?,
            avatar_key: self.take()?,
            is_private: self.take()?,
            status: self.take()?,
        };
        Ok((row.try_into()?, relation_of(self.take()?)))
    }
}

fn hydrated(row: &QueryResult, has_viewer: bool) -> Result<HydratedPost> {
    let mut columns = Columns { row, next: 0 };
    let post = columns.post()?;
    let author = columns.author(&post)?;
    let marks: i32 = columns.take()?;
    let marks = has_viewer.then_some(Marks { liked: marks & 1 != 0, bookmarked: marks & 2 != 0 });
    let media = in_order(&post, &post.media, columns.take()?, |row: MediaRow| {
        Media::try_from(media::Model::from(row)).map(|media| (media.id, media))
    })?;
    let mentions = in_order(&post, &post.mentions, columns.take()?, |row: PersonRow| {
        row.person().map(|person| (person.0.id, person))
    })?;
    Ok(HydratedPost { post, author, mentions, media, marks })
}

/// Parses the JSON array `rows`, and returns its elements in the order of `ids`.
fn in_order<I: Eq + Copy, R: DeserializeOwned, T>(
    post: &Post,
    ids: &[I],
    rows: Option<String>,
    parse: impl Fn(R) -> Result<(I, T)>,
) -> Result<Vec<T>> {
    let Some(rows) = rows else { return Ok(Vec::new()) };
    let rows: Vec<R> =
        serde_json::from_str(&rows).map_err(|error| Error::corrupt("posts", post.id, error))?;
    let mut found = rows.into_iter().map(|row| parse(row).map(Some)).collect::<Result<Vec<_>>>()?;
    let take = |id: &I| {
        let at = found.iter_mut().find(|row| row.as_ref().is_some_and(|(found, _)| found == id));
        at.and_then(Option::take).map(|(_, row)| row)
    };
    Ok(ids.iter().filter_map(take).collect())
}

/// A boolean in JSON: SQLite writes 0 or 1.
#[derive(Deserialize)]
#[serde(untagged)]
enum Flag {
    Bool(bool),
    Number(u8),
}

impl From<Flag> for bool {
    fn from(flag: Flag) -> Self {
        match flag {
            Flag::Bool(value) => value,
            Flag::Number(number) => number != 0,
        }
    }
}

#[derive(Deserialize)]
struct PersonRow(Uuid, String, String, Option<String>, Flag, String, i32);

impl PersonRow {
    fn person(self) -> Result<(UserSummary, Relation)> {
        let Self(id, username, display_name, avatar_key, is_private, status, relation) = self;
        let is_private = is_private.into();
        let summary = Summary { id, username, display_name, avatar_key, is_private, status };
        Ok((summary.try_into()?, relation_of(relation)))
    }
}

#[derive(Deserialize)]
struct MediaRow(
    Uuid,
    Uuid,
    String,
    Flag,
    Option<String>,
    String,
    Option<String>,
    Variants,
    Option<Uuid>,
    Option<Uuid>,
    Flag,
    i64,
    i64,
);

impl From<MediaRow> for media::Model {
    fn from(row: MediaRow) -> Self {
        let MediaRow(
            id,
            owner_id,
            key,
            is_public,
            previous_key,
            blurhash,
            alt,
            variants,
            post_id,
            message_id,
            is_avatar,
            created_at,
            version,
        ) = row;
        let (is_public, is_avatar) = (is_public.into(), is_avatar.into());
        Self {
            id,
            owner_id,
            key,
            is_public,
            is_linked: is_public,
            previous_key,
            blurhash,
            alt,
            variants,
            post_id,
            message_id,
            is_avatar,
            created_at,
            version,
            deleted_at: None,
        }
    }
}
