//! Opens many connections: at a limited rate, with a limited number of concurrent handshakes, and with retries.

use std::{
    fmt,
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use serde::Serialize;
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinSet,
    time::{MissedTickBehavior, interval, sleep},
};

use crate::{
    rest::Member,
    socket::{ConnectError, ReceiveBuffer, Socket, Targets},
    stats::LatencySummary,
};

/// Concurrent handshakes.
const MAX_HANDSHAKES: usize = 128;
/// Attempts per handshake, one second apart.
const MAX_ATTEMPTS: usize = 10;

/// Open connections. Dropping the set closes them.
pub(crate) struct ConnectionSet {
    pub(crate) opening: ConnectSummary,
    _connections: JoinSet<()>,
}

/// How long it took to open the connections.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct ConnectSummary {
    pub(crate) sockets: usize,
    /// From the first handshake until all connections were ready.
    pub(crate) seconds: f64,
    /// Handshakes that the server rejected with 429 or 503 and that were retried.
    pub(crate) retried: usize,
    /// From the TCP connect of the successful attempt to `ready`.
    pub(crate) ready: LatencySummary,
}

impl fmt::Display for ConnectSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sockets, seconds, retried, ready } = self;
        write!(
            f,
            "{sockets} connections in {seconds:.1} s, {retried} handshakes retried; until ready: {ready}"
        )
    }
}

impl ConnectionSet {
    /// Opens `count` connections, at most `rate` a second. Runs `handler` for each as soon as it is ready, because the
    /// server pings it from then on.
    ///
    /// # Errors
    /// If a connection cannot be opened.
    pub(crate) async fn open<F, A>(
        targets: &Arc<Targets>,
        members: &[Member],
        count: usize,
        rate: u32,
        handler: F,
    ) -> Result<Self>
    where
        F: Fn(usize, Socket) -> A,
        A: Future<Output = ()> + Send + 'static,
        F: Clone + Send + 'static,
    {
        let (result_sender, mut results) = mpsc::unbounded_channel();
        let semaphore = Arc::new(Semaphore::new(MAX_HANDSHAKES));
        let mut connections = JoinSet::new();
        let mut ticks = interval(Duration::from_secs(1) / rate.max(1));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let start = Instant::now();
        let mut times = Vec::with_capacity(count);
        let mut retry_count = 0;
        for number in 0..count {
            ticks.tick().await;
            let permit = Arc::clone(&semaphore).acquire_owned().await?;
            let (targets, token) = (Arc::clone(targets), Arc::clone(&members[number % members.len()].token));
            let (result_sender, handler) = (result_sender.clone(), handler.clone());
            connections.spawn(async move {
                let result = open_with_retries(&targets, &token, number).await;
                drop(permit);
                match result {
                    Ok((socket, elapsed, retries)) => {
                        // The receiver is dropped if another connection failed.
                        let _ = result_sender.send(Ok((elapsed, retries)));
                        drop(result_sender);
                        handler(number, socket).await;
                    }
                    Err(error) => {
                        let _ = result_sender.send(Err(error));
                    }
                }
            });
            while let Ok(result) = results.try_recv() {
                record(result, &mut times, &mut retry_count)?;
            }
        }
        drop(result_sender);
        while let Some(result) = results.recv().await {
            record(result, &mut times, &mut retry_count)?;
        }
        let opening = ConnectSummary {
            sockets: times.len(),
            seconds: start.elapsed().as_secs_f64(),
            retried: retry_count,
            ready: LatencySummary::from_durations(times),
        };
        Ok(Self { opening, _connections: connections })
    }
}

fn record(
    result: Result<(Duration, usize)>,
    times: &mut Vec<Duration>,
    retry_count: &mut usize,
) -> Result<()> {
    let (elapsed, retries) = result?;
    times.push(elapsed);
    *retry_count += retries;
    Ok(())
}

async fn open_with_retries(
    targets: &Targets,
    token: &str,
    number: usize,
) -> Result<(Socket, Duration, usize)> {
    for retries in 0..MAX_ATTEMPTS {
        let start = Instant::now();
        match targets.open(token, number, ReceiveBuffer::Standard).await {
            Ok(socket) => return Ok((socket, start.elapsed(), retries)),
            Err(ConnectError::Retry(_)) => sleep(Duration::from_secs(1)).await,
            Err(ConnectError::Permanent(error)) => {
                return Err(error).with_context(|| format!("socket {number}"));
            }
        }
    }
    anyhow::bail!("socket {number}: the server rejected {MAX_ATTEMPTS} handshakes with 429 or 503")
}
