//! C10: how long it takes until a live connection learns of a message, by fault.

use std::{collections::BTreeMap, time::Duration};

use uuid::Uuid;

use crate::{
    check::Violation,
    history::{Event, History},
    plan::Fault,
};

/// When a fault lasted, including the restart.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    pub(crate) fault: Fault,
    pub(crate) from: Duration,
    pub(crate) to: Duration,
}

/// The times of one kind of fault, sorted.
#[derive(Debug, Default)]
pub(crate) struct Times(pub(crate) Vec<Duration>);

impl Times {
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        self.0.get(self.0.len().saturating_sub(1) * percent / 100).copied().unwrap_or_default()
    }
}

/// How late a live connection may learn of a message (G4), with a second for the machine of the test. Other faults take
/// away what the connection needs: its way, its node or the database.
fn limit(fault: Option<Fault>) -> Option<Duration> {
    match fault {
        Some(Fault::KillRedis | Fault::CutRedis | Fault::PauseRedis) => Some(Duration::from_secs(2 + 1)),
        Some(Fault::KillNode) | None => Some(Duration::from_secs(10 + 1)),
        _ => None,
    }
}

/// An acknowledged message.
struct Message {
    acked: Duration,
    conversation: Uuid,
    seq: u64,
}

/// One connection: when it was open, and what it was given of each conversation, in order.
struct Connection {
    opened: Duration,
    closed: Duration,
    given: BTreeMap<Uuid, Vec<(Duration, u64)>>,
}

/// The times to learn by fault, and those beyond the limit.
pub(crate) fn times(
    histories: &[History],
    windows: &[Window],
    is_member: impl Fn(Uuid, Uuid) -> bool,
) -> (BTreeMap<Option<Fault>, Times>, Vec<Violation>) {
    let messages = messages(histories);
    let mut times: BTreeMap<Option<Fault>, Times> = BTreeMap::new();
    let mut violations = Vec::new();
    for history in histories {
        for connection in connections(history) {
            for message in messages.iter().filter(|message| is_member(message.conversation, history.user)) {
                let Some(learned) = connection.learns(message) else { continue };
                let fault = fault_during(windows, message.acked, learned);
                let late = learned.saturating_sub(message.acked);
                if limit(fault).is_some_and(|limit| late > limit) {
                    let fault = fault.map_or("no fault", Fault::name);
                    let text =
                        format!("{} learned of {} {late:?} later ({fault})", history.name, message.seq);
                    violations.push(Violation::new("C10", message.conversation, text).at(message.seq));
                }
                times.entry(fault).or_default().0.push(late);
            }
        }
    }
    times.values_mut().for_each(|times| times.0.sort_unstable());
    (times, violations)
}

fn messages(histories: &[History]) -> Vec<Message> {
    let entries = histories.iter().flat_map(|history| &history.entries);
    let acked = entries.filter_map(|entry| match entry.event {
        Event::Acked { conversation, seq, .. } => Some(Message { acked: entry.at, conversation, seq }),
        _ => None,
    });
    acked.collect()
}

/// The connections of a client that have closed, or are open in the end.
fn connections(history: &History) -> Vec<Connection> {
    let mut connections: Vec<Connection> = Vec::new();
    for entry in &history.entries {
        let (conversation, seq) = match &entry.event {
            Event::Opened => {
                let (opened, closed) = (entry.at, Duration::MAX);
                connections.push(Connection { opened, closed, given: BTreeMap::new() });
                continue;
            }
            Event::Closed => {
                if let Some(connection) = connections.last_mut() {
                    connection.closed = entry.at;
                }
                continue;
            }
            Event::Frame(numbered) => (numbered.conversation, numbered.seq),
            Event::Head { conversation, seq } => (*conversation, *seq),
            _ => continue,
        };
        let Some(connection) = connections.last_mut() else { continue };
        let given = connection.given.entry(conversation).or_default();
        if given.last().is_none_or(|(_, known)| *known < seq) {
            given.push((entry.at, seq));
        }
    }
    connections
}

impl Connection {
    /// When it learned of a message that was acknowledged while it was open; `None` if it closed before.
    fn learns(&self, message: &Message) -> Option<Duration> {
        if message.acked < self.opened || message.acked >= self.closed {
            return None;
        }
        let given = self.given.get(&message.conversation)?;
        let index = given.partition_point(|(_, seq)| *seq < message.seq);
        given.get(index).map(|(at, _)| *at)
    }
}

/// The fault that explains most: one that was there when the message was stored, otherwise the first one after.
fn fault_during(windows: &[Window], from: Duration, to: Duration) -> Option<Fault> {
    // Members and sessions change without an effect on others.
    let machinery =
        windows.iter().filter(|window| !matches!(window.fault, Fault::RemoveMember | Fault::LogOut));
    let mut overlapping = machinery.filter(|window| window.from <= to && from <= window.to);
    overlapping.next().map(|window| window.fault)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Entry, Numbered};

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn history(entries: Vec<(u64, Event)>) -> History {
        let entries = entries.into_iter().map(|(at, event)| Entry { at: seconds(at), event });
        History { name: "ann".into(), user: Uuid::nil(), applies: false, entries: entries.collect() }
    }

    fn frame(seq: u64) -> Event {
        Event::Frame(Numbered { conversation: Uuid::nil(), seq, content: None })
    }

    fn ack(seq: u64) -> Event {
        Event::Acked { conversation: Uuid::nil(), client_id: Uuid::nil(), seq }
    }

    #[test]
    fn time_ends_with_the_frame_or_head_that_reaches_the_message() {
        let sender = history(vec![(10, ack(5)), (20, ack(6))]);
        let head = Event::Head { conversation: Uuid::nil(), seq: 6 };
        let receiver =
            history(vec![(0, Event::Opened), (9, frame(4)), (11, frame(5)), (24, head), (25, Event::Closed)]);
        let (times, violations) = times(&[sender, receiver], &[], |_, _| true);
        assert_eq!(times[&None].0, [seconds(1), seconds(4)]);
        assert!(violations.is_empty());
    }

    #[test]
    fn late_learning_is_a_violation_by_the_fault() {
        let sender = history(vec![(10, ack(5))]);
        let receiver = history(vec![(0, Event::Opened), (15, frame(5))]);
        let during = |fault| {
            let windows = [Window { fault, from: seconds(9), to: seconds(12) }];
            times(&[sender.clone(), receiver.clone()], &windows, |_, _| true).1.len()
        };
        assert_eq!(during(Fault::KillRedis), 1);
        assert_eq!(during(Fault::KillNode), 0);
        assert_eq!(during(Fault::StallClients), 0);
    }

    #[test]
    fn connection_that_was_not_open_does_not_count() {
        let sender = history(vec![(10, ack(5))]);
        let late = history(vec![(11, Event::Opened), (90, frame(5))]);
        let closed =
            history(vec![(0, Event::Opened), (12, Event::Closed), (13, Event::Opened), (90, frame(5))]);
        assert!(times(&[sender, late, closed], &[], |_, _| true).0.is_empty());
    }
}
