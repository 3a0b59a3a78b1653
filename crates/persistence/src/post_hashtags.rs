//! Which public posts have a hashtag. The tags themselves are in the post's row, in the order of its text; these rows
//! are how a tag finds its posts.

use blegram_domain::{Hashtag, PageRequest, Post, PostId, Visibility, page::Slice};
use sea_orm::{
    ColumnTrait, EntityTrait, ExprTrait, IntoActiveModel, QueryFilter, QuerySelect, QueryTrait,
    sea_query::Expr,
};

use crate::{
    Conn, Result, Tx,
    db::sealed::Sealed,
    entity::post_hashtag::{Column, Entity, Model},
    keyset, posts, rows,
};

/// Makes the rows of a post that is held what its text and visibility say.
pub(crate) async fn replace(tx: &Tx, post: &Post) -> Result<()> {
    delete(tx, post.id).await?;
    insert(tx, post).await
}

/// Removes the rows of a post: a handful, so that it can be done with the act.
pub(crate) async fn delete(tx: &Tx, post: PostId) -> Result<()> {
    rows::delete::<Entity>(tx, Column::PostId.eq(post.as_uuid())).await?;
    Ok(())
}

/// Adds the rows of a new post.
pub(crate) async fn insert(tx: &Tx, post: &Post) -> Result<()> {
    if post.visibility != Visibility::Public || post.hashtags.is_empty() {
        return Ok(());
    }
    let row = |tag: &Hashtag| Model { hashtag: tag.to_string(), post_id: post.id.as_uuid() };
    let rows = post.hashtags.iter().map(|tag| row(tag).into_active_model());
    Entity::insert_many(rows).exec_without_returning(tx.inner()).await?;
    Ok(())
}

/// Ids of the public posts with a hashtag, newest first.
pub async fn list_post_ids(conn: &impl Conn, tag: &Hashtag, page: &PageRequest) -> Result<Slice> {
    keyset::ids(conn, Entity::find().filter(Column::Hashtag.eq(tag.as_str())), Column::PostId, page).await
}

/// Removes up to `max` rows of posts that are removed themselves; says how many.
pub async fn delete_below(tx: &Tx, posts: posts::Removed, max: u64) -> Result<u64> {
    if max == 0 {
        return Ok(0);
    }
    let some = Entity::find().select_only().column(Column::PostId).column(Column::Hashtag);
    let some = some.filter(Column::PostId.in_subquery(posts.ids())).limit(max);
    let these = Expr::tuple([Expr::col(Column::PostId), Expr::col(Column::Hashtag)]);
    rows::delete::<Entity>(tx, these.in_subquery(some.into_query())).await
}
