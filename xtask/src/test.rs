//! `cargo xtask test`: runs the tests with the test services.

use anyhow::Result;

use crate::process::{Terminal, bound};
use crate::services::Services;

/// Starts the services, runs the tests, and returns cargo's exit code.
pub(crate) fn run(args: &[String]) -> Result<u8> {
    let services = Services::start()?;
    let cargo = |args: &[String]| services.run(bound("cargo", "TERM").args(args), Terminal::Own);
    if args.is_empty() {
        // `cargo test` runs unit, integration and doc tests and builds examples, but does not build benches.
        match cargo(&words("test --workspace --benches --no-run"))? {
            0 => {}
            code => return Ok(code),
        }
    }
    cargo(&cargo_args(args))
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(Into::into).collect()
}

/// Adds `--workspace`, unless a package is selected: `--workspace` would silently override it.
fn cargo_args(args: &[String]) -> Vec<String> {
    let mut cargo_options = args.iter().take_while(|arg| *arg != "--");
    let selects_package = cargo_options
        .any(|arg| (arg.starts_with("-p") && !arg.starts_with("--")) || arg.starts_with("--package"));
    let start = if selects_package { "test" } else { "test --workspace" };
    words(start).into_iter().chain(args.iter().cloned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workspace_is_tested_unless_a_package_is_selected() {
        let line =
            |args: &[&str]| cargo_args(&args.iter().map(|arg| (*arg).into()).collect::<Vec<_>>()).join(" ");
        assert_eq!(line(&[]), "test --workspace");
        assert_eq!(line(&["like"]), "test --workspace like");
        assert_eq!(line(&["-p", "blegram-domain"]), "test -p blegram-domain");
        assert_eq!(line(&["--package=blegram-domain"]), "test --package=blegram-domain");
        assert_eq!(line(&["--", "-p"]), "test --workspace -- -p");
    }
}
