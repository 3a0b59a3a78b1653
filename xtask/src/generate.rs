//! `cargo xtask gen`: regenerates the committed files that `blegram` prints, and the types of the client from two of them.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::blegram;
use crate::workspace::{build_binary, root};

/// The arguments of `blegram` that print all environment variables with their defaults.
pub(crate) const ENV_EXAMPLE: &str = "config docs --env";

/// Each generated file, with the arguments of `blegram` that print it.
const FILES: [(&str, &str); 5] = [
    ("docs/openapi.json", "openapi"),
    ("docs/asyncapi.json", "asyncapi"),
    ("docs/configuration.md", "config docs"),
    ("docs/metrics.md", "config docs --metrics"),
    (".env.example", ENV_EXAMPLE),
];

/// The types of the client, generated from the committed documents.
const TYPES: &str = "crates/client/src/types.rs";

/// Writes the files, or with `check` only fails if some are out of date.
pub(crate) fn run(check: bool) -> Result<()> {
    let binary = build_binary("blegram", "dev")?;
    let mut stale = Vec::new();
    for (file, args) in FILES {
        stale.extend(update(file, &print(&binary, args)?, check)?);
    }
    stale.extend(update(TYPES, &client_types()?, check)?);
    if !stale.is_empty() {
        bail!("generated files are out of date:\n  {}", stale.join("\n  "));
    }
    Ok(())
}

/// Writes a file if it differs, or with `check` returns the difference.
fn update(file: &str, generated: &[u8], check: bool) -> Result<Option<String>> {
    let path = root().join(file);
    let committed = fs::read(&path).unwrap_or_default();
    match first_difference(&committed, generated) {
        None => Ok(None),
        Some(line) if check => Ok(Some(format!("{file} differs from line {line}"))),
        Some(_) => write(&path, generated).map(|()| None),
    }
}

fn client_types() -> Result<Vec<u8>> {
    let mut command = Command::new(build_binary("xtask-client-types", "dev")?);
    let output = command.args(["docs/openapi.json", "docs/asyncapi.json"]).current_dir(root()).output()?;
    ensure!(
        output.status.success(),
        "xtask-client-types failed:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    format(&output.stdout)
}

/// Formats Rust as `cargo fmt` does.
fn format(code: &[u8]) -> Result<Vec<u8>> {
    let mut command = Command::new("rustfmt");
    command.args(["--edition", "2024", "--config-path"]).arg(root());
    let mut rustfmt =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("starting rustfmt")?;
    // rustfmt reads everything before it writes.
    rustfmt.stdin.take().context("rustfmt has no stdin")?.write_all(code)?;
    let output = rustfmt.wait_with_output().context("waiting for rustfmt")?;
    ensure!(output.status.success(), "rustfmt rejected the generated types");
    Ok(output.stdout)
}

fn print(binary: &Path, args: &str) -> Result<Vec<u8>> {
    let output = blegram::command(binary).args(args.split(' ')).output().context("starting blegram")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "`blegram {args}` failed:\n{errors}");
    Ok(output.stdout)
}

fn write(path: &Path, content: &[u8]) -> Result<()> {
    println!("xtask: writing {}", path.display());
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    fs::write(path, content).with_context(|| format!("writing {}", path.display()))
}

/// The number of the first line that differs.
fn first_difference(one: &[u8], other: &[u8]) -> Option<usize> {
    let lines = |bytes: &[u8]| bytes.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect::<Vec<_>>();
    let (one, other) = (lines(one), lines(other));
    (0..one.len().max(other.len())).find(|index| one.get(*index) != other.get(*index)).map(|index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_differing_line_is_returned() {
        assert_eq!(first_difference(b"a\nb\n", b"a\nb\n"), None);
        assert_eq!(first_difference(b"a\nb\n", b"a\nc\n"), Some(2));
        assert_eq!(first_difference(b"a\n", b"a"), Some(2));
        assert_eq!(first_difference(b"", b"a"), Some(1));
    }
}
