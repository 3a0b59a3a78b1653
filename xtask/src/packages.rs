//! Programs that the commands need: installed on Debian and Ubuntu where one may, explained everywhere else.

use std::process::Command;

use anyhow::{Context, Result, bail};
use rustix::process::geteuid;

use crate::process::{run, succeeds};

/// A program with its package on each system.
pub(crate) struct Package {
    /// What people call it.
    pub(crate) name: &'static str,
    /// Debian's and Ubuntu's package.
    pub(crate) apt: &'static str,
    /// What to run before the installation, in `sh`.
    pub(crate) before: &'static str,
    /// How to install it on Fedora.
    pub(crate) fedora: &'static str,
    /// How to install it on macOS.
    pub(crate) macos: &'static str,
}

/// Installs a missing package, or says what to install.
///
/// # Errors
/// When the system has no `apt-get`, when one is neither root nor may use sudo without a password, or when it fails.
pub(crate) fn install(package: &Package) -> Result<()> {
    let Some(mut shell) = privileged_shell() else { bail!(instructions(package)) };
    println!("xtask: {} is missing; installing Debian's package `{}`", package.name, package.apt);
    run(shell.arg(script(package))).with_context(|| instructions(package))
}

/// A shell that may install packages, if there is a way to one without asking anybody.
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
        "{name} is needed and could not be found. Install it:\n  \
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
    fn preparation_comes_before_the_installation() {
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
