//! How the cost of a page grows with the number of posts.

use anyhow::{Context, Result, ensure};
use ureq::Agent;

use super::stage::{Programs, Stage};
use super::usage;
use super::world::{COMMON_TAG, COMMON_WORD, Dialect, STAR, World};
use crate::load::{Load, Wrk, median};

/// The largest growth of the cost that is aimed at, from the smallest size to the largest.
pub(crate) const LIMIT: f64 = 1.5;

/// Who reads a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Reader,
    Busy,
}

/// The lists.
const LISTS: [(&str, By, &str); 10] = [
    ("home timeline", By::Reader, "/api/v1/timelines/home?limit=15"),
    ("home timeline of an account that follows 5,000", By::Busy, "/api/v1/timelines/home?limit=15"),
    ("public timeline", By::Reader, "/api/v1/timelines/public?limit=15"),
    ("hashtag that every post has", By::Reader, "/api/v1/timelines/hashtags/{tag}?limit=15"),
    ("search for a word that every post has", By::Reader, "/api/v1/search/posts?q={word}&limit=15"),
    ("search for a word that one post has", By::Reader, "/api/v1/search/posts?q=1999&limit=15"),
    ("conversations", By::Reader, "/api/v1/conversations?limit=15"),
    ("conversations of an account that has 1,000", By::Busy, "/api/v1/conversations?limit=15"),
    ("notifications", By::Reader, "/api/v1/notifications?limit=15"),
    ("followers of the account with the most", By::Reader, "/api/v1/users/@{star}/followers?limit=15"),
];

/// A list in worlds of several sizes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Growth {
    pub(crate) name: &'static str,
    /// In the order of the sizes.
    pub(crate) points: Vec<Point>,
}

/// One list in one world.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Point {
    pub(crate) posts: u64,
    /// Microseconds of processor time per request, or why requests failed.
    pub(crate) cost_us: Result<f64, String>,
    pub(crate) p99_ms: f64,
    /// The share of the machine that other processes had.
    pub(crate) others_share: f64,
}

/// The growth of all lists on one database.
#[derive(Clone, Debug, Default)]
pub(crate) struct Measured {
    pub(crate) lists: Vec<Growth>,
    /// How long each world took to make, in seconds.
    pub(crate) made_in: Vec<(World, f64)>,
}

impl Growth {
    /// The cost at the largest size, as a multiple of that at the smallest.
    pub(crate) fn ratio(&self) -> Option<f64> {
        let cost = |point: Option<&Point>| point.and_then(|point| point.cost_us.as_ref().ok().copied());
        Some(cost(self.points.last())? / cost(self.points.first())?)
    }
}

/// Measures every list in each of the worlds.
pub(crate) fn measure(
    programs: &Programs<'_>,
    (dialect, worlds): (Dialect, &[World]),
    wrk: Wrk,
    rounds: u32,
) -> Result<Measured> {
    let mut measured = Measured::default();
    measured.lists.extend(LISTS.iter().map(|(name, ..)| Growth { name, points: Vec::new() }));
    for &world in worlds {
        let stage = Stage::new(programs, dialect, world)?;
        measured.made_in.push((world, stage.made_in.as_secs_f64()));
        for (list, point) in measured.lists.iter_mut().zip(points(&stage, wrk, rounds)?) {
            list.points.push(point);
        }
    }
    Ok(measured)
}

/// One list in one round.
#[derive(Clone, Copy)]
struct Run {
    cost_us: f64,
    p99_ms: f64,
    others_share: f64,
}

fn points(stage: &Stage, wrk: Wrk, rounds: u32) -> Result<Vec<Point>> {
    let blegram = stage.site.start()?;
    let mut runs: Vec<Result<Vec<Run>, String>> = LISTS.iter().map(|_| Ok(Vec::new())).collect();
    for round in 1..=rounds {
        println!(
            "xtask: {} with {} posts, round {round} of {rounds}",
            stage.database_name(),
            stage.world.posts
        );
        for ((_, by, path), runs) in LISTS.iter().zip(&mut runs) {
            let Ok(done) = runs else { continue };
            let url = format!("{}{}", blegram.origin(), expand(path));
            let cookie = if *by == By::Busy { &stage.busy_cookie } else { &stage.cookie };
            // A search may take longer than a statement may: that is a result, too.
            let load = || {
                check(&url, cookie)?;
                wrk.run(&url, Some(cookie))
            };
            match usage::measure(stage.processes(&blegram), load) {
                Ok((Load { requests, p99_ms, .. }, usage)) => {
                    let cost_us = (usage.server + usage.database) * 1e6 / requests.max(1.0);
                    done.push(Run { cost_us, p99_ms, others_share: usage.others_share() });
                }
                Err(error) if crate::signals::received().is_none() => *runs = Err(first_line(&error)),
                Err(error) => return Err(error),
            }
        }
    }
    blegram.stop()?;
    let posts = stage.world.posts;
    let point = |runs: Result<Vec<Run>, String>| {
        let of = |value: fn(&Run) -> f64| {
            runs.as_ref().map(|runs| median(runs.iter().map(value))).map_err(String::clone)
        };
        let (p99_ms, others_share) = (of(|run| run.p99_ms), of(|run| run.others_share));
        Point {
            posts,
            cost_us: of(|run| run.cost_us),
            p99_ms: p99_ms.unwrap_or(f64::NAN),
            others_share: others_share.unwrap_or(0.0),
        }
    };
    Ok(runs.into_iter().map(point).collect())
}

/// Fails with the status and the body if the request is rejected; `wrk` reports only how many were.
fn check(url: &str, cookie: &str) -> Result<()> {
    let (name, value) = cookie.split_once(": ").context("a header field has a name")?;
    let agent: Agent = Agent::config_builder().http_status_as_error(false).build().into();
    let mut response = agent.get(url).header(name, value).call()?;
    let (status, body) = (response.status(), response.body_mut().read_to_string()?);
    ensure!(status.is_success(), "{status} {body}");
    Ok(())
}

fn first_line(error: &anyhow::Error) -> String {
    format!("{error:#}").lines().next().unwrap_or_default().to_owned()
}

/// Fills in the names of the world, percent-encoded.
fn expand(path: &str) -> String {
    path.replace("{tag}", &percent(COMMON_TAG))
        .replace("{word}", &percent(COMMON_WORD))
        .replace("{star}", STAR)
}

fn percent(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratio_is_that_of_the_largest_to_the_smallest() {
        let point = |posts, cost: Result<f64, &str>| Point {
            posts,
            cost_us: cost.map_err(Into::into),
            p99_ms: 1.0,
            others_share: 0.0,
        };
        let growth = |points| Growth { name: "list", points };
        assert_eq!(growth(vec![point(1, Ok(2.0)), point(2, Ok(9.0)), point(3, Ok(3.0))]).ratio(), Some(1.5));
        assert_eq!(growth(vec![point(1, Ok(2.0)), point(2, Err("too slow"))]).ratio(), None);
        assert_eq!(growth(Vec::new()).ratio(), None);
    }

    #[test]
    fn names_in_paths_are_percent_encoded() {
        assert_eq!(expand("/hashtags/{tag}"), "/hashtags/%EC%9D%BC%EC%83%81");
    }
}
