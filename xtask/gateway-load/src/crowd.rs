//! Many connections at once.

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
    figures::Spread,
    rest::Member,
    socket::{Intake, Rejection, Socket, Target},
};

/// Handshakes that wait for the server at the same time.
const AT_ONCE: usize = 128;
/// How often a handshake that is to be tried later is tried, a second apart.
const TRIES: usize = 10;

/// Open connections, which end when this is dropped.
pub(crate) struct Crowd {
    pub(crate) opening: Opening,
    _connections: JoinSet<()>,
}

/// How the connections came about.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Opening {
    pub(crate) sockets: usize,
    /// From the first handshake until all were attended to.
    pub(crate) seconds: f64,
    /// Handshakes that the server wanted to be tried later (429, 503).
    pub(crate) put_off: usize,
    /// From connecting to `ready`.
    pub(crate) ready: Spread,
}

impl fmt::Display for Opening {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sockets, seconds, put_off, ready } = self;
        write!(f, "{sockets} connections in {seconds:.1} s, {put_off} times put off; until ready: {ready}")
    }
}

impl Crowd {
    /// Opens `count` connections, at most `rate` a second; each is attended to as soon as it is ready, since the server
    /// pings it.
    ///
    /// # Errors
    /// When one cannot be opened.
    pub(crate) async fn open<F, A>(
        target: &Arc<Target>,
        members: &[Member],
        count: usize,
        rate: u32,
        attend: F,
    ) -> Result<Self>
    where
        F: Fn(usize, Socket) -> A,
        A: Future<Output = ()> + Send + 'static,
        F: Clone + Send + 'static,
    {
        let (ready, mut opened) = mpsc::unbounded_channel();
        let turns = Arc::new(Semaphore::new(AT_ONCE));
        let mut connections = JoinSet::new();
        let mut ticks = interval(Duration::from_secs(1) / rate.max(1));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let begin = Instant::now();
        let mut times = Vec::with_capacity(count);
        let mut put_off = 0;
        for number in 0..count {
            ticks.tick().await;
            let turn = Arc::clone(&turns).acquire_owned().await?;
            let (target, token) = (Arc::clone(target), Arc::clone(&members[number % members.len()].token));
            let (ready, attend) = (ready.clone(), attend.clone());
            connections.spawn(async move {
                let result = open(&target, &token, number).await;
                drop(turn);
                match result {
                    Ok((socket, took, tries)) => {
                        // Nobody waits for it any more when another one failed.
                        let _ = ready.send(Ok((took, tries)));
                        drop(ready);
                        attend(number, socket).await;
                    }
                    Err(error) => {
                        let _ = ready.send(Err(error));
                    }
                }
            });
            while let Ok(result) = opened.try_recv() {
                note(result, &mut times, &mut put_off)?;
            }
        }
        drop(ready);
        while let Some(result) = opened.recv().await {
            note(result, &mut times, &mut put_off)?;
        }
        let opening = Opening {
            sockets: times.len(),
            seconds: begin.elapsed().as_secs_f64(),
            put_off,
            ready: Spread::of(times),
        };
        Ok(Self { opening, _connections: connections })
    }
}

fn note(result: Result<(Duration, usize)>, times: &mut Vec<Duration>, put_off: &mut usize) -> Result<()> {
    let (took, tries) = result?;
    times.push(took);
    *put_off += tries;
    Ok(())
}

async fn open(target: &Target, token: &str, number: usize) -> Result<(Socket, Duration, usize)> {
    for tries in 0..TRIES {
        let begin = Instant::now();
        match target.open(token, number, Intake::Usual).await {
            Ok(socket) => return Ok((socket, begin.elapsed(), tries)),
            Err(Rejection::Later(_)) => sleep(Duration::from_secs(1)).await,
            Err(Rejection::Never(error)) => return Err(error).with_context(|| format!("socket {number}")),
        }
    }
    anyhow::bail!("socket {number} was put off {TRIES} times (429 or 503)")
}
