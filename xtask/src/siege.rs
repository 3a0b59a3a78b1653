//! `cargo xtask siege`: attacks one node with production settings while a good user works, and checks what the good user
//! sees and that memory stays bounded. docs/security.md has the results.
//!
//! To add an attack, add a function to a file of `siege/attacks` and its row to the table in `siege/attacks.rs`.

mod attacks;
mod good_user;
mod report;
mod window;
mod wire;

use std::fs::{self, File};
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use clap::Args;

use self::attacks::{ATTACKS, Assault, Attack, NONE};
use self::good_user::{GoodUser, Sample};
use self::report::{Report, Round};
use self::window::{Outcomes, Window};
use crate::blegram::{Blegram, Site};
use crate::client::{self, Entry};
use crate::scratch::sweep;
use crate::services::postgres::Postgres;
use crate::signals;
use crate::workspace::build_binary;

/// The origin of the site. Production requires https, which a proxy in front of the server would provide.
const PUBLIC_URL: &str = "https://siege.example";
const HOST: &str = "siege.example";
/// The harness connects from here and states the addresses of its clients, as a proxy does.
const PROXY: &str = "127.0.0.1";
const SAMPLE_EVERY: Duration = Duration::from_millis(50);

/// Options of the command.
#[derive(Args)]
pub(crate) struct Options {
    /// One short round of each attack, on a debug build; neither waits for memory to settle nor compares durations
    #[arg(long)]
    short: bool,
    /// Rounds of each attack; memory is compared between the first and the last
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..), conflicts_with = "short")]
    rounds: u32,
    /// Play only the attack with this name
    #[arg(long, value_name = "ATTACK", value_parser = attacks::names())]
    only: Option<String>,
    /// Use SQLite instead of PostgreSQL
    #[arg(long)]
    sqlite: bool,
    /// Use this binary instead of building one
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
}

/// How long and how often an attack is played.
#[derive(Clone, Copy)]
struct Form {
    rounds: u32,
    seconds: u64,
    /// Time after the attack in which memory can settle.
    settle: Option<Duration>,
}

const SHORT: Form = Form { rounds: 1, seconds: 4, settle: None };

impl Form {
    fn full(rounds: u32) -> Self {
        Self { rounds, seconds: 20, settle: Some(Duration::from_secs(60)) }
    }
}

/// What an attack is directed at.
pub(crate) struct Target<'a> {
    entry: &'a Entry,
    server: SocketAddr,
    /// The good user's name and address, which anybody can know.
    username: &'a str,
    address: &'a str,
    round: u32,
    is_short: bool,
}

/// The bytes of the head of a request to the site.
fn head_of(method: &str, path: &str, fields: &[(&str, &str)]) -> Vec<u8> {
    client::head_of(HOST, method, path, fields)
}

/// Plays the attacks and prints the table. Returns 1 if the good user or the memory was affected.
pub(crate) fn run(options: &Options) -> Result<u8> {
    sweep()?;
    let profile = if options.short { "dev" } else { "release" };
    let binary = match &options.binary {
        // The server runs in another directory.
        Some(path) => std::path::absolute(path)?,
        None => build_binary("blegram", profile)?,
    };
    let postgres = if options.sqlite { None } else { Some(Postgres::start()?) };
    let url = postgres.as_ref().map(Postgres::url);
    let site = Site::with_settings(&binary, url.as_deref(), settings()?)?;
    let form = if options.short { SHORT } else { Form::full(options.rounds) };
    let mut reports = vec![play(&site, &NONE, form)?];
    for attack in ATTACKS.iter().filter(|attack| options.only.as_ref().is_none_or(|name| name == attack.name))
    {
        reports.push(play(&site, attack, form)?);
    }
    let database = if options.sqlite { "SQLite" } else { "PostgreSQL" };
    println!("\n### {database}\n\n{}", report::table(&reports));
    let problems: Vec<String> = reports.iter().flat_map(Report::problems).collect();
    for problem in &problems {
        println!("xtask: {problem}");
    }
    Ok(u8::from(!problems.is_empty()))
}

/// The settings of production that the harness needs; all others keep their defaults.
fn settings() -> Result<Vec<(String, String)>> {
    let settings = [
        ("BLEGRAM_PROFILE", "production".to_owned()),
        ("BLEGRAM_SERVER__PUBLIC_URL", PUBLIC_URL.to_owned()),
        ("BLEGRAM_SERVER__TRUSTED_PROXIES", PROXY.to_owned()),
        ("BLEGRAM_SECRETS__KEY", random_key()?),
        // As on a machine with two processors. Each needs memory, which would differ between machines.
        ("BLEGRAM_MEDIA__THREADS", "1".to_owned()),
    ];
    Ok(settings.map(|(name, value)| (name.to_owned(), value)).into())
}

/// 33 random bytes in base64.
fn random_key() -> Result<String> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = [0; 44];
    File::open("/dev/urandom")?.read_exact(&mut bytes).context("reading random bytes")?;
    Ok(bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 64)])).collect())
}

/// Plays the rounds of one attack against a newly started server, so that no attack inherits the counters and the memory
/// of another.
fn play(site: &Site, attack: &'static Attack, form: Form) -> Result<Report> {
    let blegram = site.start()?;
    let play_round = |round| {
        println!("xtask: {}, round {round} of {}", attack.name, form.rounds);
        play_round(site, &blegram, attack, form, round)
    };
    let rounds = (1..=form.rounds).map(play_round).collect::<Result<Vec<_>>>();
    let rounds = rounds.with_context(|| format!("attack {}", attack.name))?;
    blegram.stop()?;
    Ok(Report { attack, rounds })
}

fn play_round(site: &Site, blegram: &Blegram, attack: &Attack, form: Form, round: u32) -> Result<Round> {
    let username = format!("good.{}.{round}", attack.name.replace('-', "."));
    let address = format!("198.51.{}.7", 100 + round);
    let server = blegram.address;
    let entry = Entry { server, public_url: PUBLIC_URL.to_owned() };
    let target = Target {
        entry: &entry,
        server,
        username: &username,
        address: &address,
        round,
        is_short: form.settle.is_none(),
    };
    let good_user = GoodUser::new(&entry, &username, &address)?;
    let assault = (attack.prepare)(&target)?;
    let before = Usage::measure(site, blegram);
    let (samples, outcomes, peak) = fight(blegram, assault, good_user, Duration::from_secs(form.seconds))?;
    let after = Usage::measure(site, blegram);
    Ok(Round {
        samples,
        outcomes,
        memory: before.memory,
        peak: peak.max(before.memory),
        settled: form.settle.map(|time| settle(blegram, time)).transpose()?,
        cpu: after.cpu.zip(before.cpu).map(|(after, before)| after.saturating_sub(before)),
        disk_growth: after.disk.saturating_sub(before.disk),
    })
}

/// Runs the attack until the good user has worked for `time`. Returns what both saw, and the peak of the memory.
fn fight(
    blegram: &Blegram,
    assault: Assault<'_>,
    good_user: GoodUser,
    time: Duration,
) -> Result<(Vec<Sample>, Outcomes, u64)> {
    let window = Window::default();
    let (samples, attacked, peak) = thread::scope(|scope| {
        let attacker = scope.spawn(|| assault(&window));
        let good_user = scope.spawn(|| good_user.work(time));
        let mut peak = 0;
        while !good_user.is_finished() {
            peak = peak.max(memory(blegram));
            sleep(SAMPLE_EVERY);
        }
        window.end();
        (good_user.join(), attacker.join(), peak)
    });
    signals::check()?;
    attacked.map_err(|_| anyhow!("the attacker panicked"))?.context("the attacker failed")?;
    let samples = samples.map_err(|_| anyhow!("the good user panicked"))?;
    Ok((samples, window.outcomes(), peak))
}

/// What the server uses.
struct Usage {
    memory: u64,
    cpu: Option<Duration>,
    disk: u64,
}

impl Usage {
    fn measure(site: &Site, blegram: &Blegram) -> Self {
        Self { memory: memory(blegram), cpu: blegram.cpu_time(), disk: size(&site.data_folder()) }
    }
}

/// Waits, and returns the memory afterwards.
fn settle(blegram: &Blegram, time: Duration) -> Result<u64> {
    let until = Instant::now() + time;
    while Instant::now() < until {
        signals::check()?;
        sleep(SAMPLE_EVERY);
    }
    Ok(memory(blegram))
}

/// Resident memory in MiB; 0 on systems without `/proc`, where nothing is checked.
fn memory(blegram: &Blegram) -> u64 {
    blegram.resident_kib().unwrap_or_default() / 1024
}

/// The size of the files in a directory, in bytes. Files may vanish meanwhile.
fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let size_of = |path: PathBuf| match fs::symlink_metadata(&path) {
        Ok(meta) if meta.is_dir() => size(&path),
        Ok(meta) => meta.len(),
        Err(_) => 0,
    };
    entries.map(|entry| size_of(entry.path())).sum()
}
