//! How many posts that everyone may see have each hashtag.
//!
//! A hashtag that no post has any more keeps its row, with a count of zero, until a job deletes it ([`delete_unused`]).
//! So a hashtag may have no row, and a transaction that counts it inserts the row.

use std::collections::BTreeSet;

use blegram_domain::{Hashtag, UserId, UserSummary};
use sea_orm::{
    ColumnTrait, EntityTrait, ExprTrait, IntoActiveModel,
    sea_query::{Expr, OnConflict},
};

use crate::{
    Conn, Result, Tx,
    db::sealed::Sealed,
    entity::{
        self,
        hashtag::{Column, Entity, Model},
    },
    rows, search_index,
    sql::{self, Values},
};

/// Returns how many posts that everyone may see have the hashtag.
pub async fn find_post_count(conn: &impl Conn, tag: &Hashtag) -> Result<u64> {
    let row = Entity::find_by_id(tag.as_str()).one(conn.inner()).await?;
    row.map_or(Ok(0), |row| entity::count("hashtags", &row.name, row.post_count))
}

/// Counts a post that everyone may see for its hashtags `after`, and no longer for those in `before`. One statement
/// that locks the hashtags in a fixed order, to avoid deadlocks.
pub(crate) async fn change(tx: &Tx, before: &[Hashtag], after: &[Hashtag]) -> Result<()> {
    let (before, after) = (names(before), names(after));
    let added: BTreeSet<_> = after.difference(&before).cloned().collect();
    let removed: BTreeSet<_> = before.difference(&after).cloned().collect();
    let all: BTreeSet<_> = added.union(&removed).cloned().collect();
    if all.is_empty() {
        return Ok(());
    }
    let by = Expr::case(Expr::col((Entity, Column::Name)).is_in(&removed), -1).finally(1);
    let upsert = OnConflict::column(Column::Name)
        .value(Column::PostCount, Expr::col((Entity, Column::PostCount)).add(by))
        .to_owned();
    let rows = all.iter().map(|name| {
        let post_count = i64::from(added.contains(name));
        Model { name: name.clone(), post_count }.into_active_model()
    });
    Entity::insert_many(rows).on_conflict(upsert).exec_without_returning(tx.inner()).await?;
    // Only now, with the rows locked: before, another transaction could have deleted them, with their search terms.
    search_index::index_hashtags_if_missing(tx, &added).await
}

/// Lists up to `max` hashtags that no post has. Reads the whole table if there are fewer, so read it outside of the write
/// transaction.
pub async fn list_unused(conn: &impl Conn, max: u64) -> Result<Vec<String>> {
    sql::list(conn, format!("SELECT name FROM hashtags WHERE {UNUSED} LIMIT {max}"), []).await
}

/// Deletes those of the hashtags `names` that still no post has, and returns how many. Skips those that a transaction is
/// counting, so that it never waits for one.
pub async fn delete_unused(tx: &Tx, names: &[String]) -> Result<u64> {
    let mut values = Values::default();
    let placeholders = values.bind_all(names.iter().map(String::as_str));
    let lock = if sql::is_postgres(tx) { "FOR UPDATE SKIP LOCKED" } else { "" };
    let sql = format!("SELECT name FROM hashtags WHERE name IN ({placeholders}) AND {UNUSED} {lock}");
    let unused: Vec<String> = sql::list(tx, sql, values).await?;
    search_index::unindex_hashtags(tx, &unused).await?;
    rows::delete::<Entity>(tx, Column::Name.is_in(&unused)).await
}

/// The condition for a hashtag that no post has, not even one of a private account. Posts that only followers may see do
/// not count, because nothing lists them by hashtag.
const UNUSED: &str = "post_count = 0 \
    AND NOT EXISTS (SELECT 1 FROM post_hashtags WHERE post_hashtags.hashtag = hashtags.name)";

fn names(tags: &[Hashtag]) -> BTreeSet<String> {
    tags.iter().map(ToString::to_string).collect()
}

/// Adds all posts of a locked account to the counts of their hashtags, or subtracts them, when the account becomes
/// visible to everyone or stops being so.
pub async fn update_of_author(tx: &Tx, before: &UserSummary, after: &UserSummary) -> Result<()> {
    match (before.is_public(), after.is_public()) {
        (false, true) => recount_of_author(tx, before.id, '+').await,
        (true, false) => recount_of_author(tx, before.id, '-').await,
        _ => Ok(()),
    }
}

async fn recount_of_author(tx: &Tx, author: UserId, sign: char) -> Result<()> {
    let used = "SELECT hashtag FROM post_hashtags JOIN posts ON posts.id = post_hashtags.post_id \
                WHERE posts.author_id = $1 AND posts.deleted_at IS NULL";
    let collate = if sql::is_postgres(tx) { " COLLATE \"C\"" } else { "" };
    let statements = [
        // A hashtag that only this author used may have no row yet. Locks all of them in the fixed order.
        format!(
            "INSERT INTO hashtags (name, post_count) SELECT hashtag, 0 FROM (SELECT DISTINCT hashtag FROM ({used}) AS used) \
             AS tags WHERE true ORDER BY hashtag{collate} \
             ON CONFLICT (name) DO UPDATE SET post_count = hashtags.post_count"
        ),
        format!(
            "UPDATE hashtags SET post_count = post_count {sign} (SELECT count(*) FROM ({used}) AS used \
             WHERE used.hashtag = hashtags.name) WHERE name IN ({used})"
        ),
    ];
    for sql in statements {
        sql::execute(tx, sql, [author.as_uuid().into()]).await?;
    }
    // A formerly private author's hashtags may not be in the search index yet.
    search_index::index_missing_hashtags(tx, MAX_NEW).await?;
    Ok(())
}

/// How many missing hashtags are added to the search index at once. The job `reindex` adds the rest.
const MAX_NEW: u64 = 500;
