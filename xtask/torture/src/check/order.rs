//! C3 to C6: order.

use std::{collections::BTreeMap, time::Duration};

use uuid::Uuid;

use super::{Sent, Violation};
use crate::{
    database::Row,
    history::{Event, History},
};

/// C3: applied numbers are contiguous.
pub(super) fn applied(history: &History) -> Vec<Violation> {
    let mut cursors: BTreeMap<Uuid, u64> = BTreeMap::new();
    let mut violations = Vec::new();
    for entry in &history.entries {
        match &entry.event {
            Event::Loaded { conversation, last_seq, .. } => drop(cursors.insert(*conversation, *last_seq)),
            Event::Left { conversation } => drop(cursors.remove(conversation)),
            Event::Applied(numbered) => {
                let before = cursors.insert(numbered.conversation, numbered.seq);
                if before.map(|before| before + 1) != Some(numbered.seq) {
                    let text = format!("applied {} after {before:?}", numbered.seq);
                    violations
                        .push(Violation::of(history, "C3", numbered.conversation, text).at(numbered.seq));
                }
            }
            _ => {}
        }
    }
    violations
}

/// C4: the numbers of frames increase strictly on each connection.
pub(super) fn frames(history: &History) -> Vec<Violation> {
    let mut last: BTreeMap<Uuid, u64> = BTreeMap::new();
    let mut violations = Vec::new();
    for entry in &history.entries {
        match &entry.event {
            Event::Opened => last.clear(),
            Event::Frame(numbered) => {
                let before = last.insert(numbered.conversation, numbered.seq);
                if before.is_some_and(|before| before >= numbered.seq) {
                    let text = format!("received {} after {before:?}", numbered.seq);
                    violations
                        .push(Violation::of(history, "C4", numbered.conversation, text).at(numbered.seq));
                }
            }
            _ => {}
        }
    }
    violations
}

/// C5: every reply to a message has the same number, that of its row.
pub(super) fn retries(histories: &[History], rows: &BTreeMap<Uuid, &Row>) -> Vec<Violation> {
    let entries = histories.iter().flat_map(|history| &history.entries);
    let replies = entries.filter_map(|entry| match &entry.event {
        Event::Reply { client_id, seq } => Some((client_id, seq)),
        _ => None,
    });
    let mut first: BTreeMap<Uuid, u64> = BTreeMap::new();
    let mut violations = Vec::new();
    for (client_id, seq) in replies {
        let expected = rows.get(client_id).map_or(*first.entry(*client_id).or_insert(*seq), |row| row.seq);
        if expected != *seq {
            let conversation = rows.get(client_id).map_or(Uuid::nil(), |row| row.conversation_id);
            let text = format!("replies {expected} and {seq} to the same message");
            violations.push(Violation::new("C5", conversation, text).of_message(*client_id).at(*seq));
        }
    }
    violations
}

/// C6: if `a` was acknowledged before `b` was sent, `a` has the smaller number. From the highest number down, the earliest
/// acknowledgement of a higher number must not be before the message was sent.
pub(super) fn real_time(sent: &BTreeMap<Uuid, Sent<'_>>) -> Vec<Violation> {
    let mut by_conversation: BTreeMap<Uuid, Vec<(u64, Duration, Duration, Uuid)>> = BTreeMap::new();
    for (client_id, message) in sent {
        if let Some((acked, seq)) = message.acked {
            let messages = by_conversation.entry(message.conversation).or_default();
            messages.push((seq, message.invoked, acked, *client_id));
        }
    }
    let mut violations = Vec::new();
    for (conversation, mut messages) in by_conversation {
        messages.sort_unstable();
        let mut earliest: Option<(Duration, u64)> = None;
        for (seq, invoked, acked, client_id) in messages.into_iter().rev() {
            if let Some((other, later)) = earliest.filter(|(other, _)| *other < invoked) {
                let text = format!("{later} was acknowledged at {other:?}, {seq} was sent at {invoked:?}");
                violations.push(Violation::new("C6", conversation, text).of_message(client_id).at(seq));
            }
            earliest = Some(earliest.map_or((acked, seq), |earliest| earliest.min((acked, seq))));
        }
    }
    violations
}
