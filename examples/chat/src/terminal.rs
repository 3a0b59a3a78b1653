//! Lines in and out, and the password.

use std::{
    io::{self, BufRead, IsTerminal, Write},
    thread,
};

use anyhow::{Context, Result, ensure};
use tokio::sync::mpsc;

/// The lines of stdin, until it ends.
///
/// They are read by a thread of their own that nobody waits for: a read from a terminal cannot be cancelled.
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

/// Prints a line of the conversation at once, even into a pipe.
pub(crate) fn print(line: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).context("stdout is closed")
}

/// Tells how it goes. Nobody has to listen.
pub(crate) fn tell(line: &str) {
    let _ = writeln!(io::stderr(), "· {line}");
}

/// Asks for the password, without showing what is typed.
pub(crate) fn password() -> Result<String> {
    ensure!(io::stdin().is_terminal(), "give the password in CHAT_PASSWORD");
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
