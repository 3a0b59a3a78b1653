//! Mutes between accounts.

use blegram_domain::{PageRequest, RelationId, Timestamp, UserId};
use sea_orm::{ColumnTrait, Condition, EntityTrait, ExprTrait, QueryFilter};

use crate::{
    Conn, Inserted, Listed, Result, Tx,
    entity::pair::mute::{Column, Entity, Model},
    keyset,
    order::{self, List},
    rows,
};

/// Generates the id of a mute. Locks the list of accounts that `muter` mutes until the transaction ends, so that it is
/// in the order in which mutes become visible.
pub async fn next_id(tx: &Tx, muter: UserId, now: Timestamp) -> Result<RelationId> {
    order::lock(tx, &[List::by_user("mutes", "muter_id", muter)], now).await?;
    Ok(RelationId::generate(now))
}

/// Inserts a mute.
pub async fn insert(tx: &Tx, id: RelationId, muter: UserId, muted: UserId) -> Result<Inserted> {
    let row = Model { id: id.as_uuid(), muter_id: muter.as_uuid(), muted_id: muted.as_uuid() };
    rows::insert(tx, row).await
}

/// Deletes a mute, and returns whether it existed.
pub async fn delete(tx: &Tx, muter: UserId, muted: UserId) -> Result<bool> {
    let pair = Column::MuterId.eq(muter.as_uuid()).and(Column::MutedId.eq(muted.as_uuid()));
    Ok(rows::delete::<Entity>(tx, pair).await? == 1)
}

/// Deletes up to `max` mutes by and of `user`, and returns how many.
pub async fn delete_of_user(tx: &Tx, user: UserId, max: u64) -> Result<u64> {
    let id = user.as_uuid();
    let of_user = Condition::any().add(Column::MuterId.eq(id)).add(Column::MutedId.eq(id));
    rows::delete_some::<Entity>(tx, Column::Id, of_user, max).await
}

/// Lists the accounts that `muter` mutes, the latest first.
pub async fn list_muted(conn: &impl Conn, muter: UserId, page: &PageRequest) -> Result<Listed<UserId>> {
    let list = Entity::find().filter(Column::MuterId.eq(muter.as_uuid()));
    keyset::targets(conn, list, Column::Id, Column::MutedId, UserId::from_uuid, page).await
}
