//! A pseudoterminal with a program in it, and what a terminal would display.

use std::{
    fs::File,
    io::{self, Read, Write},
    num::NonZeroU16,
    os::fd::OwnedFd,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Condvar, Mutex, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use rustix::{
    fs::{Mode, OFlags, open},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Termios, Winsize, tcgetattr, tcsetwinsize},
};
use vt100::Parser;

/// How long a test waits for something that must appear.
const LIMIT: Duration = Duration::from_secs(30);

/// A program in a terminal; killed when dropped.
pub struct PseudoTerminal {
    child: Child,
    master: File,
    slave: Option<OwnedFd>,
    screen: Arc<(Mutex<Parser>, Condvar)>,
    reader: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for PseudoTerminal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PseudoTerminal").field("text", &self.text()).finish_non_exhaustive()
    }
}

impl PseudoTerminal {
    /// Starts `program` with `arguments` in a terminal of this size, which is its controlling terminal.
    ///
    /// # Errors
    /// When the system has no pseudoterminal, or not the program `setsid` of util-linux.
    pub fn start(
        program: &str,
        arguments: &[&str],
        (columns, rows): (u16, u16),
        environment: &[(&str, &str)],
    ) -> io::Result<Self> {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let name = ptsname(&master, Vec::new())?;
        let slave = open(&*name, OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty())?;
        tcsetwinsize(&slave, size(columns, rows))?;
        let stdio = || slave.try_clone().map(Stdio::from);
        let mut command = Command::new("setsid");
        command.arg("--ctty").arg(program).args(arguments);
        command.env("TERM", "xterm-256color").env_remove("NO_COLOR");
        command.stdin(stdio()?).stdout(stdio()?).stderr(stdio()?);
        command.envs(environment.iter().copied());
        let child = command.spawn()?;
        let parser = Parser::new(nonzero(rows), nonzero(columns), 0);
        let screen = Arc::new((Mutex::new(parser), Condvar::new()));
        let master = File::from(master);
        let reader = std::thread::spawn({
            let (mut output, screen) = (master.try_clone()?, Arc::clone(&screen));
            move || read(&mut output, &screen)
        });
        Ok(Self { child, master, slave: Some(slave), screen, reader: Some(reader) })
    }

    /// Types.
    ///
    /// # Errors
    /// When the program has ended.
    pub fn press(&mut self, keys: &str) -> io::Result<()> {
        self.master.write_all(keys.as_bytes())
    }

    /// Changes the size.
    ///
    /// # Errors
    /// When the system cannot.
    pub fn resize(&mut self, columns: u16, rows: u16) -> io::Result<()> {
        let mut parser = self.screen.0.lock().unwrap_or_else(PoisonError::into_inner);
        parser.set_size(nonzero(rows), nonzero(columns));
        drop(parser);
        Ok(tcsetwinsize(&self.master, size(columns, rows))?)
    }

    /// Waits until the terminal displays what `is_there` accepts, and returns its text.
    ///
    /// # Panics
    /// With the text, if it does not within 30 seconds.
    #[must_use]
    #[track_caller]
    pub fn wait_for(&self, is_there: impl Fn(&str) -> bool) -> String {
        let (parser, changed) = &*self.screen;
        let parser = parser.lock().unwrap_or_else(PoisonError::into_inner);
        let end = Instant::now() + LIMIT;
        let (parser, _) = changed
            .wait_timeout_while(parser, end - Instant::now(), |parser| !is_there(&parser.screen().contents()))
            .unwrap_or_else(PoisonError::into_inner);
        let text = parser.screen().contents();
        assert!(is_there(&text), "the terminal displays:\n{text}");
        text
    }

    /// What the terminal displays.
    #[must_use]
    pub fn text(&self) -> String {
        self.screen.0.lock().unwrap_or_else(PoisonError::into_inner).screen().contents()
    }

    /// Whether the program uses the alternate screen, or hides the cursor.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        let parser = self.screen.0.lock().unwrap_or_else(PoisonError::into_inner);
        parser.screen().alternate_screen() || parser.screen().hide_cursor()
    }

    /// Whether a character on the screen has a colour.
    #[must_use]
    pub fn has_colours(&self) -> bool {
        let parser = self.screen.0.lock().unwrap_or_else(PoisonError::into_inner);
        let screen = parser.screen();
        let (rows, columns) = screen.size();
        let cells = (0..rows.get()).flat_map(|row| (0..columns.get()).map(move |column| (row, column)));
        let colours = cells.filter_map(|(row, column)| screen.cell(row, column));
        colours
            .into_iter()
            .any(|cell| cell.fgcolor() != vt100::Color::Default || cell.bgcolor() != vt100::Color::Default)
    }

    /// The mode of the terminal: echo, lines or single keys, signals.
    ///
    /// # Errors
    /// When the system cannot say.
    pub fn mode(&self) -> io::Result<Termios> {
        Ok(tcgetattr(&self.master)?)
    }

    /// The process.
    #[must_use]
    pub fn child(&self) -> &Child {
        &self.child
    }

    /// Waits for the program to end, and until all of its output is displayed.
    ///
    /// # Errors
    /// When it does not end within 30 seconds.
    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        let end = Instant::now() + LIMIT;
        let status = loop {
            match self.child.try_wait()? {
                Some(status) => break status,
                None if Instant::now() > end => return Err(io::ErrorKind::TimedOut.into()),
                None => std::thread::sleep(Duration::from_millis(5)),
            }
        };
        // Without another user of the terminal, the reader comes to the end of the output.
        drop(self.slave.take());
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        Ok(status)
    }
}

impl Drop for PseudoTerminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(output: &mut File, screen: &(Mutex<Parser>, Condvar)) {
    let mut piece = [0; 4096];
    while let Ok(count @ 1..) = output.read(&mut piece) {
        screen.0.lock().unwrap_or_else(PoisonError::into_inner).process(&piece[..count]);
        screen.1.notify_all();
    }
}

fn nonzero(cells: u16) -> NonZeroU16 {
    NonZeroU16::new(cells).unwrap_or(NonZeroU16::MIN)
}

fn size(columns: u16, rows: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}
