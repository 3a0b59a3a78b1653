//! Former usernames, reserved for a while to prevent impersonation.

use blegram_domain::{Timestamp, UserId, username::Skeleton};
use sea_orm::{
    ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QuerySelect, QueryTrait,
    sea_query::{Expr, OnConflict},
};

use crate::{
    Conn, Result, Tx,
    db::sealed::Sealed,
    entity::reserved_username::{Column, Entity, Model},
};

/// Reserves a name until `until` for `owner` (`None`: for no account). Replaces an existing reservation.
pub async fn insert(tx: &Tx, name: &Skeleton, owner: Option<UserId>, until: Timestamp) -> Result<()> {
    let row = Model {
        skeleton: name.as_str().to_owned(),
        user_id: owner.map(UserId::as_uuid),
        until: until.as_micros(),
    };
    let upsert =
        OnConflict::column(Column::Skeleton).update_columns([Column::UserId, Column::Until]).to_owned();
    Entity::insert(row.into_active_model()).on_conflict(upsert).exec_without_returning(tx.inner()).await?;
    Ok(())
}

/// Whether a name is reserved and not available to `account` (`None`: a new account).
pub async fn is_reserved_for_other(
    conn: &impl Conn,
    name: &Skeleton,
    account: Option<UserId>,
    now: Timestamp,
) -> Result<bool> {
    let reservation = Entity::find_by_id(name.as_str()).filter(Column::Until.gt(now.as_micros()));
    let reservation = reservation.one(conn.inner()).await?;
    Ok(reservation.is_some_and(|row| row.user_id.is_none() || row.user_id != account.map(UserId::as_uuid)))
}

/// Deletes the reservation of a name.
pub async fn delete(tx: &Tx, name: &Skeleton) -> Result<()> {
    Entity::delete_by_id(name.as_str()).exec(tx.inner()).await?;
    Ok(())
}

/// Clears the owner of the names reserved for `owner`. They stay reserved, for no account.
pub async fn update_anonymized(tx: &Tx, owner: UserId) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::UserId, Expr::value(Option::<sea_orm::prelude::Uuid>::None))
        .filter(Column::UserId.eq(owner.as_uuid()))
        .exec(tx.inner())
        .await?;
    Ok(())
}

/// Deletes up to `max` expired reservations, and returns how many.
pub async fn delete_expired(tx: &Tx, now: Timestamp, max: u64) -> Result<u64> {
    let expired = Entity::find().select_only().column(Column::Skeleton);
    let expired = expired.filter(Column::Until.lte(now.as_micros())).limit(max).into_query();
    let deleted =
        Entity::delete_many().filter(Column::Skeleton.in_subquery(expired)).exec(tx.inner()).await?;
    Ok(deleted.rows_affected)
}
