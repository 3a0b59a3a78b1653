//! Handles SIGINT, SIGTERM and SIGHUP with a flag, so that a stop is an ordinary error and started processes are
//! stopped by their `Drop` implementations.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use anyhow::{Context, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

static RECEIVED: LazyLock<Arc<AtomicUsize>> = LazyLock::new(Arc::default);

/// The error of a command that a signal has stopped.
#[derive(Debug)]
pub(crate) struct Interrupted(pub(crate) i32);

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stopped by signal {}", self.0)
    }
}

impl std::error::Error for Interrupted {}

/// Installs the signal handlers. From here on Ctrl-C, SIGTERM and SIGHUP no longer kill xtask.
pub(crate) fn listen() -> Result<()> {
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register_usize(signal, Arc::clone(&RECEIVED), usize::try_from(signal)?)
            .with_context(|| format!("installing the handler of signal {signal}"))?;
    }
    Ok(())
}

/// The latest signal received.
pub(crate) fn received() -> Option<i32> {
    i32::try_from(RECEIVED.load(Ordering::Relaxed)).ok().filter(|signal| *signal != 0)
}

/// Returns an error if a signal was received. For loops that wait.
pub(crate) fn check() -> Result<()> {
    received().map_or(Ok(()), |signal| Err(Interrupted(signal).into()))
}
