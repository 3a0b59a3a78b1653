//! Child processes that end with xtask, however xtask ends.

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

/// How long a program may take to end before it is killed.
const GRACE: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(20);

/// Who hears Ctrl-C.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Terminal {
    /// xtask alone; it passes the signal on to the program and everything the program started.
    Own,
    /// Also the program, as an interactive one needs; it decides itself what Ctrl-C means.
    Shared,
}

/// A running program, stopped when dropped.
pub(crate) struct Process {
    child: Child,
    terminal: Terminal,
    stop_signal: Signal,
}

/// A command that the kernel ends with `death` when xtask is gone (`kill -9` runs no `Drop`); only Linux can.
pub(crate) fn bound(program: impl AsRef<OsStr>, death: &str) -> Command {
    let mut command = if *CAN_BIND {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", death, "--"]).arg(program);
        command
    } else {
        Command::new(program)
    };
    forget_package(&mut command);
    command
}

/// Hides from a command what `cargo run` says of the package xtask. Build scripts read the same names (that of ring does),
/// so cargo would run them again, and build anew what depends on them, whenever it is called from here and by hand in turn.
pub(crate) fn forget_package(command: &mut Command) {
    let is_of_package = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in env::vars_os() {
        if name.to_str().is_some_and(is_of_package) {
            command.env_remove(name);
        }
    }
}

/// Like [`bound`], as another user; only root may.
pub(crate) fn bound_as(user: &str, program: impl AsRef<OsStr>, death: &str) -> Command {
    let mut command = Command::new("setpriv");
    command
        .args(["--reuid", user, "--regid", user, "--clear-groups", "--pdeathsig", death, "--"])
        .arg(program);
    command
}

static CAN_BIND: LazyLock<bool> =
    LazyLock::new(|| succeeds(Command::new("setpriv").args(["--pdeathsig", "TERM", "true"])));

/// Whether a command exists and ends well; its output is of no interest.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// What a command prints, or `None` when it does not exist or fails.
pub(crate) fn output(command: &mut Command) -> Option<String> {
    let output = command.stderr(Stdio::null()).output().ok().filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a program to its end and expects success; a signal to xtask stops it.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let line = shown(command);
    let status = Process::spawn(command, Terminal::Own, Signal::TERM)?.wait()?;
    ensure!(status.success(), "`{line}` failed ({status})");
    Ok(())
}

/// The command as somebody would type it, without the wrapper.
fn shown(command: &Command) -> String {
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

/// Ends `condition`'s wait when it holds, an error when it does not in time or xtask is asked to stop.
pub(crate) fn wait_until(limit: Duration, mut condition: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + limit;
    while !condition()? {
        signals::check()?;
        ensure!(Instant::now() < deadline, "not ready after {} s", limit.as_secs());
        // Short, for start-up times are measured by it.
        sleep(Duration::from_millis(2));
    }
    Ok(())
}

impl Process {
    /// Starts a program; `stop_signal` is what it takes as a request to end.
    ///
    /// Always from the main thread: the kernel's parent-death signal is tied to the thread that spawned.
    pub(crate) fn spawn(command: &mut Command, terminal: Terminal, stop_signal: Signal) -> Result<Self> {
        if terminal == Terminal::Own {
            // A group of its own also lets one signal reach what the program starts, such as cargo's test binaries.
            command.process_group(0).stdin(Stdio::null());
        }
        let child = command.spawn().with_context(|| format!("starting `{}`", shown(command)))?;
        Ok(Self { child, terminal, stop_signal })
    }

    /// The process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended, and how.
    pub(crate) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.child.try_wait().context("waiting for a program")
    }

    /// Waits for the end; a signal to xtask is passed on and becomes [`Interrupted`].
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

    /// Asks it to end, kills it when it does not, and tells how it ended.
    pub(crate) fn stop(mut self) -> Result<ExitStatus> {
        self.stop_with(self.stop_signal)
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
        // The one way to fail is that it has just ended, which is what the signal is for.
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
    fn a_program_does_not_see_what_cargo_says_of_this_package() {
        // Cargo sets them for tests as it does for `cargo run`.
        assert!(env::vars_os().any(|(name, _)| name == "CARGO_PKG_NAME"));
        let names = String::from_utf8(bound("env", "KILL").output().unwrap().stdout).unwrap();
        assert!(!names.contains("CARGO_PKG_") && !names.contains("CARGO_MANIFEST_"), "{names}");
    }

    #[test]
    fn a_dropped_program_is_ended_with_what_it_started() {
        let mut command = bound("sh", "KILL");
        command.args(["-c", "sleep 600 & wait"]);
        let process = Process::spawn(&mut command, Terminal::Own, Signal::TERM).unwrap();
        let group = Pid::from_child(&process.child);
        drop(process);
        wait_until(GRACE, || Ok(rustix::process::test_kill_process_group(group).is_err())).unwrap();
    }

    #[test]
    fn exit_codes_are_those_of_a_shell() {
        let code = |script: &str| exit_code(Command::new("sh").args(["-c", script]).status().unwrap());
        assert_eq!([code("exit 0"), code("exit 101"), code("kill -9 $$")], [0, 101, 137]);
    }

    #[test]
    fn messages_show_the_command_without_the_wrapper() {
        let mut command = bound("cargo", "TERM");
        assert_eq!(shown(command.arg("test")), "cargo test");
    }
}
