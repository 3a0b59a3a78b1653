//! Posts, their counts, and what the viewer did with them.
//!
//! A new post is counted ([`count_new`]), and inserted ([`insert`]) under the lock of the site-wide list
//! ([`lock_list`]), which is the order of the ids. Deleting a post marks it and hides it at once; a job then deletes its dependent rows in
//! batches, and finally the post ([`Removed`]).

use blegram_domain::{PageRequest, Post, PostId, Timestamp, UserId, UserSummary, Visibility, page::PageKeys};
use sea_orm::{
    ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select, Set, prelude::Uuid,
    sea_query::Expr,
};

pub use crate::entity::post::Removed;
use crate::{
    Conn, Result, Tx,
    db::sealed::Sealed,
    entity::post::{ActiveModel, Column, Entity, Hashtags, Mentions, Model},
    hashtags, keyset,
    order::{self, List},
    post_hashtags, rows, search_index,
    sql::{self, Values},
    users,
};

const LIST: List = List::all("posts");

/// Counts a new post for its hashtags. Its author has counted it ([`users::update_post_count`]): accounts come before
/// hashtags in the lock order. Call it before [`lock_list`], because other transactions may have locked these rows.
pub async fn count_new(tx: &Tx, post: &Post, author: &UserSummary) -> Result<()> {
    if post.is_public(author) {
        hashtags::change(tx, &[], &post.hashtags).await?;
    }
    Ok(())
}

/// Locks the list of all posts until the transaction ends, so that ids are in the order in which posts become visible. Do
/// everything possible before this call.
pub async fn lock_list(tx: &Tx) -> Result<()> {
    order::lock_for_all(tx, LIST).await
}

/// Inserts a post that [`count_new`] has counted, with a new id. The list is locked.
pub async fn insert(tx: &Tx, post: &mut Post, now: Timestamp) -> Result<()> {
    let row = |id| Model {
        id,
        author_id: post.author.as_uuid(),
        text: post.text.clone(),
        media: post.media.as_slice().into(),
        hashtags: Hashtags(post.hashtags.iter().map(ToString::to_string).collect()),
        mentions: Mentions(post.mentions.iter().map(|user| user.as_uuid()).collect()),
        visibility: post.visibility.as_str().to_owned(),
        like_count: 0,
        comment_count: 0,
        created_at: post.created_at.as_micros(),
        edited_at: None,
        version: 0,
        deleted_at: None,
    };
    let beside = search_index::beside_new_post(tx, post);
    let id = order::insert(tx, &[LIST], now, row, beside).await?.ok_or(DbErr::RecordNotInserted)?;
    post.id = PostId::from_uuid(id);
    search_index::index_new_post(tx, post).await?;
    post_hashtags::insert(tx, post).await
}

/// Locks the post row (`FOR UPDATE`) until the transaction ends, and returns the post.
pub async fn lock(tx: &Tx, id: PostId) -> Result<Option<Post>> {
    let row = by_id(id).lock_exclusive().one(tx.inner()).await?;
    row.map(Post::try_from).transpose()
}

/// Stores the author's changes of a locked post, which was `before`. The author's account is locked. Does not write the
/// counts, which other transactions change.
pub async fn update(tx: &Tx, before: &Post, post: &Post, author: &UserSummary) -> Result<()> {
    let edited = ActiveModel {
        id: Set(post.id.as_uuid()),
        text: Set(post.text.clone()),
        media: Set(post.media.as_slice().into()),
        hashtags: Set(Hashtags(post.hashtags.iter().map(ToString::to_string).collect())),
        mentions: Set(Mentions(post.mentions.iter().map(|user| user.as_uuid()).collect())),
        visibility: Set(post.visibility.as_str().to_owned()),
        edited_at: Set(post.edited_at.map(Timestamp::as_micros)),
        version: Set(sql::signed(post.version)),
        ..ActiveModel::default()
    };
    Entity::update_many().set(edited).filter(Column::Id.eq(post.id.as_uuid())).exec(tx.inner()).await?;
    search_index::index_post(tx, post).await?;
    if (&before.hashtags, before.visibility) == (&post.hashtags, post.visibility) {
        return Ok(());
    }
    let counted = |post: &Post| if post.is_public(author) { post.hashtags.clone() } else { Vec::new() };
    hashtags::change(tx, &counted(before), &counted(post)).await?;
    post_hashtags::replace(tx, post).await
}

/// Marks a locked post as deleted and subtracts it from all counts. The author's account is locked. A job deletes the
/// rows that depend on the post.
pub async fn update_deleted(tx: &Tx, post: &Post, author: &UserSummary, now: Timestamp) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::DeletedAt, now.as_micros().into())
        .filter(Column::Id.eq(post.id.as_uuid()))
        .exec(tx.inner())
        .await?;
    post_hashtags::delete(tx, post.id).await?;
    search_index::unindex_post(tx, post.id).await?;
    users::update_post_count(tx, post.author, -1).await?;
    if post.is_public(author) {
        hashtags::change(tx, &post.hashtags, &[]).await?;
    }
    Ok(())
}

/// Deletes up to `max` posts without dependent rows, and returns how many.
pub async fn delete(tx: &Tx, posts: Removed, max: u64) -> Result<u64> {
    // Posts of a deleted account were not marked as deleted, so they are still in the search index.
    if let Removed::Of(_) = posts {
        let some = Entity::find().select_only().column(Column::Id);
        let some = some.filter(Column::Id.in_subquery(posts.ids())).order_by_asc(Column::Id).limit(max);
        let ids: Vec<Uuid> = some.into_tuple().all(tx.inner()).await?;
        for id in &ids {
            search_index::unindex_post(tx, PostId::from_uuid(*id)).await?;
        }
        return rows::delete::<Entity>(tx, Column::Id.is_in(ids)).await;
    }
    rows::delete_some::<Entity>(tx, Column::Id, Column::Id.in_subquery(posts.ids()), max).await
}

/// Adds `by` to the like count of a post, and then locks `lists`. Returns the post; `None` if it does not exist or is
/// deleted.
pub(crate) async fn update_like_count(tx: &Tx, id: PostId, by: i64, lists: &[List]) -> Result<Option<Post>> {
    update_count(tx, id, "like_count", by, lists).await
}

/// Like [`update_like_count`], for the comment count.
pub(crate) async fn update_comment_count(
    tx: &Tx,
    id: PostId,
    by: i64,
    lists: &[List],
) -> Result<Option<Post>> {
    update_count(tx, id, "comment_count", by, lists).await
}

async fn update_count(tx: &Tx, id: PostId, count: &str, by: i64, lists: &[List]) -> Result<Option<Post>> {
    let mut values = Values::from([id.as_uuid().into()]);
    let locks = order::locks(tx, lists, &mut values).map(|locks| format!(", {locks}")).unwrap_or_default();
    let sql = format!(
        "UPDATE posts SET {count} = {count} + ({by}) WHERE id = $1 AND deleted_at IS NULL RETURNING *{locks}"
    );
    let updated: Vec<Model> = sql::list_named(tx, sql, values).await?;
    updated.into_iter().next().map(Post::try_from).transpose()
}

/// Finds a post by id. Does not check who may see it.
pub async fn find(conn: &impl Conn, id: PostId) -> Result<Option<Post>> {
    by_id(id).one(conn.inner()).await?.map(Post::try_from).transpose()
}

/// Lists the ids of the posts of `author`, the newest first: all, or only those with one visibility.
pub async fn list_ids_of_author(
    conn: &impl Conn,
    author: UserId,
    only: Option<Visibility>,
    page: &PageRequest,
) -> Result<PageKeys> {
    let mut posts = undeleted().filter(Column::AuthorId.eq(author.as_uuid()));
    if let Some(visibility) = only {
        posts = posts.filter(Column::Visibility.eq(visibility.as_str()));
    }
    keyset::ids(conn, posts, Column::Id, page).await
}

fn by_id(id: PostId) -> Select<Entity> {
    undeleted().filter(Column::Id.eq(id.as_uuid()))
}

// Spelt out, here and below, because the planner uses a partial index only if it can match the condition.
fn undeleted() -> Select<Entity> {
    Entity::find().filter(Expr::cust("posts.deleted_at IS NULL"))
}
