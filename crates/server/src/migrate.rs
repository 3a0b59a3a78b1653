//! Changes of the schema, from the command line and at start.

use std::fmt::Write;

use anyhow::{Context, bail};
use blegram_migration::Schema;

use crate::{
    cli::Migrate,
    config::{Backend, Config},
    data_folder::{DATABASE, DataFolder},
};

/// Answers `blegram migrate …` with the text to print.
///
/// # Errors
/// When the database cannot be reached, or refuses a change; when another process serves an embedded one.
pub async fn run(config: &Config, direction: Migrate) -> anyhow::Result<String> {
    if direction == Migrate::Status && is_not_made_yet(config) {
        return Ok("not made yet; `blegram serve` makes it\n".to_owned());
    }
    let changes_embedded = direction != Migrate::Status && config.database_url().backend() == Backend::Sqlite;
    let _folder = changes_embedded.then(|| DataFolder::open(&config.server.data_dir)).transpose()?;
    let schema = connect(config).await?;
    match direction {
        Migrate::Up => drop(schema.up().await?),
        Migrate::Down => schema.down(1).await?,
        Migrate::Status => {}
    }
    let status = status(&schema).await?;
    schema.close().await?;
    Ok(status)
}

/// Makes the schema current before serving, or says who should.
///
/// # Errors
/// On PostgreSQL, when changes are missing and `database.migrate` is off.
pub async fn at_start(config: &Config) -> anyhow::Result<()> {
    let schema = connect(config).await?;
    let may_change = config.database_url().backend() == Backend::Sqlite || config.database.migrate;
    if may_change {
        let applied = schema.up().await.context("the schema could not be brought up to date")?;
        if applied > 0 {
            tracing::info!("applied {applied} migration{}", if applied == 1 { "" } else { "s" });
        }
    } else if !schema.is_current().await? {
        anyhow::bail!(
            "the database lacks changes of the schema: run `blegram migrate up`, or set database.migrate = true"
        );
    }
    Ok(schema.close().await?)
}

/// Whether the embedded database waits for its first start.
pub fn is_not_made_yet(config: &Config) -> bool {
    config.database.url.is_none() && !config.server.data_dir.join(DATABASE).exists()
}

/// Connects to the configured database to change its schema.
///
/// # Errors
/// When it does not answer, or when connections to it do not keep their sessions.
pub async fn connect(config: &Config) -> anyhow::Result<Schema> {
    let url = config.database_url();
    let silent = "the database at database.url does not answer";
    let schema = Schema::connect(url.expose()).await.context(silent)?;
    let shares = blegram_persistence::pooling::shares_sessions(url.expose()).await.context(silent);
    if let Ok(false) = shares {
        return Ok(schema);
    }
    // Only looked at: a failure to part changes nothing.
    let _ = schema.close().await;
    shares?;
    bail!(
        "database.url leads to a pooler that lends its sessions for one transaction or statement (PgBouncer with \
         pool_mode = transaction or statement); set pool_mode = session for this database, or connect to PostgreSQL \
         itself"
    );
}

async fn status(schema: &Schema) -> anyhow::Result<String> {
    let mut page = String::new();
    for change in schema.status().await? {
        writeln!(page, "{}  {}", if change.is_applied { "applied" } else { "pending" }, change.name)?;
    }
    Ok(page)
}

/// That the configured database is there and current, for commands that work on it. Never makes a database, nor changes
/// one: a typing error would be answered by an empty site.
///
/// # Errors
/// When it is not.
pub async fn check(config: &Config) -> anyhow::Result<()> {
    if is_not_made_yet(config) {
        bail!(
            "there is no site in {} yet; start it once with `blegram serve`, or set server.data_dir",
            config.server.data_dir.display()
        );
    }
    let schema = connect(config).await?;
    let is_current = schema.is_current().await;
    schema.close().await?;
    if !is_current.context("the schema could not be read")? {
        bail!("the database lacks changes of the schema: run `blegram migrate up`");
    }
    Ok(())
}
