//! What realtime delivery counts: events of this node, commands, and events that were dropped before the gateway.

use blegram_metrics::Counter;

use super::{protocol::CommandName, remote};
use crate::problem::Problem;

/// The result of a command, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandOutcome {
    /// It succeeded.
    Ok,
    /// The client made an error, or reached a rate limit.
    Rejected,
    /// The server failed.
    Failed,
}

impl CommandOutcome {
    const ALL: [Self; 3] = [Self::Ok, Self::Rejected, Self::Failed];

    /// The name in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Rejected => "rejected",
            Self::Failed => "failed",
        }
    }

    pub(crate) fn of<T>(result: &Result<T, Problem>) -> Self {
        match result {
            Ok(_) => Self::Ok,
            Err(problem) if problem.code().status().is_server_error() => Self::Failed,
            Err(_) => Self::Rejected,
        }
    }
}

/// The label of a command that the server does not know.
const UNKNOWN_COMMAND: &str = "unknown";

/// The counters of a node.
#[derive(Debug)]
pub(crate) struct RealtimeMetrics {
    /// By the order of [`remote::kinds`].
    events: Vec<(&'static str, Counter)>,
    /// In the order of [`CommandName::ALL`], and of unknown commands; by the order of [`CommandOutcome::ALL`].
    commands: [[Counter; 3]; CommandName::ALL.len() + 1],
    pub(crate) dropped_feed_events: Counter,
}

/// The counts of a node since its start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RealtimeSnapshot {
    /// The events that this node published, by kind.
    pub events: Vec<(&'static str, u64)>,
    /// The commands of clients, by name and outcome.
    pub commands: Vec<(&'static str, CommandOutcome, u64)>,
    /// Events that were dropped because the queue of the feed was full.
    pub dropped_feed_events: u64,
}

impl RealtimeMetrics {
    pub(crate) fn new() -> Self {
        Self {
            events: remote::kinds().map(|kind| (kind, Counter::default())).collect(),
            commands: Default::default(),
            dropped_feed_events: Counter::default(),
        }
    }

    /// Counts an event that this node publishes.
    pub(crate) fn record_event(&self, kind: &str) {
        let events = self.events.iter();
        events.filter(|(other, _)| *other == kind).for_each(|(_, count)| count.increment());
    }

    /// Counts a command; `None` for one that the server does not know.
    pub(crate) fn record_command(&self, name: Option<CommandName>, outcome: CommandOutcome) {
        let known = name.and_then(|name| CommandName::ALL.iter().position(|other| *other == name));
        let outcomes = &self.commands[known.unwrap_or(CommandName::ALL.len())];
        let outcomes = CommandOutcome::ALL.iter().zip(outcomes);
        outcomes.filter(|(other, _)| **other == outcome).for_each(|(_, count)| count.increment());
    }

    pub(crate) fn snapshot(&self) -> RealtimeSnapshot {
        let names = CommandName::ALL.iter().map(|name| name.as_str()).chain([UNKNOWN_COMMAND]);
        let commands = names.zip(&self.commands).flat_map(|(name, outcomes)| {
            CommandOutcome::ALL
                .into_iter()
                .zip(outcomes)
                .map(move |(outcome, count)| (name, outcome, count.get()))
        });
        RealtimeSnapshot {
            events: self.events.iter().map(|(kind, count)| (*kind, count.get())).collect(),
            commands: commands.collect(),
            dropped_feed_events: self.dropped_feed_events.get(),
        }
    }
}
