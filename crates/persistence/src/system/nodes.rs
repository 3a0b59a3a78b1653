//! The nodes that run, each with the address of the site. A row ends by itself unless its node renews it.

use blegram_domain::Timestamp;

use crate::{
    Conn, Result, Tx,
    sql::{self, execute},
};

/// A running node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its random id.
    pub id: i64,
    /// The address of the site in its configuration.
    pub public_url: String,
    /// When it counts as stopped, unless it is saved again.
    pub expires_at: Timestamp,
}

/// Inserts or renews a node. If a node with another address runs at `now`, returns that address, and saves nothing. Of
/// several nodes that start at the same time, all that are saved have the same address.
pub async fn save(tx: &Tx, node: &Node, now: Timestamp) -> Result<Option<String>> {
    if sql::is_postgres(tx) {
        execute(tx, "LOCK TABLE nodes IN SHARE ROW EXCLUSIVE MODE", []).await?;
    }
    execute(tx, "DELETE FROM nodes WHERE expires_at <= $1", [now.as_micros().into()]).await?;
    let other = "SELECT public_url FROM nodes WHERE public_url <> $1 AND id <> $2 LIMIT 1";
    let values = || [node.public_url.as_str().into(), node.id.into()];
    if let Some((public_url,)) = sql::find::<(String,)>(tx, other, values()).await? {
        return Ok(Some(public_url));
    }
    let save = "INSERT INTO nodes (public_url, id, expires_at) VALUES ($1, $2, $3) \
                ON CONFLICT (id) DO UPDATE SET expires_at = excluded.expires_at";
    execute(tx, save, values().into_iter().chain([node.expires_at.as_micros().into()])).await?;
    Ok(None)
}

/// Deletes a node: it has stopped.
pub async fn delete(tx: &Tx, id: i64) -> Result<()> {
    execute(tx, "DELETE FROM nodes WHERE id = $1", [id.into()]).await?;
    Ok(())
}

/// Counts the nodes that run at `now`.
pub async fn count(conn: &impl Conn, now: Timestamp) -> Result<u64> {
    let count = "SELECT COUNT(*) FROM nodes WHERE expires_at > $1";
    let count = sql::find::<(i64,)>(conn, count, [now.as_micros().into()]).await?;
    Ok(count.and_then(|(count,)| u64::try_from(count).ok()).unwrap_or(0))
}
