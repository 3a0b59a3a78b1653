//! The servers to compare, on one database with the world in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::Signal;

use super::usage::Processes;
use super::world::{self, BUSY, Dialect, READER, STAR, WRITERS, World};
use crate::blegram::{Blegram, Site, unlimited};
use crate::process::{Process, Terminal, bound, output, run, wait_until};
use crate::scratch::Scratch;
use crate::services::postgres::{Postgres, free_address};

const START_LIMIT: Duration = Duration::from_secs(60);
/// Few accounts upload what many would.
const QUOTAS: [(&str, &str); 2] = [
    ("BLEGRAM_MEDIA__QUOTA_UNATTACHED_FILES", "1000000"),
    ("BLEGRAM_MEDIA__QUOTA_UNATTACHED_BYTES", "1000000000000"),
];

/// The programs that the benchmark runs.
pub(crate) struct Programs<'a> {
    pub(crate) blegram: &'a Path,
    pub(crate) floor: &'a Path,
}

/// A site with the world in its database, and the sessions of its readers.
pub(crate) struct Stage {
    pub(crate) site: Site,
    pub(crate) dialect: Dialect,
    pub(crate) world: World,
    /// The `Cookie` of the account [`READER`].
    pub(crate) cookie: String,
    /// The `Cookie` of the account [`BUSY`].
    pub(crate) busy_cookie: String,
    /// The values of the `Cookie` of the accounts that write.
    pub(crate) writers: Vec<String>,
    /// How long it took to make the world.
    pub(crate) made_in: Duration,
    url: String,
    postgres: Option<Postgres>,
    scratch: Scratch,
}

/// The floors on the same database; stopped when dropped.
pub(crate) struct Floor {
    process: Process,
    pub(crate) origin: String,
}

impl Stage {
    /// Creates a site and makes the world in it.
    pub(crate) fn new(programs: &Programs<'_>, dialect: Dialect, world: World) -> Result<Self> {
        let postgres = (dialect == Dialect::Postgres).then(Postgres::start_durable).transpose()?;
        let mut settings = unlimited(programs.blegram)?;
        settings.extend(QUOTAS.map(|(name, value)| (name.into(), value.into())));
        let url = postgres.as_ref().map(Postgres::url);
        let site = Site::with_settings(programs.blegram, url.as_deref(), settings)?;
        let blegram = site.start()?;
        let reader = blegram.sign_up(READER)?.cookie();
        let busy = blegram.sign_up(BUSY)?.cookie();
        blegram.sign_up(STAR)?;
        let writers = (0..WRITERS).map(|number| Ok(blegram.sign_up(&world::writer(number))?.cookie()));
        let writers = writers.collect::<Result<Vec<String>>>()?;
        blegram.stop()?;
        let url =
            url.unwrap_or_else(|| format!("sqlite://{}", site.data_folder().join("blegram.db").display()));
        let (scratch, begin) = (Scratch::new()?, Instant::now());
        make(programs.floor, scratch.path(), &url, (dialect, world))?;
        let made_in = begin.elapsed();
        Ok(Self {
            site,
            dialect,
            world,
            cookie: format!("cookie: {reader}"),
            busy_cookie: format!("cookie: {busy}"),
            writers,
            made_in,
            url,
            postgres,
            scratch,
        })
    }

    /// Fails if `blegram recount` finds a wrong count.
    pub(crate) fn check_counts(&self) -> Result<()> {
        let report = self.site.command_output(&["recount", "--dry-run"])?;
        ensure!(report.contains("All counters are correct"), "the world has wrong counts:\n{report}");
        Ok(())
    }

    /// Starts the floors, with links to the site at `origin`.
    pub(crate) fn start_floor(&self, program: &Path, origin: &str) -> Result<Floor> {
        let address = free_address()?.to_string();
        let mut command = bound(program, "TERM");
        command.args(["serve", "--database", &self.url, "--listen", &address, "--site", origin]);
        let process = Process::spawn(&mut command, Terminal::Own, Signal::TERM)?;
        self.scratch.record("floor", process.id())?;
        let mut floor = Floor { process, origin: format!("http://{address}") };
        floor.wait_until_ready()?;
        Ok(floor)
    }

    /// The processes of a request to blegram.
    pub(crate) fn processes(&self, blegram: &Blegram) -> Processes {
        Processes { server: blegram.id(), database: self.database_id() }
    }

    /// The processes of a request to the floors.
    pub(crate) fn floor_processes(&self, floor: &Floor) -> Processes {
        Processes { server: floor.process.id(), database: self.database_id() }
    }

    fn database_id(&self) -> Option<u32> {
        self.postgres.as_ref().map(Postgres::id)
    }

    /// Name and version of the database.
    pub(crate) fn database_name(&self) -> String {
        match &self.postgres {
            Some(postgres) => format!("{} {}", self.dialect.name(), postgres.version()),
            None => self.dialect.name().into(),
        }
    }

    /// A directory for scripts.
    pub(crate) fn folder(&self) -> &Path {
        self.scratch.path()
    }
}

impl Floor {
    fn wait_until_ready(&mut self) -> Result<()> {
        let agent = ureq::Agent::new_with_defaults();
        let url = format!("{}/readyz", self.origin);
        wait_until(START_LIMIT, || {
            ensure!(self.process.ended()?.is_none(), "the floors exited");
            Ok(agent.get(&url).call().is_ok())
        })
        .context("the floors did not start")
    }
}

/// Makes the world with `blegram-floor batch`, which prints how long each statement took.
fn make(program: &Path, folder: &Path, url: &str, (dialect, world): (Dialect, World)) -> Result<()> {
    let write = |name: &str, text: &str| -> Result<PathBuf> {
        let path = folder.join(name);
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
        Ok(path)
    };
    let texts = write("texts.txt", &world::texts())?;
    let terms =
        output(bound(program, "TERM").arg("terms").arg(texts)).context("`blegram-floor terms` failed")?;
    let terms: Vec<String> = terms.lines().map(Into::into).collect();
    ensure!(
        terms.len() == world::texts().lines().count(),
        "the floors computed {} lines of terms",
        terms.len()
    );
    let statements = write("world.sql", &world::statements(world, dialect, &terms))?;
    run(bound(program, "TERM").args(["batch", "--database", url]).arg(statements))
}
