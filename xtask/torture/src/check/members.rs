//! C9: nothing after a removal, or after the end of a session.

use std::time::Duration;

use super::{Violation, contents};
use crate::{
    database::Database,
    history::{Event, History},
};

/// By when the connections of an ended session are closed.
const DEADLINE: Duration = Duration::from_secs(10);

/// C9: no message that was sent while the user was not a member.
pub(super) fn removed(history: &History, database: &Database) -> Vec<Violation> {
    let absences = absences(history, database);
    let mut violations = Vec::new();
    for entry in &history.entries {
        for (conversation, content) in contents(&entry.event) {
            let is_absent = |(other, left, joined): &(uuid::Uuid, u64, u64)| {
                *other == conversation && (*left..*joined).contains(&content.seq)
            };
            if absences.iter().any(is_absent) {
                let text = format!("was not a member and received {content:?}");
                let violation = Violation::of(history, "C9", conversation, text);
                violations.push(violation.of_message(content.client_id).at(content.seq));
            }
        }
    }
    violations
}

/// From which number to which the user was not a member.
fn absences(history: &History, database: &Database) -> Vec<(uuid::Uuid, u64, u64)> {
    let mine: Vec<_> = database.member_events.iter().filter(|event| event.user_id == history.user).collect();
    let left = mine.iter().enumerate().filter(|(_, event)| !event.joined);
    let absences = left.map(|(index, left)| {
        let later = mine[index + 1..].iter();
        let joined = later.filter(|event| event.conversation_id == left.conversation_id && event.joined);
        let joined = joined.map(|event| event.seq).next().unwrap_or(u64::MAX);
        (left.conversation_id, left.seq, joined)
    });
    absences.collect()
}

/// C9: no frame on a connection of an ended session after the deadline.
pub(super) fn logged_out(history: &History) -> Vec<Violation> {
    let mut ended = None;
    let mut violations = Vec::new();
    for entry in &history.entries {
        match &entry.event {
            Event::LoggedOut => ended = Some(entry.at),
            Event::Opened => ended = None,
            Event::Frame(numbered) => {
                if let Some(ended) = ended.filter(|ended| entry.at > *ended + DEADLINE) {
                    let late = entry.at - ended;
                    let text = format!("received {} {late:?} after the end of the session", numbered.seq);
                    violations
                        .push(Violation::of(history, "C9", numbered.conversation, text).at(numbered.seq));
                }
            }
            _ => {}
        }
    }
    violations
}
