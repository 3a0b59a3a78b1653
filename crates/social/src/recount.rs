//! Verifies the denormalised counts and corrects wrong ones.

use blegram_persistence::recount::{self, COUNTS};

use crate::{Result, Social, erasure::BATCH};

/// The result for one count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recounted {
    /// The table name.
    pub table: &'static str,
    /// The column name.
    pub column: &'static str,
    /// How many rows were checked.
    pub rows: u64,
    /// How many of them were wrong. With `repair`, they are corrected.
    pub wrong: u64,
}

impl Social {
    /// Checks every count of every row in small transactions, so that the site keeps running, and corrects wrong counts
    /// if `repair` is set.
    pub async fn recount(&self, repair: bool) -> Result<Vec<Recounted>> {
        let mut all = Vec::new();
        for count in COUNTS {
            let (mut rows, mut wrong, mut position) = (0, 0, None);
            loop {
                let tx = self.db.write().await?;
                let step = recount::update_some(&tx, count, position, BATCH).await?;
                if repair && step.wrong > 0 {
                    tx.commit().await?;
                }
                rows += step.rows;
                wrong += step.wrong;
                position = step.next;
                if position.is_none() {
                    break;
                }
            }
            all.push(Recounted { table: count.table, column: count.column, rows, wrong });
        }
        Ok(all)
    }
}
