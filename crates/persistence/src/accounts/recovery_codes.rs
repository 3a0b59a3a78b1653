//! Single-use recovery codes, which replace a lost second factor.

use blegram_domain::{Timestamp, UserId};
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter};

use crate::{
    Conn, Result, Tx,
    db::sealed::Sealed,
    entity::{
        recovery_code::{Column, Entity, Model},
        session::TokenHash,
    },
    rows,
};

/// Replaces the codes of `user`.
pub async fn replace(tx: &Tx, user: UserId, hashes: &[TokenHash]) -> Result<()> {
    delete_all(tx, user).await?;
    let row = |hash: &TokenHash| Model { user_id: user.as_uuid(), code_hash: hash.to_vec(), used_at: None };
    let codes = hashes.iter().map(|hash| row(hash).into_active_model());
    Entity::insert_many(codes).exec_without_returning(tx.inner()).await?;
    Ok(())
}

/// Consumes a code: of any number of concurrent calls, one returns `true`.
pub async fn consume(tx: &Tx, user: UserId, hash: &TokenHash, at: Timestamp) -> Result<bool> {
    let consume = Entity::update_many()
        .col_expr(Column::UsedAt, at.as_micros().into())
        .filter(Column::UserId.eq(user.as_uuid()))
        .filter(Column::CodeHash.eq(hash.to_vec()))
        .filter(Column::UsedAt.is_null());
    Ok(consume.exec(tx.inner()).await?.rows_affected == 1)
}

/// Counts the unused codes of `user`.
pub async fn count_unused(conn: &impl Conn, user: UserId) -> Result<u64> {
    let unused = Entity::find().filter(Column::UserId.eq(user.as_uuid())).filter(Column::UsedAt.is_null());
    Ok(unused.count(conn.inner()).await?)
}

/// Deletes all codes of `user`; a few at most.
pub async fn delete_all(tx: &Tx, user: UserId) -> Result<()> {
    rows::delete::<Entity>(tx, Column::UserId.eq(user.as_uuid())).await.map(drop)
}
