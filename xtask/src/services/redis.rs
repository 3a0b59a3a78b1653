//! A temporary Redis server on loopback, in memory only.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::Signal;

use crate::process::{Process, Terminal, bound, wait_until};
use crate::scratch::Scratch;
use crate::services::postgres::free_port;

const START_LIMIT: Duration = Duration::from_secs(30);
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// A server; stopped and deleted when dropped.
pub(crate) struct Redis {
    program: PathBuf,
    port: u16,
    // Fields drop in this order: the server stops before its directory is deleted.
    server: Option<Process>,
    scratch: Scratch,
}

impl Redis {
    /// Starts the server on a free port.
    pub(crate) fn start(program: &Path) -> Result<Self> {
        let begin = Instant::now();
        let (scratch, port) = (Scratch::new()?, free_port()?);
        let mut redis = Self { program: program.into(), port, server: None, scratch };
        redis.restart()?;
        println!("xtask: Redis on 127.0.0.1:{port} ({:.1} s)", begin.elapsed().as_secs_f32());
        Ok(redis)
    }

    /// Kills the server, which loses all data. Clients are disconnected.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.server.take().map_or(Ok(()), Process::kill)
    }

    /// Starts the server again, at the same address.
    pub(crate) fn restart(&mut self) -> Result<()> {
        let (port, scratch) = (self.port, &self.scratch);
        let mut command = bound(&self.program, "TERM");
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
        self.server = Some(server);
        Ok(())
    }

    /// How often each command was called since the start.
    pub(crate) fn command_counts(&self) -> Result<BTreeMap<String, u64>> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(ANSWER_LIMIT))?;
        // Redis closes the connection after QUIT.
        stream.write_all(b"INFO commandstats\r\nQUIT\r\n")?;
        let mut text = String::new();
        stream.read_to_string(&mut text).context("reading the statistics of Redis")?;
        Ok(text.lines().filter_map(command_count).collect())
    }

    /// The URL of the server.
    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }
}

/// Parses `cmdstat_publish:calls=3,usec=…`.
fn command_count(line: &str) -> Option<(String, u64)> {
    let (name, values) = line.strip_prefix("cmdstat_")?.split_once(':')?;
    let calls = values.strip_prefix("calls=")?.split(',').next()?;
    Some((name.to_owned(), calls.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_counts_are_parsed() {
        let line = "cmdstat_publish:calls=12,usec=30,usec_per_call=2.50,rejected_calls=0,failed_calls=0";
        assert_eq!(command_count(line), Some(("publish".to_owned(), 12)));
        assert_eq!(command_count("# Commandstats"), None);
    }
}
