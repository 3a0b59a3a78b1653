//! A temporary PostgreSQL server on loopback, configured for speed.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Signal, geteuid};

use crate::packages::{self, Package};
use crate::process::{self, Process, Terminal, bound, bound_as, wait_until};
use crate::scratch::Scratch;
use crate::signals;

/// The oldest major version that blegram supports.
const OLDEST: u32 = 15;
const START_LIMIT: Duration = Duration::from_secs(60);
/// The server does not run as root; packages create this user.
const USER: &str = "postgres";

/// No data has to survive a crash, and all files stay in the temporary directory.
const SETTINGS: &[&str] = &[
    "listen_addresses=127.0.0.1",
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "max_connections=300",
    "shared_buffers=128MB",
    "dynamic_shared_memory_type=mmap",
    "logging_collector=off",
    "log_destination=stderr",
];

/// For figures about writes: each commit survives a crash, as on a site. The rest is the default, except for the memory.
const DURABLE: &[&str] = &[
    "listen_addresses=127.0.0.1",
    "fsync=on",
    "synchronous_commit=on",
    "full_page_writes=on",
    "max_connections=300",
    "shared_buffers=1GB",
    "max_wal_size=2GB",
    "logging_collector=off",
    "log_destination=stderr",
];

const PACKAGE: Package = Package {
    name: "PostgreSQL (15 or newer, the server)",
    apt: "postgresql",
    // Otherwise the Debian package creates and starts a cluster on port 5432.
    before: "file=/etc/postgresql-common/createcluster.conf\n\
             mkdir -p /etc/postgresql-common\n\
             grep -qs '^create_main_cluster *= *false' $file || echo 'create_main_cluster = false' >> $file",
    fedora: "sudo dnf install postgresql-server",
    macos: "brew install postgresql@17 && export PATH=\"$(brew --prefix postgresql@17)/bin:$PATH\"",
};

/// A running server; stopped and deleted when dropped.
pub(crate) struct Postgres {
    programs: Programs,
    port: u16,
    // Fields drop in this order: the server stops before its directory is deleted.
    server: Process,
    _scratch: Scratch,
}

/// The programs of one installed version of PostgreSQL.
struct Programs {
    version: u32,
    folder: PathBuf,
}

impl Postgres {
    /// Finds or installs PostgreSQL, starts a server and waits until it is ready.
    pub(crate) fn start() -> Result<Self> {
        Self::start_with(SETTINGS)
    }

    /// Like [`Postgres::start`], with durable commits.
    pub(crate) fn start_durable() -> Result<Self> {
        Self::start_with(DURABLE)
    }

    fn start_with(settings: &[&str]) -> Result<Self> {
        let programs = find_or_install()?;
        let begin = Instant::now();
        let scratch = Scratch::new()?;
        create_cluster(&programs, scratch.path())?;
        let (server, port) = serve(&programs, &scratch, settings)?;
        let seconds = begin.elapsed().as_secs_f32();
        println!("xtask: PostgreSQL {} on 127.0.0.1:{port} ({seconds:.1} s)", programs.version);
        Ok(Self { programs, port, server, _scratch: scratch })
    }

    /// The single number that a query returns.
    pub(crate) fn number(&self, sql: &str) -> Result<f64> {
        let mut command = Command::new(self.programs.folder.join("psql"));
        let text = process::output(command.args(["-XAtc", sql]).arg(self.url()).stdin(Stdio::null()));
        let text = text.with_context(|| format!("psql failed: {sql}"))?;
        text.trim().parse().with_context(|| format!("the result of {sql} is no number: {text}"))
    }

    /// The major version.
    pub(crate) fn version(&self) -> u32 {
        self.programs.version
    }

    /// The process id of the server, the parent of all others.
    pub(crate) fn id(&self) -> u32 {
        self.server.id()
    }

    /// The URL of the maintenance database, with a superuser.
    pub(crate) fn url(&self) -> String {
        format!("postgres://{USER}@127.0.0.1:{}/postgres", self.port)
    }
}

/// The folder of the programs, found or installed; empty if they are on PATH.
pub(crate) fn programs() -> Result<PathBuf> {
    find_or_install().map(|programs| programs.folder)
}

fn find_or_install() -> Result<Programs> {
    if let Some(programs) = find() {
        return Ok(programs);
    }
    packages::install(&PACKAGE)?;
    find().with_context(|| format!("the installed PostgreSQL is older than {OLDEST}"))
}

/// The newest version installed by Debian packages, otherwise the one that `pg_config` or PATH point to.
fn find() -> Option<Programs> {
    let debian = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest =
        debian.filter_map(|entry| usable(entry.path().join("bin"))).max_by_key(|found| found.version);
    newest.or_else(|| usable(output_path("pg_config", "--bindir")?)).or_else(|| usable(PathBuf::new()))
}

fn output_path(program: &str, option: &str) -> Option<PathBuf> {
    process::output(Command::new(program).arg(option)).map(|text| text.trim().into())
}

/// The programs in a directory (empty: on PATH), if the server is there and new enough.
fn usable(folder: PathBuf) -> Option<Programs> {
    process::output(Command::new(folder.join("initdb")).arg("--version"))?;
    let version = major(&process::output(Command::new(folder.join("postgres")).arg("--version"))?)?;
    (version >= OLDEST).then_some(Programs { version, folder })
}

/// Parses the major version: 18 from `postgres (PostgreSQL) 18beta1 (Debian …)`.
fn major(text: &str) -> Option<u32> {
    let number = text.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
    number.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

impl Programs {
    /// A command that runs one of the programs as the server's user, and gets SIGQUIT when xtask dies.
    ///
    /// SIGQUIT is PostgreSQL's immediate shutdown: unlike SIGKILL, it releases the shared memory.
    fn command(&self, name: &str) -> Command {
        let program = self.folder.join(name);
        if geteuid().is_root() { bound_as(USER, program, "QUIT") } else { bound(program, "QUIT") }
    }
}

fn create_cluster(programs: &Programs, folder: &Path) -> Result<()> {
    let data = folder.join("data");
    fs::create_dir(&data)?;
    if geteuid().is_root() {
        process::run(Command::new("chown").arg(USER).arg(&data))
            .context("changing the owner of the data directory")?;
    }
    let mut command = programs.command("initdb");
    command.args([
        "--username",
        USER,
        "--auth",
        "trust",
        "--encoding",
        "UTF8",
        "--no-locale",
        "--no-sync",
        "-D",
    ]);
    let output =
        command.arg(&data).current_dir(folder).stdin(Stdio::null()).output().context("starting initdb")?;
    signals::check()?;
    ensure!(output.status.success(), "initdb failed:\n{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// Starts the server on a free port; retries with another port if it was taken in between.
fn serve(programs: &Programs, scratch: &Scratch, settings: &[&str]) -> Result<(Process, u16)> {
    let log = scratch.path().join("postgres.log");
    for _ in 0..3 {
        let port = free_port()?;
        let mut server = spawn(programs, scratch, (port, settings), &log)?;
        match wait_until(START_LIMIT, || is_ready(&mut server, scratch.path())) {
            Ok(()) => return Ok((server, port)),
            Err(_) if read(&log).contains("Address already in use") => {}
            Err(error) => {
                return Err(error.context(format!("PostgreSQL did not start; its log:\n{}", read(&log))));
            }
        }
    }
    bail!("no port stayed free long enough for PostgreSQL; its log:\n{}", read(&log))
}

fn spawn(
    programs: &Programs,
    scratch: &Scratch,
    (port, settings): (u16, &[&str]),
    log: &Path,
) -> Result<Process> {
    let data = scratch.path().join("data");
    let log = File::create(log).context("creating PostgreSQL's log")?;
    let mut command = programs.command("postgres");
    command.arg("-D").arg(&data).args(["-p", &port.to_string(), "-k"]).arg(&data);
    command.args(settings.iter().flat_map(|setting| ["-c", setting]));
    command.current_dir(scratch.path()).stdout(log.try_clone()?).stderr(log);
    let server = Process::spawn(&mut command, Terminal::Own, Signal::QUIT)?;
    scratch.record("postgres", server.id())?;
    Ok(server)
}

/// Reads the state from the eighth line of the server's pid file. A probe of the port could reach another program.
fn is_ready(server: &mut Process, folder: &Path) -> Result<bool> {
    if let Some(status) = server.ended()? {
        bail!("the server exited ({status})");
    }
    Ok(read(&folder.join("data/postmaster.pid")).lines().nth(7).is_some_and(|state| state.trim() == "ready"))
}

/// A currently free port on loopback.
pub(crate) fn free_port() -> Result<u16> {
    Ok(free_address()?.port())
}

/// A currently free address on loopback.
pub(crate) fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0").context("looking for a free port")?.local_addr()?)
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_is_parsed_on_each_system() {
        assert_eq!(major("postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)"), Some(15));
        assert_eq!(major("postgres (PostgreSQL) 18beta1"), Some(18));
        assert_eq!(major("nothing"), None);
    }

    #[test]
    fn missing_server_is_not_usable() {
        assert!(usable("/nonexistent".into()).is_none());
    }
}
