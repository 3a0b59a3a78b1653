//! Installs missing programs on Debian and Ubuntu, and prints instructions on other systems.

use std::process::Command;

use anyhow::{Context, Result, bail};
use rustix::process::geteuid;

use crate::process::{run, succeeds};

/// A program and its packages.
pub(crate) struct Package {
    /// The name for messages.
    pub(crate) name: &'static str,
    /// The package on Debian and Ubuntu.
    pub(crate) apt: &'static str,
    /// Shell script to run before the installation.
    pub(crate) before: &'static str,
    /// How to install it on Fedora.
    pub(crate) fedora: &'static str,
    /// How to install it on macOS.
    pub(crate) macos: &'static str,
}

/// Installs a missing package with `apt-get`.
///
/// # Errors
/// With instructions, when there is no `apt-get`, the user is neither root nor has passwordless sudo, or the
/// installation fails.
pub(crate) fn install(package: &Package) -> Result<()> {
    let Some(mut shell) = privileged_shell() else { bail!(instructions(package)) };
    println!("xtask: {} is missing; installing the Debian package `{}`", package.name, package.apt);
    run(shell.arg(script(package))).with_context(|| instructions(package))
}

/// A root shell, if it is available without a password.
fn privileged_shell() -> Option<Command> {
    if !succeeds(Command::new("apt-get").arg("--version")) {
        return None;
    }
    let mut command = Command::new(if geteuid().is_root() { "sh" } else { "sudo" });
    if !geteuid().is_root() {
        if !succeeds(Command::new("sudo").args(["-n", "true"])) {
            return None;
        }
        command.args(["-n", "sh"]);
    }
    command.arg("-euc");
    Some(command)
}

fn script(package: &Package) -> String {
    let Package { apt, before, .. } = package;
    format!(
        "{before}\nexport DEBIAN_FRONTEND=noninteractive\napt-get update -qq\n\
         apt-get install -y -qq --no-install-recommends -o Dpkg::Options::=--force-confold {apt} >/dev/null"
    )
}

fn instructions(package: &Package) -> String {
    let Package { name, apt, fedora, macos, .. } = package;
    format!(
        "{name} is required but was not found. Install it:\n  \
         Debian, Ubuntu   sudo apt-get install --no-install-recommends {apt}\n  \
         Fedora           {fedora}\n  \
         macOS            {macos}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAMPLE: Package = Package {
        name: "Sample",
        apt: "sample",
        before: "echo first",
        fedora: "dnf sample",
        macos: "brew sample",
    };

    #[test]
    fn script_runs_the_preparation_first() {
        let script = script(&SAMPLE);
        assert!(script.starts_with("echo first\n"));
        assert!(script.ends_with(" sample >/dev/null"));
    }

    #[test]
    fn instructions_cover_each_system() {
        let text = instructions(&SAMPLE);
        for word in ["apt-get install --no-install-recommends sample", "dnf sample", "brew sample"] {
            assert!(text.contains(word), "{text}");
        }
    }
}
