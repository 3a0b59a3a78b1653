//! The public posts of each hashtag. A post's row has its hashtags in the order of its text; these rows are the index
//! from hashtag to posts.

use blegram_domain::{Hashtag, PageRequest, Post, PostId, Visibility, page::PageKeys};
use sea_orm::{
    ColumnTrait, EntityTrait, ExprTrait, IntoActiveModel, QueryFilter, QuerySelect, QueryTrait,
    sea_query::Expr,
};

use crate::{
    Conn, Result, Tx,
    db::sealed::Sealed,
    entity::{
        post::Removed,
        post_hashtag::{Column, Entity, Model},
    },
    keyset, rows,
};

/// Replaces the rows of a locked post according to its text and visibility.
pub(crate) async fn replace(tx: &Tx, post: &Post) -> Result<()> {
    delete(tx, post.id).await?;
    insert(tx, post).await
}

/// Deletes the rows of a post: only a few, so that the caller's transaction can do it.
pub(crate) async fn delete(tx: &Tx, post: PostId) -> Result<()> {
    rows::delete::<Entity>(tx, Column::PostId.eq(post.as_uuid())).await?;
    Ok(())
}

/// Inserts the rows of a new post.
pub(crate) async fn insert(tx: &Tx, post: &Post) -> Result<()> {
    if post.visibility != Visibility::Public || post.hashtags.is_empty() {
        return Ok(());
    }
    let row = |tag: &Hashtag| Model { hashtag: tag.to_string(), post_id: post.id.as_uuid() };
    let rows = post.hashtags.iter().map(|tag| row(tag).into_active_model());
    Entity::insert_many(rows).exec_without_returning(tx.inner()).await?;
    Ok(())
}

/// Lists the ids of the public posts with a hashtag, the newest first.
pub async fn list_post_ids(conn: &impl Conn, tag: &Hashtag, page: &PageRequest) -> Result<PageKeys> {
    keyset::ids(conn, Entity::find().filter(Column::Hashtag.eq(tag.as_str())), Column::PostId, page).await
}

/// Deletes up to `max` rows of posts that are being deleted, and returns how many.
pub async fn delete_below(tx: &Tx, posts: Removed, max: u64) -> Result<u64> {
    if max == 0 {
        return Ok(0);
    }
    let some = Entity::find().select_only().column(Column::PostId).column(Column::Hashtag);
    let some = some.filter(Column::PostId.in_subquery(posts.ids())).limit(max);
    let keys = Expr::tuple([Expr::col(Column::PostId), Expr::col(Column::Hashtag)]);
    rows::delete::<Entity>(tx, keys.in_subquery(some.into_query())).await
}
