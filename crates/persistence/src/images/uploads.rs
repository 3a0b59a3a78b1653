//! Direct uploads to the image storage.
//!
//! A client announces a file, sends it to the storage, and completes the upload, which then refers to the image made
//! from the file. Until then the upload is pending, and counts against the account's quota.

use blegram_domain::{MediaId, Timestamp, UploadId, UserId, media::Upload};
use sea_orm::{
    ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect, Select, prelude::Uuid,
    sea_query::Expr,
};

use crate::{
    Conn, Result, Tx,
    db::sealed::Sealed,
    entity::upload::{Column, Entity, Model, to_hex},
    rows, sql,
};

/// Inserts an upload.
pub async fn insert(tx: &Tx, upload: &Upload) -> Result<()> {
    let row = Model {
        id: upload.id.as_uuid(),
        owner_id: upload.owner.as_uuid(),
        content_type: upload.content_type.as_str().to_owned(),
        byte_size: sql::signed(upload.byte_size),
        sha256: upload.sha256.map(to_hex),
        created_at: upload.created_at.as_micros(),
        media_id: upload.media.map(MediaId::as_uuid),
    };
    Entity::insert(row.into_active_model()).exec_without_returning(tx.inner()).await?;
    Ok(())
}

/// Finds an upload by id.
pub async fn find(conn: &impl Conn, id: UploadId) -> Result<Option<Upload>> {
    by_id(id).one(conn.inner()).await?.map(Upload::try_from).transpose()
}

/// Locks the upload row (`FOR UPDATE`) until the transaction ends, and returns the upload.
pub async fn lock(tx: &Tx, id: UploadId) -> Result<Option<Upload>> {
    by_id(id).lock_exclusive().one(tx.inner()).await?.map(Upload::try_from).transpose()
}

/// Completes a locked upload with the image made from it.
pub async fn update_media(tx: &Tx, id: UploadId, media: MediaId) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::MediaId, Expr::value(media.as_uuid()))
        .filter(Column::Id.eq(id.as_uuid()))
        .exec(tx.inner())
        .await?;
    Ok(())
}

/// A filter for uploads to delete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UploadFilter {
    /// All uploads of an account.
    Owner(UserId),
    /// All uploads announced before this instant.
    Before(Timestamp),
    /// All uploads announced before this instant and not completed.
    PendingBefore(Timestamp),
}

/// Lists up to `max` ids of uploads that match `filter`, the oldest first.
pub async fn list_of(conn: &impl Conn, filter: UploadFilter, max: u64) -> Result<Vec<UploadId>> {
    let uploads = Entity::find().select_only().column(Column::Id).order_by_asc(Column::CreatedAt).limit(max);
    let uploads = match filter {
        UploadFilter::Owner(owner) => uploads.filter(Column::OwnerId.eq(owner.as_uuid())),
        UploadFilter::Before(before) => uploads.filter(Column::CreatedAt.lt(before.as_micros())),
        UploadFilter::PendingBefore(before) => {
            uploads.filter(Column::CreatedAt.lt(before.as_micros())).filter(Column::MediaId.is_null())
        }
    };
    let ids: Vec<Uuid> = uploads.into_tuple().all(conn.inner()).await?;
    Ok(ids.into_iter().map(UploadId::from_uuid).collect())
}

/// Returns those of `ids` that exist.
pub async fn list_known(conn: &impl Conn, ids: &[UploadId]) -> Result<Vec<UploadId>> {
    let known = Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::Id.is_in(ids.iter().map(|id| id.as_uuid())));
    let known: Vec<Uuid> = known.into_tuple().all(conn.inner()).await?;
    Ok(known.into_iter().map(UploadId::from_uuid).collect())
}

/// Deletes uploads whose files have been removed, and returns how many.
pub async fn delete(tx: &Tx, ids: &[UploadId]) -> Result<u64> {
    rows::delete::<Entity>(tx, Column::Id.is_in(ids.iter().map(|id| id.as_uuid()))).await
}

fn by_id(id: UploadId) -> Select<Entity> {
    Entity::find().filter(Column::Id.eq(id.as_uuid()))
}
