//! What marks the storage of images as this site's. A table of one row, which is there from the first time on that the
//! site looks at its storage.

use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, sea_query::Expr};

use crate::{
    Conn, Result, Tx,
    db::sealed::Sealed,
    entity::storage_marker::{Column, Entity, Model},
    rows,
};

const ROW: i32 = 1;

/// The marker of the storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageMarker {
    /// What the storage has to say of itself.
    pub marker: String,
    /// Whether it was seen to say so. Until then every node may write the marker.
    pub is_written: bool,
}

/// The marker, if one was chosen.
pub async fn find(conn: &impl Conn) -> Result<Option<StorageMarker>> {
    let row = Entity::find_by_id(ROW).one(conn.inner()).await?;
    Ok(row.map(|row| StorageMarker { marker: row.marker, is_written: row.is_written }))
}

/// Chooses `marker`, if none was chosen.
pub async fn insert(tx: &Tx, marker: &str) -> Result<()> {
    let row = Model { id: ROW, marker: marker.to_owned(), is_written: false };
    rows::insert(tx, row).await.map(drop)
}

/// Stores that the storage has `marker`, unless it was seen to have another one before.
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
