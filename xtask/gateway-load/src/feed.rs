//! Posts that many connections are told of, with connections among them that read nothing or without.

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
    crowd::{Crowd, Opening},
    figures::{Memory, Spread},
    rest::{Member, tag},
    server,
    socket::{Closed, Frame, Intake, Rejection, Socket, event},
};

const SUBSCRIBE_LIMIT: Duration = Duration::from_secs(30);
/// How often it is looked whether the server gave a connection up.
const POLL_INTERVAL: Duration = Duration::from_millis(250);
/// How long what is left is read from a connection, to see how it ended.
const LEAVE: Duration = Duration::from_secs(3);
const DIGITS: usize = 6;

#[derive(Args)]
pub(crate) struct Options {
    /// Connections that subscribe to the public timeline
    #[arg(long, default_value_t = 1000)]
    pub(crate) sockets: usize,
    /// Users whose connections they are
    #[arg(long, default_value_t = 100, value_parser = crate::at_least_one)]
    pub(crate) users: usize,
    /// Posts, one after another
    #[arg(long, default_value_t = 20)]
    pub(crate) posts: usize,
    /// Milliseconds from one post to the next; with less than 200 the server sends counts instead of posts
    #[arg(long, default_value_t = 400)]
    pub(crate) every: u64,
    /// Milliseconds after its request in which a post may reach the last connection
    #[arg(long, default_value_t = 5000)]
    pub(crate) limit: u64,
    /// Characters of a post, of three bytes each
    #[arg(long, default_value_t = 40)]
    pub(crate) text: usize,
}

#[derive(Args)]
pub(crate) struct SlowOptions {
    /// Connections that subscribe to the public timeline, with the stalled ones
    #[arg(long, default_value_t = 1000)]
    pub(crate) sockets: usize,
    /// Connections that read nothing after they have subscribed
    #[arg(long, default_value_t = 50)]
    pub(crate) stalled: usize,
    /// Users whose connections they are
    #[arg(long, default_value_t = 100, value_parser = crate::at_least_one)]
    pub(crate) users: usize,
    /// Posts without stalled connections, and as many with them
    #[arg(long, default_value_t = 100)]
    pub(crate) posts: usize,
    /// Milliseconds from one post to the next
    #[arg(long, default_value_t = 400)]
    pub(crate) every: u64,
    /// Milliseconds after its request in which a post may reach the last connection
    #[arg(long, default_value_t = 5000)]
    pub(crate) limit: u64,
    /// Characters of a post, of three bytes each: enough of them fill what the systems take for a stalled client
    #[arg(long, default_value_t = 2000)]
    pub(crate) text: usize,
    /// Seconds after the last post in which the server may give the stalled ones up
    #[arg(long, default_value_t = 40)]
    pub(crate) wait: u64,
}

#[derive(Serialize)]
pub(crate) struct Fanout {
    opening: Opening,
    round: Round,
    rss_before: Option<u64>,
    rss_after: Option<u64>,
}

#[derive(Serialize)]
pub(crate) struct Slow {
    opening: Opening,
    without: Round,
    with: Round,
    stalled: Stalled,
    rss_before: Option<u64>,
    /// The most that was seen while there were stalled connections.
    rss_during: Option<u64>,
    rss_after: Option<u64>,
}

/// What became of the connections that read nothing.
#[derive(Debug, Default, Serialize)]
struct Stalled {
    sockets: usize,
    /// How many the server gave up in time; unknown where the system does not tell of the server's connections.
    given_up: Option<usize>,
    /// Seconds from the first post until it gave up the first one, and the last.
    first_seconds: Option<f64>,
    last_seconds: Option<f64>,
    /// What was read in the end, by close code.
    ends: BTreeMap<String, usize>,
}

/// Posts one after another; each time is from just before the request.
#[derive(Debug, Serialize)]
struct Round {
    posts: usize,
    listeners: usize,
    answer: Spread,
    first: Spread,
    last: Spread,
    first_to_last: Spread,
    /// Over every post and every connection.
    every: Spread,
    missing: usize,
    doubled: usize,
    /// `timeline.head` frames: posts came too fast.
    heads: usize,
    /// Connections that ended meanwhile.
    ended: usize,
}

/// How posts are written.
#[derive(Clone, Copy)]
struct Pace {
    every: Duration,
    limit: Duration,
    /// Characters.
    length: usize,
}

impl Pace {
    fn new(every: u64, limit: u64, length: usize) -> Self {
        Self { every: Duration::from_millis(every), limit: Duration::from_millis(limit), length }
    }
}

/// Who got which post when.
struct Board {
    begin: Instant,
    /// What comes before a post's number in its text.
    mark: String,
    posts: Vec<Row>,
    heads: AtomicUsize,
    doubled: AtomicUsize,
    subscribed: AtomicUsize,
    failed: AtomicUsize,
    ended: AtomicUsize,
    changed: Notify,
}

struct Row {
    /// Nanoseconds since the beginning, by connection; 0 for what did not come.
    at: Vec<AtomicU64>,
    arrived: AtomicUsize,
}

impl Board {
    fn new(posts: usize, listeners: usize) -> Self {
        let row =
            |_| Row { at: (0..listeners).map(|_| AtomicU64::new(0)).collect(), arrived: AtomicUsize::new(0) };
        Self {
            begin: Instant::now(),
            mark: format!("load{}n", tag()),
            posts: (0..posts).map(row).collect(),
            heads: AtomicUsize::new(0),
            doubled: AtomicUsize::new(0),
            subscribed: AtomicUsize::new(0),
            failed: AtomicUsize::new(0),
            ended: AtomicUsize::new(0),
            changed: Notify::new(),
        }
    }

    fn text(&self, number: usize, length: usize) -> String {
        format!("{}{number:0DIGITS$} {}", self.mark, "가".repeat(length))
    }

    /// Which of the posts a frame tells.
    fn number(&self, text: &str) -> Option<usize> {
        let after = text.split_once(self.mark.as_str())?.1;
        after.get(..DIGITS)?.parse().ok()
    }

    fn note(&self, listener: usize, text: &str) {
        match event(text) {
            Some("post.created") => {}
            Some("timeline.head") => {
                self.heads.fetch_add(1, Relaxed);
                return;
            }
            _ => return,
        }
        let nanos = u64::try_from(self.begin.elapsed().as_nanos()).unwrap_or(u64::MAX).max(1);
        let Some(row) = self.number(text).and_then(|number| self.posts.get(number)) else { return };
        if row.at[listener].compare_exchange(0, nanos, Relaxed, Relaxed).is_err() {
            self.doubled.fetch_add(1, Relaxed);
            return;
        }
        if row.arrived.fetch_add(1, Relaxed) + 1 == row.at.len() {
            self.changed.notify_one();
        }
    }

    /// When a post reached those whom it reached.
    fn times(&self, number: usize) -> Vec<Instant> {
        let nanos = self.posts[number].at.iter().map(|at| at.load(Relaxed)).filter(|nanos| *nanos > 0);
        nanos.map(|nanos| self.begin + Duration::from_nanos(nanos)).collect()
    }

    async fn until(&self, limit: Instant, is_so: impl Fn() -> bool) -> bool {
        loop {
            if is_so() {
                return true;
            }
            if timeout_at(limit, self.changed.notified()).await.is_err() {
                return is_so();
            }
        }
    }
}

async fn listen(board: Arc<Board>, listener: usize, mut socket: Socket) {
    let subscribed = socket.subscribe().await;
    let count = if subscribed.is_ok() { &board.subscribed } else { &board.failed };
    count.fetch_add(1, Relaxed);
    board.changed.notify_one();
    while let Frame::Text(text) = socket.next().await {
        board.note(listener, &text);
    }
    board.ended.fetch_add(1, Relaxed);
}

/// Lets so many connections listen, and waits until all have subscribed.
async fn audience(setup: &Setup, members: &[Member], listeners: usize, board: &Arc<Board>) -> Result<Crowd> {
    let attend = {
        let board = Arc::clone(board);
        move |listener, socket| listen(Arc::clone(&board), listener, socket)
    };
    let crowd = Crowd::open(&setup.target, members, listeners, setup.handshakes, attend).await?;
    let answered = || board.subscribed.load(Relaxed) + board.failed.load(Relaxed) == listeners;
    board.until(Instant::now() + SUBSCRIBE_LIMIT, answered).await;
    let subscribed = board.subscribed.load(Relaxed);
    anyhow::ensure!(subscribed == listeners, "{subscribed} of {listeners} connections could subscribe");
    Ok(crowd)
}

/// Writes the posts `numbers` of the board.
async fn write(
    setup: &Setup,
    author: &Member,
    board: &Board,
    numbers: std::ops::Range<usize>,
    pace: Pace,
) -> Result<Round> {
    let counted = |counter: &AtomicUsize| counter.load(Relaxed);
    let (doubled, heads, ended) = (counted(&board.doubled), counted(&board.heads), counted(&board.ended));
    let listeners = board.posts.first().map_or(0, |row| row.at.len());
    let (mut answers, mut all) = (Vec::new(), Vec::new());
    let (mut firsts, mut lasts, mut between) = (Vec::new(), Vec::new(), Vec::new());
    let mut missing = 0;
    let posts = numbers.len();
    for number in numbers {
        let text = board.text(number, pace.length);
        let begin = Instant::now();
        setup.rest.post(author, &text).await?;
        answers.push(begin.elapsed());
        let row = &board.posts[number];
        board.until(begin + pace.limit, || counted(&row.arrived) == listeners).await;
        let times = board.times(number);
        missing += listeners - times.len();
        if let (Some(first), Some(last)) = (times.iter().min(), times.iter().max()) {
            firsts.push(*first - begin);
            lasts.push(*last - begin);
            between.push(*last - *first);
        }
        all.extend(times.into_iter().map(|time| time - begin));
        sleep_until(begin + pace.every).await;
    }
    Ok(Round {
        posts,
        listeners,
        answer: Spread::of(answers),
        first: Spread::of(firsts),
        last: Spread::of(lasts),
        first_to_last: Spread::of(between),
        every: Spread::of(all),
        missing,
        doubled: counted(&board.doubled) - doubled,
        heads: counted(&board.heads) - heads,
        ended: counted(&board.ended) - ended,
    })
}

async fn sign_up(setup: &Setup, users: usize) -> Result<(Member, Vec<Member>)> {
    let mut members = setup.sign_up(users + 1).await?;
    let author = members.pop().context("nobody signed up")?;
    Ok((author, members))
}

pub(crate) async fn fanout(setup: &Setup, options: &Options) -> Result<Fanout> {
    let (author, members) = sign_up(setup, options.users).await?;
    let board = Arc::new(Board::new(options.posts, options.sockets));
    let crowd = audience(setup, &members, options.sockets, &board).await?;
    let rss_before = server::resident(setup.pid);
    let pace = Pace::new(options.every, options.limit, options.text);
    let round = write(setup, &author, &board, 0..options.posts, pace).await?;
    Ok(Fanout { rss_before, rss_after: server::resident(setup.pid), opening: crowd.opening, round })
}

pub(crate) async fn slow(setup: &Setup, options: &SlowOptions) -> Result<Slow> {
    anyhow::ensure!(options.stalled < options.sockets, "somebody has to listen");
    let (author, members) = sign_up(setup, options.users).await?;
    let listeners = options.sockets - options.stalled;
    let board = Arc::new(Board::new(options.posts * 2, listeners));
    let crowd = audience(setup, &members, listeners, &board).await?;
    let pace = Pace::new(options.every, options.limit, options.text);
    let without = write(setup, &author, &board, 0..options.posts, pace).await?;
    let rss_before = server::resident(setup.pid);
    let stalled = stall(setup, &members, listeners..options.sockets).await?;
    let posted = Notify::new();
    let wait = Duration::from_secs(options.wait);
    let writing = async {
        let round = write(setup, &author, &board, options.posts..options.posts * 2, pace).await;
        posted.notify_one();
        round
    };
    let (with, watched) = tokio::join!(writing, watch(setup, &stalled, &posted, wait));
    let (with, (mut report, rss_during)) = (with?, watched?);
    let rss_after = server::resident(setup.pid);
    for closed in join_all(stalled.into_iter().map(read_to_end)).await {
        *report.ends.entry(closed).or_default() += 1;
    }
    Ok(Slow { opening: crowd.opening, without, with, stalled: report, rss_before, rss_during, rss_after })
}

/// Connections that subscribe and then read nothing.
async fn stall(setup: &Setup, members: &[Member], numbers: std::ops::Range<usize>) -> Result<Vec<Socket>> {
    let mut stalled = Vec::new();
    for number in numbers {
        let token = &members[number % members.len()].token;
        let opened = setup.target.open(token, number, Intake::Least).await;
        let mut socket = opened.map_err(|rejection| match rejection {
            Rejection::Later(status) => anyhow!("a handshake was answered {status}"),
            Rejection::Never(error) => error,
        })?;
        socket.subscribe().await?;
        stalled.push(socket);
        sleep(Duration::from_secs(1) / setup.handshakes.max(1)).await;
    }
    Ok(stalled)
}

/// Looks until all of `stalled` were given up, but `wait` after the last post at the latest.
async fn watch(
    setup: &Setup,
    stalled: &[Socket],
    posted: &Notify,
    wait: Duration,
) -> Result<(Stalled, Option<u64>)> {
    let begin = Instant::now();
    let peers = stalled.iter().map(Socket::local).collect::<Result<HashSet<_>>>()?;
    let mut report = Stalled { sockets: peers.len(), ..Stalled::default() };
    let mut most = server::resident(setup.pid);
    let over = async {
        posted.notified().await;
        sleep(wait).await;
    };
    tokio::pin!(over);
    let mut are_all_closed = false;
    loop {
        let is_over = timeout(POLL_INTERVAL, &mut over).await.is_ok();
        most = most.max(server::resident(setup.pid));
        if let Some(connected) = server::count_connected(setup.target.address.port(), &peers) {
            let given_up = peers.len().saturating_sub(connected);
            let seconds = begin.elapsed().as_secs_f64();
            if given_up > 0 {
                report.first_seconds.get_or_insert(seconds);
            }
            if given_up > report.given_up.unwrap_or(0) {
                report.last_seconds = Some(seconds);
            }
            report.given_up = Some(given_up);
            are_all_closed = connected == 0;
        }
        if is_over || are_all_closed {
            return Ok((report, most));
        }
    }
}

/// Reads what is left, and tells how it ended.
async fn read_to_end(mut socket: Socket) -> String {
    let end = async {
        loop {
            if let Some(Frame::Closed(closed)) = socket.step().await {
                return closed;
            }
        }
    };
    match timeout(LEAVE, end).await {
        Ok(Closed::With(code)) => code.to_string(),
        Ok(Closed::Without) => "reset or cut off".into(),
        Err(_) => "still open".into(),
    }
}

impl Report for Fanout {
    fn failure(&self) -> Option<String> {
        self.round.failure()
    }
}

impl Report for Slow {
    fn failure(&self) -> Option<String> {
        self.without.failure().or_else(|| self.with.failure())
    }
}

impl Round {
    fn failure(&self) -> Option<String> {
        let Self { missing, doubled, ended, .. } = self;
        (missing + doubled + ended > 0)
            .then(|| format!("{missing} frames missing, {doubled} doubled, {ended} connections ended"))
    }
}

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { posts, listeners, missing, doubled, heads, ended, .. } = self;
        writeln!(f, "{posts} posts to {listeners} connections, from just before the request:")?;
        writeln!(f, "  to the answer            {}", self.answer)?;
        writeln!(f, "  to the first connection  {}", self.first)?;
        writeln!(f, "  to the last connection   {}", self.last)?;
        writeln!(f, "  from first to last       {}", self.first_to_last)?;
        writeln!(f, "  to each connection       {}", self.every)?;
        write!(
            f,
            "  missing {missing}, doubled {doubled}, timeline.head instead {heads}, connections ended {ended}"
        )
    }
}

impl fmt::Display for Fanout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}", self.opening, self.round)?;
        write!(f, "server memory: {} before, {} after", Memory(self.rss_before), Memory(self.rss_after))
    }
}

impl fmt::Display for Slow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.opening)?;
        writeln!(f, "without stalled connections: {}", self.without)?;
        writeln!(f, "with {} stalled connections: {}", self.stalled.sockets, self.with)?;
        let Stalled { sockets, given_up, first_seconds, last_seconds, ends } = &self.stalled;
        match (given_up, first_seconds, last_seconds) {
            (Some(given_up), Some(first), Some(last)) => writeln!(
                f,
                "the server gave up {given_up} of {sockets} stalled ones, {first:.1} to {last:.1} s after the first post"
            )?,
            (Some(given_up), ..) => writeln!(f, "the server gave up {given_up} of {sockets} stalled ones")?,
            (None, ..) => writeln!(f, "whether the server gave stalled ones up is unknown")?,
        }
        writeln!(f, "their ends, as they were read at last: {ends:?}")?;
        write!(
            f,
            "server memory: {} before, {} at most during, {} after",
            Memory(self.rss_before),
            Memory(self.rss_during),
            Memory(self.rss_after)
        )
    }
}
