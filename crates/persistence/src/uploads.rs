//! Files that were announced and are to be put into storage, and what became of them.

use blegram_domain::{MediaId, Timestamp, UploadId, UserId, media::Upload};
use sea_orm::{
    ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect, Select, prelude::Uuid,
    sea_query::Expr,
};

use crate::{
    Conn, Result, Tx,
    db::sealed::Sealed,
    entity::upload::{Column, Entity, Model, to_hex},
    rows,
};

/// Adds an upload.
pub async fn insert(tx: &Tx, upload: &Upload) -> Result<()> {
    let row = Model {
        id: upload.id.as_uuid(),
        owner_id: upload.owner.as_uuid(),
        content_type: upload.content_type.as_str().to_owned(),
        byte_size: i64::try_from(upload.byte_size).unwrap_or(i64::MAX),
        sha256: upload.sha256.map(to_hex),
        created_at: upload.created_at.as_micros(),
        media_id: upload.media.map(MediaId::as_uuid),
    };
    Entity::insert(row.into_active_model()).exec_without_returning(tx.inner()).await?;
    Ok(())
}

/// The upload with this id.
pub async fn find(conn: &impl Conn, id: UploadId) -> Result<Option<Upload>> {
    by_id(id).one(conn.inner()).await?.map(Upload::try_from).transpose()
}

/// The upload with this id, held until the transaction ends: whoever else completes it waits.
pub async fn hold(tx: &Tx, id: UploadId) -> Result<Option<Upload>> {
    by_id(id).lock_exclusive().one(tx.inner()).await?.map(Upload::try_from).transpose()
}

/// Says what became of an upload that is held.
pub async fn update_media(tx: &Tx, id: UploadId, media: MediaId) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::MediaId, Expr::value(media.as_uuid()))
        .filter(Column::Id.eq(id.as_uuid()))
        .exec(tx.inner())
        .await?;
    Ok(())
}

/// What an account announced and did not complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pending {
    /// How many files.
    pub files: u64,
    /// How many bytes they have together.
    pub bytes: u64,
}

/// What `owner` announced and did not complete.
pub async fn pending(conn: &impl Conn, owner: UserId) -> Result<Pending> {
    // At most as many as may be pending.
    let sizes: Vec<i64> = Entity::find()
        .select_only()
        .column(Column::ByteSize)
        .filter(Column::OwnerId.eq(owner.as_uuid()))
        .filter(Column::MediaId.is_null())
        .into_tuple()
        .all(conn.inner())
        .await?;
    let bytes = sizes.iter().map(|size| u64::try_from(*size).unwrap_or(0)).sum();
    Ok(Pending { files: sizes.len() as u64, bytes })
}

/// Which uploads are forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// All of an account.
    Owner(UserId),
    /// All that were announced before this.
    Before(Timestamp),
    /// All that were announced before this and are not completed.
    PendingBefore(Timestamp),
}

/// Up to `max` ids of uploads of `of`.
pub async fn list_of(conn: &impl Conn, of: Of, max: u64) -> Result<Vec<UploadId>> {
    let uploads = Entity::find().select_only().column(Column::Id).order_by_asc(Column::CreatedAt).limit(max);
    let uploads = match of {
        Of::Owner(owner) => uploads.filter(Column::OwnerId.eq(owner.as_uuid())),
        Of::Before(before) => uploads.filter(Column::CreatedAt.lt(before.as_micros())),
        Of::PendingBefore(before) => {
            uploads.filter(Column::CreatedAt.lt(before.as_micros())).filter(Column::MediaId.is_null())
        }
    };
    let ids: Vec<Uuid> = uploads.into_tuple().all(conn.inner()).await?;
    Ok(ids.into_iter().map(UploadId::from_uuid).collect())
}

/// Which of `ids` are known.
pub async fn list_known(conn: &impl Conn, ids: &[UploadId]) -> Result<Vec<UploadId>> {
    let known = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::Id.is_in(ids.iter().map(|id| id.as_uuid())));
    let known: Vec<Uuid> = known.into_tuple().all(conn.inner()).await?;
    Ok(known.into_iter().map(UploadId::from_uuid).collect())
}

/// Forgets uploads whose files are gone.
pub async fn delete(tx: &Tx, ids: &[UploadId]) -> Result<u64> {
    rows::delete::<Entity>(tx, Column::Id.is_in(ids.iter().map(|id| id.as_uuid()))).await
}

fn by_id(id: UploadId) -> Select<Entity> {
    Entity::find().filter(Column::Id.eq(id.as_uuid()))
}
