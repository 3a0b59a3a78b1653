//! Passkey ceremonies that have started. Each is finished at most once, on any node.

use blegram_domain::{FactorId, Timestamp, UserId};
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter, prelude::Uuid};

pub use crate::entity::passkey_ceremony::{Ceremony, Purpose};
use crate::{
    Conn, Result, Tx,
    db::sealed::Sealed,
    entity::passkey_ceremony::{Column, Entity, Model},
    rows,
};

/// Inserts a ceremony.
pub async fn insert(tx: &Tx, challenge: &[u8], ceremony: Ceremony) -> Result<()> {
    let (user, factor, login_challenge, name): (Option<UserId>, Option<FactorId>, _, _) =
        match ceremony.purpose {
            Purpose::LogIn => (None, None, None, None),
            Purpose::CompleteLogin(user, hash) => (Some(user), None, Some(hash.to_vec()), None),
            Purpose::Register(user, factor, name) => (Some(user), Some(factor), None, name),
        };
    let row = Model {
        challenge: challenge.to_vec(),
        user_id: user.map(|user| -> Uuid { user.as_uuid() }),
        factor_id: factor.map(|factor| -> Uuid { factor.as_uuid() }),
        login_challenge,
        name,
        state: ceremony.state,
        expires_at: ceremony.expires_at.as_micros(),
    };
    rows::insert(tx, row).await.map(drop)
}

/// Finds a ceremony, expired or not.
pub async fn find(conn: &impl Conn, challenge: &[u8]) -> Result<Option<Ceremony>> {
    let row = Entity::find_by_id(challenge.to_vec()).one(conn.inner()).await?;
    row.map(Ceremony::try_from).transpose()
}

/// Consumes a ceremony: deletes and returns it. Of any number of concurrent calls, one gets it.
pub async fn delete(tx: &Tx, challenge: &[u8]) -> Result<Option<Ceremony>> {
    let deleted = Entity::delete_many().filter(Column::Challenge.eq(challenge.to_vec()));
    let row = deleted.exec_with_returning(tx.inner()).await?.into_iter().next();
    row.map(Ceremony::try_from).transpose()
}

/// Deletes the ceremonies that would add a passkey to the account of `user`.
pub async fn delete_registrations(tx: &Tx, user: UserId) -> Result<()> {
    let which = Column::UserId.eq(user.as_uuid()).and(Column::FactorId.is_not_null());
    rows::delete::<Entity>(tx, which).await.map(drop)
}

/// Deletes all ceremonies of the account of `user`.
pub async fn delete_of_user(tx: &Tx, user: UserId) -> Result<()> {
    rows::delete::<Entity>(tx, Column::UserId.eq(user.as_uuid())).await.map(drop)
}

/// Deletes up to `max` expired ceremonies, and returns how many.
pub async fn delete_expired(tx: &Tx, now: Timestamp, max: u64) -> Result<u64> {
    rows::delete_some::<Entity>(tx, Column::Challenge, Column::ExpiresAt.lte(now.as_micros()), max).await
}
