//! Reads beside other work, and on one processor and on two.

use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::stage::Stage;
use super::usage::{self, Usage};
use super::world;
use crate::bench::MEMBERS;
use crate::blegram::{Blegram, Member};
use crate::client::image::{form, jpeg};
use crate::load::{Load, Wrk};
use crate::logins::during_logins;
use crate::process::run;

/// The slowest reads beside writes, uploads and logins, as a multiple of those without, that is aimed at.
pub(crate) const LIMIT: f64 = 2.0;

const WRITES_PER_SECOND: u32 = 1_000;
const WRITERS: u32 = 16;
const UPLOADS: usize = 8;
/// Pixels of a side of the uploaded images.
const SIDE: u16 = 1_024;

/// What runs beside the reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Beside {
    Writes,
    Uploads,
    Logins,
}

/// Reads beside something, and without it in the same round.
#[derive(Clone, Debug)]
pub(crate) struct Contended {
    pub(crate) name: &'static str,
    pub(crate) without: Load,
    pub(crate) with: Load,
    /// How many of the other operations were done per second.
    pub(crate) others_per_second: f64,
}

/// Reads of a server that may use some processors.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scaled {
    pub(crate) processors: u32,
    pub(crate) load: Load,
    /// Microseconds of the server's processor time per request.
    pub(crate) server_us: f64,
}

/// All rows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Measured {
    pub(crate) contended: Vec<Contended>,
    pub(crate) scaled: Vec<Scaled>,
    /// The largest size of the write-ahead log so far, in bytes.
    pub(crate) log_size: u64,
}

impl Contended {
    /// The 99th percentile beside the other work, as a multiple of that without.
    pub(crate) fn ratio(&self) -> f64 {
        self.with.p99_ms / self.without.p99_ms
    }
}

/// Measures reads of a post on SQLite.
pub(crate) fn measure(stage: &Stage, blegram: &Blegram, wrk: Wrk, rounds: u32) -> Result<Measured> {
    let members = MEMBERS.iter().map(|name| blegram.sign_up(name)).collect::<Result<Vec<Member>>>()?;
    let url = format!("{}/api/v1/posts/{}", blegram.origin(), world::newest_post(stage.world));
    let kinds = [
        (Beside::Writes, "1,000 new posts per second"),
        (Beside::Uploads, "8 uploads at a time"),
        (Beside::Logins, "64 logins at a time"),
    ];
    let mut measured = Measured::default();
    for (beside, name) in kinds {
        println!("xtask: reads beside {name}");
        let (mut without, mut with, mut done) = (Vec::new(), Vec::new(), 0);
        let mut elapsed = Duration::ZERO;
        for _ in 0..rounds {
            without.push(wrk.run(&url, None)?);
            let begin = Instant::now();
            let (load, count) = during(beside, blegram, &members, || wrk.run(&url, None))?;
            elapsed += begin.elapsed();
            with.push(load);
            done += count;
        }
        measured.contended.push(Contended {
            name,
            without: Load::median(&without),
            with: Load::median(&with),
            others_per_second: done as f64 / elapsed.as_secs_f64(),
        });
    }
    // The file does not shrink, except when the hourly job truncates it.
    let log = stage.site.data_folder().join("blegram.db-wal");
    measured.log_size = fs::metadata(&log).with_context(|| format!("reading {}", log.display()))?.len();
    measured.scaled = scale(stage, blegram, wrk, (&url, rounds))?;
    Ok(measured)
}

/// Does `work` beside something else, and returns how many operations of that were done.
fn during<T>(
    beside: Beside,
    blegram: &Blegram,
    members: &[Member],
    work: impl FnOnce() -> Result<T>,
) -> Result<(T, usize)> {
    match beside {
        Beside::Logins => during_logins(blegram, work),
        Beside::Writes => {
            let pace = Some(Duration::from_secs(1) * WRITERS / WRITES_PER_SECOND);
            let write = |at: usize| {
                blegram.post_text(&members[at % members.len()], "점심 먹고 산책하는 중").map(drop)
            };
            repeat(WRITERS as usize, pace, write, work)
        }
        Beside::Uploads => {
            let form = form(&jpeg(SIDE, 1), 1);
            repeat(UPLOADS, None, |at| blegram.upload(&members[at % members.len()], &form), work)
        }
    }
}

/// Does `work` while threads repeat `other`, each once per `pace`. Fails if `other` does.
fn repeat<T>(
    threads: usize,
    pace: Option<Duration>,
    other: impl Fn(usize) -> Result<()> + Sync,
    work: impl FnOnce() -> Result<T>,
) -> Result<(T, usize)> {
    let (is_over, done) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        let (is_over, done, other) = (&is_over, &done, &other);
        let others: Vec<_> = (0..threads)
            .map(|at| {
                scope.spawn(move || -> Result<()> {
                    // By the time since the start, so that a slow one is made up for.
                    let (begin, mut count) = (Instant::now(), 0);
                    while !is_over.load(Ordering::Relaxed) {
                        other(at)?;
                        done.fetch_add(1, Ordering::Relaxed);
                        count += 1;
                        if let Some(pace) = pace {
                            sleep((pace * count).saturating_sub(begin.elapsed()));
                        }
                    }
                    Ok(())
                })
            })
            .collect();
        let result = work();
        let count = done.load(Ordering::Relaxed);
        is_over.store(true, Ordering::Relaxed);
        for thread in others {
            thread.join().map_err(|_| anyhow::anyhow!("a client panicked"))??;
        }
        Ok((result?, count))
    })
}

/// Reads with the server on one processor, and on two, in turns.
fn scale(stage: &Stage, blegram: &Blegram, wrk: Wrk, (url, rounds): (&str, u32)) -> Result<Vec<Scaled>> {
    let processors = thread::available_parallelism()?.get();
    let sizes: Vec<u32> = [1, 2].into_iter().filter(|size| *size as usize <= processors).collect();
    let mut runs: Vec<Vec<(Load, Usage)>> = sizes.iter().map(|_| Vec::new()).collect();
    for _ in 0..rounds {
        for (size, runs) in sizes.iter().zip(&mut runs) {
            restrict(blegram.id(), &format!("0-{}", size - 1))?;
            runs.push(usage::measure(stage.processes(blegram), || wrk.run(url, None))?);
        }
    }
    restrict(blegram.id(), &format!("0-{}", processors - 1))?;
    let scaled = sizes.into_iter().zip(runs).map(|(processors, runs)| {
        let micros = runs.iter().map(|(load, usage)| usage.server * 1e6 / load.requests.max(1.0));
        let loads: Vec<Load> = runs.iter().map(|(load, _)| *load).collect();
        Scaled { processors, load: Load::median(&loads), server_us: crate::load::median(micros) }
    });
    Ok(scaled.collect())
}

/// Restricts all threads of a process to some processors.
fn restrict(pid: u32, processors: &str) -> Result<()> {
    let pid = pid.to_string();
    run(Command::new("taskset")
        .args(["--all-tasks", "--pid", "--cpu-list", processors, &pid])
        .stdout(std::process::Stdio::null()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Waits until the other work was begun this many times.
    fn wait_for(begun: &AtomicUsize, times: usize) {
        while begun.load(Ordering::Relaxed) < times {
            thread::yield_now();
        }
    }

    #[test]
    fn other_work_is_counted() {
        let begun = AtomicUsize::new(0);
        let other = |_| {
            begun.fetch_add(1, Ordering::Relaxed);
            Ok(())
        };
        let work = || {
            wait_for(&begun, 10);
            Ok(())
        };
        let ((), done) = repeat(2, None, other, work).unwrap();
        // Those that two threads have begun may not be counted yet.
        assert!(done >= 8, "{done}");
    }

    #[test]
    fn failure_of_other_work_is_one() {
        let begun = AtomicUsize::new(0);
        let other = |_| {
            begun.fetch_add(1, Ordering::Relaxed);
            anyhow::bail!("rejected")
        };
        let work = || {
            wait_for(&begun, 1);
            Ok(())
        };
        assert!(repeat(1, None, other, work).is_err());
    }
}
