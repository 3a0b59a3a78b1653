//! A node: a `blegram` process with its own links to PostgreSQL and Redis, and perhaps a clock of its own.

use std::{fs, net::SocketAddr, path::PathBuf, time::Duration};

use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    link::Link,
    process::{LIMIT, Process, bound, until},
};

/// For the response of `/readyz`.
const READY_LIMIT: Duration = Duration::from_secs(2);

/// What the nodes of a site share.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    pub(crate) binary: PathBuf,
    pub(crate) folder: PathBuf,
    pub(crate) settings: Vec<(String, String)>,
    /// The library that moves the clock of a node.
    pub(crate) faketime: Option<PathBuf>,
}

pub(crate) struct Node {
    pub(crate) address: SocketAddr,
    pub(crate) to_postgres: Link,
    pub(crate) to_redis: Link,
    name: String,
    site: Site,
    /// Seconds that its clock is ahead.
    skew: i32,
    process: Option<Process>,
}

impl Site {
    /// A node that is not started yet.
    pub(crate) fn node(
        &self,
        number: usize,
        address: SocketAddr,
        to_postgres: Link,
        to_redis: Link,
    ) -> Result<Node> {
        let name = format!("node{number}");
        Ok(Node { address, to_postgres, to_redis, name, site: self.clone(), skew: 0, process: None })
    }
}

impl Node {
    /// Starts the process and waits until it is ready.
    pub(crate) async fn launch(&mut self) -> Result<()> {
        let data = self.site.folder.join(&self.name);
        fs::create_dir_all(&data)?;
        let mut command = bound(&self.site.binary, "KILL", None);
        command.arg("serve").current_dir(&data).env_clear().envs(self.site.settings.clone());
        command.env("BLEGRAM_SERVER__LISTEN", self.address.to_string());
        command.env("BLEGRAM_SERVER__DATA_DIR", &data);
        command.env(
            "BLEGRAM_DATABASE__URL",
            format!("postgres://postgres@{}/postgres", self.to_postgres.address),
        );
        command.env("BLEGRAM_REDIS__URL", format!("redis://{}", self.to_redis.address));
        if let Some(library) = &self.site.faketime {
            // Only the wall clock moves, as on a machine whose clock is wrong.
            command.env("LD_PRELOAD", library).env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
            command.env("FAKETIME_TIMESTAMP_FILE", self.clock()).env("FAKETIME_CACHE_DURATION", "1");
            self.set_clock(self.skew)?;
        }
        self.process =
            Some(Process::spawn(&mut command, &self.site.folder.join(format!("{}.log", self.name)))?);
        self.wait().await
    }

    fn clock(&self) -> PathBuf {
        self.site.folder.join(format!("{}.clock", self.name))
    }

    /// Sets its clock to this many seconds ahead of the others.
    pub(crate) fn set_clock(&mut self, skew: i32) -> Result<()> {
        self.skew = skew;
        fs::write(self.clock(), format!("{skew:+}\n")).context("setting the clock of a node")
    }

    pub(crate) fn skew(&self) -> i32 {
        self.skew
    }

    /// Waits until it is ready.
    pub(crate) async fn wait(&mut self) -> Result<()> {
        let Self { process, address, .. } = self;
        let mut has_ended = false;
        until("the start of a node", async || {
            has_ended = process.as_mut().is_none_or(Process::has_ended);
            has_ended || readiness(*address).await.is_some()
        })
        .await?;
        if has_ended {
            bail!("{} exited: see its log", self.name);
        }
        Ok(())
    }

    /// Whether it serves, and gets the events of other nodes at once.
    pub(crate) async fn is_healthy(&self) -> bool {
        readiness(self.address).await.is_some_and(|text| !text.contains("degraded: true"))
    }

    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(process) = &self.process {
            process.signal(signal);
        }
    }

    /// Sends the signal, and waits for the end of the process.
    pub(crate) async fn stop(&mut self, signal: Signal) -> Result<()> {
        if let Some(process) = self.process.take() {
            let status = process.stop(signal).await?;
            if signal == Signal::TERM && !status.success() {
                bail!("{} did not exit cleanly: {status}", self.name);
            }
        }
        Ok(())
    }

    /// Starts it if it is not running.
    pub(crate) async fn heal(&mut self) -> Result<()> {
        let has_ended = self.process.as_mut().is_none_or(Process::has_ended);
        if has_ended { self.launch().await } else { self.wait().await }
    }
}

/// The text of `/readyz`; `None` if the node is not ready.
async fn readiness(address: SocketAddr) -> Option<String> {
    let request = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n").await?;
        let mut response = String::new();
        stream.read_to_string(&mut response).await?;
        std::io::Result::Ok(response)
    };
    let response = timeout(READY_LIMIT, request).await.ok()?.ok()?;
    response.starts_with("HTTP/1.1 200").then_some(response)
}

/// Drains take less than [`LIMIT`].
pub(crate) const DRAIN_MS: u64 = 3000;
const _: () = assert!(LIMIT.as_millis() > DRAIN_MS as u128 * 5);
