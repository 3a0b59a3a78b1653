//! The `fanout` and `slow` scenarios: write posts over REST, and measure when each connection that subscribes to the
//! public timeline receives them. `slow` repeats the measurement with additional connections that read nothing, and
//! watches when the server closes those.

use std::{
    collections::{BTreeMap, HashSet},
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use anyhow::{Context, Result, anyhow};
use clap::Args;
use futures_util::future::join_all;
use serde::Serialize;
use tokio::{
    sync::Notify,
    time::{Instant, sleep, sleep_until, timeout, timeout_at},
};

use crate::{
    Report, Setup,
    connections::{ConnectSummary, ConnectionSet},
    rest::{Member, unique_tag},
    server,
    socket::{CloseReason, ConnectError, Frame, ReceiveBuffer, Socket, event_name},
    stats::{LatencySummary, Memory},
};

const SUBSCRIBE_TIMEOUT: Duration = Duration::from_secs(30);
/// How often to check whether the server closed the stalled connections.
const POLL_INTERVAL: Duration = Duration::from_millis(250);
/// How long to read the remaining data of a stalled connection, to find its close code.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(3);
/// Digits of a post's number in its text.
const DIGITS: usize = 6;

#[derive(Args)]
pub(crate) struct Options {
    /// Number of connections that subscribe to the public timeline
    #[arg(long, default_value_t = 1000)]
    pub(crate) sockets: usize,
    /// Number of users that the connections are spread over
    #[arg(long, default_value_t = 100, value_parser = crate::at_least_one)]
    pub(crate) users: usize,
    /// Number of posts, written one after another
    #[arg(long, default_value_t = 20)]
    pub(crate) posts: usize,
    /// Milliseconds from one post to the next; below 200, the server sends timeline.head counts instead of posts
    #[arg(long, default_value_t = 400)]
    pub(crate) every: u64,
    /// Milliseconds within which a post has to reach the last connection, from just before its request
    #[arg(long, default_value_t = 5000)]
    pub(crate) limit: u64,
    /// Characters per post, three bytes each
    #[arg(long, default_value_t = 40)]
    pub(crate) text: usize,
}

#[derive(Args)]
pub(crate) struct SlowOptions {
    /// Number of connections that subscribe to the public timeline, including the stalled ones
    #[arg(long, default_value_t = 1000)]
    pub(crate) sockets: usize,
    /// Number of connections that read nothing after they have subscribed
    #[arg(long, default_value_t = 50)]
    pub(crate) stalled: usize,
    /// Number of users that the connections are spread over
    #[arg(long, default_value_t = 100, value_parser = crate::at_least_one)]
    pub(crate) users: usize,
    /// Number of posts in each round: one without and one with stalled connections
    #[arg(long, default_value_t = 100)]
    pub(crate) posts: usize,
    /// Milliseconds from one post to the next
    #[arg(long, default_value_t = 400)]
    pub(crate) every: u64,
    /// Milliseconds within which a post has to reach the last connection, from just before its request
    #[arg(long, default_value_t = 5000)]
    pub(crate) limit: u64,
    /// Characters per post, three bytes each; long posts fill the kernel's buffers of a stalled connection sooner
    #[arg(long, default_value_t = 2000)]
    pub(crate) text: usize,
    /// Seconds to wait after the last post for the server to close the stalled connections
    #[arg(long, default_value_t = 40)]
    pub(crate) wait: u64,
}

#[derive(Serialize)]
pub(crate) struct FanoutReport {
    opening: ConnectSummary,
    round: Round,
    rss_before: Option<u64>,
    rss_after: Option<u64>,
}

#[derive(Serialize)]
pub(crate) struct SlowReport {
    opening: ConnectSummary,
    without: Round,
    with: Round,
    stalled: StalledReport,
    rss_before: Option<u64>,
    /// The maximum while there were stalled connections.
    rss_during: Option<u64>,
    rss_after: Option<u64>,
}

/// When and how the server closed the connections that read nothing.
#[derive(Debug, Default, Serialize)]
struct StalledReport {
    sockets: usize,
    /// Connections that the server closed in time; `None` if the server's connections cannot be read from `/proc`.
    closed: Option<usize>,
    /// Seconds from the first post until the server closed the first stalled connection.
    first_seconds: Option<f64>,
    /// Seconds from the first post until the server closed the last stalled connection.
    last_seconds: Option<f64>,
    /// Number of stalled connections by the close code that they read at the end.
    close_codes: BTreeMap<String, usize>,
}

/// Measurements of a series of posts. Each latency starts just before the REST request.
#[derive(Debug, Serialize)]
struct Round {
    posts: usize,
    listeners: usize,
    answer: LatencySummary,
    first: LatencySummary,
    last: LatencySummary,
    first_to_last: LatencySummary,
    /// Latency of every post at every connection.
    every: LatencySummary,
    missing: usize,
    duplicated: usize,
    /// `timeline.head` frames, which the server sends instead of posts if they come too fast.
    heads: usize,
    /// Connections that ended during the round.
    ended: usize,
}

/// The interval, delivery timeout and length of posts.
#[derive(Clone, Copy)]
struct Pace {
    interval: Duration,
    timeout: Duration,
    /// In characters.
    length: usize,
}

impl Pace {
    fn new(interval: u64, timeout: u64, length: usize) -> Self {
        Self { interval: Duration::from_millis(interval), timeout: Duration::from_millis(timeout), length }
    }
}

/// Records when each connection received each post.
struct DeliveryLog {
    start: Instant,
    /// Precedes a post's number in its text; unique per run.
    marker: String,
    posts: Vec<PostDeliveries>,
    heads: AtomicUsize,
    duplicated: AtomicUsize,
    subscribed: AtomicUsize,
    failed: AtomicUsize,
    ended: AtomicUsize,
    changed: Notify,
}

struct PostDeliveries {
    /// Nanoseconds since `DeliveryLog::start`, by connection; 0 if it has not received the post.
    received_at: Vec<AtomicU64>,
    received: AtomicUsize,
}

impl DeliveryLog {
    fn new(posts: usize, listeners: usize) -> Self {
        let post = |_| PostDeliveries {
            received_at: (0..listeners).map(|_| AtomicU64::new(0)).collect(),
            received: AtomicUsize::new(0),
        };
        Self {
            start: Instant::now(),
            marker: format!("load{}n", unique_tag()),
            posts: (0..posts).map(post).collect(),
            heads: AtomicUsize::new(0),
            duplicated: AtomicUsize::new(0),
            subscribed: AtomicUsize::new(0),
            failed: AtomicUsize::new(0),
            ended: AtomicUsize::new(0),
            changed: Notify::new(),
        }
    }

    fn post_text(&self, number: usize, length: usize) -> String {
        format!("{}{number:0DIGITS$} {}", self.marker, "가".repeat(length))
    }

    /// The number of the post in a frame; `None` for posts of other runs.
    fn post_number(&self, text: &str) -> Option<usize> {
        let after = text.split_once(self.marker.as_str())?.1;
        after.get(..DIGITS)?.parse().ok()
    }

    fn record(&self, listener: usize, text: &str) {
        match event_name(text) {
            Some("post.created") => {}
            Some("timeline.head") => {
                self.heads.fetch_add(1, Relaxed);
                return;
            }
            _ => return,
        }
        let nanos = u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX).max(1);
        let Some(post) = self.post_number(text).and_then(|number| self.posts.get(number)) else { return };
        if post.received_at[listener].compare_exchange(0, nanos, Relaxed, Relaxed).is_err() {
            self.duplicated.fetch_add(1, Relaxed);
            return;
        }
        if post.received.fetch_add(1, Relaxed) + 1 == post.received_at.len() {
            self.changed.notify_one();
        }
    }

    /// The times at which connections received a post; connections that did not are left out.
    fn delivery_times(&self, number: usize) -> Vec<Instant> {
        let nanos = self.posts[number]
            .received_at
            .iter()
            .map(|received_at| received_at.load(Relaxed))
            .filter(|nanos| *nanos > 0);
        nanos.map(|nanos| self.start + Duration::from_nanos(nanos)).collect()
    }

    async fn wait_until(&self, deadline: Instant, condition: impl Fn() -> bool) -> bool {
        loop {
            if condition() {
                return true;
            }
            if timeout_at(deadline, self.changed.notified()).await.is_err() {
                return condition();
            }
        }
    }
}

async fn listen(log: Arc<DeliveryLog>, listener: usize, mut socket: Socket) {
    let subscribed = socket.subscribe().await;
    let count = if subscribed.is_ok() { &log.subscribed } else { &log.failed };
    count.fetch_add(1, Relaxed);
    log.changed.notify_one();
    while let Frame::Text(text) = socket.next().await {
        log.record(listener, &text);
    }
    log.ended.fetch_add(1, Relaxed);
}

/// Opens `listeners` connections and waits until all of them have subscribed.
async fn connect_listeners(
    setup: &Setup,
    members: &[Member],
    listeners: usize,
    log: &Arc<DeliveryLog>,
) -> Result<ConnectionSet> {
    let handler = {
        let log = Arc::clone(log);
        move |listener, socket| listen(Arc::clone(&log), listener, socket)
    };
    let connections =
        ConnectionSet::open(&setup.targets, members, listeners, setup.handshakes, handler).await?;
    let all_answered = || log.subscribed.load(Relaxed) + log.failed.load(Relaxed) == listeners;
    log.wait_until(Instant::now() + SUBSCRIBE_TIMEOUT, all_answered).await;
    let subscribed = log.subscribed.load(Relaxed);
    anyhow::ensure!(subscribed == listeners, "only {subscribed} of {listeners} connections could subscribe");
    Ok(connections)
}

/// Writes the posts `numbers`, and waits for the delivery of each before it writes the next.
async fn write_posts(
    setup: &Setup,
    author: &Member,
    log: &DeliveryLog,
    numbers: std::ops::Range<usize>,
    pace: Pace,
) -> Result<Round> {
    let load = |counter: &AtomicUsize| counter.load(Relaxed);
    let (duplicated, heads, ended) = (load(&log.duplicated), load(&log.heads), load(&log.ended));
    let listeners = log.posts.first().map_or(0, |post| post.received_at.len());
    let (mut responses, mut all) = (Vec::new(), Vec::new());
    let (mut firsts, mut lasts, mut spans) = (Vec::new(), Vec::new(), Vec::new());
    let mut missing = 0;
    let posts = numbers.len();
    for number in numbers {
        let text = log.post_text(number, pace.length);
        let start = Instant::now();
        setup.rest.create_post(author, &text).await?;
        responses.push(start.elapsed());
        let post = &log.posts[number];
        log.wait_until(start + pace.timeout, || load(&post.received) == listeners).await;
        let times = log.delivery_times(number);
        missing += listeners - times.len();
        if let (Some(first), Some(last)) = (times.iter().min(), times.iter().max()) {
            firsts.push(*first - start);
            lasts.push(*last - start);
            spans.push(*last - *first);
        }
        all.extend(times.into_iter().map(|time| time - start));
        sleep_until(start + pace.interval).await;
    }
    Ok(Round {
        posts,
        listeners,
        answer: LatencySummary::from_durations(responses),
        first: LatencySummary::from_durations(firsts),
        last: LatencySummary::from_durations(lasts),
        first_to_last: LatencySummary::from_durations(spans),
        every: LatencySummary::from_durations(all),
        missing,
        duplicated: load(&log.duplicated) - duplicated,
        heads: load(&log.heads) - heads,
        ended: load(&log.ended) - ended,
    })
}

async fn sign_up(setup: &Setup, users: usize) -> Result<(Member, Vec<Member>)> {
    let mut members = setup.sign_up(users + 1).await?;
    let author = members.pop().context("no account was created")?;
    Ok((author, members))
}

pub(crate) async fn fanout(setup: &Setup, options: &Options) -> Result<FanoutReport> {
    let (author, members) = sign_up(setup, options.users).await?;
    let log = Arc::new(DeliveryLog::new(options.posts, options.sockets));
    let connections = connect_listeners(setup, &members, options.sockets, &log).await?;
    let rss_before = server::resident_memory(setup.pid);
    let pace = Pace::new(options.every, options.limit, options.text);
    let round = write_posts(setup, &author, &log, 0..options.posts, pace).await?;
    Ok(FanoutReport {
        rss_before,
        rss_after: server::resident_memory(setup.pid),
        opening: connections.opening,
        round,
    })
}

pub(crate) async fn slow(setup: &Setup, options: &SlowOptions) -> Result<SlowReport> {
    anyhow::ensure!(options.stalled < options.sockets, "--stalled must be less than --sockets");
    let (author, members) = sign_up(setup, options.users).await?;
    let listeners = options.sockets - options.stalled;
    let log = Arc::new(DeliveryLog::new(options.posts * 2, listeners));
    let connections = connect_listeners(setup, &members, listeners, &log).await?;
    let pace = Pace::new(options.every, options.limit, options.text);
    let without = write_posts(setup, &author, &log, 0..options.posts, pace).await?;
    let rss_before = server::resident_memory(setup.pid);
    let stalled = open_stalled(setup, &members, listeners..options.sockets).await?;
    let all_posted = Notify::new();
    let wait = Duration::from_secs(options.wait);
    let writing = async {
        let round = write_posts(setup, &author, &log, options.posts..options.posts * 2, pace).await;
        all_posted.notify_one();
        round
    };
    let (with, watched) = tokio::join!(writing, watch_stalled(setup, &stalled, &all_posted, wait));
    let (with, (mut report, rss_during)) = (with?, watched?);
    let rss_after = server::resident_memory(setup.pid);
    for closed in join_all(stalled.into_iter().map(read_to_end)).await {
        *report.close_codes.entry(closed).or_default() += 1;
    }
    Ok(SlowReport {
        opening: connections.opening,
        without,
        with,
        stalled: report,
        rss_before,
        rss_during,
        rss_after,
    })
}

/// Opens connections that subscribe and then read nothing.
async fn open_stalled(
    setup: &Setup,
    members: &[Member],
    numbers: std::ops::Range<usize>,
) -> Result<Vec<Socket>> {
    let mut stalled = Vec::new();
    for number in numbers {
        let token = &members[number % members.len()].token;
        let opened = setup.targets.open(token, number, ReceiveBuffer::Minimal).await;
        let mut socket = opened.map_err(|error| match error {
            ConnectError::Retry(status) => anyhow!("the server rejected a handshake: {status}"),
            ConnectError::Permanent(error) => error,
        })?;
        socket.subscribe().await?;
        stalled.push(socket);
        sleep(Duration::from_secs(1) / setup.handshakes.max(1)).await;
    }
    Ok(stalled)
}

/// Watches the server until it has closed all of `stalled`, or until `wait` after the last post. Also returns the
/// server's peak memory.
async fn watch_stalled(
    setup: &Setup,
    stalled: &[Socket],
    all_posted: &Notify,
    wait: Duration,
) -> Result<(StalledReport, Option<u64>)> {
    let start = Instant::now();
    let peers = stalled.iter().map(Socket::local_address).collect::<Result<HashSet<_>>>()?;
    let mut report = StalledReport { sockets: peers.len(), ..StalledReport::default() };
    let mut peak_rss = server::resident_memory(setup.pid);
    let deadline = async {
        all_posted.notified().await;
        sleep(wait).await;
    };
    tokio::pin!(deadline);
    let mut are_all_closed = false;
    loop {
        let is_past_deadline = timeout(POLL_INTERVAL, &mut deadline).await.is_ok();
        peak_rss = peak_rss.max(server::resident_memory(setup.pid));
        if let Some(connected) = server::count_open_connections(setup.targets.of(0).address.port(), &peers) {
            let closed_count = peers.len().saturating_sub(connected);
            let seconds = start.elapsed().as_secs_f64();
            if closed_count > 0 {
                report.first_seconds.get_or_insert(seconds);
            }
            if closed_count > report.closed.unwrap_or(0) {
                report.last_seconds = Some(seconds);
            }
            report.closed = Some(closed_count);
            are_all_closed = connected == 0;
        }
        if is_past_deadline || are_all_closed {
            return Ok((report, peak_rss));
        }
    }
}

/// Reads the remaining data of a connection and returns its close code as text.
async fn read_to_end(mut socket: Socket) -> String {
    let end = async {
        loop {
            if let Some(Frame::Closed(closed)) = socket.read_frame().await {
                return closed;
            }
        }
    };
    match timeout(DRAIN_TIMEOUT, end).await {
        Ok(CloseReason::Code(code)) => code.to_string(),
        Ok(CloseReason::NoCode) => "reset or cut off".into(),
        Err(_) => "still open".into(),
    }
}

impl Report for FanoutReport {
    fn failure(&self) -> Option<String> {
        self.round.failure()
    }
}

impl Report for SlowReport {
    fn failure(&self) -> Option<String> {
        self.without.failure().or_else(|| self.with.failure())
    }
}

impl Round {
    fn failure(&self) -> Option<String> {
        let Self { missing, duplicated, ended, .. } = self;
        (missing + duplicated + ended > 0)
            .then(|| format!("{missing} frames missing, {duplicated} duplicated, {ended} connections ended"))
    }
}

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { posts, listeners, missing, duplicated, heads, ended, .. } = self;
        writeln!(f, "{posts} posts to {listeners} connections, measured from just before the request:")?;
        writeln!(f, "  to the response          {}", self.answer)?;
        writeln!(f, "  to the first connection  {}", self.first)?;
        writeln!(f, "  to the last connection   {}", self.last)?;
        writeln!(f, "  from first to last       {}", self.first_to_last)?;
        writeln!(f, "  to each connection       {}", self.every)?;
        write!(
            f,
            "  missing {missing}, duplicated {duplicated}, timeline.head instead {heads}, connections ended {ended}"
        )
    }
}

impl fmt::Display for FanoutReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}", self.opening, self.round)?;
        write!(f, "server memory: {} before, {} after", Memory(self.rss_before), Memory(self.rss_after))
    }
}

impl fmt::Display for SlowReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.opening)?;
        writeln!(f, "without stalled connections: {}", self.without)?;
        writeln!(f, "with {} stalled connections: {}", self.stalled.sockets, self.with)?;
        let StalledReport { sockets, closed, first_seconds, last_seconds, close_codes } = &self.stalled;
        match (closed, first_seconds, last_seconds) {
            (Some(closed), Some(first), Some(last)) => writeln!(
                f,
                "the server closed {closed} of {sockets} stalled connections, {first:.1} to {last:.1} s after the first post"
            )?,
            (Some(closed), ..) => writeln!(f, "the server closed {closed} of {sockets} stalled connections")?,
            (None, ..) => {
                writeln!(f, "unknown whether the server closed the stalled connections (no /proc/net/tcp)")?
            }
        }
        writeln!(f, "stalled connections by close code: {close_codes:?}")?;
        write!(
            f,
            "server memory: {} before, {} maximum during, {} after",
            Memory(self.rss_before),
            Memory(self.rss_during),
            Memory(self.rss_after)
        )
    }
}
