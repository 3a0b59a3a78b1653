//! Simulates the bus of a site with up to 50 nodes in one process, against a real Redis, and measures what a message costs
//! Redis and each node. docs/scaling.md has the results.
//!
//! Each virtual node has connections and an inbox of its own, and subscribes to the partitions of its users. A message is
//! for random users of the site. Redis shares the processors with this program; the rate leaves both idle for
//! most of the time.
//!
//! Run it with `cargo xtask services -- cargo run --release -p blegram-bus --example nodes [RATE [USERS [MEMBERS]]]`:
//! messages per second of the site, users on each node, and members of each conversation.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a failure ends the measurement")]

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use blegram_bus::{Bus, Connected, Envelope, Inbox, Key, Partition, RedisBus, RedisSettings, testing};
use blegram_domain::UserId;
use rand::{RngExt, SeedableRng, rngs::StdRng};
use rustix::time::{ClockId, clock_gettime};
use secrecy::ExposeSecret;
use tokio::{
    task::JoinSet,
    time::{Instant, MissedTickBehavior, interval, sleep, timeout},
};
use uuid::Uuid;

const NODES: [usize; 5] = [1, 5, 10, 25, 50];
/// The size of the event of a short message in a conversation of two, with its views.
const PAYLOAD_BYTES: usize = 900;
const SECONDS: u32 = 10;
const START_LIMIT: Duration = Duration::from_secs(20);
/// How long the last envelopes may take.
const QUIET: Duration = Duration::from_millis(300);

/// What is measured; the defaults are those of docs/scaling.md.
#[derive(Clone, Copy)]
struct Workload {
    rate: u32,
    users: u32,
    members: usize,
}

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: u32| arguments.next().map_or(default, |text| text.parse().unwrap());
    let (rate, users, members) = (number(200), number(1000), number(2));
    println!("{rate} messages per second of the site, {users} users on each node, {members} members\n");
    let workload = Workload { rate, users, members: members.try_into().unwrap() };
    println!(
        "| nodes | partitions of a node | Redis commands per message | copies per message | bytes from Redis per message \
         | CPU of Redis per message µs | CPU of each node per message of the site µs | to the recipient ms p50 / p99 | dropped |"
    );
    println!("|---:|---:|---:|---:|---:|---:|---:|---:|---:|");
    for nodes in NODES {
        println!("{}", measure(nodes, workload).await);
    }
}

/// A virtual node.
struct Node {
    bus: Arc<dyn Bus>,
    users: Vec<UserId>,
}

/// What all nodes have received.
#[derive(Default)]
struct Received {
    copies: AtomicU64,
    /// From the publication to the node of a recipient.
    latencies: Mutex<Vec<Duration>>,
}

async fn measure(count: usize, workload: Workload) -> String {
    let (settings, received, begin) = (testing::shared(), Arc::new(Received::default()), Instant::now());
    let mut random = StdRng::seed_from_u64(21);
    let (mut nodes, mut tasks) = (Vec::new(), JoinSet::new());
    for _ in 0..count {
        let users: Vec<UserId> =
            (0..workload.users).map(|_| UserId::from_uuid(Uuid::from_u128(random.random()))).collect();
        let Connected { bus, inbox, work } = RedisBus::connect(&settings).unwrap();
        tasks.spawn(work);
        tasks.spawn(receive(inbox, users.iter().copied().collect(), Arc::clone(&received), begin));
        nodes.push(Node { bus, users });
    }
    let partitions = subscribe(&nodes).await;
    let (redis_before, cpu_before) = (Statistics::read(&settings).await, cpu_time());
    let messages = publish(&nodes, workload, &mut random, begin).await;
    wait_until_quiet(&received).await;
    let (redis, cpu) = (Statistics::read(&settings).await.since(&redis_before), cpu_time() - cpu_before);
    let dropped: u64 =
        nodes.iter().map(|node| node.bus.counts()).map(|c| c.dropped_outgoing + c.dropped_incoming).sum();
    let each = |value: f64| value / f64::from(messages);
    let mut latencies = std::mem::take(&mut *received.latencies.lock().unwrap());
    latencies.sort_unstable();
    let latency = |percent: usize| {
        latencies
            .get(latencies.len() * percent / 100)
            .map_or("–".to_owned(), |at| format!("{:.2}", at.as_secs_f64() * 1e3))
    };
    format!(
        "| {count} | {partitions} | {:.2} | {:.1} | {:.0} | {:.1} | {:.1} | {} / {} | {dropped} |",
        each(redis.publishes),
        each(received.copies.load(Ordering::Relaxed) as f64),
        each(redis.output_bytes),
        each(redis.cpu_seconds) * 1e6,
        each(cpu.as_secs_f64()) * 1e6 / count as f64,
        latency(50),
        latency(99),
    )
}

/// Subscribes each node to the partitions of its users, and returns the number of those of the last node.
async fn subscribe(nodes: &[Node]) -> usize {
    let mut count = 0;
    for node in nodes {
        let partitions: HashSet<Partition> =
            node.users.iter().map(|user| Key::User(*user).partition()).collect();
        count = partitions.len();
        let mut health = node.bus.health();
        let works = health.wait_for(|health| !health.is_degraded());
        timeout(START_LIMIT, works).await.expect("Redis answers in time").unwrap();
        let partitions: Vec<Partition> = partitions.into_iter().collect();
        assert!(node.bus.subscribe(&partitions).await, "the subscription is confirmed");
    }
    count
}

/// Publishes messages at the rate of the workload, each from the node of its first member. Returns their number.
async fn publish(nodes: &[Node], workload: Workload, random: &mut StdRng, begin: Instant) -> u32 {
    let mut ticks = interval(Duration::from_secs(1) / workload.rate);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let messages = workload.rate * SECONDS;
    for _ in 0..messages {
        ticks.tick().await;
        let mut member = || {
            let node = &nodes[random.random_range(0..nodes.len())];
            (node, node.users[random.random_range(0..node.users.len())])
        };
        let members: Vec<(&Node, UserId)> = (0..workload.members).map(|_| member()).collect();
        let sent = u64::try_from(begin.elapsed().as_micros()).unwrap();
        let payload = [&sent.to_be_bytes()[..], &[b'x'; PAYLOAD_BYTES]].concat();
        let keys = members.iter().map(|(_, user)| Key::User(*user)).collect();
        members[0].0.bus.publish(Envelope::new("chat.appended", keys, payload));
    }
    messages
}

/// Receives like a node: looks whether the envelope is for one of its users.
async fn receive(mut inbox: Inbox, users: HashSet<UserId>, received: Arc<Received>, begin: Instant) {
    loop {
        let envelope = inbox.receive().await;
        received.copies.fetch_add(1, Ordering::Relaxed);
        let is_own = |key: &Key| matches!(key, Key::User(user) if users.contains(user));
        if envelope.keys.iter().any(is_own)
            && let Some(sent) = envelope.payload.first_chunk()
        {
            let sent = Duration::from_micros(u64::from_be_bytes(*sent));
            received.latencies.lock().unwrap().push(begin.elapsed().saturating_sub(sent));
        }
    }
}

async fn wait_until_quiet(received: &Received) {
    let count = || received.copies.load(Ordering::Relaxed);
    let mut before = count();
    loop {
        sleep(QUIET).await;
        if std::mem::replace(&mut before, count()) == before {
            return;
        }
    }
}

/// The CPU time of this process: that of all virtual nodes.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
}

/// What Redis has done since its start.
struct Statistics {
    publishes: f64,
    output_bytes: f64,
    cpu_seconds: f64,
}

impl Statistics {
    async fn read(settings: &RedisSettings) -> Self {
        let client = redis::Client::open(settings.url.expose_secret()).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let text: String = redis::cmd("INFO").arg("all").query_async(&mut connection).await.unwrap();
        let fields: HashMap<&str, &str> = text.lines().filter_map(|line| line.split_once(':')).collect();
        let number = |name: &str| fields[name].parse::<f64>().unwrap();
        let calls =
            fields.get("cmdstat_publish").and_then(|values| values.strip_prefix("calls=")?.split(',').next());
        Self {
            publishes: calls.map_or(0.0, |calls| calls.parse().unwrap()),
            output_bytes: number("total_net_output_bytes"),
            cpu_seconds: number("used_cpu_sys") + number("used_cpu_user"),
        }
    }

    fn since(&self, before: &Self) -> Self {
        Self {
            publishes: self.publishes - before.publishes,
            output_bytes: self.output_bytes - before.output_bytes,
            cpu_seconds: self.cpu_seconds - before.cpu_seconds,
        }
    }
}
