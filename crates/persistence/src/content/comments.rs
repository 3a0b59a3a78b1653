//! Comments on posts, and replies to comments.
//!
//! Replies have one level: each refers to the top-level comment of its thread. A deleted comment becomes a tombstone
//! without content, which is listed as long as it has replies, and is deleted once no row depends on it.

use std::collections::HashMap;

use blegram_domain::{Comment, CommentId, PageRequest, Post, PostId, Timestamp, UserId, page::PageKeys};
use sea_orm::{
    ColumnTrait, Condition, DbErr, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    Select,
    prelude::Uuid,
    sea_query::{Expr, SelectStatement},
};

use crate::{
    Conn, Result, Tx,
    db::sealed::Sealed,
    entity::{
        comment::{Column, Entity, Model},
        notification,
        pair::comment_like,
        post::{Mentions, Removed},
        revision,
    },
    keyset, notifications,
    order::{self, List},
    posts, rows, sql,
};

/// Counts a new comment for its post and its thread, and returns the post with its new count. Returns `None` if the post
/// or the thread does not exist; the caller must then roll the transaction back. The updated counts lock the list of
/// comments until the transaction ends, so ids are in the order in which comments become visible. Then locks the
/// notifications of `recipients` except the author `by`, for [`notifications::insert_locked`].
pub async fn count_new(
    tx: &Tx,
    (post, parent): (PostId, Option<CommentId>),
    by: UserId,
    recipients: impl IntoIterator<Item = UserId>,
) -> Result<Option<Post>> {
    count(tx, (post, parent), 1, &notifications::lists_of_others(by, recipients)).await
}

/// Inserts a comment that [`count_new`] has counted, with a new id.
pub async fn insert(tx: &Tx, comment: &mut Comment, now: Timestamp) -> Result<()> {
    let list = match comment.parent {
        Some(parent) => List::by_column("comments", "parent_id", parent.as_uuid()),
        None => List::by_column("comments", "post_id", comment.post.as_uuid()).with(" AND parent_id IS NULL"),
    };
    let row = |id| Model {
        id,
        post_id: comment.post.as_uuid(),
        parent_id: comment.parent.map(CommentId::as_uuid),
        author_id: comment.author.map(UserId::as_uuid),
        text: comment.text.clone(),
        mentions: mentions(comment),
        like_count: 0,
        reply_count: 0,
        created_at: comment.created_at.as_micros(),
        edited_at: None,
        deleted_at: None,
        version: 0,
    };
    let id = order::insert(tx, &[list], now, row, None).await?.ok_or(DbErr::RecordNotInserted)?;
    comment.id = CommentId::from_uuid(id);
    Ok(())
}

/// Finds a comment by id, deleted or not. Does not check who may see it.
pub async fn find(conn: &impl Conn, id: CommentId) -> Result<Option<Comment>> {
    Entity::find_by_id(id.as_uuid()).one(conn.inner()).await?.map(Comment::try_from).transpose()
}

/// Locks the comment row (`FOR UPDATE`) until the transaction ends, and returns the comment like [`find`].
pub async fn lock(tx: &Tx, id: CommentId) -> Result<Option<Comment>> {
    let row = Entity::find_by_id(id.as_uuid()).lock_exclusive().one(tx.inner()).await?;
    row.map(Comment::try_from).transpose()
}

/// Lists the comments of `ids`, in that order, in one statement. Skips ids that do not exist.
pub async fn list_by_ids(conn: &impl Conn, ids: &[CommentId]) -> Result<Vec<Comment>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let by_ids = Column::Id.is_in(ids.iter().map(|id| id.as_uuid()));
    let rows = Entity::find().filter(by_ids).all(conn.inner()).await?;
    let mut rows: HashMap<_, _> = rows.into_iter().map(|row| (row.id, row)).collect();
    ids.iter().filter_map(|id| rows.remove(&id.as_uuid())).map(Comment::try_from).collect()
}

/// Lists the ids of the top-level comments on `post`, the oldest first.
pub async fn list_ids_of_post(conn: &impl Conn, post: PostId, page: &PageRequest) -> Result<PageKeys> {
    // Spelt out, because the planner uses a partial index only if it can match the condition.
    let top = listed().filter(Column::PostId.eq(post.as_uuid())).filter(Expr::cust("parent_id IS NULL"));
    keyset::oldest_ids(conn, top, Column::Id, page).await
}

/// Lists the ids of the replies in the thread of `parent`, the oldest first.
pub async fn list_ids_of_parent(conn: &impl Conn, parent: CommentId, page: &PageRequest) -> Result<PageKeys> {
    let replies = listed().filter(Column::ParentId.eq(parent.as_uuid()));
    keyset::oldest_ids(conn, replies, Column::Id, page).await
}

fn listed() -> Select<Entity> {
    let listed = Condition::any().add(Column::DeletedAt.is_null()).add(Column::ReplyCount.gt(0));
    Entity::find().filter(listed)
}

/// Lists up to `max` comments that `author` has not deleted, ordered by post.
pub async fn list_of_author(conn: &impl Conn, author: UserId, max: u64) -> Result<Vec<CommentId>> {
    let of_author =
        Entity::find().select_only().column(Column::Id).filter(Column::AuthorId.eq(author.as_uuid()));
    let of_author = of_author.order_by_asc(Column::PostId).order_by_asc(Column::Id).limit(max);
    let ids: Vec<Uuid> = of_author.into_tuple().all(conn.inner()).await?;
    Ok(ids.into_iter().map(CommentId::from_uuid).collect())
}

/// Stores the author's changes of a locked comment. Does not write the counts, which other transactions change.
pub async fn update(tx: &Tx, comment: &Comment) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::Text, comment.text.as_str().into())
        .col_expr(Column::Mentions, Expr::value(mentions(comment)))
        .col_expr(Column::EditedAt, Expr::value(comment.edited_at.map(Timestamp::as_micros)))
        .col_expr(Column::Version, sql::signed(comment.version).into())
        .filter(Column::Id.eq(comment.id.as_uuid()))
        .exec(tx.inner())
        .await?;
    Ok(())
}

/// Turns a locked comment into a tombstone without content, and subtracts it from the counts of its post and its
/// thread. A job deletes the rows that depend on it.
pub async fn update_deleted(tx: &Tx, comment: &Comment, now: Timestamp) -> Result<()> {
    count(tx, (comment.post, comment.parent), -1, &[]).await?;
    Entity::update_many()
        .col_expr(Column::AuthorId, Expr::value(Option::<Uuid>::None))
        .col_expr(Column::Text, "".into())
        .col_expr(Column::Mentions, Expr::value(Mentions(Vec::new())))
        .col_expr(Column::EditedAt, Expr::value(Option::<i64>::None))
        .col_expr(Column::DeletedAt, now.as_micros().into())
        .filter(Column::Id.eq(comment.id.as_uuid()))
        .exec(tx.inner())
        .await?;
    Ok(())
}

/// Adds `by` to the like count of a comment, and returns the comment; `None` if it does not exist or is deleted.
pub(crate) async fn update_like_count(tx: &Tx, id: CommentId, by: i64) -> Result<Option<Comment>> {
    let update = Entity::update_many()
        .col_expr(Column::LikeCount, Expr::col(Column::LikeCount).add(by))
        .filter(Column::Id.eq(id.as_uuid()))
        .filter(Column::DeletedAt.is_null());
    update.exec_with_returning(tx.inner()).await?.pop().map(Comment::try_from).transpose()
}

/// Adds `by` to the comment count of the post and then to the reply count of the thread, and then locks `lists`. Returns
/// the post; `None` if one of them does not exist.
async fn count(
    tx: &Tx,
    (post, parent): (PostId, Option<CommentId>),
    by: i64,
    lists: &[List],
) -> Result<Option<Post>> {
    let Some(parent) = parent else { return posts::update_comment_count(tx, post, by, lists).await };
    let Some(post) = posts::update_comment_count(tx, post, by, &[]).await? else { return Ok(None) };
    let update = Entity::update_many()
        .col_expr(Column::ReplyCount, Expr::col(Column::ReplyCount).add(by))
        .filter(Column::Id.eq(parent.as_uuid()));
    let is_counted = update.exec(tx.inner()).await?.rows_affected == 1;
    order::lock_only(tx, lists).await?;
    Ok(is_counted.then_some(post))
}

/// Deletes a tombstone without dependent rows, and returns whether it did. The replies of a thread may be deleted after
/// its top comment, which is then deleted with the last of them.
pub async fn delete_if_bare(tx: &Tx, id: CommentId) -> Result<bool> {
    let uuid = id.as_uuid();
    let has_no = |query: SelectStatement| Expr::exists(query).not();
    let replies = Entity::find().select_only().column(Column::Id).filter(Column::ParentId.eq(uuid));
    let likes = comment_like::Entity::find().select_only().column(comment_like::Column::Id);
    let likes = likes.filter(comment_like::Column::CommentId.eq(uuid));
    let revisions = revision::Entity::find().select_only().column(revision::Column::Id);
    let revisions = revisions.filter(revision::Column::CommentId.eq(uuid));
    let notices = notification::Entity::find().select_only().column(notification::Column::Id);
    let notices = notices.filter(notification::Column::CommentId.eq(uuid));
    let bare = Condition::all()
        .add(Column::Id.eq(uuid))
        .add(Column::DeletedAt.is_not_null())
        .add(has_no(replies.into_query()))
        .add(has_no(likes.into_query()))
        .add(has_no(revisions.into_query()))
        .add(has_no(notices.into_query()));
    Ok(rows::delete::<Entity>(tx, bare).await? == 1)
}

/// Deletes up to `max` comments on posts that are being deleted, replies first, and returns how many.
pub async fn delete_below(tx: &Tx, posts: Removed, max: u64) -> Result<u64> {
    let below = || Column::PostId.in_subquery(posts.ids());
    let replies = below().and(Column::ParentId.is_not_null());
    let deleted = rows::delete_some::<Entity>(tx, Column::Id, replies, max).await?;
    if deleted == max {
        return Ok(deleted);
    }
    Ok(deleted + rows::delete_some::<Entity>(tx, Column::Id, below(), max - deleted).await?)
}

/// Selects the ids of all comments on posts that are being deleted.
pub(crate) fn ids_below(posts: Removed) -> SelectStatement {
    let below = Entity::find().select_only().column(Column::Id);
    below.filter(Column::PostId.in_subquery(posts.ids())).into_query()
}

fn mentions(comment: &Comment) -> Mentions {
    Mentions(comment.mentions.iter().map(|user| user.as_uuid()).collect())
}
