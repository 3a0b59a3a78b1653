//! C1 and C2: what is stored and delivered, compared with what was sent.

use std::collections::{BTreeMap, BTreeSet};

use uuid::Uuid;

use super::{Sent, Violation, contents};
use crate::{
    actor::EDITED,
    database::{Database, Row},
    history::History,
};

/// C1: each acknowledged message is one row.
pub(super) fn acknowledged(sent: &BTreeMap<Uuid, Sent<'_>>, database: &Database) -> Vec<Violation> {
    let mut rows: BTreeMap<Uuid, Vec<&Row>> = BTreeMap::new();
    for row in &database.messages {
        rows.entry(row.client_id).or_default().push(row);
    }
    let mut violations = Vec::new();
    for (client_id, message) in sent {
        let Some((_, seq)) = message.acked else { continue };
        let rows = rows.get(client_id).map_or(&[][..], Vec::as_slice);
        let text = match rows {
            [row] if row.seq != seq => format!("acknowledged as {seq}, stored as {}", row.seq),
            [row] if !has_text(row.text.as_deref(), message.text) => {
                format!("sent {:?}, stored {:?}", message.text, row.text)
            }
            [_] => continue,
            [] => format!("acknowledged as {seq}, not stored"),
            rows => format!("stored {} times", rows.len()),
        };
        violations.push(Violation::new("C1", message.conversation, text).of_message(*client_id).at(seq));
    }
    violations
}

/// A deleted message has no text; an edited one has its text with a suffix.
fn has_text(stored: Option<&str>, sent: &str) -> bool {
    stored.is_none_or(|stored| stored.strip_suffix(EDITED).unwrap_or(stored) == sent)
}

/// C1: the numbers of a conversation have no gaps.
pub(super) fn gaps(database: &Database) -> Vec<Violation> {
    let has_gap = |numbers: &&crate::database::Numbers| {
        numbers.events != numbers.last_seq || numbers.messages != numbers.last_message_no
    };
    let found = database.conversations.values().filter(has_gap);
    found
        .map(|numbers| Violation::new("C1", numbers.id, format!("gaps in the numbers: {numbers:?}")))
        .collect()
}

/// C2: nothing is stored or delivered that was not sent.
pub(super) fn unknown(
    sent: &BTreeMap<Uuid, Sent<'_>>,
    histories: &[History],
    database: &Database,
) -> Vec<Violation> {
    let is_known = |conversation: Uuid, client_id: Uuid, text: Option<&str>| {
        sent.get(&client_id)
            .is_some_and(|message| message.conversation == conversation && has_text(text, message.text))
    };
    let mut violations = Vec::new();
    for row in &database.messages {
        let is_of_sender = sent.get(&row.client_id).is_some_and(|message| message.sender == row.sender_id);
        if !is_of_sender || !is_known(row.conversation_id, row.client_id, row.text.as_deref()) {
            let text = format!("{:?} is stored but was not sent", row.text);
            violations.push(Violation::new("C2", row.conversation_id, text).of_message(row.client_id));
        }
    }
    let stored: BTreeSet<(Uuid, u64)> =
        database.messages.iter().map(|row| (row.client_id, row.seq)).collect();
    for history in histories {
        let delivered = history.entries.iter().flat_map(|entry| contents(&entry.event));
        for (conversation, content) in delivered {
            let is_stored = stored.contains(&(content.client_id, content.seq));
            if !is_known(conversation, content.client_id, content.text.as_deref()) || !is_stored {
                let text = format!("received {content:?}, which is not stored");
                let violation = Violation::of(history, "C2", conversation, text);
                violations.push(violation.of_message(content.client_id).at(content.seq));
            }
        }
    }
    violations
}
