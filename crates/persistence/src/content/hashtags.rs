//! How many posts that everyone may see have each hashtag.

use std::collections::BTreeSet;

use blegram_domain::{Hashtag, UserId, UserSummary};
use sea_orm::{
    ColumnTrait, EntityTrait, ExprTrait, IntoActiveModel, QueryFilter,
    sea_query::{Expr, OnConflict},
};

use crate::{
    Conn, Result, Tx,
    db::sealed::Sealed,
    entity::{
        self,
        hashtag::{Column, Entity, Model},
    },
    search_index, sql,
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
    let known = Entity::find().filter(Column::Name.is_in(&added)).all(tx.inner()).await?;
    let by = Expr::case(Expr::col((Entity, Column::Name)).is_in(&removed), -1).finally(1);
    let upsert = OnConflict::column(Column::Name)
        .value(Column::PostCount, Expr::col((Entity, Column::PostCount)).add(by))
        .to_owned();
    let rows = all.iter().map(|name| {
        let post_count = i64::from(added.contains(name));
        Model { name: name.clone(), post_count }.into_active_model()
    });
    Entity::insert_many(rows).on_conflict(upsert).exec_without_returning(tx.inner()).await?;
    let is_new = |name: &String| known.iter().all(|row| row.name != *name);
    search_index::index_hashtags(tx, &added.into_iter().filter(is_new).collect::<Vec<_>>()).await
}

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
