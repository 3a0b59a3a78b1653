//! nginx with `deploy/nginx.conf`, whose addresses and directories are replaced.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use rustix::process::Signal;

use crate::process::{Process, Terminal, bound, wait_until};
use crate::scratch::Scratch;
use crate::services::programs;
use crate::workspace::root;

const START_LIMIT: Duration = Duration::from_secs(10);
/// The file that operators use.
const CONFIG: &str = "deploy/nginx.conf";
/// The addresses of the nodes in it.
const NODES: [&str; 3] = ["10.0.0.11:8080", "10.0.0.12:8080", "10.0.0.13:8080"];
/// How long nginx avoids a node that has rejected a connection (`fail_timeout`).
pub(crate) const FAIL_TIMEOUT: Duration = Duration::from_secs(5);

/// A running nginx; stopped when dropped.
pub(crate) struct Nginx {
    pub(crate) address: SocketAddr,
    // Fields drop in this order: the server stops before its directory is deleted.
    _server: Process,
    scratch: Scratch,
}

impl Nginx {
    /// Starts it in front of `nodes`.
    pub(crate) fn start(address: SocketAddr, nodes: &[SocketAddr]) -> Result<Self> {
        let (program, scratch) = (programs::nginx()?, Scratch::new()?);
        let text = fs::read_to_string(root().join(CONFIG)).with_context(|| format!("reading {CONFIG}"))?;
        let path = scratch.path().join("nginx.conf");
        fs::write(&path, config(&text, address, nodes, scratch.path())?)?;
        let mut command = bound(program, "TERM");
        command.arg("-e").arg(scratch.path().join("error.log")).arg("-p").arg(scratch.path());
        command.arg("-c").arg(&path).args(["-g", "daemon off;"]);
        let mut server = Process::spawn(&mut command, Terminal::Own, Signal::TERM)?;
        scratch.record("nginx", server.id())?;
        wait_until(START_LIMIT, || match server.ended()? {
            Some(status) => bail!("nginx exited ({status})"),
            None => Ok(TcpStream::connect(address).is_ok()),
        })
        .context("nginx did not start")?;
        Ok(Self { address, _server: server, scratch })
    }

    /// The lines of the access log. Gateway connections are in it once they are closed.
    pub(crate) fn access_log(&self) -> Result<String> {
        fs::read_to_string(self.scratch.path().join("access.log")).context("reading the access log of nginx")
    }

    /// The directory of its configuration and logs.
    pub(crate) fn folder(&self) -> &Path {
        self.scratch.path()
    }
}

/// Replaces what differs between a site and this machine.
fn config(text: &str, listen: SocketAddr, nodes: &[SocketAddr], folder: &Path) -> Result<String> {
    let timeout = format!("fail_timeout={}s", FAIL_TIMEOUT.as_secs());
    ensure!(text.contains(&timeout), "{CONFIG} has no `{timeout}`");
    let mut text = text.to_owned();
    let mut replace = |from: &str, to: &str| {
        ensure!(text.contains(from), "{CONFIG} has no `{from}`");
        text = text.replace(from, to);
        Ok(())
    };
    replace("listen 80;", &format!("listen {listen};"))?;
    for directory in ["/var/log/nginx/", "/var/lib/nginx/", "/run/"] {
        replace(directory, &format!("{}/", folder.display()))?;
    }
    for (position, placeholder) in NODES.iter().enumerate() {
        match nodes.get(position) {
            Some(node) => replace(placeholder, &node.to_string())?,
            None => replace(&format!("server {placeholder}"), &format!("# server {placeholder}"))?,
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_of_the_configuration_are_replaced() {
        let text = fs::read_to_string(root().join(CONFIG)).unwrap();
        let address = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let text =
            config(&text, address(9000), &[address(9001), address(9002)], Path::new("/tmp/x")).unwrap();
        for line in [
            "server 127.0.0.1:9001 max_fails=1",
            "server 127.0.0.1:9002 max_fails=0",
            "listen 127.0.0.1:9000;",
        ] {
            assert!(text.contains(line), "{line}");
        }
        let directives = || text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
        for rest in ["10.0.0.", "/var/", "listen 80"] {
            assert!(!directives().any(|line| line.contains(rest)), "{rest}");
        }
    }

    #[test]
    fn missing_placeholder_is_an_error() {
        assert!(config("http {}", ([127, 0, 0, 1], 1).into(), &[], Path::new("/tmp")).is_err());
    }
}
