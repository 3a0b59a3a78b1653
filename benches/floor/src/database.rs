//! Connections to the database, and what one statement returns.

use anyhow::{Context, Result, bail};
use blegram_domain::Timestamp;
use serde::Deserialize;
use sqlx::{
    AssertSqlSafe, ConnectOptions, PgPool, Row, SqliteConnection, SqlitePool,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
    types::Json,
};
use tokio::sync::Mutex;
use uuid::Uuid;

/// The number of connections for reads: `database.max_connections` of blegram.
const CONNECTIONS: u32 = 8;

pub(crate) enum Database {
    Sqlite { readers: SqlitePool, writer: Mutex<SqliteConnection> },
    Postgres(PgPool),
}

/// A post with its author, its images and the viewer's marks.
pub(crate) struct PostRow {
    pub(crate) id: Uuid,
    pub(crate) text: String,
    pub(crate) hashtags: Vec<String>,
    pub(crate) visibility: String,
    pub(crate) like_count: i64,
    pub(crate) comment_count: i64,
    pub(crate) created_at: Timestamp,
    pub(crate) edited_at: Option<Timestamp>,
    pub(crate) author_id: Uuid,
    pub(crate) username: String,
    pub(crate) display_name: String,
    pub(crate) avatar_key: Option<String>,
    /// Whether the viewer likes and bookmarked it; `None` without a viewer.
    pub(crate) marks: Option<(bool, bool)>,
    pub(crate) media: Vec<MediaRow>,
}

pub(crate) struct MediaRow {
    pub(crate) id: Uuid,
    pub(crate) key: String,
    pub(crate) blurhash: String,
    pub(crate) alt: Option<String>,
    pub(crate) variants: Vec<Variant>,
    pub(crate) created_at: Timestamp,
}

#[derive(Deserialize)]
pub(crate) struct Variant {
    pub(crate) name: String,
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) byte_size: u64,
}

/// The columns that [`Database::posts`] reads, by position.
pub(crate) const COLUMNS: &str = "p.id, p.text, p.hashtags, p.mentions, p.visibility, p.like_count, p.comment_count, \
    p.created_at, p.edited_at, u.id, u.username, u.display_name, u.avatar_key, m.id, m.key, m.blurhash, m.alt, m.variants, \
    m.created_at";

/// One read: the statement and what it is given.
pub(crate) struct Query<'a> {
    pub(crate) sql: String,
    pub(crate) id: Option<Uuid>,
    /// The hash of the session token and the time, if the statement has a viewer.
    pub(crate) session: Option<(&'a [u8], i64)>,
}

/// Decodes the rows of one database: a post is as many rows as it has images, one after the other.
macro_rules! decode {
    ($rows:expr, $session:expr) => {{
        let mut posts: Vec<PostRow> = Vec::new();
        for row in $rows {
            let id: Uuid = row.try_get_unchecked(0)?;
            if posts.last().is_none_or(|post| post.id != id) {
                let mentions: Json<Vec<Uuid>> = row.try_get_unchecked(3)?;
                if !mentions.0.is_empty() {
                    bail!("the floor does not answer for posts with mentions");
                }
                let hashtags: Json<Vec<String>> = row.try_get_unchecked(2)?;
                let marks = match $session {
                    Some(_) => Some((row.try_get_unchecked(19)?, row.try_get_unchecked(20)?)),
                    None => None,
                };
                posts.push(PostRow {
                    id,
                    text: row.try_get_unchecked(1)?,
                    hashtags: hashtags.0,
                    visibility: row.try_get_unchecked(4)?,
                    like_count: row.try_get_unchecked(5)?,
                    comment_count: row.try_get_unchecked(6)?,
                    created_at: timestamp(row.try_get_unchecked(7)?)?,
                    edited_at: row.try_get_unchecked::<Option<i64>, _>(8)?.map(timestamp).transpose()?,
                    author_id: row.try_get_unchecked(9)?,
                    username: row.try_get_unchecked(10)?,
                    display_name: row.try_get_unchecked(11)?,
                    avatar_key: row.try_get_unchecked(12)?,
                    marks,
                    media: Vec::new(),
                });
            }
            let media: Option<Uuid> = row.try_get_unchecked(13)?;
            if let (Some(id), Some(post)) = (media, posts.last_mut()) {
                let variants: Json<Vec<Variant>> = row.try_get_unchecked(17)?;
                post.media.push(MediaRow {
                    id,
                    key: row.try_get_unchecked(14)?,
                    blurhash: row.try_get_unchecked(15)?,
                    alt: row.try_get_unchecked(16)?,
                    variants: variants.0,
                    created_at: timestamp(row.try_get_unchecked(18)?)?,
                });
            }
        }
        Ok(posts)
    }};
}

/// Binds what the statement is given, in the order of the fields.
macro_rules! bind {
    ($query:expr) => {{
        let mut bound = sqlx::query(AssertSqlSafe($query.sql));
        if let Some(id) = $query.id {
            bound = bound.bind(id);
        }
        if let Some((hash, now)) = $query.session {
            bound = bound.bind(hash).bind(now);
        }
        bound
    }};
}

pub(crate) fn timestamp(micros: i64) -> Result<Timestamp> {
    Timestamp::from_micros(micros).context("a stored time is out of range")
}

impl Database {
    pub(crate) async fn open(url: &str) -> Result<Self> {
        if url.starts_with("postgres") {
            let options: PgConnectOptions = url.parse()?;
            let pool = PgPoolOptions::new().max_connections(CONNECTIONS).test_before_acquire(false);
            return Ok(Self::Postgres(pool.connect_with(options.disable_statement_logging()).await?));
        }
        // As blegram opens it (`crates/persistence/src/sqlite.rs`).
        let options: SqliteConnectOptions = url.parse()?;
        let options = options
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(std::time::Duration::from_secs(10))
            .disable_statement_logging();
        let readers = SqlitePoolOptions::new().max_connections(CONNECTIONS).test_before_acquire(false);
        let readers = readers.connect_with(options.clone().pragma("query_only", "ON")).await?;
        let writer = options.pragma("secure_delete", "ON").connect().await.context("opening the writer")?;
        Ok(Self::Sqlite { readers, writer: Mutex::new(writer) })
    }

    /// Reads posts with one statement.
    pub(crate) async fn posts(&self, query: Query<'_>) -> Result<Vec<PostRow>> {
        match self {
            Self::Sqlite { readers, .. } => decode!(bind!(query).fetch_all(readers).await?, query.session),
            Self::Postgres(pool) => decode!(bind!(query).fetch_all(pool).await?, query.session),
        }
    }
}
