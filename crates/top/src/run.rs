//! The program: scrapes the nodes at each interval and draws what they answer.

use std::{
    io,
    time::{Duration, Instant, SystemTime},
};

use crossterm::{
    event::{Event, EventStream, KeyEventKind},
    style::Colored,
};
use futures_util::StreamExt;
use tokio::{
    signal::unix::{SignalKind, signal},
    task::{JoinError, JoinSet},
    time::sleep_until,
};

use crate::{
    app::{Action, App, Now},
    report,
    samples::Samples,
    scrape::{self, Address, Scraper, Token},
    terminal::Screen,
    view::{Theme, draw},
};

/// What to look at, and how often.
#[derive(Debug, Clone)]
pub struct Options {
    /// The nodes; at least one.
    pub nodes: Vec<Address>,
    /// The token that all of them demand (`metrics.token`).
    pub token: Option<Token>,
    /// The time between two scrapes, which rates are averaged over.
    pub interval: Duration,
}

/// Why the program ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// TLS cannot be set up.
    #[error("cannot set up TLS: {0}")]
    Setup(#[source] scrape::Error),
    /// The terminal is missing or broken.
    #[error("cannot use the terminal: {0}")]
    Terminal(#[from] io::Error),
    /// A bug: a scrape panicked.
    #[error("a scrape ended unexpectedly: {0}")]
    Scrape(#[from] JoinError),
}

/// A snapshot of all nodes.
#[derive(Debug)]
pub struct Snapshot {
    app: App,
}

impl Snapshot {
    /// Everything that the pages display, as plain text.
    #[must_use]
    pub fn text(&self) -> String {
        report::text(&self.app)
    }

    /// Everything that the pages display, as numbers.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        report::json(&self.app)
    }

    /// One sentence for each node that does not answer.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        self.app.problems()
    }

    /// Whether a node has answered.
    #[must_use]
    pub fn has_figures(&self) -> bool {
        self.app.has_figures()
    }
}

/// Scrapes the nodes twice, an interval apart, for rates of that time.
///
/// # Errors
/// When TLS cannot be set up. Nodes that do not answer are [`Snapshot::problems`].
pub async fn snapshot(options: &Options) -> Result<Snapshot, Error> {
    let mut nodes = Nodes::new(options)?;
    let mut app = nodes.app(options);
    let start = Instant::now();
    for round in 0..2 {
        nodes.scrape();
        while let Some((node, answer)) = nodes.answer().await? {
            app.receive(node, nodes.now(), answer);
        }
        if round == 0 && app.count_up() == 0 {
            // There is nothing to wait for.
            break;
        }
        if round == 0 {
            tokio::time::sleep(options.interval.saturating_sub(start.elapsed())).await;
        }
    }
    Ok(Snapshot { app })
}

/// Displays the nodes on the terminal until the user quits or a signal ends the program.
///
/// # Errors
/// When TLS cannot be set up, or the terminal fails. The terminal is restored in any case.
pub async fn watch(options: &Options) -> Result<(), Error> {
    let mut nodes = Nodes::new(options)?;
    let mut app = nodes.app(options);
    let theme = Theme { has_colours: !Colored::ansi_color_disabled_memoized() };
    let kinds = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()];
    let [mut terminate, mut interrupt, mut hangup] =
        [signal(kinds[0])?, signal(kinds[1])?, signal(kinds[2])?];
    let mut screen = Screen::open()?;
    let mut events = EventStream::new();
    let mut round = tokio::time::Instant::now();
    loop {
        app.now = nodes.now();
        screen.terminal().draw(|frame| draw(frame, &mut app, theme))?;
        let action = tokio::select! {
            () = sleep_until(round), if !app.is_paused => {
                app.end_round();
                nodes.scrape();
                // Not from the planned time: after a suspension there would be many rounds at once.
                round = tokio::time::Instant::now() + app.interval;
                Action::None
            }
            answer = nodes.answer(), if nodes.is_scraping() => {
                if let Some((node, answer)) = answer?.filter(|_| !app.is_paused) {
                    app.receive(node, nodes.now(), answer);
                }
                if !nodes.is_scraping() {
                    app.end_round();
                }
                Action::None
            }
            event = events.next() => match event {
                Some(event) => press(&mut app, &event?),
                // The terminal is closed.
                None => Action::Quit,
            },
            _ = terminate.recv() => Action::Quit,
            _ = interrupt.recv() => Action::Quit,
            _ = hangup.recv() => Action::Quit,
        };
        match action {
            Action::None => {}
            // After a pause, the round was long ago, and begins at once.
            Action::Reschedule => round = round.min(tokio::time::Instant::now() + app.interval),
            Action::Suspend => screen = screen.suspend()?,
            Action::Quit => return Ok(()),
        }
    }
}

fn press(app: &mut App, event: &Event) -> Action {
    match event {
        Event::Key(key) if key.kind != KeyEventKind::Release => app.press(*key),
        // Anything else, such as a new size of the terminal, is drawn.
        _ => Action::None,
    }
}

/// The nodes and the scrapes in progress, one at most of each node.
struct Nodes {
    scraper: Scraper,
    addresses: Vec<Address>,
    is_scraping: Vec<bool>,
    scrapes: JoinSet<(usize, Result<Samples, scrape::Error>)>,
    start: Instant,
}

impl Nodes {
    fn new(options: &Options) -> Result<Self, Error> {
        let mut addresses = Vec::new();
        for address in &options.nodes {
            if !addresses.contains(address) {
                addresses.push(address.clone());
            }
        }
        Ok(Self {
            scraper: Scraper::new(options.token.clone()).map_err(Error::Setup)?,
            is_scraping: vec![false; addresses.len()],
            addresses,
            scrapes: JoinSet::new(),
            start: Instant::now(),
        })
    }

    fn app(&self, options: &Options) -> App {
        App::new(self.addresses.iter().map(ToString::to_string), options.interval)
    }

    /// Starts a scrape of each node that has answered the one before.
    fn scrape(&mut self) {
        for (node, address) in self.addresses.iter().enumerate() {
            if !std::mem::replace(&mut self.is_scraping[node], true) {
                let (scraper, address) = (self.scraper.clone(), address.clone());
                self.scrapes.spawn(async move { (node, scraper.scrape(&address).await) });
            }
        }
    }

    fn is_scraping(&self) -> bool {
        !self.scrapes.is_empty()
    }

    /// The next answer; `None` if no scrape is in progress.
    async fn answer(&mut self) -> Result<Option<(usize, Result<Samples, scrape::Error>)>, JoinError> {
        let answer = self.scrapes.join_next().await.transpose()?;
        if let Some((node, _)) = &answer {
            self.is_scraping[*node] = false;
        }
        Ok(answer)
    }

    fn now(&self) -> Now {
        // The uptime of a node is measured against the time at which its process says that it started.
        #[expect(clippy::disallowed_methods, reason = "no use case: the age of a process on another machine")]
        let wall = SystemTime::now();
        let unix = wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Now { since_start: self.start.elapsed(), unix_seconds: unix.as_secs_f64() }
    }
}
