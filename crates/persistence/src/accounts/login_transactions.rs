//! Logins with other providers that have begun. The browser may return to another node, so they are rows.

use blegram_domain::{SessionId, Timestamp};
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};

pub use crate::entity::login_transaction::{AppRequest, LoginTransaction};
use crate::{
    Conn, Result, Tx,
    db::sealed::Sealed,
    entity::{
        login_transaction::{Column, Entity, Model},
        session::TokenHash,
    },
    rows,
};

/// Inserts a transaction under the hash of its state.
pub async fn insert(tx: &Tx, state: &TokenHash, transaction: &LoginTransaction) -> Result<()> {
    let app = transaction.app.clone();
    let (redirect_uri, challenge, app_state) = match app {
        Some(app) => (Some(app.redirect_uri), Some(app.challenge), app.state),
        None => (None, None, None),
    };
    let row = Model {
        state_hash: state.to_vec(),
        provider: transaction.provider.as_str().to_owned(),
        browser_hash: transaction.browser_hash.to_vec(),
        session_id: transaction.session.map(SessionId::as_uuid),
        redirect_to: transaction.redirect_to.clone(),
        redirect_uri,
        challenge,
        state: app_state,
        expires_at: transaction.expires_at.as_micros(),
    };
    Entity::insert(row.into_active_model()).exec_without_returning(tx.inner()).await?;
    Ok(())
}

/// Whether a transaction exists, expired or not.
pub async fn exists(conn: &impl Conn, state: &TokenHash) -> Result<bool> {
    let found = Entity::find().filter(Column::StateHash.eq(state.to_vec())).one(conn.inner()).await?;
    Ok(found.is_some())
}

/// Consumes a transaction: deletes and returns it. Of any number of concurrent calls, one gets it.
pub async fn delete(tx: &Tx, state: &TokenHash) -> Result<Option<LoginTransaction>> {
    let deleted = Entity::delete_many().filter(Column::StateHash.eq(state.to_vec()));
    let row = deleted.exec_with_returning(tx.inner()).await?.into_iter().next();
    row.map(LoginTransaction::try_from).transpose()
}

/// Deletes up to `max` expired transactions, and returns how many.
pub async fn delete_expired(tx: &Tx, now: Timestamp, max: u64) -> Result<u64> {
    rows::delete_some::<Entity>(tx, Column::StateHash, Column::ExpiresAt.lte(now.as_micros()), max).await
}
