//! The feature `planted-bugs`: which bug this process has, and how loudly it says so.
//!
//! The variable is rejected as an unknown setting without the feature.

use blegram_persistence::Db;

/// The version, with a warning if bugs are compiled in.
pub(crate) const VERSION: &str = if cfg!(feature = "planted-bugs") {
    concat!(env!("CARGO_PKG_VERSION"), " WITH PLANTED BUGS, for tests only")
} else {
    env!("CARGO_PKG_VERSION")
};

const VARIABLE: &str = "BLEGRAM_PLANTED_BUG";

/// Whether a variable names the planted bug.
pub(crate) fn is_variable(name: &str) -> bool {
    cfg!(feature = "planted-bugs") && name == VARIABLE
}

/// Plants nothing.
#[cfg(not(feature = "planted-bugs"))]
pub(crate) async fn plant(_: &Db) -> anyhow::Result<()> {
    Ok(())
}

/// Plants the bug that the environment names.
///
/// # Errors
/// There is no such bug.
#[cfg(feature = "planted-bugs")]
#[expect(clippy::disallowed_methods, reason = "it is no setting")]
pub(crate) async fn plant(db: &Db) -> anyhow::Result<()> {
    use anyhow::Context;
    use blegram_planted::Bug;

    let Some(name) = std::env::var_os(VARIABLE) else {
        tracing::error!(
            "this is a build with planted bugs, none of which is active: never use it for a site"
        );
        return Ok(());
    };
    let name = name.to_string_lossy();
    let bug: Bug = name.parse().with_context(|| format!("{VARIABLE}={name}"))?;
    blegram_planted::plant(bug);
    tracing::error!(%bug, "THIS PROCESS HAS A PLANTED BUG and loses messages on purpose: never use it for a site");
    if bug == Bug::CacheOnlyDeduplication {
        let tx = db.write().await?;
        blegram_persistence::messages::drop_unique_key(&tx).await?;
        tx.commit().await?;
    }
    Ok(())
}
