//! Single-use tickets that authenticate a realtime connection instead of a cookie or bearer token.

use blegram_domain::Timestamp;
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QuerySelect, QueryTrait};

pub use crate::entity::gateway_ticket::Ticket;
use crate::{
    Conn, Result, Tx,
    db::sealed::Sealed,
    entity::{
        gateway_ticket::{Column, Entity, Model},
        session::TokenHash,
    },
};

/// Inserts a ticket.
pub async fn insert(tx: &Tx, hash: &TokenHash, ticket: &Ticket) -> Result<()> {
    let row = Model {
        token_hash: hash.to_vec(),
        session_id: ticket.session.as_uuid(),
        origin: ticket.origin.clone(),
        credential_expires_at: ticket.credential_expires_at.as_micros(),
        expires_at: ticket.expires_at.as_micros(),
    };
    Entity::insert(row.into_active_model()).exec_without_returning(tx.inner()).await?;
    Ok(())
}

/// Whether a ticket exists, expired or not.
pub async fn exists(conn: &impl Conn, hash: &TokenHash) -> Result<bool> {
    let found = Entity::find().filter(Column::TokenHash.eq(hash.to_vec())).one(conn.inner()).await?;
    Ok(found.is_some())
}

/// Consumes a ticket: deletes and returns it. Of any number of concurrent calls, one gets it.
pub async fn delete(tx: &Tx, hash: &TokenHash) -> Result<Option<Ticket>> {
    let deleted = Entity::delete_many().filter(Column::TokenHash.eq(hash.to_vec()));
    let row = deleted.exec_with_returning(tx.inner()).await?.into_iter().next();
    row.map(Ticket::try_from).transpose()
}

/// Deletes up to `max` expired tickets, and returns how many.
pub async fn delete_expired(tx: &Tx, now: Timestamp, max: u64) -> Result<u64> {
    let expired = Entity::find().select_only().column(Column::TokenHash);
    let expired = expired.filter(Column::ExpiresAt.lte(now.as_micros())).limit(max).into_query();
    let deleted =
        Entity::delete_many().filter(Column::TokenHash.in_subquery(expired)).exec(tx.inner()).await?;
    Ok(deleted.rows_affected)
}
