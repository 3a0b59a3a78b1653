//! Profile pictures at other providers that a job imports as avatars of new accounts.

use blegram_domain::UserId;
use sea_orm::{ColumnTrait, EntityTrait};

pub use crate::entity::avatar_import::AvatarImport;
use crate::{
    Conn, Result, Tx,
    entity::avatar_import::{Column, Entity, Model},
    rows,
};

/// Inserts an import, unless the account has one.
pub async fn insert(tx: &Tx, import: &AvatarImport) -> Result<()> {
    let row = Model {
        user_id: import.user.as_uuid(),
        provider: import.provider.as_str().to_owned(),
        url: import.url.clone(),
        created_at: import.created_at.as_micros(),
    };
    rows::insert(tx, row).await.map(drop)
}

/// Finds the import of an account.
pub async fn find(conn: &impl Conn, user: UserId) -> Result<Option<AvatarImport>> {
    let row = Entity::find_by_id(user.as_uuid()).one(conn.inner()).await?;
    row.map(AvatarImport::try_from).transpose()
}

/// Deletes the import of an account.
pub async fn delete(tx: &Tx, user: UserId) -> Result<()> {
    rows::delete::<Entity>(tx, Column::UserId.eq(user.as_uuid())).await.map(drop)
}
