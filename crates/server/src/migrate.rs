//! Database migrations, by `blegram migrate` and at the start of the server.

use std::fmt::Write;

use anyhow::{Context, bail};
use blegram_migration::Schema;

use crate::{
    cli::Migrate,
    config::{Backend, Config},
    data_folder::{DATABASE, DataFolder},
};

/// Runs `blegram migrate …` and returns the text to print.
///
/// # Errors
/// When the database cannot be reached or a migration fails, or when another process uses the embedded database.
pub async fn run(config: &Config, direction: Migrate) -> anyhow::Result<String> {
    if direction == Migrate::Status && is_database_missing(config) {
        return Ok("not created yet; `blegram serve` creates it\n".to_owned());
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

/// Applies pending migrations before serving: always on SQLite, with `database.migrate` on PostgreSQL.
///
/// # Errors
/// On PostgreSQL, when migrations are pending and `database.migrate` is off.
pub async fn at_start(config: &Config) -> anyhow::Result<()> {
    let schema = connect(config).await?;
    let may_change = config.database_url().backend() == Backend::Sqlite || config.database.migrate;
    if may_change {
        let applied = schema.up().await.context("cannot migrate the database schema")?;
        if applied > 0 {
            tracing::info!("applied {applied} migration{}", if applied == 1 { "" } else { "s" });
        }
    } else if !schema.is_current().await? {
        anyhow::bail!(
            "the database schema is out of date: run `blegram migrate up`, or set database.migrate = true"
        );
    }
    Ok(schema.close().await?)
}

/// Whether the embedded database is used and does not exist yet; the first start of the server creates it.
pub fn is_database_missing(config: &Config) -> bool {
    config.database.url.is_none() && !config.server.data_dir.join(DATABASE).exists()
}

/// Connects to the configured database for migrations.
///
/// # Errors
/// When the database cannot be reached, or when a pooler in between shares sessions between connections.
pub async fn connect(config: &Config) -> anyhow::Result<Schema> {
    let url = config.database_url();
    let silent = "cannot connect to the database at database.url";
    let schema = Schema::connect(url.expose()).await.context(silent)?;
    let shares = blegram_persistence::pooling::shares_sessions(url.expose()).await.context(silent);
    if let Ok(false) = shares {
        return Ok(schema);
    }
    // Nothing was changed, so a failure to close does not matter.
    let _ = schema.close().await;
    shares?;
    bail!(
        "database.url points to a connection pooler in transaction or statement mode (PgBouncer with pool_mode = \
         transaction or statement); set pool_mode = session for this database, or connect to PostgreSQL directly"
    );
}

async fn status(schema: &Schema) -> anyhow::Result<String> {
    let mut page = String::new();
    for change in schema.status().await? {
        writeln!(page, "{}  {}", if change.is_applied { "applied" } else { "pending" }, change.name)?;
    }
    Ok(page)
}

/// Checks that the configured database exists and its schema is current, for commands that work on it. Never creates or
/// migrates a database: after a typing error in the configuration, the command would work on a new, empty site.
///
/// # Errors
/// When the database does not exist or its schema is out of date.
pub async fn check(config: &Config) -> anyhow::Result<()> {
    if is_database_missing(config) {
        bail!(
            "no database in {} yet; start the server once with `blegram serve`, or set server.data_dir",
            config.server.data_dir.display()
        );
    }
    let schema = connect(config).await?;
    let is_current = schema.is_current().await;
    schema.close().await?;
    if !is_current.context("cannot read the database schema")? {
        bail!("the database schema is out of date: run `blegram migrate up`");
    }
    Ok(())
}
