//! A page as one JSON value. sqlx copies each value in the thread of the connection, and each row wakes the task that
//! reads it, so one value in one row is the fastest.

use super::{Parts, marks, parse, relation_to_author, relation_to_mentioned, row::Row};
use crate::{
    Conn, Result,
    sql::{self, Values},
};

/// Reads the posts that the SQL `posts` selects.
pub(super) async fn rows(
    conn: &impl Conn,
    parts: &Parts<'_>,
    posts: &str,
    values: Values,
) -> Result<Vec<Row>> {
    let json: Option<String> = sql::find(conn, select(parts, posts), values).await?;
    json.map_or_else(|| Ok(Vec::new()), |json| parse(&json))
}

/// Selects an array of posts, each an array of the fields of [`Row`].
fn select(parts: &Parts<'_>, posts: &str) -> String {
    let &Parts { viewer, has_lists, actor } = parts;
    let author = person("author", &relation_to_author(viewer));
    let lists = if has_lists { lists(viewer) } else { "0, NULL, NULL".to_owned() };
    let (read_actor, join_actor) = match actor {
        Some(id) => (person("actor", "0"), format!("JOIN users AS actor ON actor.id = {id}")),
        None => ("NULL".to_owned(), String::new()),
    };
    // `json` reads a stored text as JSON.
    format!(
        "SELECT json_group_array(json_array(hex(post.id), text, json(media), json(hashtags), json(mentions), visibility, \
           like_count, comment_count, post.created_at, edited_at, post.version, {author}, {lists}, {read_actor})) \
         FROM ({posts}) AS post JOIN users AS author ON author.id = post.author_id {join_actor}"
    )
}

fn lists(viewer: Option<&str>) -> String {
    let (marks, mentioned) = (marks(viewer), person("mentioned", &relation_to_mentioned(viewer)));
    format!(
        "{marks}, \
         CASE WHEN post.media = '[]' THEN NULL ELSE (SELECT json_group_array(json_array(\
           hex(media.id), hex(owner_id), key, is_public, previous_key, blurhash, alt, json(variants), created_at, version)) \
           FROM media WHERE post_id = post.id AND deleted_at IS NULL) END, \
         CASE WHEN post.mentions = '[]' THEN NULL ELSE (SELECT json_group_array({mentioned}) FROM users AS mentioned \
           WHERE id IN (SELECT unhex(value, '-') FROM json_each(post.mentions))) END"
    )
}

/// The fields of an account in the row `users`, which has the relation `relation` to the viewer.
fn person(users: &str, relation: &str) -> String {
    format!(
        "json_array(hex({users}.id), {users}.username, {users}.display_name, {users}.avatar_key, {users}.is_private, \
         {users}.status, {relation})"
    )
}
