//! Finds or installs third-party servers (nginx, PgBouncer, Redis) that tests start themselves with their own configuration.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::packages::{self, Package};
use crate::process::succeeds;

/// Prevents Debian from starting the service when the package is installed (`policy-rc.d`).
const NO_SERVICE: &str = "if [ ! -e /usr/sbin/policy-rc.d ]; then\n\
     printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d\n\
     chmod 755 /usr/sbin/policy-rc.d\n\
     trap 'rm -f /usr/sbin/policy-rc.d' EXIT\n\
     fi";

const NGINX: Package = Package {
    name: "nginx",
    apt: "nginx-light",
    before: NO_SERVICE,
    fedora: "sudo dnf install nginx",
    macos: "brew install nginx",
};

const PGBOUNCER: Package = Package {
    name: "PgBouncer",
    apt: "pgbouncer",
    before: NO_SERVICE,
    fedora: "sudo dnf install pgbouncer",
    macos: "brew install pgbouncer",
};

const REDIS: Package = Package {
    name: "Redis",
    apt: "redis-server",
    before: NO_SERVICE,
    fedora: "sudo dnf install valkey-compat-redis",
    macos: "brew install redis",
};

/// Paths of the programs.
pub(crate) struct Programs {
    pub(crate) nginx: PathBuf,
    pub(crate) pgbouncer: PathBuf,
    pub(crate) redis: PathBuf,
}

impl Programs {
    /// Finds or installs the programs.
    pub(crate) fn find() -> Result<Self> {
        Ok(Self {
            nginx: nginx()?,
            pgbouncer: find_or_install("pgbouncer", "--version", &PGBOUNCER)?,
            redis: redis()?,
        })
    }
}

/// Finds or installs nginx.
pub(crate) fn nginx() -> Result<PathBuf> {
    find_or_install("nginx", "-v", &NGINX)
}

/// Finds or installs Redis.
pub(crate) fn redis() -> Result<PathBuf> {
    find_or_install("redis-server", "--version", &REDIS)
}

fn find_or_install(program: &str, version: &str, package: &Package) -> Result<PathBuf> {
    if let Some(path) = find(program, version) {
        return Ok(path);
    }
    packages::install(package)?;
    find(program, version).with_context(|| format!("{} was installed but cannot be found", package.name))
}

/// Searches PATH and `/usr/sbin`.
fn find(program: &str, version: &str) -> Option<PathBuf> {
    [PathBuf::from(program), PathBuf::from("/usr/sbin").join(program)]
        .into_iter()
        .find(|path| succeeds(Command::new(path).arg(version)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_program_is_not_found() {
        assert!(find("no-such-program", "--version").is_none());
    }
}
