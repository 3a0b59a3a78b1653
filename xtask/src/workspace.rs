//! The workspace itself: where it is, how cargo builds its binary.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::process::forget_package;

/// The folder of the workspace; commands work from any folder below it.
pub(crate) fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// A cargo command in the workspace.
pub(crate) fn cargo(words: &str) -> Command {
    let mut command = Command::new("cargo");
    command.args(words.split(' ')).current_dir(root());
    forget_package(&mut command);
    command
}

/// Builds the binary of a package and tells where it is, wherever cargo puts it.
pub(crate) fn build_binary(package: &str, profile: &str) -> Result<PathBuf> {
    let mut command = cargo("build --quiet --message-format json-render-diagnostics");
    let output = command
        .args(["--package", package, "--profile", profile])
        .stderr(Stdio::inherit())
        .output()
        .context("starting cargo build")?;
    ensure!(output.status.success(), "{package} does not build");
    let messages = String::from_utf8_lossy(&output.stdout);
    messages.lines().filter_map(executable).next_back().context("cargo did not say where it put the binary")
}

fn executable(line: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(line).ok()?;
    message["executable"].as_str().map(Into::into)
}
