//! Private bookmarks of posts.

use blegram_domain::{BookmarkId, PageRequest, PostId, Timestamp, UserId};
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter};

use crate::{
    Conn, Inserted, Listed, Result, Tx,
    entity::{
        pair::bookmark::{Column, Entity, Model},
        post::Removed,
    },
    keyset,
    order::{self, List},
    rows,
};

/// Generates the id of a bookmark. Locks the user's list of bookmarks until the transaction ends, so that it is in the
/// order in which bookmarks become visible.
pub async fn next_id(tx: &Tx, user: UserId, now: Timestamp) -> Result<BookmarkId> {
    order::lock(tx, &[List::by_user("bookmarks", "user_id", user)], now).await?;
    Ok(BookmarkId::generate(now))
}

/// Inserts a bookmark of `post` for `user`. Relies on the unique index on the pair.
pub async fn insert(tx: &Tx, id: BookmarkId, user: UserId, post: PostId) -> Result<Inserted> {
    rows::insert(tx, Model { id: id.as_uuid(), user_id: user.as_uuid(), post_id: post.as_uuid() }).await
}

/// Deletes the bookmark of `post`, and returns whether it existed.
pub async fn delete(tx: &Tx, user: UserId, post: PostId) -> Result<bool> {
    let pair = Column::UserId.eq(user.as_uuid()).and(Column::PostId.eq(post.as_uuid()));
    Ok(rows::delete::<Entity>(tx, pair).await? == 1)
}

/// Lists the posts that `user` bookmarked, the latest bookmark first.
pub async fn list_posts(conn: &impl Conn, user: UserId, page: &PageRequest) -> Result<Listed<PostId>> {
    let list = Entity::find().filter(Column::UserId.eq(user.as_uuid()));
    keyset::targets(conn, list, Column::Id, Column::PostId, PostId::from_uuid, page).await
}

/// Deletes up to `max` bookmarks of `user`, and returns how many.
pub async fn delete_of_user(tx: &Tx, user: UserId, max: u64) -> Result<u64> {
    rows::delete_some::<Entity>(tx, Column::Id, Column::UserId.eq(user.as_uuid()), max).await
}

/// Deletes up to `max` bookmarks of posts that are being deleted, and returns how many.
pub async fn delete_below(tx: &Tx, posts: Removed, max: u64) -> Result<u64> {
    rows::delete_some::<Entity>(tx, Column::Id, Column::PostId.in_subquery(posts.ids()), max).await
}
