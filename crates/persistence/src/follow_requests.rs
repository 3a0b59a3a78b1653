//! Who asked to follow a private account.

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

/// The id of a request. Locks those to `target` until the transaction ends, so that they are in the order in which they
/// become visible.
pub async fn next_id(tx: &Tx, target: UserId, now: Timestamp) -> Result<RelationId> {
    order::lock(tx, &[List::of_user("follow_requests", "target_id", target)], now).await?;
    Ok(RelationId::generate(now))
}

/// Lets `requester` ask to follow `target`.
pub async fn insert(tx: &Tx, id: RelationId, requester: UserId, target: UserId) -> Result<Inserted> {
    let row = Model { id: id.as_uuid(), requester_id: requester.as_uuid(), target_id: target.as_uuid() };
    rows::insert(tx, row).await
}

/// Takes it back; says whether it was there.
pub async fn delete(tx: &Tx, requester: UserId, target: UserId) -> Result<bool> {
    let pair = Column::RequesterId.eq(requester.as_uuid()).and(Column::TargetId.eq(target.as_uuid()));
    Ok(rows::delete::<Entity>(tx, pair).await? == 1)
}

/// Removes up to `max` rows of and about `user`; says how many.
pub async fn delete_of_user(tx: &Tx, user: UserId, max: u64) -> Result<u64> {
    let id = user.as_uuid();
    let mine = Condition::any().add(Column::RequesterId.eq(id)).add(Column::TargetId.eq(id));
    rows::delete_some::<Entity>(tx, Column::Id, mine, max).await
}

/// Who asked to follow `target`, the latest first.
pub async fn list_requesters(conn: &impl Conn, target: UserId, page: &PageRequest) -> Result<Listed<UserId>> {
    let list = Entity::find().filter(Column::TargetId.eq(target.as_uuid()));
    keyset::targets(conn, list, Column::Id, Column::RequesterId, UserId::from_uuid, page).await
}

/// Up to `max` of those who asked to follow `target`, the first ones first.
pub async fn list_oldest(conn: &impl Conn, target: UserId, max: u64) -> Result<Vec<UserId>> {
    let oldest = Entity::find().select_only().column(Column::RequesterId);
    let oldest = oldest.filter(Column::TargetId.eq(target.as_uuid())).order_by_asc(Column::Id).limit(max);
    let ids: Vec<Uuid> = oldest.into_tuple().all(conn.inner()).await?;
    Ok(ids.into_iter().map(UserId::from_uuid).collect())
}
