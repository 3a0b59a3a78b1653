//! What logins cost others, and what their time tells.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::blegram::{Blegram, PASSWORD, Site};
use crate::load::{Load, Wrk};

/// Logins at the same time.
pub(crate) const AT_ONCE: usize = 64;

/// Refused logins of each kind whose time is taken.
const SAMPLES: usize = 300;

/// Reads without and beside logins.
pub(crate) struct Beside {
    pub(crate) alone: Load,
    pub(crate) beside: Load,
    pub(crate) logins_per_second: f64,
}

/// Loads a post, alone and while so many log in, in turns.
pub(crate) fn beside_reads(blegram: &Blegram, wrk: &Wrk, post: &str) -> Result<Beside> {
    const ROUNDS: usize = 3;
    let url = format!("{}/api/v1/posts/{post}", blegram.origin());
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    let (done, mut elapsed) = (AtomicUsize::new(0), Duration::ZERO);
    for _ in 0..ROUNDS {
        alone.push(wrk.run(&url, None)?);
        let begin = Instant::now();
        beside.push(while_others_log_in(blegram, &done, || wrk.run(&url, None))?);
        elapsed += begin.elapsed();
    }
    Ok(Beside {
        alone: Load::median(&alone),
        beside: Load::median(&beside),
        logins_per_second: done.load(Ordering::Relaxed) as f64 / elapsed.as_secs_f64(),
    })
}

fn while_others_log_in<T>(
    blegram: &Blegram,
    done: &AtomicUsize,
    work: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    // Refused while the queue is full: that is part of the load.
                    if blegram.time_login("bob", PASSWORD).is_ok_and(|(_, status)| status == 200) {
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        let result = work();
        is_over.store(true, Ordering::Relaxed);
        result
    })
}

/// Whether the time of a refused login tells an account from none.
pub(crate) fn enumeration(site: &Site, blegram: &Blegram) -> Result<Enumeration> {
    blegram.sign_up("suspended.person")?;
    site.suspend("suspended.person")?;
    let names = ["nobody.at.all", "ann", "suspended.person"];
    let mut samples = names.map(|_| Vec::with_capacity(SAMPLES));
    for round in 0..SAMPLES {
        // In turns, and each first as often as the others: what else the machine does hits all alike.
        for place in 0..names.len() {
            let at = (round + place) % names.len();
            let (time, status) = blegram.time_login(names[at], "not the password of anybody")?;
            ensure!(status == 401, "{} was answered {status}", names[at]);
            samples[at].push(time.as_secs_f64() * 1000.0);
        }
    }
    Ok(Enumeration { groups: samples.map(|samples| Group::of(&samples)) })
}

/// The times of refused logins: of nobody, with a wrong password, with one to a suspended account.
pub(crate) struct Enumeration {
    groups: [Group; 3],
}

struct Group {
    count: f64,
    mean_ms: f64,
    variance: f64,
}

impl Group {
    /// The slowest tenth is left out: it tells of the machine.
    fn of(samples: &[f64]) -> Self {
        let mut samples = samples.to_vec();
        samples.sort_by(f64::total_cmp);
        samples.truncate(samples.len() * 9 / 10);
        let count = samples.len() as f64;
        let mean_ms = samples.iter().sum::<f64>() / count;
        let variance = samples.iter().map(|it| (it - mean_ms).powi(2)).sum::<f64>() / (count - 1.0);
        Self { count, mean_ms, variance }
    }

    /// Welch's t: beyond 4.5 in size the difference is more than chance (as tests of constant time take it).
    fn t(&self, other: &Self) -> f64 {
        let spread = self.variance / self.count + other.variance / other.count;
        (self.mean_ms - other.mean_ms) / spread.sqrt()
    }
}

impl fmt::Display for Enumeration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [nobody, wrong, suspended] = &self.groups;
        write!(
            f,
            "Refused logins, {SAMPLES} each: nobody {:.2} ms, wrong password {:.2} ms (t = {:+.1}), suspended {:.2} ms \
             (t = {:+.1}); |t| above 4.5 would tell them apart.",
            nobody.mean_ms,
            wrong.mean_ms,
            wrong.t(nobody),
            suspended.mean_ms,
            suspended.t(nobody),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_beyond_chance_is_seen() {
        let group = |base: f64| Group::of(&(0..100).map(|n| base + f64::from(n % 10)).collect::<Vec<_>>());
        assert!(group(20.0).t(&group(20.0)).abs() < 0.1);
        assert!(group(25.0).t(&group(20.0)) > 4.5);
    }
}
