//! C7, C8 and C11: what clients have in the end.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::Violation;
use crate::{
    database::{Database, Row},
    history::{Content, Event, History},
};

/// What a client has of a conversation.
#[derive(Debug, Default)]
struct State {
    cursor: u64,
    /// The number of the first message that it has to have.
    first: u64,
    /// Messages by number; older ones are there if they were changed since.
    messages: BTreeMap<u64, Content>,
}

/// C7: a client has all messages since its first page, as they are now.
pub(super) fn final_state(history: &History, database: &Database) -> Vec<Violation> {
    if !history.applies {
        return Vec::new();
    }
    let states = states(history);
    let mut violations = Vec::new();
    for numbers in database.conversations.values() {
        if !database.is_member(numbers.id, history.user) {
            continue;
        }
        let Some(state) = states.get(&numbers.id) else {
            violations.push(Violation::of(history, "C7", numbers.id, "does not have the conversation"));
            continue;
        };
        if state.cursor != numbers.last_seq {
            let text = format!("has events up to {} of {}", state.cursor, numbers.last_seq);
            violations.push(Violation::of(history, "C7", numbers.id, text).at(numbers.last_seq));
        }
        let joined = joined_at(history.user, numbers.id, database);
        let rows = database.messages.iter();
        let rows = rows.filter(|row| row.conversation_id == numbers.id && row.seq > joined);
        violations.extend(rows.filter_map(|row| difference(history, state, row)));
    }
    violations
}

/// The number of the event by which the user joined again, after which they see changes of later messages only.
fn joined_at(user: Uuid, conversation: Uuid, database: &Database) -> u64 {
    let mine = database.member_events.iter().filter(|event| event.user_id == user && event.joined);
    mine.filter(|event| event.conversation_id == conversation).map(|event| event.seq).max().unwrap_or(0)
}

fn states(history: &History) -> BTreeMap<Uuid, State> {
    let mut states: BTreeMap<Uuid, State> = BTreeMap::new();
    for entry in &history.entries {
        match &entry.event {
            Event::Loaded { conversation, last_seq, is_new, messages } => {
                let state = states.entry(*conversation).or_default();
                if *is_new {
                    state.messages.clear();
                    state.first = messages.first().map_or(0, |content| content.message_no);
                }
                state.cursor = *last_seq;
                let messages = messages.iter().map(|content| (content.message_no, content.clone()));
                state.messages.extend(messages);
            }
            Event::Applied(numbered) => {
                let state = states.entry(numbered.conversation).or_default();
                state.cursor = numbered.seq;
                let content = numbered.content.iter();
                state.messages.extend(content.map(|content| (content.message_no, content.clone())));
            }
            Event::Left { conversation } => drop(states.remove(conversation)),
            _ => {}
        }
    }
    states
}

fn difference(history: &History, state: &State, row: &Row) -> Option<Violation> {
    if row.message_no < state.first {
        return None;
    }
    let content = state.messages.get(&row.message_no);
    if content.is_some_and(|content| content.client_id == row.client_id && content.text == row.text) {
        return None;
    }
    let text = format!("has {content:?} instead of {row:?}");
    Some(Violation::of(history, "C7", row.conversation_id, text).of_message(row.client_id).at(row.seq))
}

/// C8: the read mark is at least where the user has read.
pub(super) fn read_marks(history: &History, database: &Database) -> Vec<Violation> {
    let mut marks: BTreeMap<Uuid, u64> = BTreeMap::new();
    for entry in &history.entries {
        match &entry.event {
            Event::Read { conversation, message_no } => {
                let mark = marks.entry(*conversation).or_default();
                *mark = (*mark).max(*message_no);
            }
            // Marks on their way are lost with the session or the membership.
            Event::LoggedOut => marks.clear(),
            Event::Left { conversation } => drop(marks.remove(conversation)),
            _ => {}
        }
    }
    let mine = database.members.iter().filter(|member| member.user_id == history.user && member.is_member);
    let behind = mine.filter_map(|member| {
        let read = *marks.get(&member.conversation_id)?;
        let text = format!("has read {read}, stored is {}", member.read_no);
        (member.read_no < read).then(|| Violation::of(history, "C8", member.conversation_id, text))
    });
    behind.collect()
}

/// C8: unread = last message − read mark.
pub(super) fn unread(database: &Database) -> Vec<Violation> {
    let wrong = database.members.iter().filter_map(|member| {
        let unread = *database.unread.get(&(member.conversation_id, member.user_id))?;
        let last = database.conversations.get(&member.conversation_id)?.last_message_no;
        let expected = last.saturating_sub(member.read_no);
        let text = format!("{} has {unread} unread messages instead of {expected}", member.user_id);
        (unread != expected).then(|| Violation::new("C8", member.conversation_id, text))
    });
    wrong.collect()
}

/// C11: the connection that is open in the end was given the head of every conversation.
pub(super) fn left_behind(history: &History, database: &Database) -> Vec<Violation> {
    let mut given: Option<BTreeMap<Uuid, u64>> = None;
    for entry in &history.entries {
        let (conversation, seq) = match &entry.event {
            Event::Opened => {
                given = Some(BTreeMap::new());
                continue;
            }
            Event::Closed => {
                given = None;
                continue;
            }
            Event::Frame(numbered) => (numbered.conversation, numbered.seq),
            Event::Head { conversation, seq } => (*conversation, *seq),
            Event::Loaded { conversation, last_seq, .. } => (*conversation, *last_seq),
            _ => continue,
        };
        if let Some(given) = &mut given {
            let known = given.entry(conversation).or_default();
            *known = (*known).max(seq);
        }
    }
    let Some(given) = given else { return Vec::new() };
    let member_of = |numbers: &&crate::database::Numbers| database.is_member(numbers.id, history.user);
    // A shipped client resumes: what it has applied before is not announced again.
    let applied = if history.applies { states(history) } else { BTreeMap::new() };
    let conversations = database.conversations.values().filter(member_of);
    let behind = conversations.filter_map(|numbers| {
        let known = given.get(&numbers.id).copied().unwrap_or(0);
        let known = known.max(applied.get(&numbers.id).map_or(0, |state| state.cursor));
        let text = format!("was given {known} of {} on its connection", numbers.last_seq);
        (known < numbers.last_seq)
            .then(|| Violation::of(history, "C11", numbers.id, text).at(numbers.last_seq))
    });
    behind.collect()
}
