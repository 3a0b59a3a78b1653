//! The marker that identifies this site's image storage. A table of one row, which is inserted when the site first
//! checks its storage.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};

pub use crate::entity::storage_marker::StorageMarker;
use crate::{
    Conn, Result, Tx,
    db::sealed::Sealed,
    entity::storage_marker::{Column, Entity, Model},
    rows,
};

const ROW: i32 = 1;

/// Finds the marker, if one was chosen.
pub async fn find(conn: &impl Conn) -> Result<Option<StorageMarker>> {
    let row = Entity::find_by_id(ROW).one(conn.inner()).await?;
    Ok(row.map(StorageMarker::from))
}

/// Stores `marker`, unless a marker exists already.
pub async fn insert(tx: &Tx, marker: &str) -> Result<()> {
    let row = Model { id: ROW, marker: marker.to_owned(), is_written: false };
    rows::insert(tx, row).await.map(drop)
}

/// Records that the storage has `marker`, unless it was seen with a marker before.
pub async fn update_written(tx: &Tx, marker: &str) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::Marker, marker.into())
        .col_expr(Column::IsWritten, Expr::value(true))
        .filter(Column::Id.eq(ROW))
        .filter(Column::IsWritten.eq(false))
        .exec(tx.inner())
        .await?;
    Ok(())
}
