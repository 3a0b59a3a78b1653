//! `cargo xtask test`: runs the tests with the test services, the examples of the library crates, and with `--web` the tests
//! in a browser.

use std::process::Command;

use anyhow::Result;

use crate::process::{Terminal, bound, succeeds};
use crate::services::Services;
use crate::{libraries, web};

/// Starts the services, runs the tests, and returns cargo's exit code.
///
/// With cargo-nextest, if it is installed: it runs the tests of all packages side by side, and each in a process of its own.
///
/// Then, with `has_web`, checks and tests the npm workspace.
pub(crate) fn run(args: &[String], has_web: bool) -> Result<u8> {
    let services = Services::start()?;
    let has_nextest = succeeds(Command::new("cargo").args(["nextest", "--version"]));
    for line in lines(args, has_nextest) {
        match services.run(bound("cargo", "TERM").args(line), Terminal::Own)? {
            0 => {}
            code => return Ok(code),
        }
    }
    if args.is_empty() {
        libraries::run_examples()?;
    }
    drop(services);
    if has_web {
        return web::test();
    }
    if args.is_empty() {
        println!("xtask: the tests of web/ in a browser did not run: cargo xtask test --web");
    }
    Ok(0)
}

/// The commands to run, each if the previous one succeeds.
fn lines(args: &[String], has_nextest: bool) -> Vec<Vec<String>> {
    // What follows `--` is for the test programs of `cargo test`.
    let has_nextest = has_nextest && !args.iter().any(|arg| arg == "--");
    let command = if has_nextest { "nextest run --no-fail-fast" } else { "test" };
    let mut lines = vec![cargo_args(command, args)];
    if args.is_empty() {
        // Both commands build examples, but not benches; nextest does not run the tests in documentation.
        lines.insert(0, words("test --workspace --benches --no-run"));
        lines.extend(has_nextest.then(|| words("test --workspace --doc")));
    }
    lines
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(Into::into).collect()
}

/// Adds `--workspace`, unless a package is selected: `--workspace` would silently override it.
fn cargo_args(command: &str, args: &[String]) -> Vec<String> {
    let mut cargo_options = args.iter().take_while(|arg| *arg != "--");
    let selects_package = cargo_options
        .any(|arg| (arg.starts_with("-p") && !arg.starts_with("--")) || arg.starts_with("--package"));
    let start = if selects_package { command.to_owned() } else { format!("{command} --workspace") };
    words(&start).into_iter().chain(args.iter().cloned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run_of(args: &[&str], has_nextest: bool) -> Vec<String> {
        let args: Vec<String> = args.iter().map(|arg| (*arg).into()).collect();
        lines(&args, has_nextest).iter().map(|line| line.join(" ")).collect()
    }

    #[test]
    fn workspace_is_tested_unless_a_package_is_selected() {
        assert_eq!(run_of(&["like"], false), ["test --workspace like"]);
        assert_eq!(run_of(&["-p", "blegram-domain"], false), ["test -p blegram-domain"]);
        assert_eq!(run_of(&["--package=blegram-domain"], false), ["test --package=blegram-domain"]);
        assert_eq!(run_of(&["--", "-p"], false), ["test --workspace -- -p"]);
    }

    #[test]
    fn nextest_runs_what_it_can() {
        let benches = "test --workspace --benches --no-run";
        assert_eq!(run_of(&[], false), [benches, "test --workspace"]);
        let all = [benches, "nextest run --no-fail-fast --workspace", "test --workspace --doc"];
        assert_eq!(run_of(&[], true), all);
        assert_eq!(run_of(&["like"], true), ["nextest run --no-fail-fast --workspace like"]);
        assert_eq!(run_of(&["--", "--nocapture"], true), ["test --workspace -- --nocapture"]);
    }
}
