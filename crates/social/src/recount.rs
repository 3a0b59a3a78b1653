//! Checking every count, and mending those that are wrong.

use blegram_persistence::recount::{self, COUNTS};

use crate::{Result, Social, erasure::BATCH};

/// What became of one count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recounted {
    /// The table.
    pub table: &'static str,
    /// The column.
    pub column: &'static str,
    /// How many rows were looked at.
    pub rows: u64,
    /// How many of them were wrong; they are right now, if they were to be mended.
    pub wrong: u64,
}

impl Social {
    /// Looks at every count of every row, in steps beside which the site goes on, and mends what is wrong if `mend`.
    pub async fn recount(&self, mend: bool) -> Result<Vec<Recounted>> {
        let mut all = Vec::new();
        for count in COUNTS {
            let (mut rows, mut wrong, mut place) = (0, 0, None);
            loop {
                let tx = self.db.write().await?;
                let step = recount::update_some(&tx, count, place, BATCH).await?;
                if mend && step.wrong > 0 {
                    tx.commit().await?;
                }
                rows += step.rows;
                wrong += step.wrong;
                place = step.next;
                if place.is_none() {
                    break;
                }
            }
            all.push(Recounted { table: count.table, column: count.column, rows, wrong });
        }
        Ok(all)
    }
}
