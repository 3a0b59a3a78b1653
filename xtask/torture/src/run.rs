//! The course of a run: start, chat and break, heal, settle, check, report.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use blegram_client::Client;
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::index};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};
use uuid::Uuid;

use crate::{
    Options,
    actor::{self, Actor, PASSWORD, Phase},
    check::{self, Violation},
    cluster::{Cluster, site},
    database::Database,
    history::{History, Recorder, lock},
    learn::{self, Times},
    nemesis::{self, Group},
    pager::{self, Pages},
    plan::{FAULTS, Fault, Plan},
    raw, report,
};

/// For everything to be sent and received after the last fault.
const SETTLE_LIMIT: Duration = Duration::from_secs(60);
const GROUPS: usize = 6;
/// Violations of one check that are printed.
const EXAMPLES: usize = 3;

/// Runs once; exit code 1 if a guarantee was broken or, with a planted bug, if the checks did not find it.
pub(crate) async fn run(options: &Options) -> Result<ExitCode> {
    let seed = options.seed.unwrap_or_else(|| u64::from(rand::random::<u32>()));
    println!("torture: seed {seed}, {} s, logs in {}", options.seconds, options.logs.display());
    let folder = tempfile::Builder::new().prefix("blegram-torture-").tempdir()?;
    let outcome = torture(options, seed, folder.path()).await;
    store_logs(folder.path(), options).context("storing the logs")?;
    let violations = outcome?;
    println!("torture: {violations} violations (seed {seed})");
    let is_expected = match &options.bug {
        None => violations == 0,
        Some(bug) => {
            println!("torture: the bug {bug} was {}", if violations > 0 { "found" } else { "NOT found" });
            violations > 0
        }
    };
    Ok(ExitCode::from(u8::from(!is_expected)))
}

async fn torture(options: &Options, seed: u64, folder: &std::path::Path) -> Result<usize> {
    let mut cluster = Cluster::start(options, folder).await?;
    let result = play(options, seed, &mut cluster).await;
    let stopped = cluster.stop().await;
    let violations = result?;
    stopped.map(|()| violations)
}

fn store_logs(folder: &std::path::Path, options: &Options) -> std::io::Result<()> {
    std::fs::create_dir_all(&options.logs)?;
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if let Some(name) = path.file_name().filter(|_| path.extension().is_some_and(|ext| ext == "log")) {
            std::fs::copy(&path, options.logs.join(name))?;
        }
    }
    Ok(())
}

/// Everyone who takes part.
struct Cast {
    actors: Arc<Vec<Actor>>,
    raw: Vec<Recorder>,
    groups: Vec<Group>,
    /// Clients of the first account, one on each node, without links.
    direct: Vec<Client>,
    tasks: JoinSet<()>,
}

async fn play(options: &Options, seed: u64, cluster: &mut Cluster) -> Result<usize> {
    let start = Instant::now();
    let length = Duration::from_secs(options.seconds);
    let (phases, phase) = watch::channel(Phase::Chat);
    let mut cast = gather(options, seed, cluster, start, &phase).await?;
    let plan = Plan::new(seed, length, &possible(cluster));
    let readers = Readers::start(&cast, &phase);
    let people = nemesis::trouble_people(
        Arc::clone(&cast.actors),
        cast.groups.clone(),
        plan.people.clone(),
        start,
        length,
    );
    let mut troubles = JoinSet::new();
    troubles.spawn(people);
    let machinery = nemesis::break_machinery(cluster, &plan.machinery, start, length).await?;
    let people = troubles.join_next().await.context("members did not change")??;
    println!("torture: {:6.1} s  healing", start.elapsed().as_secs_f64());
    cluster.heal().await?;
    let overflow = nemesis::overflow(cluster, &phases, start).await;
    settle(cluster, &cast).await;
    println!("torture: {:6.1} s  settled", start.elapsed().as_secs_f64());
    let (database, histories) = collect(cluster, &cast).await?;
    phases.send_replace(Phase::End);
    let observed = readers.finish().await?;
    timeout(SETTLE_LIMIT, async { while cast.tasks.join_next().await.is_some() {} }).await.ok();
    let report = machinery.merge(people).merge(overflow);
    Ok(evaluate(&histories, &database, &report, &observed, cast.actors[0].user))
}

/// The faults that this machine can have.
fn possible(cluster: &Cluster) -> Vec<Fault> {
    let has = |fault: &Fault| match fault {
        Fault::FillDisk => cluster.postgres.has_disk,
        Fault::MoveClock => cluster.has_clocks,
        _ => true,
    };
    let (possible, missing): (Vec<_>, Vec<_>) = FAULTS.map(|(fault, ..)| fault).into_iter().partition(has);
    for fault in missing {
        println!("torture: NOT possible here: {}", fault.name());
    }
    possible
}

/// Signs everyone up, creates the conversations, and starts to chat.
async fn gather(
    options: &Options,
    seed: u64,
    cluster: &Cluster,
    start: Instant,
    phase: &watch::Receiver<Phase>,
) -> Result<Cast> {
    let (mut actors, mut performers) = (Vec::new(), Vec::new());
    for (number, link) in cluster.links.iter().take(options.clients).enumerate() {
        let seed = seed.wrapping_add(number as u64);
        let (actor, performer) =
            actor::sign_up(site(link.address)?, format!("user{number}"), start, seed).await?;
        actors.push(actor);
        performers.push(performer);
    }
    let groups = converse(&actors, &mut StdRng::seed_from_u64(seed)).await?;
    let mut tasks = JoinSet::new();
    for (number, mut performer) in performers.into_iter().enumerate() {
        performer.groups = groups.iter().map(|group| group.id).collect();
        performer.floods = !nemesis::is_stalled(number);
        tasks.spawn(performer.run(phase.clone()));
    }
    let mut raw = Vec::new();
    for (number, link) in cluster.links[options.clients..].iter().enumerate() {
        // A second device of a user, with a session of its own.
        let user = &actors[number % actors.len()];
        let client = log_in(link.address, number % actors.len()).await?;
        let recorder = Recorder::new(start, format!("raw{number}"), user.user, false);
        tasks.spawn(raw::run(client, recorder.clone(), phase.clone(), seed ^ number as u64));
        raw.push(recorder);
    }
    let mut direct = Vec::new();
    for node in &cluster.nodes {
        direct.push(log_in(node.address, 0).await?);
    }
    Ok(Cast { actors: Arc::new(actors), raw, groups, direct, tasks })
}

async fn log_in(address: std::net::SocketAddr, user: usize) -> Result<Client> {
    let client = actor::client(site(address)?)?;
    client.log_in(&format!("user{user}"), PASSWORD, "torture").await?;
    Ok(client)
}

/// Direct conversations in a ring, so that each user has two, and groups of random members.
async fn converse(actors: &[Actor], random: &mut StdRng) -> Result<Vec<Group>> {
    for (number, actor) in actors.iter().enumerate() {
        let other = &actors[(number + 1) % actors.len()];
        actor.client.open_direct(&other.user.to_string()).await?;
    }
    let mut groups = Vec::new();
    for number in 0..GROUPS {
        let size = random.random_range(3..=actors.len().min(10));
        let mut members = index::sample(random, actors.len(), size).into_vec();
        let owner = members.remove(0);
        let ids = members.iter().map(|member| actors[*member].user.to_string()).collect();
        let group = actors[owner].client.create_group(&format!("group {number}"), ids).await?;
        groups.push(Group { id: group.id, owner, members });
    }
    Ok(groups)
}

/// The readers of lists on nodes with different clocks.
struct Readers {
    written: JoinSet<BTreeSet<Uuid>>,
    read: JoinSet<Vec<Uuid>>,
    synced: JoinSet<BTreeMap<Uuid, u64>>,
}

/// What they saw.
struct Observed {
    pages: Pages,
    heads: BTreeMap<Uuid, u64>,
}

impl Readers {
    fn start(cast: &Cast, phase: &watch::Receiver<Phase>) -> Self {
        let mut readers = Self { written: JoinSet::new(), read: JoinSet::new(), synced: JoinSet::new() };
        let (writing, written) = watch::channel(());
        readers.written.spawn(pager::write(cast.direct.clone(), phase.clone(), writing));
        let reader: Vec<Client> = cast.direct.iter().rev().cloned().collect();
        let list = "/users/@user0/posts".to_owned();
        readers.read.spawn(pager::read_up(reader.clone(), list, written));
        readers.synced.spawn(pager::sync(reader, phase.clone()));
        readers
    }

    async fn finish(mut self) -> Result<Observed> {
        let created = self.written.join_next().await.context("no writer")??;
        let read = self.read.join_next().await.context("no reader")??;
        let heads = self.synced.join_next().await.context("no reader")??;
        Ok(Observed { pages: Pages { created, read }, heads })
    }
}

/// Waits until everything is sent and received. If that takes too long, the checks will find what is missing.
async fn settle(cluster: &Cluster, cast: &Cast) {
    let settled = async {
        while !is_settled(cluster, cast).await.unwrap_or(false) {
            sleep(Duration::from_millis(500)).await;
        }
    };
    if timeout(SETTLE_LIMIT, settled).await.is_err() {
        println!("torture: not settled after {} s", SETTLE_LIMIT.as_secs());
    }
    // Read marks follow within a second, receipts within two; raw sockets learn from the nodes' own checks.
    sleep(Duration::from_secs(12)).await;
}

async fn is_settled(cluster: &Cluster, cast: &Cast) -> Result<bool> {
    let database = Database::read(&cluster.postgres).await?;
    let is_settled = |actor: &Actor| {
        let status = lock(&actor.status);
        let has_all = database.conversations.values().all(|numbers| {
            !database.is_member(numbers.id, actor.user)
                || status.cursors.get(&numbers.id) == Some(&numbers.last_seq)
        });
        has_all && status.unacknowledged.is_empty() && !status.is_logging_in
    };
    Ok(cast.actors.iter().all(is_settled))
}

/// The final state, and what each client saw.
async fn collect(cluster: &Cluster, cast: &Cast) -> Result<(Database, Vec<History>)> {
    let actors = cast.actors.iter().map(|actor| actor.recorder.history());
    let histories = actors.chain(cast.raw.iter().map(Recorder::history)).collect();
    let mut database = Database::read(&cluster.postgres).await?;
    for (number, actor) in cast.actors.iter().enumerate() {
        // A new client, on any node.
        let node = &cluster.nodes[number % cluster.nodes.len()];
        let client = log_in(node.address, number).await?;
        let mut cursor = None;
        loop {
            let page = client.conversations(cursor.as_deref()).await?;
            let unread = page.items.iter().map(|item| ((item.id, actor.user), item.unread_count));
            database.unread.extend(unread);
            cursor = page.next_cursor;
            if cursor.is_none() {
                break;
            }
        }
    }
    Ok((database, histories))
}

/// Checks everything, prints the report, and returns the number of violations.
fn evaluate(
    histories: &[History],
    database: &Database,
    report: &nemesis::Report,
    observed: &Observed,
    reader: Uuid,
) -> usize {
    let mut violations = check::check(histories, database);
    violations.extend(check::check_pages(&observed.pages));
    violations.extend(check::check_sync(&observed.heads, reader, database));
    let moved: BTreeSet<(Uuid, Uuid)> =
        database.member_events.iter().map(|event| (event.conversation_id, event.user_id)).collect();
    let is_member = |conversation: Uuid, user: Uuid| {
        database.is_member(conversation, user) && !moved.contains(&(conversation, user))
    };
    let (times, late): (BTreeMap<Option<Fault>, Times>, Vec<Violation>) =
        learn::times(histories, &report.windows, is_member);
    violations.extend(late);
    println!("\n{}", report::faults(report, &times));
    println!("{}", report::clients(histories));
    println!(
        "{} rows in {} conversations · {} posts written, {} read upwards",
        database.messages.len(),
        database.conversations.len(),
        observed.pages.created.len(),
        observed.pages.read.len()
    );
    print_violations(histories, &violations);
    violations.len()
}

/// The number of each check, and its first violations with their histories.
fn print_violations(histories: &[History], violations: &[Violation]) {
    let mut by_check: BTreeMap<&str, Vec<&Violation>> = BTreeMap::new();
    for violation in violations {
        by_check.entry(violation.check).or_default().push(violation);
    }
    for (check, violations) in by_check {
        println!("\n{check}: {} violations", violations.len());
        for violation in violations.iter().take(EXAMPLES) {
            println!("- {} (conversation {})", violation.text, violation.conversation);
            print!("{}", report::shortest_history(histories, violation));
        }
    }
}
