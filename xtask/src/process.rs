//! Child processes that are stopped when xtask ends, however it ends.

use std::env;
use std::ffi::OsStr;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::LazyLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use signal_hook::consts::SIGINT;

use crate::signals::{self, Interrupted};

/// How long a program may take to exit before it is killed.
const GRACE: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(20);

/// Which process receives Ctrl-C.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Terminal {
    /// Only xtask, which forwards the signal to the program and its descendants.
    Own,
    /// The program as well, as interactive programs need; it handles Ctrl-C itself.
    Shared,
}

/// A running program; stopped when dropped.
pub(crate) struct Process {
    child: Child,
    terminal: Terminal,
    stop_signal: Signal,
}

/// Creates a command that gets the signal `death` from the kernel when xtask dies, because `kill -9` runs no `Drop`. On
/// systems other than Linux the command is unchanged.
pub(crate) fn bound(program: impl AsRef<OsStr>, death: &str) -> Command {
    let mut command = if *CAN_BIND {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", death, "--"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    remove_package_variables(&mut command);
    command
}

/// Removes the variables that `cargo run` sets for the package xtask. Some build scripts (such as ring's) read them, so
/// cargo would rerun them and rebuild their dependents whenever it is called alternately from here and by hand.
pub(crate) fn remove_package_variables(command: &mut Command) {
    let is_of_package = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(is_of_package) {
            command.env_remove(name);
        }
    }
}

/// Like [`bound`], as another user. Requires root.
pub(crate) fn bound_as(user: &str, program: impl AsRef<OsStr>, death: &str) -> Command {
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid", user, "--regid", user, "--clear-groups", "--pdeathsig", death, "--"])
        .arg(program);
    command
}

static CAN_BIND: LazyLock<bool> =
    LazyLock::new(|| succeeds(Command::new("setpriv").args(["--pdeathsig", "TERM", "true"])));

/// Whether a command exists and succeeds. Discards its output.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// The standard output of a command, or `None` if it does not exist or fails.
pub(crate) fn output(command: &mut Command) -> Option<String> {
    let output = command.stderr(Stdio::null()).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a program and returns an error if it fails. A signal to xtask stops it.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let line = command_line(command);
    let status = Process::spawn(command, Terminal::Own, Signal::TERM)?.wait()?;
    ensure!(status.success(), "`{line}` failed ({status})");
    Ok(())
}

/// The command line for messages, without the wrapper `setpriv`.
fn command_line(command: &Command) -> String {
    let words: Vec<_> = std::iter::once(command.get_program()).chain(command.get_args()).collect();
    let start = words.iter().position(|word| *word == "--").filter(|_| words[0] == "setpriv");
    let words = &words[start.map_or(0, |position| position + 1)..];
    words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// The exit code a shell would report.
pub(crate) fn exit_code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

/// Polls `condition` until it is true. Returns an error after `limit`, or when xtask receives a signal.
pub(crate) fn wait_until(limit: Duration, mut condition: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + limit;
    while !condition()? {
        signals::check()?;
        ensure!(Instant::now() < deadline, "not ready after {} s", limit.as_secs());
        // Short, because start-up times are measured with it.
        sleep(Duration::from_millis(2));
    }
    Ok(())
}

impl Process {
    /// Starts a program; `stop_signal` is the signal that stops it gracefully.
    ///
    /// Call it from the main thread only: the kernel's parent-death signal is tied to the spawning thread.
    pub(crate) fn spawn(command: &mut Command, terminal: Terminal, stop_signal: Signal) -> Result<Self> {
        if terminal == Terminal::Own {
            // With its own process group, one signal also reaches its descendants, such as cargo's test binaries.
            command.process_group(0).stdin(Stdio::null());
        }
        let child = command.spawn().with_context(|| format!("starting `{}`", command_line(command)))?;
        Ok(Self { child, terminal, stop_signal })
    }

    /// The process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// The exit status, if it has exited.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().context("waiting for a program")
    }

    /// Waits until the program exits. Forwards a signal to xtask to the program, and returns [`Interrupted`].
    pub(crate) fn wait(mut self) -> Result<ExitStatus> {
        loop {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            if let Some(signal) = signals::received().filter(|signal| self.must_stop(*signal)) {
                self.stop_with(Signal::from_named_raw(signal).unwrap_or(Signal::TERM))?;
                return Err(Interrupted(signal).into());
            }
            sleep(POLL);
        }
    }

    /// Stops the program gracefully, kills it after [`GRACE`], and returns its exit status.
    pub(crate) fn stop(mut self) -> Result<ExitStatus> {
        self.stop_with(self.stop_signal)
    }

    /// Kills the program, as a crash or the kernel does when memory runs out.
    pub(crate) fn kill(mut self) -> Result<()> {
        self.send(Signal::KILL);
        self.child.wait().map(drop).context("waiting for a killed program")
    }

    fn must_stop(&self, signal: i32) -> bool {
        self.terminal == Terminal::Own || signal != SIGINT
    }

    fn stop_with(&mut self, signal: Signal) -> Result<ExitStatus> {
        let deadline = Instant::now() + GRACE;
        self.send(signal);
        while Instant::now() < deadline {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            sleep(POLL);
        }
        self.send(Signal::KILL);
        self.child.wait().context("waiting for a killed program")
    }

    fn send(&self, signal: Signal) {
        let pid = Pid::from_child(&self.child);
        // Fails only if the program has just exited, which is the purpose of the signal.
        let _ = match self.terminal {
            Terminal::Own => kill_process_group(pid, signal),
            Terminal::Shared => kill_process(pid, signal),
        };
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.stop_with(self.stop_signal);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargo_package_variables_are_removed() {
        // Cargo sets the variables for tests, too.
        assert!(env::vars_os().any(|(name, _)| name == "CARGO_PKG_NAME"));
        let names = String::from_utf8(bound("env", "KILL").output().unwrap().stdout).unwrap();
        assert!(!names.contains("CARGO_PKG_") && !names.contains("CARGO_MANIFEST_"), "{names}");
    }

    #[test]
    fn dropped_process_is_stopped_with_its_children() {
        let mut command = bound("sh", "KILL");
        command.args(["-c", "sleep 600 & wait"]);
        let process = Process::spawn(&mut command, Terminal::Own, Signal::TERM).unwrap();
        let group = Pid::from_child(&process.child);
        drop(process);
        wait_until(GRACE, || Ok(rustix::process::test_kill_process_group(group).is_err())).unwrap();
    }

    #[test]
    fn exit_codes_match_those_of_a_shell() {
        let code = |script: &str| exit_code(Command::new("sh").args(["-c", script]).status().unwrap());
        assert_eq!([code("exit 0"), code("exit 101"), code("kill -9 $$")], [0, 101, 137]);
    }

    #[test]
    fn messages_omit_the_setpriv_wrapper() {
        let mut command = bound("cargo", "TERM");
        assert_eq!(command_line(command.arg("test")), "cargo test");
    }
}
