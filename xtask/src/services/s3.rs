//! An S3-protocol server of one's own: it checks signatures, on loopback, with one bucket, gone afterwards.

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
/// The bucket that is there.
pub(crate) const BUCKET: &str = "blegram";
/// Who may use it.
pub(crate) const KEY_ID: &str = "blegram-test";
/// What proves it.
pub(crate) const SECRET: &str = "only-for-tests";

/// A running server, stopped and forgotten when dropped.
pub(crate) struct S3 {
    port: u16,
    // Fields drop in this order: the server ends before its directory goes.
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
        fs::create_dir_all(folder.join(BUCKET)).context("making the bucket")?;
        let port = free_port()?;
        let mut command = bound(program, "TERM");
        command.arg(&folder).args([&port.to_string(), KEY_ID, SECRET]);
        let mut server = Process::spawn(&mut command, Terminal::Own, Signal::TERM)?;
        scratch.record("s3", server.id())?;
        wait_until(START_LIMIT, || match server.ended()? {
            Some(status) => bail!("the S3-protocol server ended ({status})"),
            None => Ok(TcpStream::connect(("127.0.0.1", port)).is_ok()),
        })
        .context("the S3-protocol server did not start")?;
        println!("xtask: S3 protocol on 127.0.0.1:{port} ({:.1} s)", begin.elapsed().as_secs_f32());
        Ok(Self { port, _server: server, _scratch: scratch })
    }

    /// Its address.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}
