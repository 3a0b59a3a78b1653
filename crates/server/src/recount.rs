//! `blegram recount`: checks stored counters, such as `posts.like_count`, against the rows that they count.

use std::{fmt::Write, sync::Arc};

use anyhow::Context;
use blegram_domain::SystemClock;
use blegram_social::{Recounted, Social};

use crate::{config::Config, migrate, wire};

/// Checks every counter, corrects it unless `dry_run`, and returns the text to print.
///
/// # Errors
/// When the database does not exist or its schema is out of date.
pub async fn run(config: &Config, dry_run: bool) -> anyhow::Result<String> {
    migrate::check(config).await?;
    let db = wire::database(config).await.context("cannot connect to the database at database.url")?;
    let social = Social::new(db.clone(), Arc::new(SystemClock));
    let recounted = social.recount(!dry_run).await;
    db.close().await.context("cannot close the database")?;
    Ok(report(&recounted?, dry_run))
}

fn report(all: &[Recounted], dry_run: bool) -> String {
    let mut text = String::new();
    for Recounted { table, column, rows, wrong } in all {
        let name = format!("{table}.{column}");
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {name:<22} {rows:>10} checked {wrong:>10} wrong");
    }
    let wrong: u64 = all.iter().map(|counter| counter.wrong).sum();
    text.push_str(match (wrong, dry_run) {
        (0, _) => "\nAll counters are correct.\n",
        (_, true) => "\nNothing was changed. Run without --dry-run to correct the counters.\n",
        (_, false) => "\nThe wrong counters were corrected.\n",
    });
    text
}
