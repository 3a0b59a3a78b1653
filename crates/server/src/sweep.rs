//! `blegram sweep`: finding what was left behind in the storage of images.

use std::{fmt::Write, sync::Arc};

use anyhow::Context;
use blegram_auth::SiteKey;
use blegram_media::Swept;

use crate::{
    cli::Sweep,
    clock::{self, SiteClock},
    config::Config,
    migrate, wire,
};

/// Looks through all files, removes those that belong to nothing unless it is a dry run or the clock is in doubt, and
/// answers with the text to print. Ends the doubt if it is told that the clock is right.
///
/// # Errors
/// When the database is not there or not current, or the storage fails.
pub async fn run(config: &Config, how: Sweep) -> anyhow::Result<String> {
    migrate::check(config).await?;
    let db = wire::database(config).await.context("the database at database.url does not answer")?;
    // It signs no links, so the site's key does not matter.
    let clock = SiteClock::of(&db).await.context("the database's clock could not be read")?;
    let media = wire::media(config, db.clone(), Arc::clone(&clock) as _, &SiteKey::random_secret())?;
    let mut text = String::new();
    if how.clock_is_right {
        let now =
            clock::confirm(&db, &*clock).await.context("it could not be stored that the clock is right")?;
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  The clock is right: it is {now}. Retention goes on.");
    }
    let doubt = clock::find_pause(&db, &*clock).await.context("the clock could not be checked")?;
    // How old a file is says the clock as well.
    let dry_run = how.dry_run || doubt.is_some();
    let swept = media.sweep(!dry_run).await;
    db.close().await.context("the database did not take its leave")?;
    text.push_str(&report(&swept.context("the storage of images failed")?, dry_run));
    if let Some(pause) = doubt {
        let _ = writeln!(text, "\nNothing was removed: {}.", clock::describe(&pause));
    }
    Ok(text)
}

/// How many of a kind are named.
const NAMED: usize = 20;

fn report(swept: &Swept, dry_run: bool) -> String {
    let Swept { files, orphans, foreign, images, missing } = swept;
    let mut text = format!("  {files} files and {images} images were looked at.\n");
    let verb = if dry_run { "would be removed" } else { "were removed" };
    list(&mut text, orphans, &format!("files belong to nothing and {verb}"));
    list(&mut text, foreign, "files have names that are none of blegram's; they were left alone");
    let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
    list(
        &mut text,
        &missing,
        "images have lost files; restore them from a backup, or delete what shows them",
    );
    if orphans.is_empty() && foreign.is_empty() && missing.is_empty() {
        text.push_str("\nEverything is where it belongs.\n");
    }
    text
}

fn list(text: &mut String, names: &[String], what: &str) {
    if names.is_empty() {
        return;
    }
    // Writing to a string cannot fail.
    let _ = writeln!(text, "\n  {} {what}:", names.len());
    for name in names.iter().take(NAMED) {
        let _ = writeln!(text, "    {name}");
    }
    if names.len() > NAMED {
        let _ = writeln!(text, "    … and {} more", names.len() - NAMED);
    }
}
