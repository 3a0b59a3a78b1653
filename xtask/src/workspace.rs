//! The cargo workspace: its root, and building its binaries.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::process::remove_package_variables;

/// The root directory of the workspace, independent of the current directory.
pub(crate) fn root() -> &'static Path {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    folder.parent().unwrap_or(folder)
}

/// Creates a cargo command that runs in the workspace.
pub(crate) fn cargo(words: &str) -> Command {
    let mut command = Command::new("cargo");
    command.args(words.split(' ')).current_dir(root());
    remove_package_variables(&mut command);
    command
}

/// Builds the binary of a package and returns its path, as reported by cargo.
pub(crate) fn build_binary(package: &str, profile: &str) -> Result<PathBuf> {
    build_binary_with(package, profile, &[])
}

/// Builds the binary of a package with features that are off by default.
pub(crate) fn build_binary_with(package: &str, profile: &str, features: &[&str]) -> Result<PathBuf> {
    let mut command = cargo("build --quiet --message-format json-render-diagnostics");
    let output = command
        .args(["--package", package, "--profile", profile, "--features", &features.join(",")])
        .stderr(Stdio::inherit())
        .output()
        .context("starting cargo build")?;
    ensure!(output.status.success(), "{package} does not build");
    let messages = String::from_utf8_lossy(&output.stdout);
    messages.lines().filter_map(executable).next_back().context("cargo did not report the path of the binary")
}

fn executable(line: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(line).ok()?;
    message["executable"].as_str().map(Into::into)
}
