//! `blegram sweep`: finds and deletes orphaned files in the image storage, and reports images with missing files.

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

/// Checks all files, deletes the orphaned ones, and returns the text to print. Deletes nothing on a dry run or while
/// retention is paused. With `clock_is_right`, stores the confirmation and ends the pause first.
///
/// # Errors
/// When the database does not exist or its schema is out of date, or when the storage fails.
pub async fn run(config: &Config, options: Sweep) -> anyhow::Result<String> {
    migrate::check(config).await?;
    let db = wire::database(config).await.context("cannot connect to the database at database.url")?;
    // Any key will do: this command signs no links.
    let clock = SiteClock::of(&db).await.context("cannot read the database clock")?;
    let media = wire::media(config, db.clone(), Arc::clone(&clock) as _, &SiteKey::random_secret())?;
    let mut text = String::new();
    if options.clock_is_right {
        let now = clock::confirm(&db, &*clock).await.context("cannot store the clock confirmation")?;
        // Writing to a string cannot fail.
        let _ = writeln!(text, "  Clock confirmed at {now}. Retention resumes.");
    }
    let pause = clock::find_pause(&db, &*clock).await.context("cannot check the clock")?;
    // Files are judged by their age, which a wrong clock falsifies.
    let dry_run = options.dry_run || pause.is_some();
    let swept = media.sweep(!dry_run).await;
    db.close().await.context("cannot close the database")?;
    text.push_str(&report(&swept.context("the image storage failed")?, dry_run));
    if let Some(pause) = pause {
        let _ = writeln!(text, "\nNothing was deleted: {}.", clock::describe(&pause));
    }
    Ok(text)
}

/// Number of names listed per kind; the rest is only counted.
const MAX_NAMES: usize = 20;

fn report(swept: &Swept, dry_run: bool) -> String {
    let Swept { files, orphans, foreign, images, missing } = swept;
    let mut text = format!("  Checked {files} files and {images} images.\n");
    let verb = if dry_run { "would be deleted" } else { "were deleted" };
    list(&mut text, orphans, &format!("orphaned files {verb}"));
    list(&mut text, foreign, "files have names that blegram does not use; they were not deleted");
    let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
    list(
        &mut text,
        &missing,
        "images have missing files; restore the files from a backup, or delete the content that shows the images",
    );
    if orphans.is_empty() && foreign.is_empty() && missing.is_empty() {
        text.push_str("\nNo problems found.\n");
    }
    text
}

fn list(text: &mut String, names: &[String], what: &str) {
    if names.is_empty() {
        return;
    }
    // Writing to a string cannot fail.
    let _ = writeln!(text, "\n  {} {what}:", names.len());
    for name in names.iter().take(MAX_NAMES) {
        let _ = writeln!(text, "    {name}");
    }
    if names.len() > MAX_NAMES {
        let _ = writeln!(text, "    … and {} more", names.len() - MAX_NAMES);
    }
}
