//! Terminal I/O: input lines, output lines, the password prompt.

use std::{
    io::{self, BufRead, IsTerminal, Write},
    thread,
};

use anyhow::{Context, Result, ensure};
use tokio::sync::mpsc;

/// Reads lines from stdin until it ends.
///
/// A detached thread reads them, because a blocking read from a terminal cannot be cancelled.
pub(crate) fn lines() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(1);
    thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            if sender.blocking_send(line).is_err() {
                break;
            }
        }
    });
    receiver
}

/// Prints a line of the conversation and flushes stdout, which would be buffered in a pipe.
pub(crate) fn print(line: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).context("stdout is closed")
}

/// Prints a status line to stderr; ignores errors.
pub(crate) fn notify(line: &str) {
    let _ = writeln!(io::stderr(), "· {line}");
}

/// Prompts for the password without echo.
pub(crate) fn password() -> Result<String> {
    ensure!(io::stdin().is_terminal(), "stdin is not a terminal: set the password in CHAT_PASSWORD");
    let _ = write!(io::stderr(), "password: ");
    let mut password = String::new();
    without_echo(|| io::stdin().read_line(&mut password))?;
    let _ = writeln!(io::stderr());
    Ok(password.trim_end_matches(['\r', '\n']).to_owned())
}

#[cfg(unix)]
fn without_echo<T>(read: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
    let before = tcgetattr(io::stdin())?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    tcsetattr(io::stdin(), OptionalActions::Flush, &silent)?;
    let answer = read();
    tcsetattr(io::stdin(), OptionalActions::Now, &before)?;
    answer
}

#[cfg(not(unix))]
fn without_echo<T>(read: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    read()
}
