//! The texts that edited posts had. A post that was never edited has no rows here.

use std::collections::HashMap;

use blegram_domain::{PageRequest, PostId, PostRevision, UserId, page::Slice};
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QuerySelect, QueryTrait};

use crate::{
    Conn, Result, Tx,
    db::sealed::Sealed,
    entity::{
        post,
        post_revision::{Column, Entity, Model},
    },
    keyset,
};

/// Adds a text that `post` had, or has now.
///
/// # Errors
/// Storage failures only.
pub async fn insert(tx: &Tx, post: PostId, revision: &PostRevision) -> Result<()> {
    let row = Model {
        id: revision.id.as_uuid(),
        post_id: post.as_uuid(),
        text: revision.text.clone(),
        created_at: revision.created_at.as_micros(),
    };
    Entity::insert(row.into_active_model()).exec_without_returning(tx.inner()).await?;
    Ok(())
}

/// Ids of the revisions of `post`, the newest first.
///
/// # Errors
/// Storage failures only.
pub async fn list_ids(conn: &impl Conn, post: PostId, page: &PageRequest) -> Result<Slice> {
    let of_post = Entity::find().filter(Column::PostId.eq(post.as_uuid()));
    keyset::ids(conn, of_post, Column::Id, page).await
}

/// The revisions of `ids`, in that order, in one statement.
///
/// # Errors
/// Storage failures only.
pub async fn list_by_ids(conn: &impl Conn, ids: &Slice) -> Result<Vec<PostRevision>> {
    if ids.ids().is_empty() {
        return Ok(Vec::new());
    }
    let rows = Entity::find().filter(Column::Id.is_in(ids.ids().iter().copied())).all(conn.inner()).await?;
    let mut rows: HashMap<_, _> = rows.into_iter().map(|row| (row.id, row)).collect();
    ids.ids().iter().filter_map(|id| rows.remove(id)).map(PostRevision::try_from).collect()
}

/// Removes up to `max` texts that posts of `author` had; says how many.
///
/// # Errors
/// Storage failures only.
pub async fn delete_of_author(tx: &Tx, author: UserId, max: u64) -> Result<u64> {
    let posts = post::Entity::find().select_only().column(post::Column::Id);
    let posts = posts.filter(post::Column::AuthorId.eq(author.as_uuid())).into_query();
    let some = Entity::find().select_only().column(Column::Id);
    let some = some.filter(Column::PostId.in_subquery(posts)).limit(max).into_query();
    Ok(Entity::delete_many().filter(Column::Id.in_subquery(some)).exec(tx.inner()).await?.rows_affected)
}
