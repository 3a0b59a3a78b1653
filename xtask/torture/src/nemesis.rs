//! Executes the plan: breaks the cluster, waits, and repairs what it broke.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use rustix::process::Signal;
use tokio::{sync::watch, time::sleep};
use uuid::Uuid;

use crate::{
    actor::{Actor, Phase},
    cluster::Cluster,
    learn::Window,
    link::Mode,
    plan::{Fault, Step},
};

/// Shorter than what makes a node close a stalled connection.
const FLOOD: Duration = Duration::from_secs(3);

/// A group, whose owner removes and adds members.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) id: Uuid,
    pub(crate) owner: usize,
    pub(crate) members: Vec<usize>,
}

/// What was done, and when.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) windows: Vec<Window>,
    pub(crate) counts: BTreeMap<Fault, u32>,
}

impl Report {
    fn record(&mut self, fault: Fault, from: Duration, to: Duration) {
        self.windows.push(Window { fault, from, to });
        *self.counts.entry(fault).or_default() += 1;
    }

    pub(crate) fn merge(mut self, other: Self) -> Self {
        self.windows.extend(other.windows);
        self.windows.sort_by_key(|window| window.from);
        for (fault, count) in other.counts {
            *self.counts.entry(fault).or_default() += count;
        }
        self
    }
}

/// Breaks the machinery, one fault after the other, until the deadline.
pub(crate) async fn break_machinery(
    cluster: &mut Cluster,
    plan: &[Step],
    start: Instant,
    length: Duration,
) -> Result<Report> {
    let mut report = Report::default();
    let end = start.elapsed() + length;
    for step in plan {
        sleep(step.pause).await;
        if start.elapsed() >= end {
            break;
        }
        let from = start.elapsed();
        println!("torture: {:6.1} s  {}", from.as_secs_f64(), step.fault.name());
        execute(cluster, step).await.with_context(|| step.fault.name())?;
        report.record(step.fault, from, start.elapsed());
    }
    Ok(report)
}

async fn execute(cluster: &mut Cluster, step: &Step) -> Result<()> {
    let mut random = StdRng::seed_from_u64(step.choice);
    let node = random.random_range(0..cluster.nodes.len());
    match step.fault {
        Fault::KillNode => restart_node(cluster, node, Signal::KILL, step.lasts).await,
        Fault::DrainNode => restart_node(cluster, node, Signal::TERM, step.lasts).await,
        Fault::StopNode => {
            cluster.nodes[node].signal(Signal::STOP);
            sleep(step.lasts).await;
            cluster.nodes[node].signal(Signal::CONT);
            Ok(())
        }
        Fault::MoveClock => move_clock(cluster, step.lasts).await,
        Fault::CutClients => break_clients(cluster, &mut random, Mode::Cut, step.lasts).await,
        Fault::LoseClients => break_clients(cluster, &mut random, Mode::Lost, step.lasts).await,
        Fault::StallClients => break_clients(cluster, &mut random, Mode::Stalled, step.lasts).await,
        Fault::KillRedis => {
            cluster.redis.kill().await?;
            sleep(step.lasts).await;
            cluster.redis.launch().await
        }
        Fault::PauseRedis => {
            cluster.redis.signal(Signal::STOP);
            sleep(step.lasts).await;
            cluster.redis.signal(Signal::CONT);
            Ok(())
        }
        Fault::CutRedis => {
            let mode = *[Mode::Cut, Mode::Lost, Mode::Stalled].choose(&mut random).unwrap_or(&Mode::Cut);
            cluster.nodes[node].to_redis.set(mode);
            sleep(step.lasts).await;
            cluster.nodes[node].to_redis.set(Mode::Open);
            Ok(())
        }
        Fault::RestartPostgres => restart_postgres(cluster, Signal::INT, step.lasts).await,
        Fault::KillPostgres => restart_postgres(cluster, Signal::QUIT, step.lasts).await,
        Fault::CutPostgres => {
            let mode = *[Mode::Cut, Mode::Stalled].choose(&mut random).unwrap_or(&Mode::Cut);
            cluster.nodes[node].to_postgres.set(mode);
            sleep(step.lasts).await;
            cluster.nodes[node].to_postgres.set(Mode::Open);
            Ok(())
        }
        Fault::FillDisk => {
            cluster.postgres.fill_disk();
            sleep(step.lasts).await;
            cluster.postgres.heal().await
        }
        Fault::RemoveMember | Fault::LogOut => Ok(()),
    }
}

async fn restart_node(cluster: &mut Cluster, node: usize, signal: Signal, lasts: Duration) -> Result<()> {
    cluster.nodes[node].stop(signal).await?;
    sleep(lasts).await;
    cluster.nodes[node].launch().await
}

async fn restart_postgres(cluster: &mut Cluster, signal: Signal, lasts: Duration) -> Result<()> {
    cluster.postgres.stop(signal).await?;
    sleep(lasts).await;
    cluster.postgres.launch().await
}

/// Moves the wrong clock from 40 seconds ahead to 40 seconds behind, or back.
async fn move_clock(cluster: &mut Cluster, lasts: Duration) -> Result<()> {
    for node in cluster.nodes.iter_mut().filter(|node| node.skew() != 0) {
        node.set_clock(-node.skew())?;
    }
    sleep(lasts).await;
    Ok(())
}

/// Breaks the ways of about a third of the clients.
async fn break_clients(cluster: &Cluster, random: &mut StdRng, mode: Mode, lasts: Duration) -> Result<()> {
    let broken: Vec<_> = cluster.links.iter().filter(|_| random.random_bool(0.35)).collect();
    broken.iter().for_each(|link| link.set(mode));
    sleep(lasts).await;
    broken.iter().for_each(|link| link.set(Mode::Open));
    Ok(())
}

/// Whether the connection of this client is stalled during the flood: that of every other one.
pub(crate) fn is_stalled(client: usize) -> bool {
    client.is_multiple_of(2)
}

/// The last fault: stalls every other connection while the other users flood their groups, and ends the chat during the stall.
/// No later message shows what a connection did not get.
pub(crate) async fn overflow(cluster: &Cluster, phases: &watch::Sender<Phase>, start: Instant) -> Report {
    let (from, mut report) = (start.elapsed(), Report::default());
    println!("torture: {:6.1} s  stall clients, and flood them", from.as_secs_f64());
    let stalled = || cluster.links.iter().enumerate().filter(|(number, _)| is_stalled(*number));
    stalled().for_each(|(_, link)| link.set(Mode::Stalled));
    phases.send_replace(Phase::Flood);
    sleep(FLOOD).await;
    phases.send_replace(Phase::Settle);
    // The last messages are on their way. In all less than the timeout of a pong: a connection that is closed is repaired by the
    // next one.
    sleep(Duration::from_millis(500)).await;
    stalled().for_each(|(_, link)| link.set(Mode::Open));
    report.record(Fault::StallClients, from, start.elapsed());
    report
}

/// Removes and adds members, and ends sessions, until the deadline.
pub(crate) async fn trouble_people(
    actors: Arc<Vec<Actor>>,
    groups: Vec<Group>,
    plan: Vec<Step>,
    start: Instant,
    length: Duration,
) -> Report {
    let mut report = Report::default();
    let end = start.elapsed() + length;
    for step in &plan {
        sleep(step.pause).await;
        if start.elapsed() >= end {
            break;
        }
        let (from, mut random) = (start.elapsed(), StdRng::seed_from_u64(step.choice));
        let is_done = match step.fault {
            Fault::RemoveMember => remove_member(&actors, &groups, &mut random, step.lasts).await,
            // A session that is just being replaced is not ended again.
            _ => actors.choose(&mut random).is_some_and(|actor| actor.log_out.try_send(()).is_ok()),
        };
        if is_done {
            report.record(step.fault, from, start.elapsed());
        }
    }
    report
}

/// Removes a member and adds the member again; whatever else fails meanwhile.
async fn remove_member(actors: &[Actor], groups: &[Group], random: &mut StdRng, lasts: Duration) -> bool {
    let Some(group) = groups.choose(random) else { return false };
    let Some(member) = group.members.choose(random) else { return false };
    let (owner, user) = (&actors[group.owner].client, actors[*member].user);
    if owner.remove_member(group.id, user).await.is_err() {
        // It may have been removed even so.
        add_again(owner, group.id, user).await;
        return false;
    }
    sleep(lasts).await;
    add_again(owner, group.id, user).await;
    true
}

async fn add_again(owner: &blegram_client::Client, group: Uuid, user: Uuid) {
    for _ in 0..20 {
        match owner.add_members(group, vec![user.to_string()]).await {
            Ok(_) => return,
            // A rejection says that the user is a member.
            Err(error) if error.code().is_some() => return,
            Err(_) => sleep(Duration::from_millis(500)).await,
        }
    }
}
