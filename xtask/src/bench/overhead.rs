//! What a request costs besides its answer: the log line, metrics, compression; and how the server starts.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::stage::{Programs, Stage};
use super::usage::{self, Usage};
use super::world;
use crate::blegram::{Blegram, command};
use crate::generate::ENV_EXAMPLE;
use crate::load::{Load, Wrk, median};
use crate::process::output;
use crate::services::postgres::free_address;

/// The codings of responses, as clients name them.
const CODINGS: [&str; 4] = ["identity", "zstd", "br", "gzip"];
const PAGE: &str = "/api/v1/timelines/public?limit=15";

/// A setting whose cost is measured.
struct Setting {
    name: &'static str,
    /// The variable and its value; none is the default.
    variable: Option<(&'static str, Value)>,
}

/// The value of a variable.
#[derive(Clone, Copy)]
enum Value {
    Text(&'static str),
    /// A free address on loopback.
    Address,
}

const LOG_OFF: Setting =
    Setting { name: "no log", variable: Some(("BLEGRAM_LOG__FILTER", Value::Text("off"))) };
const DEFAULT: Setting = Setting { name: "the default", variable: None };
const METRICS: Setting =
    Setting { name: "with metrics", variable: Some(("BLEGRAM_METRICS__LISTEN", Value::Address)) };

impl Setting {
    fn variables(&self) -> Result<Vec<(&'static str, String)>> {
        let value = |value| match value {
            Value::Text(text) => Ok(text.to_owned()),
            Value::Address => free_address().map(|address| address.to_string()),
        };
        self.variable.iter().map(|(name, of)| Ok((*name, value(*of)?))).collect()
    }
}

/// `getPost`, anonymous, under one setting.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Cost {
    pub(crate) name: &'static str,
    /// Microseconds of processor time per request.
    pub(crate) cost_us: f64,
}

/// A page of 15 posts in one coding.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Coded {
    pub(crate) coding: &'static str,
    /// Bytes of a response, with its header.
    pub(crate) bytes: f64,
    pub(crate) cost_us: f64,
}

/// The body of that page, compressed by one level.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Level {
    pub(crate) codec: String,
    pub(crate) level: u64,
    pub(crate) bytes: u64,
    pub(crate) micros: f64,
}

/// All figures of one database.
#[derive(Clone, Debug, Default)]
pub(crate) struct Measured {
    pub(crate) settings: Vec<Cost>,
    pub(crate) codings: Vec<Coded>,
    pub(crate) levels: Vec<Level>,
    /// From the start of the process until it is ready; the median.
    pub(crate) start_ms: f64,
    /// Resident memory after the start, in MiB; the median.
    pub(crate) idle_mib: f64,
}

impl Measured {
    /// What `setting` adds to the cost of a request, in microseconds, against `without`.
    fn added(&self, setting: &Setting, without: &Setting) -> Option<f64> {
        let cost = |name| Some(self.settings.iter().find(|cost: &&Cost| cost.name == name)?.cost_us);
        Some(cost(setting.name)? - cost(without.name)?)
    }

    /// What the log line adds to a request, in microseconds.
    pub(crate) fn log_line_us(&self) -> Option<f64> {
        self.added(&DEFAULT, &LOG_OFF)
    }

    /// What metrics add to a request, as a share of its cost; `None` if the binary has none.
    pub(crate) fn metrics_share(&self) -> Option<f64> {
        let base = self.settings.iter().find(|cost| cost.name == DEFAULT.name)?.cost_us;
        Some(self.added(&METRICS, &DEFAULT)? / base)
    }
}

/// Measures all of it. The server is started for each setting in each round.
pub(crate) fn measure(stage: &Stage, programs: &Programs<'_>, wrk: Wrk, rounds: u32) -> Result<Measured> {
    let (start_ms, idle_mib) = starts(stage, rounds)?;
    let settings = settings(stage, programs, wrk, rounds)?;
    let blegram = stage.site.start()?;
    let codings = codings(stage, &blegram, wrk, rounds)?;
    let levels = levels(stage, programs.floor, &blegram)?;
    blegram.stop()?;
    Ok(Measured { settings, codings, levels, start_ms, idle_mib })
}

/// The duration of a start and the memory after it. Other processes have the files of the database in the cache by then.
fn starts(stage: &Stage, rounds: u32) -> Result<(f64, f64)> {
    let (mut times, mut memory) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let blegram = stage.site.start()?;
        times.push(blegram.started_in.as_secs_f64() * 1000.0);
        // Pools and threads that the start uses have ended by then.
        std::thread::sleep(Duration::from_secs(1));
        memory.push(blegram.resident_kib().context("/proc has no memory of the server")? as f64 / 1024.0);
        blegram.stop()?;
    }
    Ok((median(times.into_iter()), median(memory.into_iter())))
}

fn settings(stage: &Stage, programs: &Programs<'_>, wrk: Wrk, rounds: u32) -> Result<Vec<Cost>> {
    let known = output(command(programs.blegram).args(ENV_EXAMPLE.split(' '))).unwrap_or_default();
    let is_known = |setting: &&Setting| setting.variable.is_none_or(|(name, _)| known.contains(name));
    let settings: Vec<Setting> =
        [LOG_OFF, DEFAULT, METRICS].into_iter().filter(|setting| is_known(&setting)).collect();
    let mut runs: Vec<Vec<f64>> = settings.iter().map(|_| Vec::new()).collect();
    for round in 1..=rounds {
        println!("xtask: log and metrics, round {round} of {rounds}");
        for (setting, runs) in settings.iter().zip(&mut runs) {
            let blegram = stage.site.start_with(&setting.variables()?)?;
            let url = format!("{}/api/v1/posts/{}", blegram.origin(), world::newest_post(stage.world));
            let (load, usage) = usage::measure(stage.processes(&blegram), || wrk.run(&url, None))?;
            runs.push(cost(&load, &usage));
            blegram.stop()?;
        }
    }
    let costs = settings.iter().zip(runs);
    Ok(costs.map(|(setting, runs)| Cost { name: setting.name, cost_us: median(runs.into_iter()) }).collect())
}

fn cost(load: &Load, usage: &Usage) -> f64 {
    (usage.server + usage.database) * 1e6 / load.requests.max(1.0)
}

fn codings(stage: &Stage, blegram: &Blegram, wrk: Wrk, rounds: u32) -> Result<Vec<Coded>> {
    let url = format!("{}{PAGE}", blegram.origin());
    let mut runs: Vec<Vec<(f64, f64)>> = CODINGS.iter().map(|_| Vec::new()).collect();
    for round in 1..=rounds {
        println!("xtask: compression, round {round} of {rounds}");
        for (coding, runs) in CODINGS.iter().zip(&mut runs) {
            let field = format!("accept-encoding: {coding}");
            let (load, usage) = usage::measure(stage.processes(blegram), || wrk.run(&url, Some(&field)))?;
            runs.push((load.response_bytes, cost(&load, &usage)));
        }
    }
    let coded = CODINGS.iter().zip(runs).map(|(coding, runs)| Coded {
        coding,
        bytes: median(runs.iter().map(|run| run.0)),
        cost_us: median(runs.iter().map(|run| run.1)),
    });
    Ok(coded.collect())
}

fn levels(stage: &Stage, floor: &Path, blegram: &Blegram) -> Result<Vec<Level>> {
    let page = ureq::get(format!("{}{PAGE}", blegram.origin())).call()?.body_mut().read_to_vec()?;
    let file = stage.folder().join("page.json");
    fs::write(&file, page).context("writing a page")?;
    let report =
        output(Command::new(floor).arg("compress").arg(&file)).context("`blegram-floor compress` failed")?;
    let report: Vec<serde_json::Value> = serde_json::from_str(&report)?;
    let levels = report.iter().map(parse_level).collect::<Option<Vec<Level>>>();
    levels
        .filter(|levels| !levels.is_empty())
        .with_context(|| format!("the levels are not as expected: {report:?}"))
}

fn parse_level(value: &serde_json::Value) -> Option<Level> {
    Some(Level {
        codec: value["codec"].as_str()?.into(),
        level: value["level"].as_u64()?,
        bytes: value["bytes"].as_u64()?,
        micros: value["micros"].as_f64()?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn log_and_metrics_are_differences_to_the_default() {
        let cost = |setting: Setting, cost_us| Cost { name: setting.name, cost_us };
        let settings = vec![cost(LOG_OFF, 90.0), cost(DEFAULT, 100.0), cost(METRICS, 102.0)];
        let measured = Measured { settings, ..Measured::default() };
        assert_eq!(measured.log_line_us(), Some(10.0));
        assert_eq!(measured.metrics_share(), Some(0.02));
        let settings = vec![cost(LOG_OFF, 90.0), cost(DEFAULT, 100.0)];
        assert_eq!(Measured { settings, ..Measured::default() }.metrics_share(), None);
    }

    #[test]
    fn levels_are_parsed() {
        let level = parse_level(&json!({"codec": "br", "level": 4, "bytes": 2800, "micros": 148.5}));
        assert_eq!(level, Some(Level { codec: "br".into(), level: 4, bytes: 2800, micros: 148.5 }));
        assert_eq!(parse_level(&json!({"codec": "br"})), None);
    }
}
