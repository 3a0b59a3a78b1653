//! Refresh tokens. Each is used once and issues the next one. A used token stays stored until it would have expired, so
//! that its reuse is detected.

use blegram_domain::{SessionId, Timestamp, TokenId, UserId};
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QuerySelect, QueryTrait};

pub use crate::entity::refresh_token::RefreshToken;
use crate::{
    Conn, Result, Tx,
    db::sealed::Sealed,
    entity::{
        refresh_token::{Column, Entity, Model},
        session::{self, TokenHash},
    },
};

/// A refresh token to insert.
#[derive(Debug, Clone, Copy)]
pub struct NewRefreshToken {
    /// Also the `jti` of the access token issued with it.
    pub id: TokenId,
    /// The session that it extends.
    pub session: SessionId,
    /// The hash of the token.
    pub token_hash: TokenHash,
    /// The time of issue.
    pub issued_at: Timestamp,
    /// The expiry.
    pub expires_at: Timestamp,
}

/// Inserts a refresh token.
pub async fn insert(tx: &Tx, token: NewRefreshToken) -> Result<()> {
    let row = Model {
        id: token.id.as_uuid(),
        session_id: token.session.as_uuid(),
        token_hash: token.token_hash.to_vec(),
        issued_at: token.issued_at.as_micros(),
        expires_at: token.expires_at.as_micros(),
        consumed_at: None,
        next_id: None,
        access_used_at: None,
    };
    Entity::insert(row.into_active_model()).exec_without_returning(tx.inner()).await?;
    Ok(())
}

/// Finds a refresh token by its hash, used or not, expired or not.
pub async fn find_by_hash(conn: &impl Conn, hash: &TokenHash) -> Result<Option<RefreshToken>> {
    let row = Entity::find().filter(Column::TokenHash.eq(hash.to_vec())).one(conn.inner()).await?;
    row.map(RefreshToken::try_from).transpose()
}

/// Finds a refresh token by id.
pub async fn find(conn: &impl Conn, id: TokenId) -> Result<Option<RefreshToken>> {
    Entity::find_by_id(id.as_uuid()).one(conn.inner()).await?.map(RefreshToken::try_from).transpose()
}

/// Marks `id` as used, with the token issued for it.
pub async fn update_consumed(tx: &Tx, id: TokenId, next: TokenId, at: Timestamp) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::ConsumedAt, at.as_micros().into())
        .col_expr(Column::NextId, next.as_uuid().into())
        .filter(Column::Id.eq(id.as_uuid()))
        .exec(tx.inner())
        .await?;
    Ok(())
}

/// Records the first use of the access token issued with `id`.
pub async fn update_access_used(tx: &Tx, id: TokenId, at: Timestamp) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::AccessUsedAt, at.as_micros().into())
        .filter(Column::Id.eq(id.as_uuid()))
        .filter(Column::AccessUsedAt.is_null())
        .exec(tx.inner())
        .await?;
    Ok(())
}

/// Deletes the tokens of `session` that were used before `before`. Their reuse is no longer detected.
pub async fn delete_consumed_before(tx: &Tx, session: SessionId, before: Timestamp) -> Result<()> {
    Entity::delete_many()
        .filter(Column::SessionId.eq(session.as_uuid()))
        .filter(Column::ConsumedAt.lt(before.as_micros()))
        .exec(tx.inner())
        .await?;
    Ok(())
}

/// Deletes up to `max` expired tokens, and returns how many.
pub async fn delete_expired(tx: &Tx, now: Timestamp, max: u64) -> Result<u64> {
    let expired = Entity::find().select_only().column(Column::Id);
    let expired = expired.filter(Column::ExpiresAt.lte(now.as_micros())).limit(max).into_query();
    let deleted = Entity::delete_many().filter(Column::Id.in_subquery(expired)).exec(tx.inner()).await?;
    Ok(deleted.rows_affected)
}

/// Deletes up to `max` tokens of the sessions of `user`, and returns how many.
pub async fn delete_of_user(tx: &Tx, user: UserId, max: u64) -> Result<u64> {
    let sessions = session::Entity::find().select_only().column(session::Column::Id);
    let sessions = sessions.filter(session::Column::UserId.eq(user.as_uuid())).into_query();
    let some = Entity::find().select_only().column(Column::Id);
    let some = some.filter(Column::SessionId.in_subquery(sessions)).limit(max).into_query();
    Ok(Entity::delete_many().filter(Column::Id.in_subquery(some)).exec(tx.inner()).await?.rows_affected)
}
