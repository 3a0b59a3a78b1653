//! Posts.

use std::collections::HashMap;

use blegram_domain::{PageRequest, Post, PostId, Timestamp, UserId, Visibility, page::Slice};
use sea_orm::{
    ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QuerySelect, QueryTrait, Select, Set,
    sea_query::Expr,
};

use crate::{
    Conn, Result, Tx,
    db::sealed::Sealed,
    entity::post::{ActiveModel, Column, Entity, Hashtags, Mentions, Model},
    keyset, post_hashtags, users,
};

/// Adds a post and counts it for its author, both or neither.
///
/// # Errors
/// Storage failures only.
pub async fn insert(tx: &Tx, post: &Post) -> Result<()> {
    let row = Model {
        id: post.id.as_uuid(),
        author_id: post.author.as_uuid(),
        text: post.text.clone(),
        hashtags: Hashtags(post.hashtags.iter().map(ToString::to_string).collect()),
        mentions: Mentions(post.mentions.iter().map(|user| user.as_uuid()).collect()),
        visibility: post.visibility.as_str().to_owned(),
        like_count: 0,
        comment_count: 0,
        created_at: post.created_at.as_micros(),
        edited_at: None,
        version: 0,
    };
    Entity::insert(row.into_active_model()).exec_without_returning(tx.inner()).await?;
    post_hashtags::insert(tx, post).await?;
    users::update_post_count(tx, post.author, 1).await
}

/// The post with this id, held until the transaction ends: whoever else wants to change it waits.
///
/// # Errors
/// Storage failures only.
pub async fn hold(tx: &Tx, id: PostId) -> Result<Option<Post>> {
    let row = Entity::find_by_id(id.as_uuid()).lock_exclusive().one(tx.inner()).await?;
    row.map(Post::try_from).transpose()
}

/// Writes down what its author made of a post that is held; counts, which others change, stay.
///
/// # Errors
/// Storage failures only.
pub async fn update(tx: &Tx, post: &Post) -> Result<()> {
    let edited = ActiveModel {
        id: Set(post.id.as_uuid()),
        text: Set(post.text.clone()),
        hashtags: Set(Hashtags(post.hashtags.iter().map(ToString::to_string).collect())),
        mentions: Set(Mentions(post.mentions.iter().map(|user| user.as_uuid()).collect())),
        visibility: Set(post.visibility.as_str().to_owned()),
        edited_at: Set(post.edited_at.map(Timestamp::as_micros)),
        version: Set(i64::try_from(post.version).unwrap_or(i64::MAX)),
        ..ActiveModel::default()
    };
    Entity::update_many().set(edited).filter(Column::Id.eq(post.id.as_uuid())).exec(tx.inner()).await?;
    post_hashtags::replace(tx, post).await
}

/// Removes a post of `author` and counts that; says whether it was there.
///
/// # Errors
/// Storage failures only.
pub async fn delete(tx: &Tx, id: PostId, author: UserId) -> Result<bool> {
    let deleted = Entity::delete_by_id(id.as_uuid())
        .filter(Column::AuthorId.eq(author.as_uuid()))
        .exec(tx.inner())
        .await?;
    let was_there = deleted.rows_affected == 1;
    if was_there {
        users::update_post_count(tx, author, -1).await?;
    }
    Ok(was_there)
}

/// Removes up to `max` posts of `author` and counts that; says how many.
///
/// # Errors
/// Storage failures only.
pub async fn delete_of_author(tx: &Tx, author: UserId, max: u64) -> Result<u64> {
    let some = Entity::find().select_only().column(Column::Id);
    let some = some.filter(Column::AuthorId.eq(author.as_uuid())).limit(max).into_query();
    let deleted = Entity::delete_many().filter(Column::Id.in_subquery(some)).exec(tx.inner()).await?;
    let count = i64::try_from(deleted.rows_affected).unwrap_or(i64::MAX);
    users::update_post_count(tx, author, -count).await?;
    Ok(deleted.rows_affected)
}

/// The post with this id, whoever may see it.
///
/// # Errors
/// Storage failures only.
pub async fn find(conn: &impl Conn, id: PostId) -> Result<Option<Post>> {
    Entity::find_by_id(id.as_uuid()).one(conn.inner()).await?.map(Post::try_from).transpose()
}

/// The posts of `ids`, in that order, in one statement. Those that are gone are left out.
///
/// # Errors
/// Storage failures only.
pub async fn list_by_ids(conn: &impl Conn, ids: &Slice) -> Result<Vec<Post>> {
    if ids.ids().is_empty() {
        return Ok(Vec::new());
    }
    let rows = Entity::find().filter(Column::Id.is_in(ids.ids().iter().copied())).all(conn.inner()).await?;
    let mut posts: HashMap<_, _> = rows.into_iter().map(|row| (row.id, row)).collect();
    ids.ids().iter().filter_map(|id| posts.remove(id)).map(Post::try_from).collect()
}

/// Ids of public posts, newest first.
///
/// # Errors
/// Storage failures only.
pub async fn list_public_ids(conn: &impl Conn, page: &PageRequest) -> Result<Slice> {
    keyset::ids(conn, public(), Column::Id, page).await
}

/// Ids of the posts of `author`, newest first: all, or the public ones only.
///
/// # Errors
/// Storage failures only.
pub async fn list_ids_of_author(
    conn: &impl Conn,
    author: UserId,
    only: Option<Visibility>,
    page: &PageRequest,
) -> Result<Slice> {
    let mut posts = Entity::find().filter(Column::AuthorId.eq(author.as_uuid()));
    if let Some(visibility) = only {
        posts = posts.filter(Column::Visibility.eq(visibility.as_str()));
    }
    keyset::ids(conn, posts, Column::Id, page).await
}

// Spelt out, because a planner takes a partial index only for a condition that it can read.
fn public() -> Select<Entity> {
    Entity::find().filter(Expr::cust("visibility = 'public'"))
}
