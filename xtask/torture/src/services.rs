//! PostgreSQL and Redis, to be stopped, crashed and restarted. The data of PostgreSQL is on a small disk of its own.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use serde::de::DeserializeOwned;
use tokio::{net::TcpStream, process::Command};

use crate::process::{Process, bound, until};

const USER: &str = "postgres";
/// Enough for the data and its log, and quick to fill.
const DISK: &str = "size=400m";
/// A commit is in the kernel's memory when it returns: it survives the crash of a process, not of the machine.
const SETTINGS: [&str; 8] = [
    "listen_addresses=127.0.0.1",
    "fsync=off",
    "synchronous_commit=on",
    "max_connections=200",
    "shared_buffers=64MB",
    "min_wal_size=32MB",
    "max_wal_size=96MB",
    "log_destination=stderr",
];

/// A PostgreSQL server.
pub(crate) struct Postgres {
    programs: PathBuf,
    folder: PathBuf,
    pub(crate) address: SocketAddr,
    process: Option<Process>,
    /// Whether its data is on a disk of its own, which can be filled.
    pub(crate) has_disk: bool,
}

impl Postgres {
    /// Creates a cluster in `folder` and starts the server.
    pub(crate) async fn start(programs: PathBuf, folder: PathBuf, address: SocketAddr) -> Result<Self> {
        fs::create_dir_all(&folder)?;
        let has_disk = mount(&folder).await;
        let data = folder.join("data");
        fs::create_dir_all(&data)?;
        let mut postgres = Self { programs, folder, address, process: None, has_disk };
        if rustix::process::geteuid().is_root() {
            run(Command::new("chown").arg("-R").arg(USER).arg(&postgres.folder)).await?;
        }
        let mut initdb = postgres.command("initdb");
        initdb.args([
            "--username",
            USER,
            "--auth",
            "trust",
            "--encoding",
            "UTF8",
            "--no-locale",
            "--no-sync",
        ]);
        run(initdb.arg("-D").arg(&data)).await?;
        postgres.launch().await?;
        Ok(postgres)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = bound(&self.programs.join(program), "QUIT", Some(USER));
        command.current_dir(&self.folder);
        command
    }

    /// Starts the server and waits until it accepts connections.
    pub(crate) async fn launch(&mut self) -> Result<()> {
        let data = self.folder.join("data");
        let mut command = self.command("postgres");
        command.arg("-D").arg(&data).args(["-p", &self.address.port().to_string(), "-k"]).arg(&data);
        command.args(SETTINGS.iter().flat_map(|setting| ["-c", setting]));
        let log = self.folder.with_extension("log");
        self.process = Some(Process::spawn(&mut command, &log)?);
        until("the start of PostgreSQL", async || self.query::<u8>("SELECT 1").await.is_ok()).await
    }

    /// Stops the server: SIGINT is a fast shutdown, SIGQUIT a crash.
    pub(crate) async fn stop(&mut self, signal: Signal) -> Result<()> {
        if let Some(process) = self.process.take() {
            process.stop(signal).await?;
        }
        Ok(())
    }

    /// The URL for clients that reach the server at this address.
    pub(crate) fn url(&self, address: SocketAddr) -> String {
        format!("postgres://{USER}@{address}/postgres")
    }

    /// The rows of a query, as JSON.
    pub(crate) async fn query<T: DeserializeOwned>(&self, sql: &str) -> Result<T> {
        let mut psql = Command::new(self.programs.join("psql"));
        psql.args(["-XAtq", "-v", "ON_ERROR_STOP=1", "-d", &self.url(self.address), "-c", sql]);
        let output = psql.kill_on_drop(true).output().await.context("starting psql")?;
        ensure!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).with_context(|| format!("reading the result of {sql}"))
    }

    /// Fills the disk to the last byte.
    pub(crate) fn fill_disk(&self) {
        // Writing to a full disk fails, which is the purpose.
        let _ = fs::File::create(self.ballast())
            .and_then(|mut file| std::io::copy(&mut std::io::repeat(0), &mut file));
    }

    pub(crate) fn free_disk(&self) {
        let _ = fs::remove_file(self.ballast());
    }

    fn ballast(&self) -> PathBuf {
        self.folder.join("ballast")
    }

    /// Starts the server if it has exited.
    pub(crate) async fn heal(&mut self) -> Result<()> {
        self.free_disk();
        if self.process.as_mut().is_none_or(Process::has_ended) {
            self.process = None;
            self.launch().await?;
        }
        until("the recovery of PostgreSQL", async || self.query::<u8>("SELECT 1").await.is_ok()).await
    }

    /// Stops the server; its disk is removed with it.
    pub(crate) async fn remove(mut self) -> Result<()> {
        self.stop(Signal::QUIT).await
    }
}

/// Also after a failed start, and while the killed server is still ending: the disk is removed with its last user.
impl Drop for Postgres {
    fn drop(&mut self) {
        if self.has_disk {
            let _ = std::process::Command::new("umount").arg("--lazy").arg(&self.folder).status();
        }
    }
}

/// Mounts a small disk in memory, if this program may.
async fn mount(folder: &Path) -> bool {
    let mut mount = Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", DISK, "blegram-torture"]).arg(folder);
    run(&mut mount).await.is_ok()
}

async fn run(command: &mut Command) -> Result<()> {
    let output = command.kill_on_drop(true).output().await?;
    ensure!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// A Redis server, in memory only.
pub(crate) struct Redis {
    program: PathBuf,
    folder: PathBuf,
    pub(crate) address: SocketAddr,
    process: Option<Process>,
}

impl Redis {
    pub(crate) async fn start(program: PathBuf, folder: PathBuf, address: SocketAddr) -> Result<Self> {
        fs::create_dir_all(&folder)?;
        let mut redis = Self { program, folder, address, process: None };
        redis.launch().await?;
        Ok(redis)
    }

    pub(crate) async fn launch(&mut self) -> Result<()> {
        let mut command = bound(&self.program, "KILL", None);
        command.args(["--bind", "127.0.0.1", "--port", &self.address.port().to_string()]);
        command.args(["--save", "", "--appendonly", "no"]).arg("--dir").arg(&self.folder);
        self.process = Some(Process::spawn(&mut command, &self.folder.join("redis.log"))?);
        until("the start of Redis", async || TcpStream::connect(self.address).await.is_ok()).await
    }

    pub(crate) async fn kill(&mut self) -> Result<()> {
        if let Some(process) = self.process.take() {
            process.stop(Signal::KILL).await?;
        }
        Ok(())
    }

    pub(crate) async fn launch_if_ended(&mut self) -> Result<()> {
        let has_ended = self.process.as_mut().is_none_or(Process::has_ended);
        if has_ended { self.launch().await } else { Ok(()) }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        if let Some(process) = &self.process {
            process.signal(signal);
        }
    }
}

/// A free port below the kernel's range for outgoing connections, so that none of them can take it before a server
/// listens on it.
pub(crate) fn free_address() -> Result<SocketAddr> {
    let free = |port: &u16| std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    let ports = std::iter::repeat_with(|| rand::random_range(20_000..32_000_u16));
    let port = ports.take(1000).find(free).context("no free port")?;
    Ok((Ipv4Addr::LOCALHOST, port).into())
}
