//! Writes: the rows of blegram's own, in one transaction of bare statements.
//!
//! They lack what blegram does besides: idempotency keys, limits, mentions, locks that order lists, jobs and events.

use anyhow::{Result, bail};
use blegram_domain::{
    CommentId, LikeId, NotificationId, PostId, Timestamp, analysis::Analysis, search::terms,
};
use serde_json::json;
use sqlx::{Row, types::Json};
use uuid::Uuid;

use crate::{
    database::{Database, MediaRow, PostRow, Variant, timestamp},
    json::{self, Author, Comment, CommentViewer, Like, Time},
};

/// The account of a session.
struct Actor {
    id: Uuid,
    username: String,
    display_name: String,
    avatar_key: Option<String>,
}

impl Actor {
    fn render(&self, site: &str) -> Author<'_> {
        Author {
            id: self.id,
            username: &self.username,
            display_name: &self.display_name,
            avatar_url: json::avatar_url(self.avatar_key.as_deref(), site),
        }
    }
}

/// The hash of a session's token, and the time of the request.
type Session<'a> = (&'a [u8], Timestamp);

/// A post to insert.
struct NewPost<'a> {
    id: Uuid,
    text: &'a str,
    media: Vec<Uuid>,
    hashtags: Vec<String>,
    now: Timestamp,
}

const ACTOR: &str = "SELECT u.id, u.username, u.display_name, u.avatar_key FROM sessions s JOIN users u ON u.id = s.user_id \
    WHERE s.token_hash = $1 AND s.expires_at > $2 AND u.status = 'active'";
const ATTACH: &str = "UPDATE media SET post_id = $1 WHERE id = $2 AND owner_id = $3 AND post_id IS NULL AND message_id IS NULL \
    AND NOT is_avatar AND deleted_at IS NULL RETURNING key, blurhash, alt, variants, created_at";
const NOTIFY: &str = "INSERT INTO notifications (id, user_id, kind, actor_id, post_id, comment_id, object_id, created_at) \
    SELECT $1, $2, $3, $4, $5, $6, $7, $8 WHERE $2 <> $4 \
    AND NOT EXISTS (SELECT 1 FROM mutes WHERE muter_id = $2 AND muted_id = $4) ON CONFLICT DO NOTHING";

/// The transactions for one type of connection. The statements are the same, except for the search index.
macro_rules! transactions {
    ($module:ident, $connection:ty, $begin:literal, $search:literal) => {
        mod $module {
            use super::*;

            /// Runs `work` in a transaction, which ends in a rollback if it fails.
            macro_rules! transaction {
                ($conn:ident, $work:expr) => {{
                    sqlx::query($begin).execute(&mut *$conn).await?;
                    let result: Result<_> = async { $work }.await;
                    let end = if result.is_ok() { "COMMIT" } else { "ROLLBACK" };
                    sqlx::query(end).execute(&mut *$conn).await?;
                    result
                }};
            }

            async fn actor(conn: &mut $connection, (hash, now): Session<'_>) -> Result<Option<Actor>> {
                let row = sqlx::query_as(ACTOR).bind(hash).bind(now.as_micros());
                let row: Option<(Uuid, String, String, Option<String>)> = row.fetch_optional(conn).await?;
                Ok(row.map(|(id, username, display_name, avatar_key)| Actor {
                    id,
                    username,
                    display_name,
                    avatar_key,
                }))
            }

            async fn notify(
                conn: &mut $connection,
                kind: &str,
                recipient: Uuid,
                actor: Uuid,
                post: Uuid,
                comment: Option<Uuid>,
                now: Timestamp,
            ) -> Result<()> {
                let insert = sqlx::query(NOTIFY).bind(NotificationId::generate(now).as_uuid());
                let insert = insert.bind(recipient).bind(kind).bind(actor).bind(post).bind(comment);
                insert.bind(comment.unwrap_or(post)).bind(now.as_micros()).execute(conn).await?;
                Ok(())
            }

            /// Attaches an image of the author that is not in use to the post.
            async fn attach(
                conn: &mut $connection,
                author: Uuid,
                post: Uuid,
                id: Uuid,
            ) -> Result<MediaRow> {
                let row = sqlx::query(ATTACH).bind(post).bind(id).bind(author).fetch_one(conn).await?;
                let variants: Json<Vec<Variant>> = row.try_get(3)?;
                Ok(MediaRow {
                    id,
                    key: row.try_get(0)?,
                    blurhash: row.try_get(1)?,
                    alt: row.try_get(2)?,
                    variants: variants.0,
                    created_at: timestamp(row.try_get(4)?)?,
                })
            }

            pub(super) async fn create_post(
                conn: &mut $connection,
                session: Session<'_>,
                post: &NewPost<'_>,
            ) -> Result<Option<(Actor, Vec<MediaRow>)>> {
                transaction!(conn, {
                    let Some(actor) = actor(&mut *conn, session).await? else { return Ok(None) };
                    sqlx::query(
                        "INSERT INTO posts (id, author_id, text, media, hashtags, mentions, visibility, created_at) \
                         VALUES ($1, $2, $3, $4, $5, $7, 'public', $6)",
                    )
                    .bind(post.id)
                    .bind(actor.id)
                    .bind(post.text)
                    .bind(json!(post.media))
                    .bind(json!(post.hashtags))
                    .bind(post.now.as_micros())
                    .bind(json!([]))
                    .execute(&mut *conn)
                    .await?;
                    let mut media = Vec::new();
                    for id in &post.media {
                        media.push(attach(&mut *conn, actor.id, post.id, *id).await?);
                    }
                    sqlx::query("UPDATE users SET post_count = post_count + 1 WHERE id = $1")
                        .bind(actor.id)
                        .execute(&mut *conn)
                        .await?;
                    // In blegram's order, whose requests of the row before may not have ended yet: otherwise they could deadlock.
                    let mut hashtags: Vec<&String> = post.hashtags.iter().collect();
                    hashtags.sort_unstable();
                    for hashtag in hashtags {
                        sqlx::query(
                            "INSERT INTO hashtags (name, post_count) VALUES ($1, 1) \
                             ON CONFLICT (name) DO UPDATE SET post_count = hashtags.post_count + 1",
                        )
                        .bind(hashtag)
                        .execute(&mut *conn)
                        .await?;
                        sqlx::query("INSERT INTO post_hashtags (hashtag, post_id) VALUES ($1, $2)")
                            .bind(hashtag)
                            .bind(post.id)
                            .execute(&mut *conn)
                            .await?;
                    }
                    let terms = terms(post.text);
                    for statement in $search.split(';') {
                        let statement: &'static str = statement;
                        sqlx::query(statement).bind(post.id).bind(&terms).execute(&mut *conn).await?;
                    }
                    Ok(Some((actor, media)))
                })
            }

            pub(super) async fn create_comment(
                conn: &mut $connection,
                session: Session<'_>,
                (id, post, text): (Uuid, Uuid, &str),
            ) -> Result<Option<Actor>> {
                transaction!(conn, {
                    let Some(actor) = actor(&mut *conn, session).await? else { return Ok(None) };
                    let author: Option<(Uuid,)> = sqlx::query_as(
                        "UPDATE posts SET comment_count = comment_count + 1 WHERE id = $1 AND deleted_at IS NULL \
                         RETURNING author_id",
                    )
                    .bind(post)
                    .fetch_optional(&mut *conn)
                    .await?;
                    let Some((author,)) = author else { return Ok(None) };
                    sqlx::query(
                        "INSERT INTO comments (id, post_id, author_id, text, mentions, created_at) \
                         VALUES ($1, $2, $3, $4, $5, $6)",
                    )
                    .bind(id)
                    .bind(post)
                    .bind(actor.id)
                    .bind(text)
                    .bind(json!([]))
                    .bind(session.1.as_micros())
                    .execute(&mut *conn)
                    .await?;
                    notify(&mut *conn, "comment", author, actor.id, post, Some(id), session.1).await?;
                    Ok(Some(actor))
                })
            }

            pub(super) async fn set_like(
                conn: &mut $connection,
                session: Session<'_>,
                post: Uuid,
                liked: bool,
            ) -> Result<Option<Like>> {
                transaction!(conn, {
                    let Some(actor) = actor(&mut *conn, session).await? else { return Ok(None) };
                    let change = if liked {
                        sqlx::query(
                            "INSERT INTO post_likes (id, user_id, post_id) VALUES ($3, $1, $2) ON CONFLICT DO NOTHING",
                        )
                        .bind(actor.id)
                        .bind(post)
                        .bind(LikeId::generate(session.1).as_uuid())
                    } else {
                        sqlx::query("DELETE FROM post_likes WHERE user_id = $1 AND post_id = $2").bind(actor.id).bind(post)
                    };
                    let changed = i64::try_from(change.execute(&mut *conn).await?.rows_affected())?;
                    let by = if liked { changed } else { -changed };
                    let row: Option<(Uuid, i64)> = sqlx::query_as(
                        "UPDATE posts SET like_count = like_count + $2 WHERE id = $1 AND deleted_at IS NULL \
                         RETURNING author_id, like_count",
                    )
                    .bind(post)
                    .bind(by)
                    .fetch_optional(&mut *conn)
                    .await?;
                    let Some((author, like_count)) = row else { return Ok(None) };
                    if by > 0 {
                        notify(&mut *conn, "post_like", author, actor.id, post, None, session.1).await?;
                    } else if by < 0 {
                        sqlx::query(
                            "DELETE FROM notifications WHERE object_id = $1 AND actor_id = $2 AND user_id = $3 AND kind = 'post_like'",
                        )
                        .bind(post)
                        .bind(actor.id)
                        .bind(author)
                        .execute(&mut *conn)
                        .await?;
                    }
                    Ok(Some(Like { liked, like_count }))
                })
            }
        }
    };
}

transactions!(
    sqlite,
    sqlx::SqliteConnection,
    "BEGIN IMMEDIATE",
    "INSERT INTO post_search (post_id) SELECT $1 WHERE $2 IS NOT NULL;\
     INSERT INTO post_search_terms (rowid, terms) SELECT row_no, $2 FROM post_search WHERE post_id = $1"
);
transactions!(
    postgres,
    sqlx::PgConnection,
    "BEGIN",
    "INSERT INTO post_search (post_id, terms) VALUES ($1, to_tsvector('simple', $2))"
);

/// Calls the transaction of the database's own module.
macro_rules! call {
    ($database:expr, $function:ident($($argument:expr),*)) => {
        match $database {
            Database::Sqlite { writer, .. } => sqlite::$function(&mut *writer.lock().await, $($argument),*).await?,
            Database::Postgres(pool) => postgres::$function(&mut *pool.acquire().await?, $($argument),*).await?,
        }
    };
}

impl Database {
    /// `createPost`; `None` without a session.
    pub(crate) async fn create_post(
        &self,
        session: Session<'_>,
        (text, media): (&str, Vec<Uuid>),
        site: &str,
    ) -> Result<Option<Vec<u8>>> {
        let Ok(analysis) = Analysis::of(text) else { bail!("the text has too many hashtags or mentions") };
        let now = session.1;
        let hashtags = analysis.hashtags.iter().map(ToString::to_string).collect();
        let post = NewPost { id: PostId::generate(now).as_uuid(), text, media, hashtags, now };
        let Some((actor, media)) = call!(self, create_post(session, &post)) else { return Ok(None) };
        let row = PostRow {
            id: post.id,
            text: text.to_owned(),
            hashtags: post.hashtags,
            visibility: "public".to_owned(),
            like_count: 0,
            comment_count: 0,
            created_at: now,
            edited_at: None,
            author_id: actor.id,
            username: actor.username,
            display_name: actor.display_name,
            avatar_key: actor.avatar_key,
            marks: Some((false, false)),
            media,
        };
        Ok(Some(serde_json::to_vec(&json::Post::new(&row, site))?))
    }

    /// `createComment`; `None` without a session, or if there is no such post.
    pub(crate) async fn create_comment(
        &self,
        session: Session<'_>,
        post: Uuid,
        text: &str,
        site: &str,
    ) -> Result<Option<Vec<u8>>> {
        let id = CommentId::generate(session.1).as_uuid();
        let Some(actor) = call!(self, create_comment(session, (id, post, text))) else { return Ok(None) };
        Ok(Some(serde_json::to_vec(&Comment {
            id,
            post_id: post,
            parent_id: None,
            author: actor.render(site),
            text,
            mentions: [],
            like_count: 0,
            reply_count: 0,
            created_at: Time(session.1),
            edited_at: None,
            is_deleted: false,
            viewer: CommentViewer { liked: false },
        })?))
    }

    /// `likePost` and `unlikePost`; `None` without a session, or if there is no such post.
    pub(crate) async fn set_like(
        &self,
        session: Session<'_>,
        post: Uuid,
        liked: bool,
    ) -> Result<Option<Vec<u8>>> {
        let like = call!(self, set_like(session, post, liked));
        Ok(like.map(|like| serde_json::to_vec(&like)).transpose()?)
    }
}
