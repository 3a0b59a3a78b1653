//! Redis servers for tests (feature `testing`).
//!
//! [`shared`] is the server that `cargo xtask test` starts. [`RedisServer`] is one of a test's own, which it can stop,
//! pause and start again.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::Duration,
};

use rand::RngExt;
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::{Instant, sleep};

use crate::RedisSettings;

/// How long a server may take to start.
const START_LIMIT: Duration = Duration::from_secs(20);

/// Settings for a new site on the shared server.
///
/// # Panics
/// Without the variable `BLEGRAM_TEST_REDIS_URL`, which `cargo xtask test` sets.
#[must_use]
pub fn shared() -> RedisSettings {
    RedisSettings::new(variable("BLEGRAM_TEST_REDIS_URL").into(), site())
}

#[expect(clippy::disallowed_methods, reason = "tests are configured by the environment, not by a file")]
fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name}, which `cargo xtask test` sets"))
}

/// A prefix that no other test has.
fn site() -> String {
    format!("test-{:016x}", rand::rng().random::<u64>())
}

/// A server of a test; stopped when dropped.
#[derive(Debug)]
pub struct RedisServer {
    address: SocketAddr,
    site: String,
    process: Option<Child>,
}

impl RedisServer {
    /// Starts a server.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start() -> Self {
        let mut server = Self::stopped();
        server.restart().await;
        server
    }

    /// A server that is not started yet.
    ///
    /// # Panics
    /// Without a free port.
    #[must_use]
    pub fn stopped() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("an address");
        Self { address, site: site(), process: None }
    }

    /// Starts it, or starts it again, at the same address and without data.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn restart(&mut self) {
        let mut command = Command::new(variable("BLEGRAM_TEST_REDIS_SERVER"));
        command.args(["--bind", "127.0.0.1", "--port", &self.address.port().to_string()]);
        command.args(["--save", "", "--appendonly", "no", "--loglevel", "warning"]);
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        self.process = Some(process.expect("redis-server starts"));
        let deadline = Instant::now() + START_LIMIT;
        while TcpStream::connect(self.address).is_err() {
            assert!(Instant::now() < deadline, "Redis starts in time");
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Kills it. All connections are closed.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Freezes it: connections stay open, and nothing answers.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Ends [`RedisServer::pause`].
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        if let Some(process) = &self.process {
            let _ = kill_process(Pid::from_child(process), signal);
        }
    }

    /// The settings of its site.
    #[must_use]
    pub fn settings(&self) -> RedisSettings {
        RedisSettings::new(self.url().into(), self.site.clone())
    }

    /// The URL.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}", self.address)
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.stop();
    }
}
