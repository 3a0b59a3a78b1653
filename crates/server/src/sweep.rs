//! `blegram sweep`: finding what was left behind in the storage of images.

use std::{fmt::Write, sync::Arc};

use anyhow::Context;
use blegram_auth::SiteKey;
use blegram_domain::SystemClock;
use blegram_media::Swept;

use crate::{config::Config, migrate, wire};

/// Looks through all files, removes those that belong to nothing unless `dry_run`, and answers with the text to print.
///
/// # Errors
/// When the database is not there or not current, or the storage fails.
pub async fn run(config: &Config, dry_run: bool) -> anyhow::Result<String> {
    migrate::check(config).await?;
    let db = wire::database(config).await.context("the database at database.url does not answer")?;
    // It signs no links, so the site's key does not matter.
    let media = wire::media(config, db.clone(), Arc::new(SystemClock), &SiteKey::random_secret())?;
    let swept = media.sweep(!dry_run).await;
    db.close().await.context("the database did not take its leave")?;
    Ok(report(&swept.context("the storage of images failed")?, dry_run))
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
