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

/// The nodes' own check finds every message within this time, once no fault takes away what a connection needs: its way,
/// its node, the database.
const CHECKED: Duration = Duration::from_secs(10);
/// For a machine with two CPUs, where everything runs.
const SLACK: Duration = Duration::from_secs(1);
/// Connections and pools are restored within this time after a fault; until then it counts.
const RECOVERY: Duration = Duration::from_secs(6);

/// How late a live connection may learn of a message (G4).
fn limit(faults: &[&Window], acked: Duration) -> Duration {
    let promised = match faults {
        // 100 ms are promised on a machine with a CPU for each process.
        [] => Duration::from_secs(2),
        [window] if window.fault == Fault::KillRedis => Duration::from_secs(2),
        // A node notices within a second and a half that Redis does not respond.
        [window] if matches!(window.fault, Fault::PauseRedis | Fault::CutRedis) => Duration::from_secs(3),
        faults => {
            let end = faults.iter().map(|window| window.to).max().unwrap_or_default();
            end.saturating_sub(acked) + CHECKED
        }
    };
    promised + SLACK
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
            let is_lost = connection.is_lost(windows);
            for message in messages.iter().filter(|message| is_member(message.conversation, history.user)) {
                let Some((learned, has_learned)) = connection.learns(message) else { continue };
                if is_lost && !has_learned {
                    continue;
                }
                let faults = faults_during(windows, message.acked, learned);
                let fault = faults.first().map(|window| window.fault);
                let late = learned.saturating_sub(message.acked);
                if late > limit(&faults, message.acked) {
                    let fault = fault.map_or("no fault", Fault::name);
                    let text = format!("learned of {} {late:?} later, or not at all ({fault})", message.seq);
                    violations
                        .push(Violation::of(history, "C10", message.conversation, text).at(message.seq));
                }
                if has_learned {
                    times.entry(fault).or_default().0.push(late);
                }
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
    /// Whether it may have been half-open: not live, until the client noticed the silence.
    fn is_lost(&self, windows: &[Window]) -> bool {
        let mut losses = windows.iter().filter(|window| window.fault == Fault::LoseClients);
        losses.any(|window| window.from <= self.closed && self.opened <= window.to)
    }

    /// When it learned of a message that was acknowledged while it was open, or closed without having learned of it.
    /// `None` if it was not open; if it is open until the end, that is check C11.
    fn learns(&self, message: &Message) -> Option<(Duration, bool)> {
        if message.acked < self.opened || message.acked >= self.closed {
            return None;
        }
        let given = self.given.get(&message.conversation).map_or(&[][..], Vec::as_slice);
        let index = given.partition_point(|(_, seq)| *seq < message.seq);
        let learned = given.get(index).map(|(at, _)| (*at, true));
        learned.or_else(|| (self.closed != Duration::MAX).then_some((self.closed, false)))
    }
}

/// The faults from when the message was stored until it was learned, the one that explains most first: one that was
/// there at the beginning, otherwise the next one.
fn faults_during(windows: &[Window], from: Duration, to: Duration) -> Vec<&Window> {
    // Members and sessions change without an effect on others.
    let machinery =
        windows.iter().filter(|window| !matches!(window.fault, Fault::RemoveMember | Fault::LogOut));
    let (mut now, mut past) = (Vec::new(), Vec::new());
    for window in machinery.filter(|window| window.from <= to && from <= window.to + RECOVERY) {
        if from <= window.to { now.push(window) } else { past.push(window) }
    }
    // A fault that is over explains only what took long.
    if now.is_empty() && to.saturating_sub(from) < Duration::from_secs(1) {
        past.clear();
    }
    now.extend(past);
    now
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
            history(vec![(0, Event::Opened), (9, frame(4)), (11, frame(5)), (22, head), (25, Event::Closed)]);
        let (times, violations) = times(&[sender, receiver], &[], |_, _| true);
        assert_eq!(times[&None].0, [seconds(1), seconds(2)]);
        assert!(violations.is_empty());
    }

    #[test]
    fn late_learning_is_a_violation_by_the_fault() {
        let sender = history(vec![(10, ack(5))]);
        let receiver = history(vec![(0, Event::Opened), (22, frame(5))]);
        let during = |fault| {
            let windows = [Window { fault, from: seconds(9), to: seconds(12) }];
            times(&[sender.clone(), receiver.clone()], &windows, |_, _| true).1.len()
        };
        assert_eq!(during(Fault::KillRedis), 1);
        assert_eq!(during(Fault::StallClients), 0, "12 + 10 + 1");
        let later = |to| {
            let both = [Fault::KillRedis, Fault::KillPostgres];
            let both = both.map(|fault| Window { fault, from: seconds(9), to: seconds(to) });
            times(&[sender.clone(), receiver.clone()], &both, |_, _| true).1.len()
        };
        assert_eq!((later(10), later(11)), (1, 0), "after the end of both");
    }

    #[test]
    fn connection_that_was_not_open_does_not_count() {
        let sender = history(vec![(10, ack(5))]);
        let late = history(vec![(11, Event::Opened), (90, frame(5))]);
        let closed =
            history(vec![(0, Event::Opened), (12, Event::Closed), (13, Event::Opened), (90, frame(5))]);
        let (times, violations) = times(&[sender, late, closed], &[], |_, _| true);
        assert!(times.is_empty() && violations.is_empty());
    }

    #[test]
    fn connection_that_closed_without_having_learned_counts_if_it_was_open_for_long() {
        let sender = history(vec![(10, ack(5))]);
        let deaf = history(vec![(0, Event::Opened), (30, Event::Closed)]);
        let histories = [sender, deaf];
        let (found, violations) = times(&histories, &[], |_, _| true);
        assert_eq!((found.len(), violations.len()), (0, 1));
        let lost = [Window { fault: Fault::LoseClients, from: seconds(5), to: seconds(6) }];
        assert!(times(&histories, &lost, |_, _| true).1.is_empty(), "it was not live");
    }
}
