//! `cargo xtask bench`: measures one node. Results are also given relative to its cheapest response (`/healthz`),
//! because ratios depend less on the machine than absolute numbers.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::Args;

use crate::blegram::{Blegram, Member, Site};
use crate::load::{Load, Wrk, median};
use crate::logins;
use crate::scratch::sweep;
use crate::services::postgres::Postgres;
use crate::workspace::build_binary;

const POSTS: usize = 200;
/// The accounts of the site.
pub(crate) const MEMBERS: [&str; 4] = ["ann", "bob", "chul", "dana"];
const STARTS: usize = 5;

/// Options of the command.
#[derive(Args)]
pub(crate) struct Options {
    /// Seconds of load per URL and round
    #[arg(long, default_value_t = 5)]
    seconds: u32,
    /// Number of rounds over all URLs; the result is the median
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Use this binary instead of building one in release mode
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
}

/// Measures both databases and prints one report for each.
pub(crate) fn run(options: &Options) -> Result<u8> {
    sweep()?;
    let wrk = Wrk::find_or_install(options.seconds)?;
    let binary = options.binary.clone().map_or_else(|| build_binary("blegram", "release"), Ok)?;
    measure("SQLite", &Site::new(&binary, None)?, &wrk, options.rounds)?;
    let postgres = Postgres::start()?;
    let site = Site::new(&binary, Some(&postgres.url()))?;
    measure("PostgreSQL (fsync off; only reads are measured)", &site, &wrk, options.rounds)?;
    Ok(0)
}

fn measure(database: &str, site: &Site, wrk: &Wrk, rounds: u32) -> Result<()> {
    let starts = (0..STARTS).map(|_| start_and_stop(site)).collect::<Result<Vec<_>>>()?;
    let blegram = site.start()?;
    let idle = memory(&blegram);
    let (post, fields) = fill(&blegram)?;
    let loads = load(wrk, blegram.origin(), &post, &fields, rounds)?;
    println!("\n### {database}\n");
    print_table(&loads);
    print_logins(&logins::measure_reads(&blegram, wrk, &post)?);
    println!("\n{}", logins::enumeration(site, &blegram)?);
    let start_ms = median(starts.iter().map(Duration::as_secs_f64)) * 1000.0;
    println!(
        "\nStart-up {start_ms:.0} ms (median of {STARTS}), memory {idle} idle, {} after the load.",
        memory(&blegram)
    );
    blegram.stop()
}

/// The median of each route over the rounds. Routes are interleaved, so that other load on the machine affects all
/// alike.
fn load(wrk: &Wrk, origin: &str, post: &str, fields: &Fields, rounds: u32) -> Result<[Load; ROUTES.len()]> {
    let mut loads = ROUTES.map(|_| Vec::new());
    for round in 1..=rounds {
        println!("xtask: load, round {round} of {rounds}");
        for ((route, authentication), loads) in ROUTES.iter().zip(&mut loads) {
            loads.push(
                wrk.run(&format!("{origin}{}", route.replace("{id}", post)), fields.of(*authentication))?,
            );
        }
    }
    Ok(loads.map(|loads| Load::median(&loads)))
}

fn start_and_stop(site: &Site) -> Result<Duration> {
    let blegram = site.start()?;
    let duration = blegram.started_in;
    blegram.stop()?;
    Ok(duration)
}

fn memory(blegram: &Blegram) -> String {
    blegram.resident_kib().map_or("unknown".into(), |kib| format!("{:.1} MiB", kib as f64 / 1024.0))
}

/// The authentication of a request.
#[derive(Clone, Copy)]
enum Authentication {
    Anonymous,
    Browser,
    App,
}

/// The header fields that authenticate a member.
struct Fields {
    cookie: String,
    bearer: String,
}

impl Fields {
    fn of(&self, authentication: Authentication) -> Option<&str> {
        match authentication {
            Authentication::Anonymous => None,
            Authentication::Browser => Some(&self.cookie),
            Authentication::App => Some(&self.bearer),
        }
    }
}

/// Creates accounts and posts. Returns the id of the last post, and the header fields of the first account.
fn fill(blegram: &Blegram) -> Result<(String, Fields)> {
    let members = MEMBERS.iter().map(|name| blegram.sign_up(name)).collect::<Result<Vec<Member>>>()?;
    let post = |number: usize| {
        let friend = MEMBERS[(number + 1) % MEMBERS.len()];
        let text = format!(
            "{number}번째 사진, 한강에서 본 노을 #서울 #한강공원 #sunset{} with @{friend}",
            number % 7
        );
        blegram.post_text(&members[number % members.len()], &text)
    };
    let post = (0..POSTS).try_fold(String::new(), |_, number| post(number))?;
    let cookie = format!("cookie: {}", members[0].cookie());
    let bearer = format!("authorization: Bearer {}", blegram.access_token(MEMBERS[0])?);
    Ok((post, Fields { cookie, bearer }))
}

/// The measured routes with their authentication; the first one is the baseline.
const ROUTES: [(&str, Authentication); 6] = [
    ("/healthz", Authentication::Anonymous),
    ("/api/v1/posts/{id}", Authentication::Anonymous),
    ("/api/v1/posts/{id}", Authentication::Browser),
    ("/api/v1/posts/{id}", Authentication::App),
    ("/api/v1/timelines/public?limit=20", Authentication::Anonymous),
    ("/api/v1/timelines/hashtags/%EC%84%9C%EC%9A%B8?limit=20", Authentication::Anonymous),
];

fn print_table(loads: &[Load; ROUTES.len()]) {
    println!("| GET | by | req/s | of /healthz | p50 ms | p99 ms |\n|---|---|---:|---:|---:|---:|");
    for ((route, authentication), load) in ROUTES.iter().zip(loads) {
        let by = match authentication {
            Authentication::Anonymous => "anonymous",
            Authentication::Browser => "cookie",
            Authentication::App => "bearer",
        };
        let Load { per_second, p50_ms, p99_ms } = load;
        println!(
            "| `{route}` | {by} | {per_second:.0} | {:.2} | {p50_ms:.2} | {p99_ms:.2} |",
            per_second / loads[0].per_second
        );
    }
}

fn print_logins(logins::ReadLoad { without_logins, with_logins, logins_per_second }: &logins::ReadLoad) {
    println!(
        "\ngetPost with {} concurrent logins: p99 {:.2} ms, {:.1} × the {:.2} ms without ({:.0} req/s, {:.0} without), at \
         {logins_per_second:.1} logins/s.",
        logins::AT_ONCE,
        with_logins.p99_ms,
        with_logins.p99_ms / without_logins.p99_ms,
        without_logins.p99_ms,
        with_logins.per_second,
        without_logins.per_second,
    );
}
