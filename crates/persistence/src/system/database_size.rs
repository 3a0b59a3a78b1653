//! The size of the database.

use crate::{Conn, Result, sql};

/// The bytes that the database takes on its disk. On SQLite, those of the file without its write-ahead log.
pub async fn find(conn: &impl Conn) -> Result<u64> {
    let size = if sql::is_postgres(conn) {
        "SELECT pg_database_size(current_database())"
    } else {
        "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"
    };
    let size = sql::find::<(i64,)>(conn, size, []).await?;
    Ok(size.and_then(|(bytes,)| u64::try_from(bytes).ok()).unwrap_or(0))
}
