//! The `idle` scenario: opens connections that only answer pings, and measures the server's memory per connection and
//! how many connections stay open.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use tokio::time::sleep;

use crate::{
    Report, Setup,
    connections::{ConnectSummary, ConnectionSet},
    server::resident_memory,
    socket::{Frame, Socket},
    stats::Memory,
};

#[derive(Args)]
pub(crate) struct Options {
    /// Number of connections
    #[arg(long, default_value_t = 10_000)]
    pub(crate) sockets: usize,
    /// Number of users that the connections are spread over
    #[arg(long, default_value_t = 500, value_parser = crate::at_least_one)]
    pub(crate) users: usize,
    /// Seconds to keep the connections open after the last one is ready
    #[arg(long, default_value_t = 60)]
    pub(crate) hold: u64,
}

#[derive(Serialize)]
pub(crate) struct IdleReport {
    opening: ConnectSummary,
    users: usize,
    rss_before: Option<u64>,
    rss_ready: Option<u64>,
    rss_after_hold: Option<u64>,
    bytes_per_socket: Option<u64>,
    bytes_per_socket_after_hold: Option<u64>,
    hold_seconds: u64,
    open: usize,
    pings: u64,
    /// Number of ended connections by close code.
    closed: BTreeMap<String, usize>,
}

#[derive(Default)]
struct Tally {
    pings: u64,
    closed: BTreeMap<String, usize>,
}

pub(crate) async fn run(setup: &Setup, options: &Options) -> Result<IdleReport> {
    let members = setup.sign_up(options.users).await?;
    let rss_before = resident_memory(setup.pid);
    let tally = Arc::new(Mutex::new(Tally::default()));
    let handler = {
        let tally = Arc::clone(&tally);
        move |_, socket| answer_pings(socket, Arc::clone(&tally))
    };
    let connections =
        ConnectionSet::open(&setup.targets, &members, options.sockets, setup.handshakes, handler).await?;
    let rss_ready = resident_memory(setup.pid);
    sleep(Duration::from_secs(options.hold)).await;
    let rss_after = resident_memory(setup.pid);
    let per_socket =
        |rss: Option<u64>| Some(rss?.saturating_sub(rss_before?) / options.sockets.max(1) as u64);
    let tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(IdleReport {
        users: options.users,
        rss_before,
        rss_ready,
        rss_after_hold: rss_after,
        bytes_per_socket: per_socket(rss_ready),
        bytes_per_socket_after_hold: per_socket(rss_after),
        hold_seconds: options.hold,
        open: connections.opening.sockets - tally.closed.values().sum::<usize>(),
        pings: tally.pings,
        closed: tally.closed.clone(),
        opening: connections.opening,
    })
}

async fn answer_pings(mut socket: Socket, tally: Arc<Mutex<Tally>>) {
    let mut pings = 0;
    loop {
        let frame = socket.read_frame().await;
        let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.pings += socket.pings - pings;
        pings = socket.pings;
        if let Some(Frame::Closed(closed)) = frame {
            *tally.closed.entry(closed.to_string()).or_default() += 1;
            return;
        }
    }
}

impl Report for IdleReport {
    fn failure(&self) -> Option<String> {
        let missing = self.opening.sockets - self.open;
        (missing > 0).then(|| format!("{missing} connections ended"))
    }
}

impl fmt::Display for IdleReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}; {} users", self.opening, self.users)?;
        writeln!(
            f,
            "server memory: {} before, {} when all connections were ready, {} after {} s",
            Memory(self.rss_before),
            Memory(self.rss_ready),
            Memory(self.rss_after_hold),
            self.hold_seconds
        )?;
        if let (Some(ready), Some(later)) = (self.bytes_per_socket, self.bytes_per_socket_after_hold) {
            writeln!(
                f,
                "bytes per connection: {ready} when all connections were ready, {later} after {} s",
                self.hold_seconds
            )?;
        }
        write!(f, "open {}, ended by close code {:?}, pings answered {}", self.open, self.closed, self.pings)
    }
}
