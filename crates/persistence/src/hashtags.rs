//! How often each hashtag is used, in posts that everybody may see.

use blegram_domain::{Hashtag, UserId, UserSummary};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, ExprTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect, Statement,
    sea_query::{Expr, OnConflict},
};

use crate::{
    Conn, Result, Tx,
    db::sealed::Sealed,
    entity::{
        self,
        hashtag::{Column, Entity, Model},
    },
    search,
};

/// How many posts that everybody may see have the tag.
///
/// # Errors
/// Storage failures only.
pub async fn find_post_count(conn: &impl Conn, tag: &Hashtag) -> Result<u64> {
    let row = Entity::find_by_id(tag.as_str()).one(conn.inner()).await?;
    row.map_or(Ok(0), |row| entity::count("hashtags", &row.name, row.post_count))
}

/// Counts a post that everybody may see, under each of its tags.
pub(crate) async fn count(tx: &Tx, tags: &[Hashtag]) -> Result<()> {
    if tags.is_empty() {
        return Ok(());
    }
    let add = Expr::col((Entity, Column::PostCount)).add(1);
    let again = OnConflict::column(Column::Name).value(Column::PostCount, add).to_owned();
    let names = sorted(tags);
    let known = Entity::find().filter(Column::Name.is_in(&names)).all(tx.inner()).await?;
    let rows = names.iter().map(|name| Model { name: name.clone(), post_count: 1 }.into_active_model());
    Entity::insert_many(rows).on_conflict(again).exec_without_returning(tx.inner()).await?;
    let is_new = |name: &String| known.iter().all(|it| it.name != *name);
    search::index_hashtags(tx, &names.into_iter().filter(is_new).collect::<Vec<_>>()).await
}

/// Counts out what [`count`] counted.
pub(crate) async fn discount(tx: &Tx, tags: &[Hashtag]) -> Result<()> {
    if tags.is_empty() {
        return Ok(());
    }
    let names = sorted(tags);
    let these = || Column::Name.is_in(&names);
    // Held in the order in which everybody holds them, so that no two wait for each other.
    let held = Entity::find().filter(these()).order_by_asc(Column::Name).lock_exclusive();
    held.all(tx.inner()).await?;
    Entity::update_many()
        .col_expr(Column::PostCount, Expr::col(Column::PostCount).sub(1))
        .filter(these())
        .exec(tx.inner())
        .await?;
    Ok(())
}

fn sorted(tags: &[Hashtag]) -> Vec<String> {
    let mut names: Vec<String> = tags.iter().map(ToString::to_string).collect();
    names.sort_unstable();
    names
}

/// Counts all posts of an author who is held under their tags, or counts them out, when what they write was not for
/// everybody and is now, or the other way round.
///
/// # Errors
/// Storage failures only.
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
    let lock =
        if tx.inner().get_database_backend() == sea_orm::DbBackend::Postgres { "FOR UPDATE" } else { "" };
    let statements = [
        // Tags that only this author used may have no row yet.
        format!(
            "INSERT INTO hashtags (name, post_count) SELECT DISTINCT hashtag, 0 FROM ({used}) AS used WHERE true ORDER BY 1 \
             ON CONFLICT DO NOTHING"
        ),
        format!("SELECT name FROM hashtags WHERE name IN ({used}) ORDER BY name {lock}"),
        format!(
            "UPDATE hashtags SET post_count = post_count {sign} (SELECT count(*) FROM ({used}) AS used \
             WHERE used.hashtag = hashtags.name) WHERE name IN ({used})"
        ),
    ];
    for sql in statements {
        let values = [author.as_uuid().into()];
        let statement = Statement::from_sql_and_values(tx.inner().get_database_backend(), sql, values);
        tx.inner().execute_raw(statement).await?;
    }
    // A private author's tags may be new to everybody else.
    search::index_missing_hashtags(tx, MAX_NEW).await?;
    Ok(())
}

/// How many tags that only one author used get their words at once; the rest is for `reindex`.
const MAX_NEW: u64 = 500;
