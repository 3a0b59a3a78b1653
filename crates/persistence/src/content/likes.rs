//! Likes of posts and comments. The like counts of posts and comments change in the same transaction.

use std::collections::HashSet;

use blegram_domain::{Comment, CommentId, PageRequest, Post, PostId, Timestamp, UserId};
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect, prelude::Uuid};

use crate::{
    Conn, Inserted, Listed, Result, Tx, comments,
    db::sealed::Sealed,
    entity::{
        pair::{comment_like, post_like},
        post::Removed,
    },
    keyset, notifications,
    order::{self, List},
    posts, rows,
};

/// The target of a like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LikeTarget {
    /// A post.
    Post(PostId),
    /// A comment.
    Comment(CommentId),
}

/// Inserts the like of a post by `by`, counts it, and returns the post with its new count. Relies on the unique index on
/// the pair. Locks the list of the post's likers and the list of what `by` likes until the transaction ends, so that both
/// lists are in the order in which likes become visible. If the like is new, also locks the notifications of the post's
/// `author`, for [`notifications::insert_locked`]. Returns `None` if the post was deleted meanwhile; the caller must then
/// roll the transaction back.
pub async fn insert_post_like(
    tx: &Tx,
    by: UserId,
    (post, author): (PostId, UserId),
    now: Timestamp,
) -> Result<Option<(Inserted, Post)>> {
    let (user_id, post_id) = (by.as_uuid(), post.as_uuid());
    let lists =
        [List::by_column("post_likes", "post_id", post_id), List::by_user("post_likes", "user_id", by)];
    order::lock_only(tx, &lists).await?;
    let inserted =
        order::insert(tx, &lists, now, |id| post_like::Model { id, user_id, post_id }, None).await?;
    let (inserted, post) = match inserted {
        Some(_) => {
            let notified = notifications::lists_of_others(by, [author]);
            (Inserted::New, posts::update_like_count(tx, post, 1, &notified).await?)
        }
        None => (Inserted::Existing, posts::find(tx, post).await?),
    };
    Ok(post.map(|post| (inserted, post)))
}

/// Like [`insert_post_like`], for a comment.
pub async fn insert_comment_like(
    tx: &Tx,
    by: UserId,
    comment: CommentId,
    now: Timestamp,
) -> Result<Option<(Inserted, Comment)>> {
    let (user_id, comment_id) = (by.as_uuid(), comment.as_uuid());
    let of_comment = List::by_column("comment_likes", "comment_id", comment_id);
    let lists = [of_comment, List::by_user("comment_likes", "user_id", by)];
    order::lock_only(tx, &lists).await?;
    let inserted =
        order::insert(tx, &lists, now, |id| comment_like::Model { id, user_id, comment_id }, None).await?;
    let (inserted, comment) = match inserted {
        Some(_) => (Inserted::New, comments::update_like_count(tx, comment, 1).await?),
        None => (Inserted::Existing, comments::find(tx, comment).await?),
    };
    Ok(comment.map(|comment| (inserted, comment)))
}

/// Deletes the like of a post by `by`, and returns the post with its new count; `None` if there was no like, or the post
/// is deleted.
pub async fn delete_post_like(tx: &Tx, by: UserId, post: PostId) -> Result<Option<Post>> {
    use post_like::{Column, Entity};
    let pair = Column::UserId.eq(by.as_uuid()).and(Column::PostId.eq(post.as_uuid()));
    match rows::delete::<Entity>(tx, pair).await? {
        0 => Ok(None),
        _ => posts::update_like_count(tx, post, -1, &[]).await,
    }
}

/// Like [`delete_post_like`], for a comment.
pub async fn delete_comment_like(tx: &Tx, by: UserId, comment: CommentId) -> Result<Option<Comment>> {
    use comment_like::{Column, Entity};
    let pair = Column::UserId.eq(by.as_uuid()).and(Column::CommentId.eq(comment.as_uuid()));
    match rows::delete::<Entity>(tx, pair).await? {
        0 => Ok(None),
        _ => comments::update_like_count(tx, comment, -1).await,
    }
}

/// Lists the likers of a post or comment, the latest first.
pub async fn list_likers(conn: &impl Conn, target: LikeTarget, page: &PageRequest) -> Result<Listed<UserId>> {
    use comment_like::Column as OfComment;
    use post_like::Column as OfPost;
    match target {
        LikeTarget::Post(post) => {
            let list = post_like::Entity::find().filter(OfPost::PostId.eq(post.as_uuid()));
            keyset::targets(conn, list, OfPost::Id, OfPost::UserId, UserId::from_uuid, page).await
        }
        LikeTarget::Comment(comment) => {
            let list = comment_like::Entity::find().filter(OfComment::CommentId.eq(comment.as_uuid()));
            keyset::targets(conn, list, OfComment::Id, OfComment::UserId, UserId::from_uuid, page).await
        }
    }
}

/// Lists the posts that `user` likes, the latest liked first.
pub async fn list_liked_posts(conn: &impl Conn, user: UserId, page: &PageRequest) -> Result<Listed<PostId>> {
    use post_like::{Column, Entity};
    let list = Entity::find().filter(Column::UserId.eq(user.as_uuid()));
    keyset::targets(conn, list, Column::Id, Column::PostId, PostId::from_uuid, page).await
}

/// Returns those of `comments` that `user` likes, in one statement.
pub async fn list_liked_comments(
    conn: &impl Conn,
    user: UserId,
    comments: &[CommentId],
) -> Result<HashSet<CommentId>> {
    use comment_like::{Column, Entity};
    if comments.is_empty() {
        return Ok(HashSet::new());
    }
    let liked = Entity::find().select_only().column(Column::CommentId);
    let liked = liked.filter(Column::UserId.eq(user.as_uuid()));
    let liked = liked.filter(Column::CommentId.is_in(comments.iter().map(|id| id.as_uuid())));
    let ids: Vec<Uuid> = liked.into_tuple().all(conn.inner()).await?;
    Ok(ids.into_iter().map(CommentId::from_uuid).collect())
}

/// Deletes up to `max` likes of `user`, updates the counts, and returns how many.
pub async fn delete_of_user(tx: &Tx, user: UserId, max: u64) -> Result<u64> {
    use comment_like::Column as OfComment;
    use post_like::Column as OfPost;
    let posts = post_like::Entity::find().select_only().column(OfPost::PostId);
    // In a fixed order, so that two accounts that are deleted at the same time do not deadlock.
    let posts = posts.filter(OfPost::UserId.eq(user.as_uuid())).order_by_asc(OfPost::PostId).limit(max);
    let posts: Vec<Uuid> = posts.into_tuple().all(tx.inner()).await?;
    for post in &posts {
        delete_post_like(tx, user, PostId::from_uuid(*post)).await?;
    }
    let left = max - posts.len() as u64;
    let comments = comment_like::Entity::find().select_only().column(OfComment::CommentId);
    let comments = comments.filter(OfComment::UserId.eq(user.as_uuid()));
    let comments = comments.order_by_asc(OfComment::CommentId).limit(left);
    let comments: Vec<Uuid> =
        if left == 0 { Vec::new() } else { comments.into_tuple().all(tx.inner()).await? };
    for comment in &comments {
        delete_comment_like(tx, user, CommentId::from_uuid(*comment)).await?;
    }
    Ok((posts.len() + comments.len()) as u64)
}

/// Deletes up to `max` likes of posts that are being deleted and of their comments, and returns how many.
pub async fn delete_below(tx: &Tx, posts: Removed, max: u64) -> Result<u64> {
    let of_posts = post_like::Column::PostId.in_subquery(posts.ids());
    let deleted = rows::delete_some::<post_like::Entity>(tx, post_like::Column::Id, of_posts, max).await?;
    let of_comments = comment_like::Column::CommentId.in_subquery(comments::ids_below(posts));
    let id = comment_like::Column::Id;
    Ok(deleted + rows::delete_some::<comment_like::Entity>(tx, id, of_comments, max - deleted).await?)
}

/// Deletes up to `max` likes of a comment that is being deleted, and returns how many.
pub async fn delete_of_comment(tx: &Tx, comment: CommentId, max: u64) -> Result<u64> {
    let of_comment = comment_like::Column::CommentId.eq(comment.as_uuid());
    rows::delete_some::<comment_like::Entity>(tx, comment_like::Column::Id, of_comment, max).await
}
