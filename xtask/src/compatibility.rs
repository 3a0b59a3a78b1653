//! Checks that the documents of the API break no client of the last released version, as part of `cargo xtask check`.
//!
//! `docs/released/<version>.json` is the OpenAPI document of a version, and `docs/released/<version>.gateway.json` its AsyncAPI document.
//! They never change after the release. The generated documents are compared with the newest of them ([`operations`],
//! [`gateway`], [`schemas`]), and each of them with its predecessor: a version that breaks clients has a version number that says so.

mod gateway;
mod operations;
mod schemas;
#[cfg(test)]
mod tests;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use semver::Version;
use serde_json::Value;

use crate::workspace::root;

const FOLDER: &str = "docs/released";

/// Both documents of a version.
struct Documents {
    version: Version,
    openapi: Value,
    asyncapi: Value,
}

/// Checks the generated documents against the newest released ones, and these against each other.
///
/// # Errors
/// With every change that breaks clients, and how to go on.
pub(crate) fn check() -> Result<()> {
    let docs = root().join("docs");
    let current = Documents::read(&docs.join("openapi.json"), &docs.join("asyncapi.json"))?;
    let released = released(&root().join(FOLDER))?;
    for pair in released.windows(2) {
        check_step(&pair[0], &pair[1])?;
    }
    let newest = released.last().with_context(|| format!("{FOLDER} has no document"))?;
    check_step(newest, &current)
}

impl Documents {
    fn read(openapi: &Path, asyncapi: &Path) -> Result<Self> {
        let (openapi, asyncapi) = (read(openapi)?, read(asyncapi)?);
        let version = openapi["info"]["version"].as_str().unwrap_or_default();
        let version = Version::parse(version).with_context(|| format!("the version {version:?}"))?;
        Ok(Self { version, openapi, asyncapi })
    }
}

fn read(path: &Path) -> Result<Value> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("parsing {}", path.display()))
}

/// The documents of the released versions, oldest first.
fn released(folder: &Path) -> Result<Vec<Documents>> {
    let entries = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    let mut all = Vec::new();
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let Some(version) = name.strip_suffix(".json").filter(|name| !name.ends_with(".gateway")) else {
            continue;
        };
        let documents = Documents::read(&path, &folder.join(format!("{version}.gateway.json")))?;
        ensure!(
            documents.version.to_string() == version,
            "{FOLDER}/{name} is the document of {}",
            documents.version
        );
        all.push(documents);
    }
    all.sort_by(|one, other| one.version.cmp(&other.version));
    Ok(all)
}

/// Checks a version against an earlier one. A version that is incompatible by its number may break clients.
fn check_step(before: &Documents, after: &Documents) -> Result<()> {
    ensure!(
        before.version <= after.version,
        "{FOLDER} has a document of {}, which is newer than {}",
        before.version,
        after.version
    );
    if is_incompatible(&before.version, &after.version) {
        return Ok(());
    }
    let mut breaks = operations::compare(&before.openapi, &after.openapi);
    breaks.extend(gateway::compare(&before.asyncapi, &after.asyncapi));
    if breaks.is_empty() {
        return Ok(());
    }
    bail!(
        "{} changes since {} break clients:\n  {}\n{}",
        breaks.len(),
        before.version,
        breaks.join("\n  "),
        how_to_go_on(&before.version)
    )
}

/// Whether users expect that `after` breaks clients of `before`: the first number that is not zero differs.
fn is_incompatible(before: &Version, after: &Version) -> bool {
    let significant = |version: &Version| match version {
        Version { major: 0, minor: 0, patch, .. } => (0, 0, *patch),
        Version { major: 0, minor, .. } => (0, *minor, 0),
        Version { major, .. } => (*major, 0, 0),
    };
    significant(before) != significant(after)
}

fn how_to_go_on(released: &Version) -> String {
    let next = match released {
        Version { major: 0, minor, .. } => Version::new(0, minor + 1, 0),
        Version { major, .. } => Version::new(major + 1, 0, 0),
    };
    format!(
        "Undo them, or add instead of changing. If clients must change: list the changes in CHANGELOG.md, set the \
         version of the workspace to {next}, run `cargo xtask gen`, and copy docs/openapi.json to \
         {FOLDER}/{next}.json and docs/asyncapi.json to {FOLDER}/{next}.gateway.json."
    )
}
