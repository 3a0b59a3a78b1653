//! A temporary Redis server on loopback, in memory only.

use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::Signal;

use crate::process::{Process, Terminal, bound, wait_until};
use crate::scratch::Scratch;
use crate::services::postgres::free_port;

const START_LIMIT: Duration = Duration::from_secs(30);

/// A running server; stopped and deleted when dropped.
pub(crate) struct Redis {
    port: u16,
    // Fields drop in this order: the server stops before its directory is deleted.
    _server: Process,
    _scratch: Scratch,
}

impl Redis {
    /// Starts the server on a free port.
    pub(crate) fn start(program: &Path) -> Result<Self> {
        let begin = Instant::now();
        let scratch = Scratch::new()?;
        let port = free_port()?;
        let mut command = bound(program, "TERM");
        command.args(["--bind", "127.0.0.1", "--port", &port.to_string()]);
        command.args(["--save", "", "--appendonly", "no", "--daemonize", "no"]);
        command.arg("--dir").arg(scratch.path());
        command.arg("--logfile").arg(scratch.path().join("redis.log"));
        let mut server = Process::spawn(&mut command, Terminal::Own, Signal::TERM)?;
        scratch.record("redis-server", server.id())?;
        wait_until(START_LIMIT, || match server.ended()? {
            Some(status) => bail!("Redis exited ({status})"),
            None => Ok(TcpStream::connect(("127.0.0.1", port)).is_ok()),
        })
        .context("Redis did not start")?;
        println!("xtask: Redis on 127.0.0.1:{port} ({:.1} s)", begin.elapsed().as_secs_f32());
        Ok(Self { port, _server: server, _scratch: scratch })
    }

    /// The URL of the server.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}
