//! A temporary S3-compatible server on loopback, with one bucket. It verifies signatures.

use std::fs;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::Signal;

use crate::process::{Process, Terminal, bound, wait_until};
use crate::scratch::Scratch;
use crate::services::postgres::free_port;
use crate::workspace::build_binary;

const START_LIMIT: Duration = Duration::from_secs(30);
/// The name of the bucket.
pub(crate) const BUCKET: &str = "blegram";
/// The access key id.
pub(crate) const KEY_ID: &str = "blegram-test";
/// The secret access key.
pub(crate) const SECRET: &str = "only-for-tests";

/// A running server; stopped and deleted when dropped.
pub(crate) struct S3 {
    port: u16,
    // Fields drop in this order: the server stops before its directory is deleted.
    _server: Process,
    _scratch: Scratch,
}

impl S3 {
    /// Builds the server and starts it on a free port.
    pub(crate) fn start() -> Result<Self> {
        let program = build_binary("xtask-s3", "dev")?;
        let begin = Instant::now();
        let scratch = Scratch::new()?;
        let folder = scratch.path().join("buckets");
        fs::create_dir_all(folder.join(BUCKET)).context("creating the bucket")?;
        let port = free_port()?;
        let mut command = bound(program, "TERM");
        command.arg(&folder).args([&port.to_string(), KEY_ID, SECRET]);
        let mut server = Process::spawn(&mut command, Terminal::Own, Signal::TERM)?;
        scratch.record("s3", server.id())?;
        wait_until(START_LIMIT, || match server.ended()? {
            Some(status) => bail!("the S3 server exited ({status})"),
            None => Ok(TcpStream::connect(("127.0.0.1", port)).is_ok()),
        })
        .context("the S3 server did not start")?;
        println!("xtask: S3 server on 127.0.0.1:{port} ({:.1} s)", begin.elapsed().as_secs_f32());
        Ok(Self { port, _server: server, _scratch: scratch })
    }

    /// The endpoint URL.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}
