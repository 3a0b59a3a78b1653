//! What the processor did while something was measured, by process.
//!
//! From `/proc`, so on Linux only. Time is counted in ticks of 10 ms for each process, which a run of some seconds averages.

use std::fs;
use std::ops::Sub;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::load::median;

/// The processes to tell apart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Processes {
    /// The measured server.
    pub(crate) server: u32,
    /// PostgreSQL's first process; the database of SQLite is in the server.
    pub(crate) database: Option<u32>,
}

/// Processor time of each group of processes.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Usage {
    /// In seconds, as all others.
    pub(crate) server: f64,
    pub(crate) database: f64,
    /// This process and what it started and waited for: the load generator.
    pub(crate) generator: f64,
    /// Everything else that ran on the machine, and what its host took.
    pub(crate) others: f64,
    /// All processors, whether busy or not.
    pub(crate) total: f64,
}

/// A run above this share of others is not quiet.
pub(crate) const QUIET: f64 = 0.1;

impl Usage {
    /// The share of the machine that others had.
    pub(crate) fn others_share(&self) -> f64 {
        self.others / self.total.max(f64::MIN_POSITIVE)
    }

    /// The share of the used time that the load generator had.
    pub(crate) fn generator_share(&self) -> f64 {
        let used = self.server + self.database + self.generator;
        self.generator / used.max(f64::MIN_POSITIVE)
    }

    /// The median of each value.
    pub(crate) fn median(all: &[Self]) -> Self {
        let median = |value: fn(&Self) -> f64| median(all.iter().map(value));
        Self {
            server: median(|usage| usage.server),
            database: median(|usage| usage.database),
            generator: median(|usage| usage.generator),
            others: median(|usage| usage.others),
            total: median(|usage| usage.total),
        }
    }
}

/// Runs `work` and returns what the processes used meanwhile.
pub(crate) fn measure<T>(processes: Processes, work: impl FnOnce() -> Result<T>) -> Result<(T, Usage)> {
    let (before, begin) = (Snapshot::take(processes)?, Instant::now());
    let result = work()?;
    let elapsed = begin.elapsed();
    Ok((result, Snapshot::take(processes)?.since(&before, elapsed)))
}

/// Ticks since the start, of groups of processes and of the machine.
#[derive(Clone, Copy, Debug, Default)]
struct Snapshot {
    server: u64,
    database: u64,
    generator: u64,
    machine: Machine,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Machine {
    /// By programs and by the kernel for them.
    busy: u64,
    /// By the host for other machines.
    stolen: u64,
    processors: u64,
}

impl Snapshot {
    fn take(Processes { server, database }: Processes) -> Result<Self> {
        let of =
            |pid: u32| read(&format!("/proc/{pid}/stat")).map(|text| Ticks::parse(&text).unwrap_or_default());
        let machine = Machine::parse(&read("/proc/stat")?).context("/proc/stat is not as expected")?;
        let own = of(std::process::id())?;
        Ok(Self {
            server: of(server)?.own,
            database: database.map_or(Ok(0), |database| family(database, of(database)?))?,
            generator: own.own + own.children,
            machine,
        })
    }

    fn since(&self, before: &Self, elapsed: Duration) -> Usage {
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        let seconds = |after: u64, before: u64| after.saturating_sub(before) as f64 / ticks;
        let mut usage = Usage {
            server: seconds(self.server, before.server),
            database: seconds(self.database, before.database),
            generator: seconds(self.generator, before.generator),
            others: 0.0,
            total: elapsed.as_secs_f64() * self.machine.processors as f64,
        };
        let busy = seconds(self.machine.busy, before.machine.busy);
        let stolen = seconds(self.machine.stolen, before.machine.stolen);
        usage.others = busy.sub(usage.server + usage.database + usage.generator).max(0.0) + stolen;
        usage
    }
}

/// The ticks of one process, and of its children that ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Ticks {
    parent: u32,
    own: u64,
    children: u64,
}

impl Ticks {
    /// Parses `/proc/PID/stat`.
    fn parse(stat: &str) -> Option<Self> {
        // The second field, the name of the program, is in parentheses and may contain spaces.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let at = |index: usize| fields.get(index)?.parse::<u64>().ok();
        Some(Self {
            parent: u32::try_from(at(1)?).ok()?,
            own: at(11)? + at(12)?,
            children: at(13)? + at(14)?,
        })
    }
}

/// The ticks of a process and its children, living or not.
fn family(parent: u32, ticks: Ticks) -> Result<u64> {
    let pids = fs::read_dir("/proc").context("reading /proc")?.flatten();
    let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    // A process may end in between; its ticks are then in those of its parent the next time.
    let children =
        pids.filter_map(|pid| Ticks::parse(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?));
    let children: u64 = children.filter(|child| child.parent == parent).map(|child| child.own).sum();
    Ok(ticks.own + ticks.children + children)
}

impl Machine {
    /// Parses `/proc/stat`. Interrupts are left out: those of the loopback interface belong to the measured processes.
    fn parse(stat: &str) -> Option<Self> {
        let fields: Vec<u64> = stat
            .lines()
            .next()?
            .strip_prefix("cpu ")?
            .split_whitespace()
            .map_while(|field| field.parse().ok())
            .collect();
        let [user, nice, system, _idle, _iowait, _irq, _softirq, stolen] = *fields.first_chunk()?;
        let is_processor = |line: &&str| {
            line.strip_prefix("cpu").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        };
        let processors = stat.lines().filter(is_processor).count() as u64;
        Some(Self { busy: user + nice + system, stolen, processors })
    }
}

fn read(path: &str) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("reading {path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_read_behind_a_name_with_spaces_and_parentheses() {
        let stat = "7 (a b) c) S 42 7 7 0 -1 4194304 1 2 3 4 50 6 700 80 20 0 1 0 100 0 0";
        assert_eq!(Ticks::parse(stat), Some(Ticks { parent: 42, own: 56, children: 780 }));
        assert_eq!(Ticks::parse("7 (cut"), None);
    }

    #[test]
    fn machine_is_all_processors_without_interrupts() {
        let stat = "cpu  100 5 50 900 10 7 8 3 0 0\ncpu0 1 1 1 1\ncpu1 1 1 1 1\nintr 5\n";
        assert_eq!(Machine::parse(stat), Some(Machine { busy: 155, stolen: 3, processors: 2 }));
    }

    #[test]
    fn others_are_what_no_known_process_used_and_what_the_host_took() {
        let ticks = rustix::param::clock_ticks_per_second();
        let machine = |busy, stolen| Machine { busy: busy * ticks, stolen: stolen * ticks, processors: 2 };
        let before = Snapshot { machine: machine(10, 1), ..Snapshot::default() };
        let after =
            Snapshot { server: 4 * ticks, database: 2 * ticks, generator: ticks, machine: machine(18, 2) };
        let usage = after.since(&before, Duration::from_secs(5));
        assert_eq!((usage.server, usage.database, usage.generator), (4.0, 2.0, 1.0));
        // Eight seconds busy, seven of them known; one stolen; of ten.
        assert!((usage.others_share() - 0.2).abs() < 1e-9, "{usage:?}");
        assert!((usage.generator_share() - 1.0 / 7.0).abs() < 1e-9);
        assert!(usage.others_share() > QUIET);
    }
}
