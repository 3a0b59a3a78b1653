//! What opens a live connection once, in the place of a cookie or a bearer.

use blegram_domain::{SessionId, Timestamp};
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QuerySelect, QueryTrait};

use crate::{
    Conn, Result, Tx,
    db::sealed::Sealed,
    entity::{
        gateway_ticket::{Column, Entity, Model},
        timestamp,
    },
    sessions::TokenHash,
};

/// What a ticket is good for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// Whose login it stands for.
    pub session: SessionId,
    /// The page that asked for it; `None` for an app.
    pub origin: Option<String>,
    /// When what it was asked for with stops counting.
    pub credential_expires_at: Timestamp,
    /// When it stops counting.
    pub expires_at: Timestamp,
}

/// Adds a ticket.
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

/// Whether there is a ticket, in time or not.
///
/// # Errors
/// As above.
pub async fn is_there(conn: &impl Conn, hash: &TokenHash) -> Result<bool> {
    let found = Entity::find().filter(Column::TokenHash.eq(hash.to_vec())).one(conn.inner()).await?;
    Ok(found.is_some())
}

/// Takes a ticket away; of any number who do so at the same time, one gets it.
///
/// # Errors
/// As above.
pub async fn delete(tx: &Tx, hash: &TokenHash) -> Result<Option<Ticket>> {
    let deleted = Entity::delete_many().filter(Column::TokenHash.eq(hash.to_vec()));
    let row = deleted.exec_with_returning(tx.inner()).await?.into_iter().next();
    row.map(|row| {
        let id = row.session_id;
        Ok(Ticket {
            session: SessionId::from_uuid(id),
            origin: row.origin,
            credential_expires_at: timestamp("gateway_tickets", id, row.credential_expires_at)?,
            expires_at: timestamp("gateway_tickets", id, row.expires_at)?,
        })
    })
    .transpose()
}

/// Removes up to `max` tickets that were not used in time; says how many.
///
/// # Errors
/// As above.
pub async fn delete_expired(tx: &Tx, now: Timestamp, max: u64) -> Result<u64> {
    let expired = Entity::find().select_only().column(Column::TokenHash);
    let expired = expired.filter(Column::ExpiresAt.lte(now.as_micros())).limit(max).into_query();
    let deleted =
        Entity::delete_many().filter(Column::TokenHash.in_subquery(expired)).exec(tx.inner()).await?;
    Ok(deleted.rows_affected)
}
