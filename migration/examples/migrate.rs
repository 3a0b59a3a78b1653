//! Applies the migrations to an embedded database, and lists them.
//!
//! `cargo run -p blegram-migration --example migrate [URL]`, such as `postgres://…` or `sqlite://blegram.db?mode=rwc`.

use std::error::Error;

use blegram_migration::Schema;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let embedded = || format!("sqlite://{}?mode=rwc", folder.path().join("blegram.db").display());
    let schema = Schema::connect(&std::env::args().nth(1).unwrap_or_else(embedded)).await?;
    println!("applied {} migrations", schema.up().await?);
    for change in schema.status().await? {
        println!("{}  {}", if change.is_applied { "applied" } else { "pending" }, change.name);
    }
    schema.close().await?;
    Ok(())
}
