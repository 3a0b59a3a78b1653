//! Who mutes whom.

use blegram_domain::{PageRequest, RelationId, Timestamp, UserId};
use sea_orm::{ColumnTrait, Condition, EntityTrait, ExprTrait, QueryFilter};

use crate::{
    Conn, Inserted, Listed, Result, Tx,
    entity::pair::mute::{Column, Entity, Model},
    keyset,
    order::{self, List},
    rows,
};

/// The id of a row. Locks whom `muter` mutes until the transaction ends, so that the list is in the order in which its rows
/// become visible.
pub async fn next_id(tx: &Tx, muter: UserId, now: Timestamp) -> Result<RelationId> {
    order::lock(tx, &[List::of_user("mutes", "muter_id", muter)], now).await?;
    Ok(RelationId::generate(now))
}

/// Lets `muter` mute `muted`.
pub async fn insert(tx: &Tx, id: RelationId, muter: UserId, muted: UserId) -> Result<Inserted> {
    let row = Model { id: id.as_uuid(), muter_id: muter.as_uuid(), muted_id: muted.as_uuid() };
    rows::insert(tx, row).await
}

/// Takes it back; says whether it was there.
pub async fn delete(tx: &Tx, muter: UserId, muted: UserId) -> Result<bool> {
    let pair = Column::MuterId.eq(muter.as_uuid()).and(Column::MutedId.eq(muted.as_uuid()));
    Ok(rows::delete::<Entity>(tx, pair).await? == 1)
}

/// Removes up to `max` rows of and about `user`; says how many.
pub async fn delete_of_user(tx: &Tx, user: UserId, max: u64) -> Result<u64> {
    let id = user.as_uuid();
    let mine = Condition::any().add(Column::MuterId.eq(id)).add(Column::MutedId.eq(id));
    rows::delete_some::<Entity>(tx, Column::Id, mine, max).await
}

/// Whom `muter` mutes, the latest first.
pub async fn list_muted(conn: &impl Conn, muter: UserId, page: &PageRequest) -> Result<Listed<UserId>> {
    let list = Entity::find().filter(Column::MuterId.eq(muter.as_uuid()));
    keyset::targets(conn, list, Column::Id, Column::MutedId, UserId::from_uuid, page).await
}
