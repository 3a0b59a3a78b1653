//! `cargo xtask gen`: regenerates the committed files that `blegram` prints.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use crate::blegram;
use crate::workspace::{build_binary, root};

/// The arguments of `blegram` that print all environment variables with their defaults.
pub(crate) const ENV_EXAMPLE: &str = "config docs --env";

/// Each generated file, with the arguments of `blegram` that print it.
const FILES: [(&str, &str); 4] = [
    ("docs/openapi.json", "openapi"),
    ("docs/asyncapi.json", "asyncapi"),
    ("docs/configuration.md", "config docs"),
    (".env.example", ENV_EXAMPLE),
];

/// Writes the files, or with `check` only fails if some are out of date.
pub(crate) fn run(check: bool) -> Result<()> {
    let binary = build_binary("blegram", "dev")?;
    let mut stale = Vec::new();
    for (file, args) in FILES {
        let generated = print(&binary, args)?;
        let path = root().join(file);
        let committed = fs::read(&path).unwrap_or_default();
        match first_difference(&committed, &generated) {
            None => {}
            Some(line) if check => stale.push(format!("{file} differs from line {line}")),
            Some(_) => write(&path, &generated)?,
        }
    }
    if !stale.is_empty() {
        bail!("generated files are out of date:\n  {}", stale.join("\n  "));
    }
    Ok(())
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
