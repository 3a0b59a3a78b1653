//! The audit log. Entries have no foreign keys: they outlive the accounts that they name.

use blegram_domain::{
    AuditEvent, AuditEventId, PageRequest, Timestamp, UserId,
    audit::{Filter, Kind},
    page::PageKeys,
};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, ExprTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
    QueryTrait, sea_query::Expr,
};

use crate::{
    Conn, Result, Tx,
    db::sealed::Sealed,
    entity::audit_event::{Column, Entity, Model},
    keyset,
    order::{self, List},
    rows,
};

/// Locks the list until the transaction ends, and returns the id of its next entry. Call it last before the commit:
/// every login waits for the lock.
pub async fn next_id(tx: &Tx, now: Timestamp) -> Result<AuditEventId> {
    let list = List::all("audit_events");
    order::lock_for_all(tx, list).await?;
    order::follow_newest(tx, &[list], now).await?;
    Ok(AuditEventId::generate(now))
}

/// Inserts an entry.
pub async fn insert(tx: &Tx, event: &AuditEvent) -> Result<()> {
    let row = Model {
        id: event.id.as_uuid(),
        kind: event.kind.as_str().to_owned(),
        actor_id: event.actor.map(UserId::as_uuid),
        target_id: event.target.map(UserId::as_uuid),
        address: event.address.map(|address| address.to_string()),
        created_at: event.at.as_micros(),
    };
    Entity::insert(row.into_active_model()).exec_without_returning(tx.inner()).await?;
    Ok(())
}

/// Whether the log has an entry of `kind` about `target` that is newer than `since`.
pub async fn is_any_since(conn: &impl Conn, kind: Kind, target: UserId, since: Timestamp) -> Result<bool> {
    let found = Entity::find()
        .filter(Column::TargetId.eq(target.as_uuid()))
        .filter(Column::Kind.eq(kind.as_str()))
        .filter(Column::CreatedAt.gt(since.as_micros()))
        .one(conn.inner())
        .await?;
    Ok(found.is_some())
}

/// Lists the ids of the entries that match `filter`, newest first.
pub async fn list_ids(conn: &impl Conn, filter: &Filter, page: &PageRequest) -> Result<PageKeys> {
    let of_kind = filter.kind.map(|kind| Column::Kind.eq(kind.as_str()));
    let of_user = filter
        .user
        .map(UserId::as_uuid)
        .map(|user| Condition::any().add(Column::ActorId.eq(user)).add(Column::TargetId.eq(user)));
    let which = Condition::all().add_option(of_kind).add_option(of_user);
    keyset::ids(conn, Entity::find().filter(which), Column::Id, page).await
}

/// Lists the entries of `ids`, in that order, in one statement.
pub async fn list_by_ids(conn: &impl Conn, ids: &PageKeys) -> Result<Vec<AuditEvent>> {
    if ids.keys().is_empty() {
        return Ok(Vec::new());
    }
    let rows = Entity::find().filter(Column::Id.is_in(ids.keys().iter().copied()));
    // The list is ordered by id.
    let rows = rows.order_by_desc(Column::Id).all(conn.inner()).await?;
    rows.into_iter().map(AuditEvent::try_from).collect()
}

/// Deletes up to `max` entries from before `before`, and returns how many.
pub async fn delete_older_than(tx: &Tx, before: Timestamp, max: u64) -> Result<u64> {
    rows::delete_some::<Entity>(tx, Column::Id, Column::CreatedAt.lt(before.as_micros()), max).await
}

/// Removes the address from up to `max` entries of what `actor` did, and returns how many.
pub async fn update_anonymized(tx: &Tx, actor: UserId, max: u64) -> Result<u64> {
    if max == 0 {
        return Ok(0);
    }
    let addressed = Column::ActorId.eq(actor.as_uuid()).and(Column::Address.is_not_null());
    let some = Entity::find().select_only().column(Column::Id).filter(addressed).limit(max).into_query();
    let updated = Entity::update_many()
        .col_expr(Column::Address, Expr::value(None::<String>))
        .filter(Column::Id.in_subquery(some))
        .exec(tx.inner())
        .await?;
    Ok(updated.rows_affected)
}
