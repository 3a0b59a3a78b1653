//! `blegram recount`: checking the counts that rows keep of others.

use std::{fmt::Write, sync::Arc};

use anyhow::Context;
use blegram_domain::SystemClock;
use blegram_social::{Recounted, Social};

use crate::{config::Config, migrate, wire};

/// Checks every count, mends it unless `dry_run`, and answers with the text to print.
///
/// # Errors
/// When the database is not there or not current.
pub async fn run(config: &Config, dry_run: bool) -> anyhow::Result<String> {
    migrate::check(config).await?;
    let db = wire::database(config).await.context("the database at database.url does not answer")?;
    let social = Social::new(db.clone(), Arc::new(SystemClock));
    let recounted = social.recount(!dry_run).await;
    db.close().await.context("the database did not take its leave")?;
    Ok(report(&recounted?, dry_run))
}

fn report(all: &[Recounted], dry_run: bool) -> String {
    let mut text = String::new();
    for Recounted { table, column, rows, wrong } in all {
        let name = format!("{table}.{column}");
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  {name:<22} {rows:>10} checked {wrong:>10} wrong");
    }
    let wrong: u64 = all.iter().map(|it| it.wrong).sum();
    text.push_str(match (wrong, dry_run) {
        (0, _) => "\nEvery count is right.\n",
        (_, true) => "\nNothing was changed; run it without --dry-run to mend what is wrong.\n",
        (_, false) => "\nWhat was wrong is mended.\n",
    });
    text
}
