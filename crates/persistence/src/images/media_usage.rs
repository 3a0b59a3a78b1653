//! What the images and direct uploads of an account take of its quota.
//!
//! A row counts the images of an account that are not marked as deleted; [`media`](super::media) changes it in the
//! transactions that insert and delete them. What is not attached to anything is counted when it is read: the quota keeps
//! it to a few rows.
//!
//! A usage is locked after images, and is separate from `users`, because accounts are locked first. Uploads lock it to
//! check the quota, so two uploads of an account cannot both take its last place.

use blegram_domain::{
    MediaId, UserId,
    media::quota::{Amount, Usage},
};
use sea_orm::Value;

use crate::{Conn, Result, Tx, entity::count, sql};

const TABLE: &str = "media_usage";

/// Returns the usage of an account.
pub async fn find(conn: &impl Conn, owner: UserId) -> Result<Usage> {
    // The conditions are spelt like those of the partial indexes, which the planners require.
    const SQL: &str = "SELECT 0 AS part, files, bytes FROM media_usage WHERE user_id = $1 \
        UNION ALL SELECT 1, count(*), CAST(coalesce(sum(byte_size), 0) AS bigint) FROM media WHERE owner_id = $1 \
        AND post_id IS NULL AND message_id IS NULL AND NOT is_avatar AND deleted_at IS NULL \
        UNION ALL SELECT 2, count(*), CAST(coalesce(sum(byte_size), 0) AS bigint) FROM uploads WHERE owner_id = $1 \
        AND media_id IS NULL ORDER BY part";
    let parts: Vec<(i32, i64, i64)> = sql::list(conn, SQL, [owner.as_uuid().into()]).await?;
    let mut usage = Usage::default();
    for (part, files, bytes) in parts {
        let amount = Amount { files: count(TABLE, owner, files)?, bytes: count(TABLE, owner, bytes)? };
        match part {
            0 => usage.total = amount,
            1 => usage.unattached = amount,
            _ => usage = usage.plus(amount),
        }
    }
    Ok(usage)
}

/// Locks the usage of an account until the transaction ends.
pub async fn lock(tx: &Tx, owner: UserId) -> Result<()> {
    add(tx, owner, Amount::default()).await
}

/// Adds an inserted image, and locks the usage of its owner until the transaction ends.
pub(super) async fn add(tx: &Tx, owner: UserId, added: Amount) -> Result<()> {
    const SQL: &str = "INSERT INTO media_usage (user_id, files, bytes) VALUES ($1, $2, $3) ON CONFLICT (user_id) \
        DO UPDATE SET files = media_usage.files + excluded.files, bytes = media_usage.bytes + excluded.bytes";
    let values = [owner.as_uuid().into(), sql::signed(added.files).into(), sql::signed(added.bytes).into()];
    sql::execute(tx, SQL, values).await?;
    Ok(())
}

/// Subtracts those of the locked images of `ids` that are not marked as deleted. Call it before they are marked or
/// deleted.
pub(super) async fn subtract(tx: &Tx, ids: &[MediaId]) -> Result<()> {
    let ids: Value = sql::ids(sql::backend(tx), ids.iter().map(|id| id.as_uuid()));
    let counted = format!("media WHERE id {} AND deleted_at IS NULL", sql::is_one_of(sql::backend(tx), "$1"));
    if sql::is_postgres(tx) {
        // In a fixed order, to avoid deadlocks, and before the sizes are read, so that they are subtracted once.
        let lock = format!(
            "SELECT 1 FROM media_usage WHERE user_id IN (SELECT owner_id FROM {counted}) ORDER BY user_id \
             FOR NO KEY UPDATE"
        );
        sql::execute(tx, lock, [ids.clone()]).await?;
    }
    // Not below zero: a node of the previous version counts no image that it stores while the site is being upgraded.
    let subtract = format!(
        "UPDATE media_usage SET files = CASE WHEN files > freed_files THEN files - freed_files ELSE 0 END, \
         bytes = CASE WHEN bytes > freed_bytes THEN bytes - freed_bytes ELSE 0 END \
         FROM (SELECT owner_id, count(*) AS freed_files, CAST(sum(byte_size) AS bigint) AS freed_bytes FROM {counted} \
         GROUP BY owner_id) AS freed WHERE user_id = owner_id"
    );
    sql::execute(tx, subtract, [ids]).await?;
    Ok(())
}
