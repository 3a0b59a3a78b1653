//! `cargo xtask fuzz-api`: runs schemathesis with valid and invalid requests generated from the OpenAPI document.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use clap::Args;

use crate::blegram::{Blegram, Member, Site, output_folder};
use crate::packages::{self, Package};
use crate::process::{run as run_command, succeeds};
use crate::scratch::sweep;
use crate::services::postgres::Postgres;
use crate::workspace::{build_binary, root};

/// A pinned minor version: others may have new checks, which should be adopted deliberately.
const VERSION: &str = "4.32";

const PACKAGE: Package = Package {
    name: "Python 3 with venv",
    apt: "python3-venv",
    before: "",
    fedora: "sudo dnf install python3",
    macos: "brew install python",
};

/// Operations left out of the run as a logged-in user: once its session or account has ended, every request returns
/// 401, and once it has blocked an account, many return 403. The anonymous run includes them.
const CLOSES_DOORS: &str = "^(logOut|revokeSession|revokeOtherSessions|changePassword|completePasswordReset|deleteMe|changeUsername|blockUser)$";

/// Passes the session as the document's `cookieAuth`: a plain header would also be sent where schemathesis omits the
/// credentials on purpose. An operation that returns only 401 and 403 means that the session was lost.
const MEMBER_CONFIG: &str = r#"
[auth.openapi.cookieAuth]
api_key = "${FUZZ_SESSION}"

[warnings]
fail-on = ["missing_auth"]
"#;

/// Options of the command.
#[derive(Args)]
pub(crate) struct Options {
    /// Test cases per operation and kind of test
    #[arg(long, default_value_t = 50)]
    max_examples: u32,
    /// Repeat the run that printed this seed
    #[arg(long)]
    seed: Option<u64>,
    /// Use this binary instead of building one
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
}

/// Fuzzes a server on each database.
pub(crate) fn run(options: &Options) -> Result<u8> {
    sweep()?;
    let schemathesis = find_or_install()?;
    let binary = options.binary.clone().map_or_else(|| build_binary("blegram", "dev"), Ok)?;
    println!("xtask: fuzzing on SQLite");
    fuzz(&schemathesis, &Site::new(&binary, None)?, options)?;
    println!("xtask: fuzzing on PostgreSQL");
    let postgres = Postgres::start()?;
    fuzz(&schemathesis, &Site::new(&binary, Some(&postgres.url()))?, options)?;
    Ok(0)
}

/// Runs both passes against one server, and fails if a pass fails or the server does not stop cleanly.
fn fuzz(schemathesis: &Path, site: &Site, options: &Options) -> Result<()> {
    let blegram = site.start()?;
    let anonymous = pass(schemathesis, &blegram, None, options);
    let member = blegram.sign_up("fuzzer")?;
    let results = [anonymous, pass(schemathesis, &blegram, Some(&member), options)];
    blegram.stop()?;
    let log = output_folder()?.join("blegram.log");
    for result in results {
        result.with_context(|| format!("see the server log in {}", log.display()))?;
    }
    Ok(())
}

fn find_or_install() -> Result<PathBuf> {
    let folder = output_folder()?.join(format!("schemathesis-{VERSION}"));
    let program = folder.join("bin/schemathesis");
    if succeeds(Command::new(&program).arg("--version")) {
        return Ok(program);
    }
    if !succeeds(Command::new("python3").args(["-c", "import venv, ensurepip"])) {
        packages::install(&PACKAGE)?;
    }
    println!("xtask: installing schemathesis {VERSION} into {}", folder.display());
    run_command(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
    let mut pip = Command::new(folder.join("bin/pip"));
    run_command(pip.args([
        "install",
        "--quiet",
        "--disable-pip-version-check",
        &format!("schemathesis=={VERSION}.*"),
    ]))?;
    Ok(program)
}

fn pass(program: &Path, blegram: &Blegram, member: Option<&Member>, options: &Options) -> Result<()> {
    println!("xtask: fuzzing {}", if member.is_some() { "as a logged-in user" } else { "anonymously" });
    let config = write_config(member)?;
    let mut command = Command::new(program);
    command.arg("--config-file").arg(config).arg("run").arg(format!("{}/openapi.json", blegram.origin()));
    command.args(["--url", blegram.origin(), "--max-examples", &options.max_examples.to_string()]);
    command.args(["--header", "Sec-Fetch-Site: same-origin"]).current_dir(output_folder()?);
    if let Some(seed) = options.seed {
        command.args(["--seed", &seed.to_string()]);
    }
    if let Some(member) = member {
        command.env("FUZZ_SESSION", &member.session).args(["--exclude-operation-id-regex", CLOSES_DOORS]);
    }
    run_command(&mut command)
}

/// Writes the committed settings to a file; for a logged-in user, adds the session and fails if it is not accepted.
fn write_config(member: Option<&Member>) -> Result<PathBuf> {
    let committed = root().join("xtask/schemathesis.toml");
    let mut text =
        fs::read_to_string(&committed).with_context(|| format!("reading {}", committed.display()))?;
    if member.is_some() {
        text += MEMBER_CONFIG;
    }
    let path = output_folder()?.join("schemathesis.toml");
    fs::write(&path, text).context("writing schemathesis.toml")?;
    Ok(path)
}
