//! Names that accounts had: kept for a while, so that nobody is taken for somebody else.

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

/// Keeps a name until `until` for `owner`, or for nobody.
pub async fn insert(tx: &Tx, name: &Skeleton, owner: Option<UserId>, until: Timestamp) -> Result<()> {
    let row = Model {
        skeleton: name.as_str().to_owned(),
        user_id: owner.map(UserId::as_uuid),
        until: until.as_micros(),
    };
    let again =
        OnConflict::column(Column::Skeleton).update_columns([Column::UserId, Column::Until]).to_owned();
    Entity::insert(row.into_active_model()).on_conflict(again).exec_without_returning(tx.inner()).await?;
    Ok(())
}

/// Whether a name is kept from `who` (`None`: from somebody new).
pub async fn is_kept_from(
    conn: &impl Conn,
    name: &Skeleton,
    who: Option<UserId>,
    now: Timestamp,
) -> Result<bool> {
    let kept = Entity::find_by_id(name.as_str()).filter(Column::Until.gt(now.as_micros()));
    let kept = kept.one(conn.inner()).await?;
    Ok(kept.is_some_and(|it| it.user_id.is_none() || it.user_id != who.map(UserId::as_uuid)))
}

/// Lets go of a name.
pub async fn delete(tx: &Tx, name: &Skeleton) -> Result<()> {
    Entity::delete_by_id(name.as_str()).exec(tx.inner()).await?;
    Ok(())
}

/// Forgets who had the names that are kept for `owner`; they stay kept, for nobody.
pub async fn update_disowned(tx: &Tx, owner: UserId) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::UserId, Expr::value(Option::<sea_orm::prelude::Uuid>::None))
        .filter(Column::UserId.eq(owner.as_uuid()))
        .exec(tx.inner())
        .await?;
    Ok(())
}

/// Lets go of up to `max` names whose time is over; says how many.
pub async fn delete_expired(tx: &Tx, now: Timestamp, max: u64) -> Result<u64> {
    let expired = Entity::find().select_only().column(Column::Skeleton);
    let expired = expired.filter(Column::Until.lte(now.as_micros())).limit(max).into_query();
    let deleted =
        Entity::delete_many().filter(Column::Skeleton.in_subquery(expired)).exec(tx.inner()).await?;
    Ok(deleted.rows_affected)
}
