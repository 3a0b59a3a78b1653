//! Requests to stop, kept as a flag: what was started is then stopped by ordinary `Drop`s, whatever the reason.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use anyhow::{Context, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

static RECEIVED: LazyLock<Arc<AtomicUsize>> = LazyLock::new(Arc::default);

/// The person or the CI asked for an end; not a failure of its own.
#[derive(Debug)]
pub(crate) struct Interrupted(pub(crate) i32);

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stopped by signal {}", self.0)
    }
}

impl std::error::Error for Interrupted {}

/// From here on Ctrl-C, SIGTERM and SIGHUP no longer end xtask on the spot.
pub(crate) fn listen() -> Result<()> {
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register_usize(signal, Arc::clone(&RECEIVED), usize::try_from(signal)?)
            .with_context(|| format!("listening for signal {signal}"))?;
    }
    Ok(())
}

/// The latest request to stop.
pub(crate) fn received() -> Option<i32> {
    i32::try_from(RECEIVED.load(Ordering::Relaxed)).ok().filter(|signal| *signal != 0)
}

/// For loops that wait: ends them when a stop was asked for.
pub(crate) fn check() -> Result<()> {
    received().map_or(Ok(()), |signal| Err(Interrupted(signal).into()))
}
