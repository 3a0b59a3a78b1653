//! The keys that access tokens are signed with: the public half as it is, the private half sealed.

use blegram_domain::Timestamp;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder};

use crate::{
    Conn, Result, Tx,
    db::sealed::Sealed,
    entity::signing_key::{Column, Entity, Model},
};

/// A key pair.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningKey {
    /// The `kid`.
    pub id: String,
    /// The point on the curve, uncompressed (SEC 1).
    pub public_key: Vec<u8>,
    /// The private half, encrypted with a key that the database does not hold.
    pub sealed_key: Vec<u8>,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it signs: later than it was made, so that those who verify have heard of it by then.
    pub signs_from: Timestamp,
}

/// Chosen once, by chance; only whoever makes keys takes this lock.
const ADVISORY_LOCK: i64 = 0x626c_6567_7261_6d02;

/// Lets one node at a time decide, until its transaction ends, whether a key is to be made.
pub async fn hold(tx: &Tx) -> Result<()> {
    // SQLite has one writer anyway.
    if tx.inner().get_database_backend() == sea_orm::DbBackend::Postgres {
        let lock = format!("SELECT pg_advisory_xact_lock({ADVISORY_LOCK})");
        tx.inner().execute_unprepared(&lock).await?;
    }
    Ok(())
}

/// Every key, the newest first: a few.
pub async fn list(conn: &impl Conn) -> Result<Vec<SigningKey>> {
    let rows = Entity::find().order_by_desc(Column::SignsFrom).order_by_desc(Column::Id).all(conn.inner());
    rows.await?.into_iter().map(SigningKey::try_from).collect()
}

/// Adds a key.
pub async fn insert(tx: &Tx, key: SigningKey) -> Result<()> {
    let row = Model {
        id: key.id,
        public_key: key.public_key,
        sealed_key: key.sealed_key,
        created_at: key.created_at.as_micros(),
        signs_from: key.signs_from.as_micros(),
    };
    Entity::insert(row.into_active_model()).exec_without_returning(tx.inner()).await?;
    Ok(())
}

/// Forgets the keys of these ids.
pub async fn delete(tx: &Tx, ids: &[String]) -> Result<()> {
    if !ids.is_empty() {
        let those = Column::Id.is_in(ids.iter().map(String::as_str));
        Entity::delete_many().filter(those).exec(tx.inner()).await?;
    }
    Ok(())
}
