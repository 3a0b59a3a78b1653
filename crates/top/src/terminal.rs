//! The terminal while the view has it: raw mode and the alternate screen, which every way out leaves again.

use std::{
    io::{self, Stdout, stdout},
    sync::{
        Once,
        atomic::{AtomicBool, Ordering},
    },
};

use crossterm::{
    cursor::Show,
    execute,
    terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode},
};
use ratatui::{Terminal, backend::CrosstermBackend};
use rustix::process::{Signal, getpid, kill_process};

/// Whether the process has the terminal. A second restoration would put the cursor where it was before the view, and the
/// message of a panic would be overwritten.
static IS_TAKEN: AtomicBool = AtomicBool::new(false);

/// The terminal, restored when dropped, and before the message of a panic is printed.
pub(crate) struct Screen(Terminal<CrosstermBackend<Stdout>>);

impl Screen {
    pub(crate) fn open() -> io::Result<Self> {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let previous = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                restore();
                previous(panic);
            }));
        });
        enable_raw_mode()?;
        IS_TAKEN.store(true, Ordering::SeqCst);
        let entered = execute!(stdout(), EnterAlternateScreen);
        let terminal = entered.and_then(|()| Terminal::new(CrosstermBackend::new(stdout())));
        terminal.map(Self).inspect_err(|_| restore())
    }

    pub(crate) fn terminal(&mut self) -> &mut Terminal<CrosstermBackend<Stdout>> {
        &mut self.0
    }

    /// Gives the terminal back to the shell until it continues this process (Ctrl-Z, `fg`).
    pub(crate) fn suspend(self) -> io::Result<Self> {
        drop(self);
        kill_process(getpid(), Signal::TSTP)?;
        Self::open()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        restore();
    }
}

fn restore() {
    if IS_TAKEN.swap(false, Ordering::SeqCst) {
        // If the terminal is closed, there is nothing to restore.
        let _ = execute!(stdout(), LeaveAlternateScreen, Show);
        let _ = disable_raw_mode();
    }
}

#[cfg(test)]
mod tests {
    use rustix::termios::LocalModes;

    use super::*;
    use crate::testing::PseudoTerminal;

    /// In a process of its own, because a panic hook is global, and in a terminal.
    #[test]
    fn terminal_is_restored_after_a_panic() {
        let program = std::env::current_exe().unwrap();
        let arguments = [
            "--exact",
            "terminal::tests::panics_in_the_terminal",
            "--ignored",
            "--nocapture",
            "--test-threads=1",
        ];
        let mut terminal =
            PseudoTerminal::start(program.to_str().unwrap(), &arguments, (120, 40), &[]).unwrap();
        assert!(!terminal.wait().unwrap().success());
        // On the screen of the shell, where it stays.
        let text = terminal.text();
        assert!(text.contains("panicked at") && text.contains("on purpose"), "{text}");
        assert!(!terminal.is_taken());
        assert!(terminal.mode().unwrap().local_modes.contains(LocalModes::ECHO | LocalModes::ICANON));
    }

    #[test]
    #[ignore = "a part of the test above, which runs it in a terminal"]
    fn panics_in_the_terminal() {
        let mut screen = Screen::open().unwrap();
        screen.terminal().draw(|frame| frame.render_widget("the view", frame.area())).unwrap();
        panic!("on purpose");
    }
}
