//! Benchmarks of logins: their effect on other requests, and whether their duration reveals whether an account exists.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use anyhow::{Result, ensure};

use crate::bench::MEMBERS;
use crate::blegram::{Blegram, PASSWORD, Site};

/// Number of concurrent logins.
pub(crate) const AT_ONCE: usize = 64;

/// Number of rejected logins measured of each kind.
const SAMPLES: usize = 300;

/// Does `work` while [`AT_ONCE`] clients log in, and returns how many logins succeeded meanwhile.
pub(crate) fn during_logins<T>(blegram: &Blegram, work: impl FnOnce() -> Result<T>) -> Result<(T, usize)> {
    let (is_over, done) = (AtomicBool::new(false), AtomicUsize::new(0));
    let result = thread::scope(|scope| {
        let (done, is_over) = (&done, &is_over);
        // Several accounts, because one may have at most half of the queue: clients whose logins are rejected at once
        // would put more load on the machine than the logins.
        for name in MEMBERS.iter().cycle().take(AT_ONCE) {
            scope.spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    if blegram.time_login(name, PASSWORD).is_ok_and(|(_, status)| status == 200) {
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
        let result = work();
        is_over.store(true, Ordering::Relaxed);
        result
    });
    Ok((result?, done.into_inner()))
}

/// Tests whether the duration of a rejected login reveals whether an account exists.
pub(crate) fn enumeration(site: &Site, blegram: &Blegram) -> Result<Enumeration> {
    blegram.sign_up("suspended.person")?;
    site.suspend("suspended.person")?;
    let names = ["nobody.at.all", "ann", "suspended.person"];
    let mut samples = names.map(|_| Vec::with_capacity(SAMPLES));
    for round in 0..SAMPLES {
        // Alternates the kinds and rotates their order, so that other load on the machine affects all kinds alike.
        for place in 0..names.len() {
            let at = (round + place) % names.len();
            let (time, status) = blegram.time_login(names[at], "not the password of anybody")?;
            ensure!(status == 401, "login as {} returned {status}", names[at]);
            samples[at].push(time.as_secs_f64() * 1000.0);
        }
    }
    Ok(Enumeration { groups: samples.map(|samples| Group::of(&samples)) })
}

/// Durations of rejected logins: to no account, with a wrong password, to a suspended account.
pub(crate) struct Enumeration {
    groups: [Group; 3],
}

struct Group {
    count: f64,
    mean_ms: f64,
    variance: f64,
}

impl Group {
    /// Discards the slowest tenth, which depends on the machine more than on the server.
    fn of(samples: &[f64]) -> Self {
        let mut samples = samples.to_vec();
        samples.sort_by(f64::total_cmp);
        samples.truncate(samples.len() * 9 / 10);
        let count = samples.len() as f64;
        let mean_ms = samples.iter().sum::<f64>() / count;
        let variance = samples.iter().map(|ms| (ms - mean_ms).powi(2)).sum::<f64>() / (count - 1.0);
        Self { count, mean_ms, variance }
    }

    /// Welch's t-test: |t| above 4.5 is significant, the usual threshold in tests of constant-time code.
    fn t(&self, other: &Self) -> f64 {
        let spread = self.variance / self.count + other.variance / other.count;
        (self.mean_ms - other.mean_ms) / spread.sqrt()
    }
}

impl fmt::Display for Enumeration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [no_account, wrong, suspended] = &self.groups;
        write!(
            f,
            "Rejected logins, {SAMPLES} each: no account {:.2} ms, wrong password {:.2} ms (t = {:+.1}), suspended {:.2} ms \
             (t = {:+.1}); |t| above 4.5 would distinguish them.",
            no_account.mean_ms,
            wrong.mean_ms,
            wrong.t(no_account),
            suspended.mean_ms,
            suspended.t(no_account),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t_test_detects_a_significant_difference() {
        let group = |base: f64| Group::of(&(0..100).map(|n| base + f64::from(n % 10)).collect::<Vec<_>>());
        assert!(group(20.0).t(&group(20.0)).abs() < 0.1);
        assert!(group(25.0).t(&group(20.0)) > 4.5);
    }
}
