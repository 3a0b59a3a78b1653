//! Links of deleted accounts to identities that a job ends at the provider.

use blegram_domain::UnlinkId;
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel};

pub use crate::entity::provider_unlink::ProviderUnlink;
use crate::{
    Conn, Result, Tx,
    db::sealed::Sealed,
    entity::provider_unlink::{Column, Entity, Model},
    rows,
};

/// Inserts an unlink. Insert its job in the same transaction.
pub async fn insert(tx: &Tx, unlink: &ProviderUnlink) -> Result<()> {
    let row = Model {
        id: unlink.id.as_uuid(),
        provider: unlink.key.provider.as_str().to_owned(),
        subject: unlink.key.subject.clone(),
        created_at: unlink.created_at.as_micros(),
    };
    Entity::insert(row.into_active_model()).exec_without_returning(tx.inner()).await?;
    Ok(())
}

/// Finds an unlink.
pub async fn find(conn: &impl Conn, id: UnlinkId) -> Result<Option<ProviderUnlink>> {
    let row = Entity::find_by_id(id.as_uuid()).one(conn.inner()).await?;
    row.map(ProviderUnlink::try_from).transpose()
}

/// Deletes an unlink.
pub async fn delete(tx: &Tx, id: UnlinkId) -> Result<()> {
    rows::delete::<Entity>(tx, Column::Id.eq(id.as_uuid())).await.map(drop)
}
