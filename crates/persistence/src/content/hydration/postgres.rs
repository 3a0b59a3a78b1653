//! A page as columns, with one row per image of a post. JSON would cost more: PostgreSQL looks up the type of each value that
//! it writes as JSON. Only mentioned accounts are JSON, because few posts have any.

use sea_orm::{ConnectionTrait, QueryResult, TryGetable, prelude::Uuid};
use serde::de::DeserializeOwned;

use super::{
    Parts, marks, parse, relation_to_author, relation_to_mentioned,
    row::{Person, Row},
};
use crate::{
    Conn, Error, Result,
    entity::media,
    sql::{self, Values},
};

/// The columns of an image, in the order in which they are read.
const IMAGE: [&str; 10] = [
    "image.id",
    "owner_id",
    "key",
    "is_public",
    "previous_key",
    "blurhash",
    "alt",
    "variants::text",
    "image.created_at",
    "image.version",
];

/// Reads the posts that the SQL `posts` selects.
pub(super) async fn rows(
    conn: &impl Conn,
    parts: &Parts<'_>,
    posts: &str,
    values: Values,
) -> Result<Vec<Row>> {
    let statement = sql::statement(conn, select(parts, posts), values);
    let mut rows: Vec<Row> = Vec::new();
    for result in conn.inner().query_all_raw(statement).await? {
        let mut columns = Columns { result: &result, at: 0 };
        let image = columns.image()?;
        let id = columns.next()?;
        // The rows of a post usually follow one another.
        let at = match rows.iter().rposition(|row| row.id == id) {
            Some(at) => at,
            None => {
                rows.push(columns.post(id)?);
                rows.len() - 1
            }
        };
        if let Some(image) = image {
            rows[at].images.get_or_insert_default().push(image);
        }
    }
    Ok(rows)
}

/// Selects the columns of an image, and then those of its post.
fn select(parts: &Parts<'_>, posts: &str) -> String {
    let &Parts { viewer, has_lists, actor } = parts;
    let relation = relation_to_author(viewer);
    let lists = if has_lists { lists(viewer) } else { "0 AS marks, NULL AS people".to_owned() };
    let (read_actor, join_actor) = match actor {
        Some(id) => (
            format!("{}::text", person("actor", "0")),
            format!("JOIN users AS actor ON actor.id = {id} FOR KEY SHARE OF author, actor"),
        ),
        None => ("NULL".to_owned(), String::new()),
    };
    let columns = format!(
        "post.id, text, media::text AS media, hashtags::text, mentions::text, visibility, like_count, comment_count, \
         post.created_at, edited_at, post.version, author.id AS author_id, author.username, author.display_name, \
         author.avatar_key, author.is_private, author.status, {relation} AS relation, {lists}, {read_actor} AS actor"
    );
    // One lookup of an author per post. PostgreSQL does not move a subquery with an offset into the join, for which it
    // would scan a table of a few thousand accounts.
    let from = format!(
        "FROM ({posts}) AS post \
         JOIN LATERAL (SELECT * FROM users WHERE id = post.author_id OFFSET 0) AS author ON true {join_actor}"
    );
    if !has_lists {
        let image = ["NULL"; IMAGE.len()].join(", ");
        return format!("SELECT {image}, {columns} {from}");
    }
    // With an offset, too: the columns of a post would be computed again for each of its images.
    format!(
        "SELECT {}, page.* FROM (SELECT {columns} {from} OFFSET 0) AS page \
         LEFT JOIN LATERAL (SELECT * FROM media WHERE page.media <> '[]' AND post_id = page.id AND deleted_at IS NULL \
           OFFSET 0) AS image ON true",
        IMAGE.join(", ")
    )
}

/// Selects the viewer's marks and the mentioned accounts.
fn lists(viewer: Option<&str>) -> String {
    let (marks, mentioned) = (marks(viewer), person("mentioned", &relation_to_mentioned(viewer)));
    // The ids as an array: PostgreSQL expects a hundred rows from the function, and would scan a small table.
    format!(
        "{marks} AS marks, \
         CASE WHEN mentions = '[]' THEN NULL ELSE (SELECT json_agg({mentioned})::text FROM users AS mentioned \
           WHERE id = ANY (ARRAY(SELECT value::uuid FROM jsonb_array_elements_text(mentions) AS ids(value)))) END AS people"
    )
}

/// The fields of an account in the row `users` as JSON; it has the relation `relation` to the viewer.
fn person(users: &str, relation: &str) -> String {
    format!(
        "json_build_array({users}.id, {users}.username, {users}.display_name, {users}.avatar_key, \
         {users}.is_private::integer, {users}.status, {relation})"
    )
}

/// Reads the columns of a row from the first to the last.
struct Columns<'a> {
    result: &'a QueryResult,
    at: usize,
}

impl Columns<'_> {
    fn next<T: TryGetable>(&mut self) -> Result<T> {
        let value = self.result.try_get_by_index(self.at)?;
        self.at += 1;
        Ok(value)
    }

    fn json<T: DeserializeOwned>(&mut self) -> Result<T> {
        parse(&self.next::<String>()?)
    }

    fn json_unless_null<T: DeserializeOwned>(&mut self) -> Result<Option<T>> {
        self.next::<Option<String>>()?.map(|json| parse(&json)).transpose()
    }

    /// A sum of bits.
    fn bits(&mut self, id: Uuid) -> Result<u8> {
        let bits: i32 = self.next()?;
        u8::try_from(bits).map_err(|_| Error::corrupt("posts", id, format!("the bits {bits}")))
    }

    fn image(&mut self) -> Result<Option<media::Model>> {
        let Some(id) = self.next()? else {
            self.at += IMAGE.len() - 1;
            return Ok(None);
        };
        let owner_id = self.next()?;
        let key = self.next()?;
        let is_public = self.next()?;
        Ok(Some(media::Model {
            id,
            owner_id,
            key,
            is_public,
            is_linked: is_public,
            previous_key: self.next()?,
            blurhash: self.next()?,
            alt: self.next()?,
            variants: self.json()?,
            post_id: None,
            message_id: None,
            is_avatar: false,
            created_at: self.next()?,
            version: self.next()?,
            deleted_at: None,
        }))
    }

    fn post(&mut self, id: Uuid) -> Result<Row> {
        Ok(Row {
            id,
            text: self.next()?,
            media: self.json()?,
            hashtags: self.json()?,
            mentions: self.json()?,
            visibility: self.next()?,
            like_count: self.next()?,
            comment_count: self.next()?,
            created_at: self.next()?,
            edited_at: self.next()?,
            version: self.next()?,
            author: self.author(id)?,
            marks: self.bits(id)?,
            images: None,
            people: self.json_unless_null()?,
            actor: self.json_unless_null()?,
        })
    }

    fn author(&mut self, post: Uuid) -> Result<Person> {
        Ok(Person {
            id: self.next()?,
            username: self.next()?,
            display_name: self.next()?,
            avatar_key: self.next()?,
            is_private: self.next()?,
            status: self.next()?,
            relation: self.bits(post)?,
        })
    }
}
