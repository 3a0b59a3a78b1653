//! The key pairs that sign access tokens. The public key is stored as it is, the private key encrypted.

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder};

pub use crate::entity::signing_key::SigningKey;
use crate::{
    Conn, Result, Tx,
    db::sealed::Sealed,
    entity::signing_key::{Column, Entity, Model},
    sql,
};

/// An arbitrary constant. Only the creation of signing keys takes this lock.
const ADVISORY_LOCK: i64 = 0x626c_6567_7261_6d02;

/// Lets one node at a time decide whether to create a key: takes an advisory lock until the transaction ends.
pub async fn lock(tx: &Tx) -> Result<()> {
    // SQLite has a single writer.
    if sql::is_postgres(tx) {
        let lock = format!("SELECT pg_advisory_xact_lock({ADVISORY_LOCK})");
        tx.inner().execute_unprepared(&lock).await?;
    }
    Ok(())
}

/// Lists all keys (only a few), the newest first.
pub async fn list(conn: &impl Conn) -> Result<Vec<SigningKey>> {
    let rows = Entity::find().order_by_desc(Column::SignsFrom).order_by_desc(Column::Id).all(conn.inner());
    rows.await?.into_iter().map(SigningKey::try_from).collect()
}

/// Inserts a key.
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

/// Deletes the keys with these ids.
pub async fn delete(tx: &Tx, ids: &[String]) -> Result<()> {
    if !ids.is_empty() {
        let by_ids = Column::Id.is_in(ids.iter().map(String::as_str));
        Entity::delete_many().filter(by_ids).exec(tx.inner()).await?;
    }
    Ok(())
}
