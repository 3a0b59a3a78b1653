//! A child process that dies with this one.

use std::{fs::File, path::Path, process::ExitStatus, time::Duration};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, geteuid, kill_process};
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep, timeout},
};

/// For a program to exit, or to become ready.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// A running program; killed when dropped.
pub(crate) struct Process(Child);

/// A command whose program gets the signal from the kernel when this program dies, however it dies. As root, it can run
/// as another user.
pub(crate) fn bound(program: &Path, death: &str, user: Option<&str>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", death]);
    if let Some(user) = user.filter(|_| geteuid().is_root()) {
        command.args(["--reuid", user, "--regid", user, "--clear-groups"]);
    }
    command.arg("--").arg(program);
    command
}

impl Process {
    /// Starts a program; its output is appended to a log.
    pub(crate) fn spawn(command: &mut Command, log: &Path) -> Result<Self> {
        let log = File::options().create(true).append(true).open(log).context("opening a log")?;
        command.stdout(log.try_clone()?).stderr(log).stdin(std::process::Stdio::null());
        // A group of its own: Ctrl-C is for this program, which stops the others.
        let child = command.process_group(0).kill_on_drop(true).spawn();
        Ok(Self(child.with_context(|| format!("starting {command:?}"))?))
    }

    pub(crate) fn signal(&self, signal: Signal) {
        // Fails only if the program has just exited.
        let pid = self.0.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let _ = pid.map(|pid| kill_process(pid, signal));
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(Some(_)))
    }

    /// Sends the signal and waits for the end.
    pub(crate) async fn stop(mut self, signal: Signal) -> Result<ExitStatus> {
        self.signal(signal);
        let status = timeout(LIMIT, self.0.wait()).await.context("a program did not exit")?;
        Ok(status?)
    }
}

/// Polls a condition until it is true, or fails.
pub(crate) async fn until(what: &str, mut condition: impl AsyncFnMut() -> bool) -> Result<()> {
    let deadline = Instant::now() + LIMIT;
    while !condition().await {
        ensure!(Instant::now() < deadline, "{what} takes more than {} s", LIMIT.as_secs());
        sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}
