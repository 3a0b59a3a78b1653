//! The search index for posts, users and hashtags. Both databases index the same terms, which `domain` computes: SQLite
//! in an FTS5 table beside a table of keys, PostgreSQL in a `tsvector` column.

use std::collections::BTreeSet;

use blegram_domain::{Post, PostId, User, UserId, Visibility, search::terms};
use sea_orm::{DbBackend, Value};

use crate::{
    Conn, Result, Tx,
    rows::Beside,
    sql::{self, Values},
};

/// A search index: a table of keys with their terms.
pub(crate) struct Index {
    table: &'static str,
    key: &'static str,
}

pub(crate) const POSTS: Index = Index { table: "post_search", key: "post_id" };
pub(crate) const USERS: Index = Index { table: "user_search", key: "user_id" };
pub(crate) const HASHTAGS: Index = Index { table: "hashtag_search", key: "name" };
pub(crate) const ALL: [Index; 3] = [POSTS, USERS, HASHTAGS];

/// How many pages of about 4 KB a merge of an FTS5 index writes per transaction.
const MERGED_PAGES: u32 = 250;

/// FTS5 numbers the pages of a segment from its number times 2³⁷ on, and those of its tombstones 2¹⁶ segments later.
const TOMBSTONES: i64 = 1 << (37 + 16);

impl Index {
    async fn upsert(&self, tx: &Tx, id: Value, terms: String) -> Result<()> {
        let Self { table, key } = self;
        if sql::is_postgres(tx) {
            let sql = format!(
                "INSERT INTO {table} ({key}, terms) VALUES ($1, to_tsvector('simple', $2)) \
                 ON CONFLICT ({key}) DO UPDATE SET terms = excluded.terms"
            );
            return sql::execute(tx, sql, [id, terms.into()]).await.map(drop);
        }
        self.add(tx, id.clone()).await?;
        self.delete_terms(tx, id.clone()).await?;
        self.insert_terms(tx, id, terms).await
    }

    /// SQLite only: inserts the terms of a key that has none.
    async fn insert_terms(&self, tx: &Tx, id: Value, terms: String) -> Result<()> {
        let Self { table, key } = self;
        let sql = format!(
            "INSERT INTO {table}_terms (rowid, terms) SELECT row_no, $2 FROM {table} WHERE {key} = $1"
        );
        sql::execute(tx, sql, [id, terms.into()]).await.map(drop)
    }

    /// SQLite only: inserts a key, which assigns its row number. A key keeps its number, because the numbers are in
    /// insertion order.
    async fn add(&self, tx: &Tx, id: Value) -> Result<()> {
        let Self { table, key } = self;
        sql::execute(tx, format!("INSERT INTO {table} ({key}) VALUES ($1) ON CONFLICT DO NOTHING"), [id])
            .await
            .map(drop)
    }

    /// SQLite only: deletes the terms of a key.
    async fn delete_terms(&self, tx: &Tx, id: Value) -> Result<()> {
        let Self { table, key } = self;
        let sql =
            format!("DELETE FROM {table}_terms WHERE rowid = (SELECT row_no FROM {table} WHERE {key} = $1)");
        sql::execute(tx, sql, [id]).await.map(drop)
    }

    async fn delete(&self, tx: &Tx, id: Value) -> Result<()> {
        let Self { table, key } = self;
        if !sql::is_postgres(tx) {
            self.delete_terms(tx, id.clone()).await?;
        }
        sql::execute(tx, format!("DELETE FROM {table} WHERE {key} = $1"), [id]).await.map(drop)
    }

    /// SQLite only: lists the pages that mark terms as deleted. FTS5 keeps those terms until it merges their segment with
    /// others, which for an old segment may be never.
    pub(crate) async fn list_remnants(&self, conn: &impl Conn) -> Result<Vec<i64>> {
        let sql = format!("SELECT id FROM {}_terms_data WHERE id >= {TOMBSTONES}", self.table);
        sql::list(conn, sql, []).await
    }

    /// SQLite only: whether any of these pages is left, or was reused.
    pub(crate) async fn has_any_remnant(&self, conn: &impl Conn, pages: &[i64]) -> Result<bool> {
        let left = self.list_remnants(conn).await?;
        Ok(left.iter().any(|page| pages.contains(page)))
    }

    /// SQLite only: merges a part of the index without the deleted terms, and returns whether there was anything to do.
    pub(crate) async fn merge_some(&self, tx: &Tx) -> Result<bool> {
        const CHANGES: &str = "SELECT total_changes()";
        let terms = format!("{}_terms", self.table);
        let before: Option<i64> = sql::find(tx, CHANGES, []).await?;
        let merge = format!("INSERT INTO {terms} ({terms}, rank) VALUES ('merge', -{MERGED_PAGES})");
        sql::execute(tx, merge, []).await?;
        let after: Option<i64> = sql::find(tx, CHANGES, []).await?;
        // The command itself counts as one.
        Ok(after.zip(before).is_some_and(|(after, before)| after - before > 1))
    }

    /// The SQL that selects the keys of up to [`MAX_CANDIDATES`] rows that match the expression in `$1`.
    pub(crate) fn candidates(&self, backend: DbBackend) -> String {
        let Self { table, key } = self;
        if backend == DbBackend::Postgres {
            return format!(
                "SELECT {key} FROM {table} WHERE terms @@ to_tsquery('simple', $1) LIMIT {MAX_CANDIDATES}"
            );
        }
        format!(
            "SELECT {key} FROM {table} WHERE row_no IN \
             (SELECT rowid FROM {table}_terms WHERE {table}_terms MATCH $1 LIMIT {MAX_CANDIDATES})"
        )
    }
}

/// The maximum number of matches that one search sorts. Words with more matches are common: posts with them are
/// searched from the newest on, and for names any of the matches will do.
pub(crate) const MAX_CANDIDATES: usize = 2_000;

/// The row of a new post in the search index, if it is public; on PostgreSQL, where it is inserted beside the post: other
/// writers of posts wait for each statement.
pub(crate) fn beside_new_post(tx: &Tx, post: &Post) -> Option<Beside> {
    let is_indexed = sql::is_postgres(tx) && post.visibility == Visibility::Public;
    let sql = "post_search (post_id, terms) SELECT id, to_tsvector('simple', {}) FROM new".to_owned();
    is_indexed.then(|| Beside { sql, value: terms(&post.text).into() })
}

/// Adds a new post to the search index on SQLite, if it is public. On PostgreSQL, [`beside_new_post`] has.
pub(crate) async fn index_new_post(tx: &Tx, post: &Post) -> Result<()> {
    let id = || post.id.as_uuid().into();
    if sql::is_postgres(tx) {
        return Ok(());
    }
    // Every post gets a row number, in the order of the posts, in case it becomes public.
    POSTS.add(tx, id()).await?;
    match post.visibility {
        Visibility::Public => POSTS.insert_terms(tx, id(), terms(&post.text)).await,
        Visibility::Followers => Ok(()),
    }
}

/// Adds a post to the search index, if it is public; otherwise removes its terms.
pub(crate) async fn index_post(tx: &Tx, post: &Post) -> Result<()> {
    if post.visibility == Visibility::Public {
        return POSTS.upsert(tx, post.id.as_uuid().into(), terms(&post.text)).await;
    }
    if sql::is_postgres(tx) {
        return unindex_post(tx, post.id).await;
    }
    // Keep its row number, in the order of the posts, in case the post becomes public.
    POSTS.add(tx, post.id.as_uuid().into()).await?;
    POSTS.delete_terms(tx, post.id.as_uuid().into()).await
}

/// Removes a post from the search index.
pub(crate) async fn unindex_post(tx: &Tx, post: PostId) -> Result<()> {
    POSTS.delete(tx, post.as_uuid().into()).await
}

/// Adds an account to the search index, by its names.
pub(crate) async fn index_user(tx: &Tx, user: &User) -> Result<()> {
    let names = format!("{} {}", user.summary.username, user.summary.display_name);
    USERS.upsert(tx, user.summary.id.as_uuid().into(), terms(&names)).await
}

/// Removes an account from the search index.
pub(crate) async fn unindex_user(tx: &Tx, user: UserId) -> Result<()> {
    USERS.delete(tx, user.as_uuid().into()).await
}

/// Adds those of the locked hashtags `names` to the search index that are missing there.
pub(crate) async fn index_hashtags_if_missing(tx: &Tx, names: &BTreeSet<String>) -> Result<()> {
    if names.is_empty() {
        return Ok(());
    }
    let mut values = Values::default();
    let placeholders = values.bind_all(names.iter().map(String::as_str));
    let sql = format!("SELECT name FROM hashtag_search WHERE name IN ({placeholders})");
    let known: Vec<String> = sql::list(tx, sql, values).await?;
    let missing: Vec<String> = names.iter().filter(|name| !known.contains(name)).cloned().collect();
    index_hashtags(tx, &missing).await
}

/// Adds up to `max` hashtags to the search index that are missing there, and returns how many.
pub(crate) async fn index_missing_hashtags(tx: &Tx, max: u64) -> Result<u64> {
    // On PostgreSQL, hashtags that are being deleted are skipped, and the others cannot be deleted until the transaction
    // ends: the index references them.
    let lock = if sql::is_postgres(tx) { "FOR KEY SHARE SKIP LOCKED" } else { "" };
    let sql = format!(
        "SELECT name FROM hashtags \
         WHERE NOT EXISTS (SELECT 1 FROM hashtag_search WHERE hashtag_search.name = hashtags.name) LIMIT {max} {lock}"
    );
    let names: Vec<String> = sql::list(tx, sql, []).await?;
    index_hashtags(tx, &names).await?;
    Ok(names.len() as u64)
}

async fn index_hashtags(tx: &Tx, names: &[String]) -> Result<()> {
    for name in names {
        HASHTAGS.upsert(tx, name.clone().into(), terms(name)).await?;
    }
    Ok(())
}

/// Removes hashtags from the search index.
pub(crate) async fn unindex_hashtags(tx: &Tx, names: &[String]) -> Result<()> {
    // On PostgreSQL, deleting the hashtags deletes their rows here.
    if names.is_empty() || sql::is_postgres(tx) {
        return Ok(());
    }
    let Index { table, key } = HASHTAGS;
    let mut values = Values::default();
    let placeholders = values.bind_all(names.iter().map(String::as_str));
    let matches = format!("{key} IN ({placeholders})");
    for statement in [
        format!("DELETE FROM {table}_terms WHERE rowid IN (SELECT row_no FROM {table} WHERE {matches})"),
        format!("DELETE FROM {table} WHERE {matches}"),
    ] {
        sql::execute(tx, statement, values.clone()).await?;
    }
    Ok(())
}
