//! `cargo xtask check`: all checks of a change other than the tests.

use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};

use crate::process::{run as run_command, succeeds};
use crate::web::dist;
use crate::workspace::cargo;
use crate::{compatibility, generate, layering, libraries, readme, words};

/// One step: its name, how to run it, and how to fix its failures.
struct Step {
    name: &'static str,
    run: fn() -> Result<()>,
    fix: &'static str,
}

const STEPS: [Step; 11] = [
    Step { name: "format", run: format, fix: "cargo fmt --all" },
    Step {
        name: "clippy",
        run: clippy,
        fix: "cargo clippy --fix --workspace --all-targets --allow-dirty (or by hand)",
    },
    Step { name: "docs", run: docs, fix: "fix the doc comments listed above" },
    Step { name: "layering", run: layering::check, fix: "remove the dependency from the crate's Cargo.toml" },
    Step {
        name: "libraries",
        run: libraries::check,
        fix: "add to the crate what is listed above; the other library crates show how",
    },
    Step { name: "words", run: words::check, fix: "use the terms named above, or extend xtask/words.txt" },
    Step {
        name: "translation",
        run: readme::check,
        fix: "translate the change of README.md in README.ko.md",
    },
    Step { name: "generated files", run: generated, fix: "cargo xtask gen" },
    Step { name: "web app", run: dist::check_where_possible, fix: dist::FIX },
    Step { name: "compatibility", run: compatibility::check, fix: "see docs/released/README.md" },
    Step {
        name: "dependencies",
        run: dependencies,
        fix: "see deny.toml; `cargo tree -i CRATE` shows what depends on a crate",
    },
];

/// Runs all steps in order; stops at the first failure.
pub(crate) fn run() -> Result<u8> {
    STEPS.iter().try_for_each(run_step)?;
    Ok(0)
}

fn run_step(step: &Step) -> Result<()> {
    println!("xtask: {} …", step.name);
    let begin = Instant::now();
    (step.run)().with_context(|| format!("{} failed; to fix it: {}", step.name, step.fix))?;
    println!("xtask: {} ok ({:.1} s)", step.name, begin.elapsed().as_secs_f32());
    Ok(())
}

fn format() -> Result<()> {
    run_command(&mut cargo("fmt --all --check"))
}

fn clippy() -> Result<()> {
    run_command(&mut cargo("clippy --quiet --workspace --all-targets -- -D warnings"))
}

fn docs() -> Result<()> {
    run_command(cargo("doc --quiet --workspace --no-deps").env("RUSTDOCFLAGS", "-D warnings"))
}

fn generated() -> Result<()> {
    generate::run(true)
}

fn dependencies() -> Result<()> {
    if !succeeds(Command::new("cargo").args(["deny", "--version"])) {
        println!(
            "xtask: cargo-deny is not installed; licences, bans and sources were NOT checked (cargo install cargo-deny)"
        );
        return Ok(());
    }
    run_command(&mut cargo("deny check licenses bans sources"))
}
