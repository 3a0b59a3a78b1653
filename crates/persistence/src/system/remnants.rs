//! Removes what SQLite keeps of deleted rows beside its tables, so that the files no longer contain it: the terms of
//! deleted texts in the search indexes, and everything in the write-ahead log. The tables need nothing: the writer
//! overwrites what it deletes (`PRAGMA secure_delete`). See `docs/decisions/0035-deleted-text-is-overwritten.md`.

use std::time::{Duration, Instant};

use crate::{Db, Result, search_index};

/// How long one call merges the search indexes. A merge that takes longer continues in the next call.
const LIMIT: Duration = Duration::from_secs(5);

/// Removes the remnants of deleted rows, in many small transactions, and returns whether it is complete. On PostgreSQL it
/// does nothing: `VACUUM` is the database's own.
pub async fn delete(db: &Db) -> Result<bool> {
    if !db.is_sqlite() {
        return Ok(true);
    }
    let start = Instant::now();
    for index in search_index::ALL {
        let remnants = index.list_remnants(db).await?;
        while !remnants.is_empty() && index.has_any_remnant(db, &remnants).await? {
            if start.elapsed() > LIMIT {
                return Ok(false);
            }
            let tx = db.write().await?;
            let is_progress = index.merge_some(&tx).await?;
            tx.commit().await?;
            if !is_progress {
                break;
            }
        }
    }
    db.checkpoint().await
}
