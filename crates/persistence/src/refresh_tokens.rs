//! Refresh tokens: each is used once and makes the next. A used one is kept for as long as it would have been good,
//! so that somebody who uses it again is noticed.

use blegram_domain::{SessionId, Timestamp, TokenId, UserId};
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QuerySelect, QueryTrait};

use crate::{
    Conn, Result, Tx,
    db::sealed::Sealed,
    entity::{
        refresh_token::{Column, Entity, Model},
        session,
    },
    sessions::TokenHash,
};

/// A refresh token to be.
#[derive(Debug, Clone, Copy)]
pub struct NewRefreshToken {
    /// Also the `jti` of the access token that comes with it.
    pub id: TokenId,
    /// The login that it prolongs.
    pub session: SessionId,
    /// What it is recognised by.
    pub token_hash: TokenHash,
    /// When it was made.
    pub issued_at: Timestamp,
    /// Until when it is good.
    pub expires_at: Timestamp,
}

/// A refresh token that was issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefreshToken {
    /// Also the `jti` of the access token that came with it.
    pub id: TokenId,
    /// The login that it prolongs.
    pub session: SessionId,
    /// What it is recognised by.
    pub token_hash: TokenHash,
    /// Until when it is good.
    pub expires_at: Timestamp,
    /// What its use made; `None` while it was not used.
    pub next: Option<TokenId>,
    /// Whether the access token that came with it arrived somewhere.
    pub is_access_used: bool,
}

/// Adds a refresh token.
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

/// The refresh token with this hash, used or not, expired or not.
pub async fn find_by_hash(conn: &impl Conn, hash: &TokenHash) -> Result<Option<RefreshToken>> {
    let row = Entity::find().filter(Column::TokenHash.eq(hash.to_vec())).one(conn.inner()).await?;
    row.map(RefreshToken::try_from).transpose()
}

/// The refresh token with this id.
pub async fn find(conn: &impl Conn, id: TokenId) -> Result<Option<RefreshToken>> {
    Entity::find_by_id(id.as_uuid()).one(conn.inner()).await?.map(RefreshToken::try_from).transpose()
}

/// Writes down that `id` was used, and what that made.
pub async fn update_consumed(tx: &Tx, id: TokenId, next: TokenId, at: Timestamp) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::ConsumedAt, at.as_micros().into())
        .col_expr(Column::NextId, next.as_uuid().into())
        .filter(Column::Id.eq(id.as_uuid()))
        .exec(tx.inner())
        .await?;
    Ok(())
}

/// Writes down that the access token that came with `id` arrived.
pub async fn update_access_used(tx: &Tx, id: TokenId, at: Timestamp) -> Result<()> {
    Entity::update_many()
        .col_expr(Column::AccessUsedAt, at.as_micros().into())
        .filter(Column::Id.eq(id.as_uuid()))
        .filter(Column::AccessUsedAt.is_null())
        .exec(tx.inner())
        .await?;
    Ok(())
}

/// Forgets those tokens of `session` that were used before `before`: nobody is noticed any more who uses them again.
pub async fn delete_consumed_before(tx: &Tx, session: SessionId, before: Timestamp) -> Result<()> {
    Entity::delete_many()
        .filter(Column::SessionId.eq(session.as_uuid()))
        .filter(Column::ConsumedAt.lt(before.as_micros()))
        .exec(tx.inner())
        .await?;
    Ok(())
}

/// Forgets up to `max` tokens that have expired; says how many.
pub async fn delete_expired(tx: &Tx, now: Timestamp, max: u64) -> Result<u64> {
    let expired = Entity::find().select_only().column(Column::Id);
    let expired = expired.filter(Column::ExpiresAt.lte(now.as_micros())).limit(max).into_query();
    let deleted = Entity::delete_many().filter(Column::Id.in_subquery(expired)).exec(tx.inner()).await?;
    Ok(deleted.rows_affected)
}

/// Forgets up to `max` tokens of the logins of `user`; says how many.
pub async fn delete_of_user(tx: &Tx, user: UserId, max: u64) -> Result<u64> {
    let sessions = session::Entity::find().select_only().column(session::Column::Id);
    let sessions = sessions.filter(session::Column::UserId.eq(user.as_uuid())).into_query();
    let some = Entity::find().select_only().column(Column::Id);
    let some = some.filter(Column::SessionId.in_subquery(sessions)).limit(max).into_query();
    Ok(Entity::delete_many().filter(Column::Id.in_subquery(some)).exec(tx.inner()).await?.rows_affected)
}
