//! Codes that native apps exchange after a login with another provider.

use blegram_domain::{Timestamp, UserId};
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};

pub use crate::entity::login_code::{LoginCode, Outcome};
use crate::{
    Conn, Result, Tx,
    db::sealed::Sealed,
    entity::{
        login_code::{Column, Entity, Model},
        session::TokenHash,
    },
    rows,
};

/// Inserts a code under its hash.
pub async fn insert(tx: &Tx, hash: &TokenHash, code: &LoginCode) -> Result<()> {
    let (user, pending) = match code.outcome {
        Outcome::LogIn(user) => (Some(user), None),
        Outcome::SignUp(pending) => (None, Some(pending)),
    };
    let row = Model {
        code_hash: hash.to_vec(),
        user_id: user.map(UserId::as_uuid),
        pending_hash: pending.map(|hash| hash.to_vec()),
        provider: code.provider.as_str().to_owned(),
        challenge: code.challenge.clone(),
        redirect_uri: code.redirect_uri.clone(),
        expires_at: code.expires_at.as_micros(),
        is_used: code.is_used,
    };
    Entity::insert(row.into_active_model()).exec_without_returning(tx.inner()).await?;
    Ok(())
}

/// Finds a code, used or not, expired or not.
pub async fn find(conn: &impl Conn, hash: &TokenHash) -> Result<Option<LoginCode>> {
    let row = Entity::find().filter(Column::CodeHash.eq(hash.to_vec())).one(conn.inner()).await?;
    row.map(LoginCode::try_from).transpose()
}

/// Consumes a code, and stores until when to recognize it. Of any number of concurrent calls, one returns `true`.
pub async fn consume(tx: &Tx, hash: &TokenHash, recognized_until: Timestamp) -> Result<bool> {
    let consume = Entity::update_many()
        .col_expr(Column::IsUsed, true.into())
        .col_expr(Column::ExpiresAt, recognized_until.as_micros().into())
        .filter(Column::CodeHash.eq(hash.to_vec()))
        .filter(Column::IsUsed.eq(false));
    Ok(consume.exec(tx.inner()).await?.rows_affected == 1)
}

/// Deletes up to `max` expired codes, and returns how many.
pub async fn delete_expired(tx: &Tx, now: Timestamp, max: u64) -> Result<u64> {
    rows::delete_some::<Entity>(tx, Column::CodeHash, Column::ExpiresAt.lte(now.as_micros()), max).await
}
