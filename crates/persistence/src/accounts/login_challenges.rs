//! Logins whose first step succeeded and whose second step is missing.

use blegram_domain::{Timestamp, UserId};
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter, sea_query::Expr};

pub use crate::entity::login_challenge::LoginChallenge;
use crate::{
    Conn, Result, Tx,
    db::sealed::Sealed,
    entity::{
        login_challenge::{Column, Entity, Model},
        session::TokenHash,
    },
    rows,
};

/// Inserts a challenge.
pub async fn insert(tx: &Tx, hash: &TokenHash, challenge: LoginChallenge) -> Result<()> {
    let row = Model {
        token_hash: hash.to_vec(),
        user_id: challenge.user.as_uuid(),
        kind: challenge.kind.as_str().to_owned(),
        device_name: challenge.device_name,
        provider: challenge.provider.map(|provider| provider.as_str().to_owned()),
        attempts: challenge.attempts,
        expires_at: challenge.expires_at.as_micros(),
        login_code: challenge.login_code.map(|hash| hash.to_vec()),
    };
    rows::insert(tx, row).await.map(drop)
}

/// Finds a challenge, expired or not.
pub async fn find(conn: &impl Conn, hash: &TokenHash) -> Result<Option<LoginChallenge>> {
    let row = Entity::find_by_id(hash.to_vec()).one(conn.inner()).await?;
    row.map(LoginChallenge::try_from).transpose()
}

/// Counts an attempt to complete a challenge. Returns `false` if there were `max` before, or if the challenge no longer
/// exists.
pub async fn count_attempt(tx: &Tx, hash: &TokenHash, max: i32) -> Result<bool> {
    let count = Entity::update_many()
        .col_expr(Column::Attempts, Expr::col(Column::Attempts).add(1))
        .filter(Column::TokenHash.eq(hash.to_vec()))
        .filter(Column::Attempts.lt(max));
    Ok(count.exec(tx.inner()).await?.rows_affected == 1)
}

/// Consumes a challenge: of any number of concurrent calls, one returns `true`.
pub async fn delete(tx: &Tx, hash: &TokenHash) -> Result<bool> {
    Ok(rows::delete::<Entity>(tx, Column::TokenHash.eq(hash.to_vec())).await? == 1)
}

/// Deletes the challenges of `user`. Login limits bound their number.
pub async fn delete_of_user(tx: &Tx, user: UserId) -> Result<()> {
    rows::delete::<Entity>(tx, Column::UserId.eq(user.as_uuid())).await.map(drop)
}

/// Deletes the challenge of the login that a code began.
pub async fn delete_of_login_code(tx: &Tx, hash: &TokenHash) -> Result<()> {
    rows::delete::<Entity>(tx, Column::LoginCode.eq(hash.to_vec())).await.map(drop)
}

/// Deletes up to `max` expired challenges, and returns how many.
pub async fn delete_expired(tx: &Tx, now: Timestamp, max: u64) -> Result<u64> {
    rows::delete_some::<Entity>(tx, Column::TokenHash, Column::ExpiresAt.lte(now.as_micros()), max).await
}
