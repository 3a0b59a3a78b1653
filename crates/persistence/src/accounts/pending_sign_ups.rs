//! First logins with another provider whose accounts still need a username.

use blegram_domain::Timestamp;
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};

pub use crate::entity::pending_sign_up::PendingSignUp;
use crate::{
    Conn, Result, Tx,
    db::sealed::Sealed,
    entity::{
        pending_sign_up::{Column, Entity, Model},
        session::TokenHash,
    },
    rows,
};

/// Inserts a sign-up under the hash of its token.
pub async fn insert(tx: &Tx, token: &TokenHash, pending: &PendingSignUp) -> Result<()> {
    let row = Model {
        token_hash: token.to_vec(),
        provider: pending.key.provider.as_str().to_owned(),
        subject: pending.key.subject.clone(),
        alternate_subject: pending.alternate_subject.clone(),
        display_name: pending.display_name.clone(),
        email: pending.email.clone().map(String::from),
        is_email_verified: pending.is_email_verified,
        picture_url: pending.picture_url.clone(),
        suggested_username: pending.suggested_username.as_str().to_owned(),
        kind: pending.kind.as_str().to_owned(),
        redirect_to: pending.redirect_to.clone(),
        expires_at: pending.expires_at.as_micros(),
    };
    Entity::insert(row.into_active_model()).exec_without_returning(tx.inner()).await?;
    Ok(())
}

/// Finds a sign-up, expired or not.
pub async fn find(conn: &impl Conn, token: &TokenHash) -> Result<Option<PendingSignUp>> {
    let row = Entity::find().filter(Column::TokenHash.eq(token.to_vec())).one(conn.inner()).await?;
    row.map(PendingSignUp::try_from).transpose()
}

/// Consumes a sign-up: deletes and returns it. Of any number of concurrent calls, one gets it.
pub async fn delete(tx: &Tx, token: &TokenHash) -> Result<Option<PendingSignUp>> {
    let deleted = Entity::delete_many().filter(Column::TokenHash.eq(token.to_vec()));
    let row = deleted.exec_with_returning(tx.inner()).await?.into_iter().next();
    row.map(PendingSignUp::try_from).transpose()
}

/// Deletes up to `max` expired sign-ups, and returns how many.
pub async fn delete_expired(tx: &Tx, now: Timestamp, max: u64) -> Result<u64> {
    rows::delete_some::<Entity>(tx, Column::TokenHash, Column::ExpiresAt.lte(now.as_micros()), max).await
}
