//! The marker that identifies this site's image storage. A table of one row, which is inserted when the site first
//! checks its storage.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};

use crate::{
    Conn, Result, Tx,
    db::sealed::Sealed,
    entity::storage_marker::{Column, Entity, Model},
    rows,
};

const ROW: i32 = 1;

/// The marker of the image storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageMarker {
    /// The content that the marker file in the storage must have.
    pub marker: String,
    /// Whether the storage was seen with this marker. Until then, every node may write it.
    pub is_written: bool,
}

/// Finds the marker, if one was chosen.
pub async fn find(conn: &impl Conn) -> Result<Option<StorageMarker>> {
    let row = Entity::find_by_id(ROW).one(conn.inner()).await?;
    Ok(row.map(|row| StorageMarker { marker: row.marker, is_written: row.is_written }))
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
