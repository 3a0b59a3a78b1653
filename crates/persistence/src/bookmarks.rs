//! What people keep for themselves.

use blegram_domain::{BookmarkId, PageRequest, PostId, Timestamp, UserId};
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter};

use crate::{
    Conn, Inserted, Listed, Result, Tx,
    entity::pair::bookmark::{Column, Entity, Model},
    keyset,
    order::{self, List},
    posts, rows,
};

/// The id of a bookmark. Locks those of `user` until the transaction ends, so that they are in the order in which they
/// become visible.
pub async fn next_id(tx: &Tx, user: UserId, now: Timestamp) -> Result<BookmarkId> {
    order::lock(tx, &[List::of_user("bookmarks", "user_id", user)], now).await?;
    Ok(BookmarkId::generate(now))
}

/// Lets `user` keep `post`. Relies on the unique index of the pair.
pub async fn insert(tx: &Tx, id: BookmarkId, user: UserId, post: PostId) -> Result<Inserted> {
    rows::insert(tx, Model { id: id.as_uuid(), user_id: user.as_uuid(), post_id: post.as_uuid() }).await
}

/// Lets `user` keep `post` no more; says whether they did.
pub async fn delete(tx: &Tx, user: UserId, post: PostId) -> Result<bool> {
    let pair = Column::UserId.eq(user.as_uuid()).and(Column::PostId.eq(post.as_uuid()));
    Ok(rows::delete::<Entity>(tx, pair).await? == 1)
}

/// What `user` keeps, the latest kept first.
pub async fn list_posts(conn: &impl Conn, user: UserId, page: &PageRequest) -> Result<Listed<PostId>> {
    let list = Entity::find().filter(Column::UserId.eq(user.as_uuid()));
    keyset::targets(conn, list, Column::Id, Column::PostId, PostId::from_uuid, page).await
}

/// Removes up to `max` bookmarks of `user`; says how many.
pub async fn delete_of_user(tx: &Tx, user: UserId, max: u64) -> Result<u64> {
    rows::delete_some::<Entity>(tx, Column::Id, Column::UserId.eq(user.as_uuid()), max).await
}

/// Removes up to `max` bookmarks of posts that are removed themselves; says how many.
pub async fn delete_below(tx: &Tx, posts: posts::Removed, max: u64) -> Result<u64> {
    rows::delete_some::<Entity>(tx, Column::Id, Column::PostId.in_subquery(posts.ids()), max).await
}
