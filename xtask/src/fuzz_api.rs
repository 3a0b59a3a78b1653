//! `cargo xtask fuzz-api`: schemathesis plays every client that the OpenAPI document allows, and some that it does not.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use clap::Args;

use crate::blegram::{Blegram, Member, Site, keep};
use crate::packages::{self, Package};
use crate::process::{run as run_command, succeeds};
use crate::scratch::sweep;
use crate::workspace::{build_binary, root};

/// A minor version: another one may bring new checks, which is a change to make on purpose.
const VERSION: &str = "4.32";

const PACKAGE: Package = Package {
    name: "Python 3 with venv",
    apt: "python3-venv",
    before: "",
    fedora: "sudo dnf install python3",
    macos: "brew install python",
};

/// What closes doors behind it: after the end of the session or the account the run as a member would only meet 401, and
/// whom it blocks it can do nothing to but meet 403. The anonymous run has them.
const CLOSES_DOORS: &str = "^(logOut|revokeSession|revokeOtherSessions|changePassword|completePasswordReset|deleteMe|changeUsername|blockUser)$";

/// The session is named as the document's `cookieAuth`: as a plain header it would also be sent where schemathesis leaves
/// the login out on purpose. An operation that answers nothing but 401 and 403 means that the session was lost.
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
    /// Repeats the run that printed this seed
    #[arg(long)]
    seed: Option<u64>,
    /// Use this binary instead of building one
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
}

/// Runs both passes against one server and expects it to survive them.
pub(crate) fn run(options: &Options) -> Result<u8> {
    sweep()?;
    let schemathesis = find_or_install()?;
    let binary = options.binary.clone().map_or_else(|| build_binary("blegram", "dev"), Ok)?;
    let site = Site::new(&binary, None)?;
    let blegram = site.start()?;
    let anonymous = pass(&schemathesis, &blegram, None, options);
    let member = blegram.sign_up("fuzzer")?;
    let results = [anonymous, pass(&schemathesis, &blegram, Some(&member), options)];
    blegram.stop()?;
    let log = keep()?.join("blegram.log");
    for result in results {
        result.with_context(|| format!("the server's log is {}", log.display()))?;
    }
    Ok(0)
}

fn find_or_install() -> Result<PathBuf> {
    let folder = keep()?.join(format!("schemathesis-{VERSION}"));
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

fn pass(program: &Path, blegram: &Blegram, who: Option<&Member>, options: &Options) -> Result<()> {
    println!("xtask: fuzzing {}", if who.is_some() { "as a member" } else { "anonymously" });
    let config = write_config(who)?;
    let mut command = Command::new(program);
    command.arg("--config-file").arg(config).arg("run").arg(format!("{}/openapi.json", blegram.origin()));
    command.args(["--url", blegram.origin(), "--max-examples", &options.max_examples.to_string()]);
    command.args(["--header", "Sec-Fetch-Site: same-origin"]).current_dir(keep()?);
    if let Some(seed) = options.seed {
        command.args(["--seed", &seed.to_string()]);
    }
    if let Some(member) = who {
        command.env("FUZZ_SESSION", &member.session).args(["--exclude-operation-id-regex", CLOSES_DOORS]);
    }
    run_command(&mut command)
}

/// The committed settings; for a member with the session and the demand that it counts.
fn write_config(who: Option<&Member>) -> Result<PathBuf> {
    let committed = root().join("xtask/schemathesis.toml");
    let mut text =
        fs::read_to_string(&committed).with_context(|| format!("reading {}", committed.display()))?;
    if who.is_some() {
        text += MEMBER_CONFIG;
    }
    let path = keep()?.join("schemathesis.toml");
    fs::write(&path, text).context("writing schemathesis.toml")?;
    Ok(path)
}
