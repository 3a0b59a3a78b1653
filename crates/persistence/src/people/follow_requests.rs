//! Requests to follow private accounts.

use blegram_domain::{PageRequest, RelationId, Timestamp, UserId};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, ExprTrait, QueryFilter, QueryOrder, QuerySelect, prelude::Uuid,
};

use crate::{
    Conn, Inserted, Listed, Result, Tx,
    entity::pair::follow_request::{Column, Entity, Model},
    keyset,
    order::{self, List},
    rows,
};

/// Generates the id of a request. Locks the list of requests to `target` until the transaction ends, so that it is in
/// the order in which requests become visible.
pub async fn next_id(tx: &Tx, target: UserId, now: Timestamp) -> Result<RelationId> {
    order::lock(tx, &[List::by_user("follow_requests", "target_id", target)], now).await?;
    Ok(RelationId::generate(now))
}

/// Inserts a request of `requester` to follow `target`.
pub async fn insert(tx: &Tx, id: RelationId, requester: UserId, target: UserId) -> Result<Inserted> {
    let row = Model { id: id.as_uuid(), requester_id: requester.as_uuid(), target_id: target.as_uuid() };
    rows::insert(tx, row).await
}

/// Deletes a request, and returns whether it existed.
pub async fn delete(tx: &Tx, requester: UserId, target: UserId) -> Result<bool> {
    let pair = Column::RequesterId.eq(requester.as_uuid()).and(Column::TargetId.eq(target.as_uuid()));
    Ok(rows::delete::<Entity>(tx, pair).await? == 1)
}

/// Deletes up to `max` requests by and to `user`, and returns how many.
pub async fn delete_of_user(tx: &Tx, user: UserId, max: u64) -> Result<u64> {
    let id = user.as_uuid();
    let of_user = Condition::any().add(Column::RequesterId.eq(id)).add(Column::TargetId.eq(id));
    rows::delete_some::<Entity>(tx, Column::Id, of_user, max).await
}

/// Lists the accounts that requested to follow `target`, the latest first.
pub async fn list_requesters(conn: &impl Conn, target: UserId, page: &PageRequest) -> Result<Listed<UserId>> {
    let list = Entity::find().filter(Column::TargetId.eq(target.as_uuid()));
    keyset::targets(conn, list, Column::Id, Column::RequesterId, UserId::from_uuid, page).await
}

/// Lists up to `max` accounts that requested to follow `target`, the oldest request first.
pub async fn list_oldest(conn: &impl Conn, target: UserId, max: u64) -> Result<Vec<UserId>> {
    let oldest = Entity::find().select_only().column(Column::RequesterId);
    let oldest = oldest.filter(Column::TargetId.eq(target.as_uuid())).order_by_asc(Column::Id).limit(max);
    let ids: Vec<Uuid> = oldest.into_tuple().all(conn.inner()).await?;
    Ok(ids.into_iter().map(UserId::from_uuid).collect())
}
