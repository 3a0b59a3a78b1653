//! Revisions: the texts of edited posts and comments. A post or comment that was never edited has none.

use std::collections::HashMap;

use blegram_domain::{CommentId, PageRequest, PostId, Revision, page::PageKeys};
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, sea_query::SimpleExpr};

use crate::{
    Conn, Result, Tx, comments,
    db::sealed::Sealed,
    entity::{
        post::Removed,
        revision::{Column, Entity, Model},
    },
    keyset, rows,
};

/// The post or comment of a revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RevisionSubject {
    /// A post.
    Post(PostId),
    /// A comment.
    Comment(CommentId),
}

impl RevisionSubject {
    fn filter(self) -> SimpleExpr {
        match self {
            Self::Post(post) => Column::PostId.eq(post.as_uuid()),
            Self::Comment(comment) => Column::CommentId.eq(comment.as_uuid()),
        }
    }
}

/// Inserts an earlier or the current text.
pub async fn insert(tx: &Tx, subject: RevisionSubject, revision: &Revision) -> Result<()> {
    let (post, comment) = match subject {
        RevisionSubject::Post(post) => (Some(post), None),
        RevisionSubject::Comment(comment) => (None, Some(comment)),
    };
    let row = Model {
        id: revision.id.as_uuid(),
        post_id: post.map(PostId::as_uuid),
        comment_id: comment.map(CommentId::as_uuid),
        text: revision.text.clone(),
        media: revision.media.as_slice().into(),
        created_at: revision.created_at.as_micros(),
    };
    Entity::insert(row.into_active_model()).exec_without_returning(tx.inner()).await?;
    Ok(())
}

/// Lists the ids of the revisions, the newest first.
pub async fn list_ids(conn: &impl Conn, subject: RevisionSubject, page: &PageRequest) -> Result<PageKeys> {
    keyset::ids(conn, Entity::find().filter(subject.filter()), Column::Id, page).await
}

/// Lists the revisions of `ids`, in that order, in one statement.
pub async fn list_by_ids(conn: &impl Conn, ids: &PageKeys) -> Result<Vec<Revision>> {
    if ids.keys().is_empty() {
        return Ok(Vec::new());
    }
    let rows = Entity::find().filter(Column::Id.is_in(ids.keys().iter().copied())).all(conn.inner()).await?;
    let mut rows: HashMap<_, _> = rows.into_iter().map(|row| (row.id, row)).collect();
    ids.keys().iter().filter_map(|id| rows.remove(id)).map(Revision::try_from).collect()
}

/// Deletes up to `max` revisions of posts that are being deleted and of their comments, and returns how many.
pub async fn delete_below(tx: &Tx, posts: Removed, max: u64) -> Result<u64> {
    let of_posts = Column::PostId.in_subquery(posts.ids());
    let deleted = rows::delete_some::<Entity>(tx, Column::Id, of_posts, max).await?;
    let of_comments = Column::CommentId.in_subquery(comments::ids_below(posts));
    Ok(deleted + rows::delete_some::<Entity>(tx, Column::Id, of_comments, max - deleted).await?)
}

/// Deletes up to `max` revisions of a comment, and returns how many.
pub async fn delete_of_comment(tx: &Tx, comment: CommentId, max: u64) -> Result<u64> {
    rows::delete_some::<Entity>(tx, Column::Id, RevisionSubject::Comment(comment).filter(), max).await
}
