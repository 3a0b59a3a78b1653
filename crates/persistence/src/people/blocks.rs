//! Blocks between accounts.

use blegram_domain::{PageRequest, RelationId, Timestamp, UserId};
use sea_orm::{ColumnTrait, Condition, EntityTrait, ExprTrait, QueryFilter};

use crate::{
    Conn, Inserted, Listed, Result, Tx,
    entity::pair::block::{Column, Entity, Model},
    keyset,
    order::{self, List},
    rows,
};

/// Generates the id of a block. Locks the list of accounts that `blocker` blocks until the transaction ends, so that it
/// is in the order in which blocks become visible.
pub async fn next_id(tx: &Tx, blocker: UserId, now: Timestamp) -> Result<RelationId> {
    order::lock(tx, &[List::by_user("blocks", "blocker_id", blocker)], now).await?;
    Ok(RelationId::generate(now))
}

/// Inserts a block. The use case ends follows and everything else that a block ends.
pub async fn insert(tx: &Tx, id: RelationId, blocker: UserId, blocked: UserId) -> Result<Inserted> {
    let row = Model { id: id.as_uuid(), blocker_id: blocker.as_uuid(), blocked_id: blocked.as_uuid() };
    rows::insert(tx, row).await
}

/// Deletes a block, and returns whether it existed.
pub async fn delete(tx: &Tx, blocker: UserId, blocked: UserId) -> Result<bool> {
    let pair = Column::BlockerId.eq(blocker.as_uuid()).and(Column::BlockedId.eq(blocked.as_uuid()));
    Ok(rows::delete::<Entity>(tx, pair).await? == 1)
}

/// Deletes up to `max` blocks by and of `user`, and returns how many.
pub async fn delete_of_user(tx: &Tx, user: UserId, max: u64) -> Result<u64> {
    let id = user.as_uuid();
    let of_user = Condition::any().add(Column::BlockerId.eq(id)).add(Column::BlockedId.eq(id));
    rows::delete_some::<Entity>(tx, Column::Id, of_user, max).await
}

/// Lists the accounts that `blocker` blocks, the latest first.
pub async fn list_blocked(conn: &impl Conn, blocker: UserId, page: &PageRequest) -> Result<Listed<UserId>> {
    let list = Entity::find().filter(Column::BlockerId.eq(blocker.as_uuid()));
    keyset::targets(conn, list, Column::Id, Column::BlockedId, UserId::from_uuid, page).await
}
