//! What the run prints.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::{
    check::Violation,
    history::{Event, History},
    learn::Times,
    nemesis,
    plan::{FAULTS, Fault},
};

/// Entries of the history around a violation.
const CONTEXT: usize = 30;

/// The faults with their counts and the times to learn.
pub(crate) fn faults(report: &nemesis::Report, times: &BTreeMap<Option<Fault>, Times>) -> String {
    let mut table = "| Fault | count | messages | p50 | p99 | max |\n|---|---|---|---|---|---|\n".to_owned();
    let rows =
        std::iter::once((None, "none", 0))
            .chain(FAULTS.map(|(fault, name, _)| {
                (Some(fault), name, report.counts.get(&fault).copied().unwrap_or(0))
            }));
    for (fault, name, count) in rows {
        let times = times.get(&fault);
        let (number, [p50, p99, max]) = times.map_or((0, [0; 3]), |times| {
            (times.0.len(), [50, 99, 100].map(|percent| times.percentile(percent).as_millis()))
        });
        let count = if fault.is_none() { String::new() } else { count.to_string() };
        table += &format!("| {name} | {count} | {number} | {p50} ms | {p99} ms | {max} ms |\n");
    }
    table
}

/// What the clients did.
pub(crate) fn clients(histories: &[History]) -> String {
    let entries = || histories.iter().flat_map(|history| &history.entries);
    let count = |is: fn(&Event) -> bool| entries().filter(|entry| is(&entry.event)).count();
    format!(
        "{} clients · {} messages sent, {} acknowledged · {} events applied · {} frames · {} connections · \
         {} pages loaded",
        histories.len(),
        count(|event| matches!(event, Event::Invoked { .. })),
        count(|event| matches!(event, Event::Acked { .. })),
        count(|event| matches!(event, Event::Applied(_))),
        count(|event| matches!(event, Event::Frame(_))),
        count(|event| matches!(event, Event::Opened)),
        count(|event| matches!(event, Event::Loaded { .. })),
    )
}

/// The entries that are about the message or the event of a violation, of all clients in the order of time.
pub(crate) fn shortest_history(histories: &[History], violation: &Violation) -> String {
    let mut lines: Vec<_> = histories
        .iter()
        .flat_map(|history| history.entries.iter().map(move |entry| (entry.at, &history.name, &entry.event)))
        .filter(|(_, name, event)| is_about(event, violation) && is_of(name, event, violation))
        .collect();
    lines.sort_by_key(|(at, ..)| *at);
    let lines = lines.into_iter().take(CONTEXT);
    // Some texts are long.
    let line = |name: &str, event: &Event| format!("{name}: {event:?}").chars().take(400).collect::<String>();
    lines.map(|(at, name, event)| format!("  {:9.3} s  {}\n", at.as_secs_f64(), line(name, event))).collect()
}

/// What the server has confirmed to the sender, and what the client of the violation got.
fn is_of(name: &str, event: &Event, violation: &Violation) -> bool {
    let is_senders = matches!(event, Event::Invoked { .. } | Event::Acked { .. } | Event::Reply { .. });
    is_senders || violation.client.as_deref().is_none_or(|client| client == name)
}

fn is_about(event: &Event, violation: &Violation) -> bool {
    let Violation { conversation, client_id, seq, .. } = violation;
    let is_seq = |other: &Uuid, number: u64| other == conversation && Some(number) == *seq;
    match event {
        Event::Invoked { client_id: other, .. } => Some(*other) == *client_id,
        Event::Acked { conversation, client_id: other, seq } => {
            Some(*other) == *client_id || is_seq(conversation, *seq)
        }
        Event::Reply { client_id: other, .. } => Some(*other) == *client_id,
        Event::Frame(numbered) | Event::Applied(numbered) => {
            let content = numbered.content.as_ref();
            let is_message = content.is_some_and(|content| Some(content.client_id) == *client_id);
            is_message || is_seq(&numbered.conversation, numbered.seq)
        }
        Event::Head { conversation, seq } => is_seq(conversation, *seq),
        Event::Loaded { conversation: other, .. } | Event::Left { conversation: other } => {
            other == conversation && client_id.is_none()
        }
        _ => false,
    }
}
