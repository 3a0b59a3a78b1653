//! `cargo xtask cluster`: a site with three nodes behind nginx, and a check that it loses nothing.
//!
//! `--check` runs the community scenario, and then faults while users keep requesting and chatters keep sending, all
//! through nginx. docs/operations.md has the results.
//!
//! To add a fault, add a phase to `cluster/stage.rs` and cause the fault in [`play`].

mod chatter;
mod checks;
mod community;
mod figures;
mod nginx;
mod person;
mod pulse;
mod report;
mod site;
mod stage;
mod worker;

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::PathBuf;
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use clap::Args;
use serde_json::json;

use self::chatter::{Applied, Chatter, Log};
use self::person::Person;
use self::report::Report;
use self::site::{Cluster, pause};
use self::stage::Stage;
use crate::blegram::output_folder;
use crate::client::Entry;
use crate::process::wait_until;
use crate::scratch::sweep;
use crate::signals;
use crate::workspace::build_binary;

const NODES: usize = 3;
const CHATTERS: usize = 20;
const GROUPS: usize = 6;
/// The members of each group: none is in more than three groups, so that reading all of them every second stays within the
/// limit on commands.
const MEMBERS: usize = 8;
const WORKERS: usize = 4;
const PULSES: usize = 8;
/// The phase without a fault, and the one after Redis has come back.
const CALM: Duration = Duration::from_secs(15);
/// How long a killed node is missing.
const NODE_OUTAGE: Duration = Duration::from_secs(10);
const REDIS_OUTAGE: Duration = Duration::from_secs(30);
/// How long the last messages may take to be acknowledged.
const QUIET_LIMIT: Duration = Duration::from_secs(60);

/// The largest number of different problems that are printed.
const MAX_PRINTED: usize = 30;

/// Options of the command.
#[derive(Args)]
pub(crate) struct Options {
    /// Check that the site loses nothing while its nodes are restarted and killed and Redis is missing, and exit
    #[arg(long)]
    check: bool,
    /// Measure one, two and three nodes with a release build, and exit
    #[arg(long, conflicts_with = "check")]
    figures: bool,
    /// Use this binary instead of building one
    #[arg(long, value_name = "PATH")]
    binary: Option<PathBuf>,
}

/// Runs the site until Ctrl-C, or checks or measures it. Returns 1 if the check finds a problem.
pub(crate) fn run(options: &Options) -> Result<u8> {
    sweep()?;
    let binary = match &options.binary {
        // The nodes run in other directories.
        Some(path) => std::path::absolute(path)?,
        None => build_binary("blegram", if options.figures { "release" } else { "dev" })?,
    };
    if options.figures {
        return figures::run(&binary);
    }
    let cluster = Cluster::start(&binary, NODES, &[])?;
    println!("xtask: nginx on {}", cluster.entry().public_url);
    if options.check { check(cluster) } else { serve(cluster) }
}

/// Keeps the site running until a signal.
fn serve(mut cluster: Cluster) -> Result<u8> {
    let (url, logs) = (cluster.entry().public_url, output_folder()?);
    println!("\n  Site        {url}\n  Swagger UI  {url}/docs\n  Logs        {}", logs.display());
    println!("  Redis       {}\n  nginx       {}", cluster.redis.url(), cluster.nginx.folder().display());
    println!("\n  Stop with Ctrl-C.\n");
    while signals::received().is_none() {
        thread::sleep(Duration::from_millis(50));
    }
    cluster.stop()?;
    Ok(0)
}

fn check(mut cluster: Cluster) -> Result<u8> {
    let (stage, entry) = (Stage::new(), cluster.entry());
    let mut samples = community::run(&entry, &stage).context("the community scenario")?;
    println!("xtask: community scenario ok ({} requests)", samples.len());
    let people = sign_up(&entry, "chatter", CHATTERS, &stage)?;
    let workers = sign_up(&entry, "worker", WORKERS, &stage)?;
    let groups = start_groups(&people)?;
    let seen = thread::scope(|scope| {
        let chatters = chatters(&people, &groups, &stage).into_iter();
        let chatters: Vec<_> = chatters.map(|chatter| scope.spawn(|| chatter.chat())).collect();
        let work = |person| scope.spawn(|| Ok(worker::work(person, "ann", &stage)));
        let workers: Vec<_> = workers.into_iter().map(work).collect();
        let pulses: Vec<_> = (0..PULSES).map(|_| scope.spawn(|| pulse::send(&entry, &stage))).collect();
        let played = play(&mut cluster, &stage);
        stage.end();
        let stored = played.and_then(|()| settle(&people, &groups, &stage));
        // If that failed, the chatters need not wait for anything.
        stage.set_heads(HashMap::new());
        let (logs, worked, pulses) = (joined(chatters), joined(workers), joined(pulses));
        anyhow::Ok((logs?, worked?, pulses?, stored?))
    });
    let (logs, worked, pulses, stored) = seen?;
    samples.extend(worked.into_iter().flatten());
    let (nodes, message_problems) = (nodes_of(&cluster, &logs)?, checks::problems(&stored, &logs));
    cluster.stop()?;
    fs::copy(cluster.nginx.folder().join("error.log"), output_folder()?.join("nginx.log"))?;
    conclude(&Report { samples, pulses, logs, message_problems, nodes })
}

fn joined<T>(threads: Vec<ScopedJoinHandle<'_, Result<T>>>) -> Result<Vec<T>> {
    threads.into_iter().map(|thread| thread.join().map_err(|_| anyhow!("a client panicked"))?).collect()
}

/// Causes the faults.
fn play(cluster: &mut Cluster, stage: &Stage) -> Result<()> {
    pause(CALM)?;
    stage.next_phase();
    cluster.restart_one_by_one()?;
    stage.next_phase();
    cluster.kill_one(1, NODE_OUTAGE)?;
    stage.next_phase();
    cluster.redis.kill()?;
    println!("xtask: Redis killed");
    pause(REDIS_OUTAGE)?;
    stage.next_phase();
    cluster.redis.restart()?;
    println!("xtask: Redis ready");
    pause(CALM)
}

fn sign_up<'a>(entry: &Entry, name: &str, count: usize, stage: &'a Stage) -> Result<Vec<Person<'a>>> {
    (0..count).map(|number| Person::sign_up(entry, &format!("{name}{number}"), stage)).collect()
}

/// Starts the groups. Returns their ids, and the numbers of their members.
fn start_groups(people: &[Person<'_>]) -> Result<Vec<(String, Vec<usize>)>> {
    let start = |number: usize| {
        let members: Vec<usize> =
            (0..MEMBERS).map(|member| (number * 7 + member * 3) % people.len()).collect();
        let names: Vec<String> =
            members[1..].iter().map(|member| format!("@{}", people[*member].username)).collect();
        let input = json!({"members": names, "title": format!("group {number}")});
        let group = people[members[0]].client.post("/api/v1/conversations", &input)?.json()?;
        Ok((group["id"].as_str().context("the group has no id")?.to_owned(), members))
    };
    (0..GROUPS).map(start).collect()
}

fn chatters<'a>(
    people: &[Person<'_>],
    groups: &[(String, Vec<usize>)],
    stage: &'a Stage,
) -> Vec<Chatter<'a>> {
    let groups_of = |number: usize| groups.iter().filter(move |(_, members)| members.contains(&number));
    let chatter = |(number, person): (usize, &Person<'_>)| {
        let groups = groups_of(number).map(|(id, _)| id.clone()).collect();
        Chatter::new(number, person.client.clone(), groups, stage)
    };
    people.iter().enumerate().map(chatter).collect()
}

/// Waits until everything is acknowledged, and returns what is stored. From then on the chatters know what they must have.
fn settle(
    people: &[Person<'_>],
    groups: &[(String, Vec<usize>)],
    stage: &Stage,
) -> Result<HashMap<String, Vec<Applied>>> {
    wait_until(QUIET_LIMIT, || Ok(stage.quiet() == people.len()))
        .context("waiting for the last acknowledgements")?;
    let mut stored = HashMap::new();
    for (id, members) in groups {
        stored.insert(id.clone(), checks::stored(&people[members[0]].client, id)?);
    }
    let last = |messages: &Vec<Applied>| messages.last().map_or(0, |message| message.seq);
    stage.set_heads(stored.iter().map(|(id, messages)| (id.clone(), last(messages))).collect());
    Ok(stored)
}

/// The node of each connection of the chatters by its local port. They are closed, so nginx has logged them.
fn nodes_of(cluster: &Cluster, logs: &[Log]) -> Result<HashMap<u16, usize>> {
    let log = cluster.nginx.access_log()?;
    let connections = log.lines().filter(|line| line.contains(" /api/v1/gateway 101 "));
    let node = |line: &str| {
        let port = line.split_once(" port=")?.1.split_once(' ')?.0.parse().ok()?;
        // The last one is that of the node that answered.
        let addresses = line.split_once(" upstream=\"")?.1.split_once('"')?.0;
        Some((port, cluster.position(addresses.rsplit(", ").next()?)?))
    };
    let nodes: HashMap<u16, usize> = connections.filter_map(node).collect();
    let ports = logs.iter().flat_map(|log| &log.ports);
    let unknown = ports.filter(|port| !nodes.contains_key(port)).count();
    if unknown > 0 {
        println!("xtask: nginx did not log the nodes of {unknown} connections");
    }
    Ok(nodes)
}

fn conclude(report: &Report) -> Result<u8> {
    println!("\n{}\n", report.table());
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for problem in report.problems() {
        *counts.entry(problem).or_default() += 1;
    }
    for (problem, count) in counts.iter().take(MAX_PRINTED) {
        println!("xtask: {count} × {problem}");
    }
    if counts.len() > MAX_PRINTED {
        println!("xtask: … and {} others", counts.len() - MAX_PRINTED);
    }
    println!("xtask: the logs of the nodes and of nginx are in {}", output_folder()?.display());
    Ok(u8::from(!counts.is_empty()))
}
