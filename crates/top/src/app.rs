//! The state of the view: nodes, their readings, and what the user has chosen. Without I/O and without a clock.

use std::{collections::VecDeque, time::Duration};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::{
    figures::Figures,
    format,
    pages::{NodeRow, Page, Sort},
    readings::{Readings, Scrape},
    samples::Samples,
    scrape::Error,
    text::{Text, Tone},
};

/// Points of the chart; wider terminals show no more.
const HISTORY: usize = 512;

/// The intervals that `+` and `-` choose from.
const INTERVALS_MS: [u64; 8] = [500, 1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000];

/// What a key demands from the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    None,
    Quit,
    Suspend,
    /// The interval has changed, or the pause.
    Reschedule,
}

/// A moment: since the program started, and in seconds since 1970.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Now {
    pub(crate) since_start: Duration,
    pub(crate) unix_seconds: f64,
}

/// A node that is scraped.
#[derive(Debug)]
struct Node {
    address: String,
    last: Option<Scrape>,
    readings: Readings,
    figures: Figures,
    health: Health,
}

#[derive(Debug)]
enum Health {
    Connecting,
    Up,
    Away { since: Duration, reason: String },
}

/// The state of the view.
#[derive(Debug)]
pub(crate) struct App {
    nodes: Vec<Node>,
    site: Figures,
    history: VecDeque<f64>,
    /// Whether there are readings that the history does not have yet.
    is_fresh: bool,
    pub(crate) now: Now,
    pub(crate) interval: Duration,
    pub(crate) page: Page,
    pub(crate) sort: Sort,
    pub(crate) scroll: usize,
    pub(crate) is_paused: bool,
    pub(crate) shows_help: bool,
}

impl App {
    pub(crate) fn new(addresses: impl IntoIterator<Item = String>, interval: Duration) -> Self {
        let node = |address| Node {
            address,
            last: None,
            readings: Readings::default(),
            figures: Figures::default(),
            health: Health::Connecting,
        };
        Self {
            nodes: addresses.into_iter().map(node).collect(),
            site: Figures::default(),
            history: VecDeque::new(),
            is_fresh: false,
            now: Now::default(),
            interval,
            page: Page::Overview,
            sort: Sort::Rate,
            scroll: 0,
            is_paused: false,
            shows_help: false,
        }
    }

    /// Takes the answer of a node, which arrived now. A node that does not answer keeps its last figures.
    pub(crate) fn receive(&mut self, node: usize, now: Now, answer: Result<Samples, Error>) {
        self.now = now;
        let node = &mut self.nodes[node];
        match answer {
            Ok(samples) => {
                let scrape = Scrape { at: now.since_start, samples };
                node.readings = Readings::between(node.last.as_ref(), &scrape);
                node.figures = Figures::of(&node.readings);
                node.last = Some(scrape);
                node.health = Health::Up;
                self.is_fresh = true;
            }
            Err(error) => {
                let since = match node.health {
                    Health::Away { since, .. } => since,
                    Health::Up | Health::Connecting => now.since_start,
                };
                node.health = Health::Away { since, reason: error.to_string() };
            }
        }
        self.add_up();
    }

    fn add_up(&mut self) {
        let is_up = |node: &&Node| matches!(node.health, Health::Up);
        let up: Vec<_> = self.nodes.iter().filter(is_up).map(|node| &node.readings).collect();
        // While all are away, the site has the figures of when the last one was there.
        if !up.is_empty() {
            self.site = Figures::sum(up);
        }
    }

    /// Adds a point to the chart: once per interval, when all nodes have answered or the next interval begins.
    pub(crate) fn end_round(&mut self) {
        if !std::mem::take(&mut self.is_fresh) {
            return;
        }
        if let Some(statuses) = self.site.requests.statuses {
            self.history.push_front(statuses.all);
            self.history.truncate(HISTORY);
        }
    }

    pub(crate) fn press(&mut self, key: KeyEvent) -> Action {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return match key.code {
                KeyCode::Char('c') => Action::Quit,
                KeyCode::Char('z') => Action::Suspend,
                _ => Action::None,
            };
        }
        if self.shows_help {
            self.shows_help = false;
            return if key.code == KeyCode::Char('q') { Action::Quit } else { Action::None };
        }
        match key.code {
            KeyCode::Char('q') => return Action::Quit,
            KeyCode::Char('?' | 'h') => self.shows_help = true,
            KeyCode::Char('p' | ' ') => {
                self.is_paused = !self.is_paused;
                return Action::Reschedule;
            }
            KeyCode::Char('+' | '=') => return self.change_interval(true),
            KeyCode::Char('-') => return self.change_interval(false),
            KeyCode::Char('s') => self.sort = self.sort.next(true),
            KeyCode::Char('S') => self.sort = self.sort.next(false),
            _ => self.navigate(key.code),
        }
        Action::None
    }

    fn navigate(&mut self, code: KeyCode) {
        const SCREEN: usize = 10;
        match code {
            KeyCode::Tab | KeyCode::Right | KeyCode::Char('l') => self.open(self.page.step(1)),
            KeyCode::BackTab | KeyCode::Left => self.open(self.page.step(-1)),
            KeyCode::Char(digit @ '1'..='6') => {
                let index = digit.to_digit(10).and_then(|digit| usize::try_from(digit).ok());
                self.open(index.map_or(self.page, |index| Page::ALL[index - 1]));
            }
            KeyCode::Down | KeyCode::Char('j') => self.scroll = self.scroll.saturating_add(1),
            KeyCode::Up | KeyCode::Char('k') => self.scroll = self.scroll.saturating_sub(1),
            KeyCode::PageDown => self.scroll = self.scroll.saturating_add(SCREEN),
            KeyCode::PageUp => self.scroll = self.scroll.saturating_sub(SCREEN),
            KeyCode::Home | KeyCode::Char('g') => self.scroll = 0,
            KeyCode::End | KeyCode::Char('G') => self.scroll = usize::MAX,
            _ => {}
        }
    }

    fn open(&mut self, page: Page) {
        if self.page != page {
            self.page = page;
            self.scroll = 0;
        }
    }

    fn change_interval(&mut self, is_longer: bool) -> Action {
        let steps = INTERVALS_MS.map(Duration::from_millis);
        let next = if is_longer {
            steps.into_iter().find(|step| *step > self.interval)
        } else {
            steps.into_iter().rfind(|step| *step < self.interval)
        };
        self.interval = next.unwrap_or(self.interval);
        Action::Reschedule
    }

    /// The figures of all nodes that answer.
    pub(crate) fn site(&self) -> &Figures {
        &self.site
    }

    /// Requests per second in each interval, the newest first.
    pub(crate) fn history(&self) -> impl ExactSizeIterator<Item = f64> {
        self.history.iter().copied()
    }

    /// Whether there has been an answer of any node.
    pub(crate) fn has_figures(&self) -> bool {
        self.nodes.iter().any(|node| node.last.is_some())
    }

    pub(crate) fn node_count(&self) -> usize {
        self.nodes.len()
    }

    pub(crate) fn count_up(&self) -> usize {
        self.nodes.iter().filter(|node| matches!(node.health, Health::Up)).count()
    }

    /// The address of the only node.
    pub(crate) fn only_address(&self) -> Option<&str> {
        match self.nodes.as_slice() {
            [node] => Some(&node.address),
            _ => None,
        }
    }

    /// Seconds since the latest start of a node.
    pub(crate) fn uptime(&self, figures: &Figures) -> Option<f64> {
        figures.process.started_at.map(|start| (self.now.unix_seconds - start).max(0.0))
    }

    /// What is wrong with the nodes that do not answer, one sentence each.
    pub(crate) fn problems(&self) -> Vec<String> {
        let problem = |node: &Node| match &node.health {
            Health::Away { since, reason } => {
                let seconds = self.now.since_start.saturating_sub(*since).as_secs_f64();
                let age =
                    if seconds < 1.0 { String::new() } else { format!(" for {}", format::age(seconds)) };
                Some(format!("{}: no metrics{age}: {reason}", node.address))
            }
            Health::Connecting | Health::Up => None,
        };
        self.nodes.iter().filter_map(problem).collect()
    }

    pub(crate) fn node_rows(&self) -> Vec<NodeRow<'_>> {
        self.nodes.iter().map(|node| self.node_row(node)).collect()
    }

    fn node_row<'a>(&self, node: &'a Node) -> NodeRow<'a> {
        let Node { address, last, figures, health, .. } = node;
        let state = match health {
            Health::Up => "up".into(),
            Health::Connecting => Text::new(Tone::Label, "connecting"),
            Health::Away { .. } => Text::new(Tone::Bad, "no answer"),
        };
        NodeRow {
            address,
            figures: last.as_ref().map(|_| figures),
            state,
            is_old: !matches!(health, Health::Up),
            uptime: self.uptime(figures),
        }
    }

    /// Address, whether it answers, and figures of each node, for programs.
    pub(crate) fn reports(&self) -> impl Iterator<Item = (&str, Result<&Figures, &str>)> {
        self.nodes.iter().map(|node| {
            let figures = match &node.health {
                Health::Up => Ok(&node.figures),
                Health::Connecting => Err("not scraped"),
                Health::Away { reason, .. } => Err(reason.as_str()),
            };
            (node.address.as_str(), figures)
        })
    }
}

#[cfg(test)]
mod tests;
