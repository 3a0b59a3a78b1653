//! `cargo xtask bench`: measures one node against floors, and writes docs/benchmarks.md.
//!
//! A floor (`benches/floor`) is the least that a server in Rust has to do for the same response. blegram and the floors run
//! on the same database with the same world in it, and are measured in turns, so that their ratio depends little on the
//! machine. See `docs/decisions/0064-benchmarks-are-ratios-to-floors.md`.
//!
//! - [`world`]: the rows in the database
//! - [`stage`]: the servers
//! - [`usage`]: processor time by process, and whether the machine was quiet
//! - [`rows`], [`overhead`], [`sockets`], [`contention`], [`growth`]: what is measured
//! - [`report`], [`plot`], [`machine`]: how it is written
//!
//! To add an operation, add it to [`rows::ROWS`], and its floor to `benches/floor/src/server.rs`.

mod contention;
mod growth;
mod machine;
mod overhead;
mod plot;
mod report;
mod rows;
mod sockets;
mod stage;
mod usage;
mod world;

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::{Args, ValueEnum};

use self::machine::Machine;
use self::report::{Database, Results};
use self::rows::ROWS;
use self::sockets::Extent;
use self::stage::{Programs, Stage};
use self::world::{Dialect, World};
use crate::blegram::output_folder;
use crate::load::{CONNECTIONS, Wrk};
use crate::logins;
use crate::scratch::sweep;
use crate::workspace::{build_binary, root};

/// The accounts that log in and upload.
pub(crate) const MEMBERS: [&str; 4] = ["ann", "bob", "chul", "dana"];

/// Options of the command.
#[derive(Args)]
pub(crate) struct Options {
    /// Measure a build without optimisation briefly, in a small world, to see that it works; the figures mean nothing
    #[arg(long)]
    short: bool,
    /// Measure only this; can be repeated
    #[arg(long, value_name = "PART")]
    only: Vec<Part>,
    /// Measure only this database; can be repeated
    #[arg(long, value_name = "NAME")]
    database: Vec<Dialect>,
    /// Seconds of load per row and round [default: 5, short: 1]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: Option<u32>,
    /// Number of rounds over all rows; the result is the median [default: 5, short: 1]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: Option<u32>,
    /// Number of accounts [default: 10000, short: 200]
    #[arg(long, value_parser = clap::value_parser!(u64).range(100..))]
    users: Option<u64>,
    /// Number of posts [default: 500000, short: 2000]
    #[arg(long, value_parser = clap::value_parser!(u64).range(2_000..))]
    posts: Option<u64>,
    /// Number of likes: ten for each of the newest posts [default: 5000000, short: 20000]
    #[arg(long)]
    likes: Option<u64>,
    /// Number of followers of one account, at most the number of accounts [default: 10000, short: 200]
    #[arg(long)]
    followers: Option<u64>,
    /// Measure growth up to this number of posts; can be repeated [default: 10000, 100000, 1000000; short: 4000]
    #[arg(long, value_name = "POSTS", value_parser = clap::value_parser!(u64).range(2_000..))]
    growth: Vec<u64>,
    /// Number of accounts in the worlds of growth, all of which follow one account [default: as in the other world]
    #[arg(long, value_name = "ACCOUNTS", value_parser = clap::value_parser!(u64).range(100..))]
    growth_users: Option<u64>,
    /// Use this binary instead of building one
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
    /// Compare chat with this binary of an earlier version
    #[arg(long, value_name = "PATH")]
    baseline: Option<PathBuf>,
    /// Write to this directory [default: docs; target/xtask with --short, --only or --database]
    #[arg(long, value_name = "PATH")]
    output: Option<PathBuf>,
}

/// A part of the benchmark.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Part {
    /// HTTP against the floors
    Rows,
    /// Start, log, metrics and compression
    Overhead,
    /// Fan-out, chat and idle connections
    Sockets,
    /// Reads beside writes, uploads and logins (on SQLite)
    Contention,
    /// Lists in worlds of several sizes
    Growth,
}

/// How much is measured.
struct Plan {
    world: World,
    /// The worlds of growth, from the smallest to the largest.
    growth: Vec<World>,
    extent: Extent,
    seconds: u32,
    rounds: u32,
}

impl Options {
    fn plan(&self) -> Plan {
        let default = |short, full| if self.short { short } else { full };
        let or = |given: Option<u64>, short, full| given.unwrap_or_else(|| default(short, full));
        let seconds = self.seconds.unwrap_or(if self.short { 1 } else { 5 });
        let rounds = self.rounds.unwrap_or(if self.short { 1 } else { 5 });
        let mut growth = self.growth.clone();
        if growth.is_empty() {
            growth = if self.short { vec![4_000] } else { vec![10_000, 100_000, 1_000_000] };
        }
        growth.sort_unstable();
        let world = World {
            users: or(self.users, 200, 10_000),
            posts: or(self.posts, 2_000, 500_000),
            likes: or(self.likes, 20_000, 5_000_000),
            followers: or(self.followers, 200, 10_000),
            prepared: rows::prepared(seconds, rounds),
        };
        let (users, followers) =
            self.growth_users.map_or((world.users, world.followers), |users| (users, users));
        Plan {
            world,
            growth: growth
                .into_iter()
                .map(|posts| World { users, posts, followers, prepared: 0, ..world })
                .collect(),
            extent: Extent {
                audiences: if self.short { vec![100] } else { vec![1_000, 10_000] },
                posts: if self.short { 3 } else { 20 },
                rounds: rounds.min(3) as usize,
                seconds,
                chats: if self.short { vec![(1, 1), (100, 10)] } else { vec![(1, 1), (100, 1), (100, 10)] },
                idle: if self.short { (200, 1) } else { (10_000, 60) },
            },
            seconds,
            rounds,
        }
    }

    fn has(&self, part: Part) -> bool {
        self.only.is_empty() || self.only.contains(&part)
    }

    /// An incomplete run must not replace the published figures.
    fn is_complete(&self) -> bool {
        !self.short && self.only.is_empty() && self.database.is_empty()
    }

    fn output(&self) -> Result<PathBuf> {
        match &self.output {
            Some(folder) => Ok(folder.clone()),
            None if self.is_complete() => Ok(root().join("docs")),
            None => output_folder(),
        }
    }
}

/// Measures both databases, prints the report and writes it.
pub(crate) fn run(options: &Options) -> Result<u8> {
    sweep()?;
    let (plan, folder) = (options.plan(), options.output()?);
    // The short form shows that everything works, for which an optimised build would take longer than the rest.
    let profile = if options.short { "dev" } else { "release" };
    let built = |package| build_binary(package, profile);
    let binary = match &options.binary {
        // Servers run in other directories.
        Some(path) => std::path::absolute(path)?,
        None => built("blegram")?,
    };
    let baseline = options.baseline.as_ref().map(std::path::absolute).transpose()?;
    let (floor, generator) = (built("blegram-floor")?, built("xtask-gateway-load")?);
    for program in [&binary, &floor, &generator].into_iter().chain(&baseline) {
        ensure!(program.is_file(), "{} does not exist", program.display());
    }
    let programs = sockets::Programs {
        blegram: &binary,
        baseline: baseline.as_deref(),
        floor: &floor,
        generator: &generator,
    };
    // After the builds, which would be the load.
    let machine = Machine::describe();
    let mut databases = Vec::new();
    let all = [Dialect::Sqlite, Dialect::Postgres];
    for dialect in
        all.into_iter().filter(|dialect| options.database.is_empty() || options.database.contains(dialect))
    {
        databases.push(measure(options, &plan, &programs, dialect)?);
    }
    let Plan { world, seconds, rounds, .. } = plan;
    let results = Results { machine, connections: CONNECTIONS, seconds, rounds, world, databases };
    println!("\n{}", results.write(&folder)?);
    check_requests(&results)
}

/// A list that could not be read is a failure, although the run went on.
fn check_requests(results: &Results) -> Result<u8> {
    let growth = results.databases.iter().filter_map(|database| database.growth.as_ref());
    let points = growth
        .flat_map(|growth| &growth.lists)
        .flat_map(|list| list.points.iter().map(move |point| (list.name, point)));
    let failed: Vec<_> =
        points.filter_map(|(name, point)| Some((name, point.posts, point.cost_us.as_ref().err()?))).collect();
    for (name, posts, error) in &failed {
        eprintln!("xtask: {name}, {posts} posts: {error}");
    }
    Ok(u8::from(!failed.is_empty()))
}

fn measure(
    options: &Options,
    plan: &Plan,
    programs: &sockets::Programs<'_>,
    dialect: Dialect,
) -> Result<Database> {
    let wrk = Wrk::find_or_install(plan.seconds)?;
    let servers = Programs { blegram: programs.blegram, floor: programs.floor };
    let mut database = Database::default();
    if [Part::Rows, Part::Overhead, Part::Contention].into_iter().any(|part| options.has(part)) {
        let stage = Stage::new(&servers, dialect, plan.world)?;
        database.made_in = stage.made_in.as_secs_f64();
        database.name = stage.database_name();
        stage.check_counts()?;
        measure_stage(options, plan, (&servers, &stage, wrk), &mut database)?;
    }
    if options.has(Part::Sockets) {
        database.sockets = Some(sockets::measure(programs, dialect, &plan.extent)?);
    }
    if options.has(Part::Growth) {
        database.growth = Some(growth::measure(&servers, (dialect, &plan.growth), wrk, plan.rounds)?);
    }
    if database.name.is_empty() {
        database.name = dialect.name().into();
    }
    Ok(database)
}

/// Measures what needs the world.
fn measure_stage(
    options: &Options,
    plan: &Plan,
    (programs, stage, wrk): (&Programs<'_>, &Stage, Wrk),
    database: &mut Database,
) -> Result<()> {
    if options.has(Part::Overhead) {
        // First, because later parts change the world.
        database.overhead = Some(overhead::measure(stage, programs, wrk, plan.rounds)?);
    }
    let blegram = stage.site.start()?;
    if options.has(Part::Rows) {
        let floor = stage.start_floor(programs.floor, blegram.origin())?;
        rows::compare(stage, &blegram, &floor, &ROWS)?;
        database.rows = rows::measure(stage, (&blegram, &floor), wrk, plan.rounds, &ROWS)?;
        database.loaded_mib = blegram.resident_kib().map(|kib| kib as f64 / 1024.0);
    }
    if options.has(Part::Contention) && stage.dialect == Dialect::Sqlite {
        database.contention = Some(contention::measure(stage, &blegram, wrk, plan.rounds)?);
        if !options.short {
            database.enumeration = Some(logins::enumeration(&stage.site, &blegram)?.to_string());
        }
    }
    blegram.stop()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        options: Options,
    }

    fn parse(words: &[&str]) -> Options {
        Cli::parse_from([&["bench"], words].concat()).options
    }

    #[test]
    fn only_a_complete_run_replaces_the_published_figures() {
        assert_eq!(parse(&[]).output().unwrap(), root().join("docs"));
        for words in [&["--short"][..], &["--only", "rows"], &["--database", "sqlite"]] {
            assert_eq!(parse(words).output().unwrap(), root().join("target/xtask"), "{words:?}");
        }
        assert_eq!(parse(&["--short", "--output", "/x"]).output().unwrap(), Path::new("/x"));
    }

    #[test]
    fn short_form_is_small_unless_sizes_are_given() {
        let plan = parse(&["--short", "--posts", "5000", "--growth", "9000", "--growth", "3000"]).plan();
        assert_eq!((plan.world.users, plan.world.posts, plan.rounds, plan.seconds), (200, 5_000, 1, 1));
        let growth: Vec<_> = plan.growth.iter().map(|world| (world.posts, world.users)).collect();
        assert_eq!(growth, [(3_000, 200), (9_000, 200)]);
        assert_eq!(parse(&[]).plan().world.posts, 500_000);
    }

    #[test]
    fn all_accounts_of_the_worlds_of_growth_follow_one() {
        let plan = parse(&["--short", "--growth-users", "900"]).plan();
        let growth: Vec<_> = plan.growth.iter().map(|world| (world.users, world.followers)).collect();
        assert_eq!((plan.world.users, growth), (200, vec![(900, 900)]));
    }

    #[test]
    fn parts_are_all_unless_one_is_named() {
        assert!(parse(&[]).has(Part::Growth));
        assert!(!parse(&["--only", "rows"]).has(Part::Growth));
        assert!(parse(&["--only", "rows", "--only", "growth"]).has(Part::Growth));
    }
}
