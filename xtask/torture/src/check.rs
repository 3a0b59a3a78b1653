//! The checker: pure functions over the histories of all clients and the final state of the database.
//!
//! | Check | Guarantee |
//! |---|---|
//! | C1 | an acknowledged message is exactly one row, with the acknowledged `seq` and its text |
//! | C2 | nothing is delivered or stored that was not sent |
//! | C3 | each client applies the events of a conversation once, in order, without gaps |
//! | C4 | the numbers of the frames of a connection increase |
//! | C5 | each retry of a message gets the same `seq` |
//! | C6 | what was acknowledged before another message was sent comes before it |
//! | C7 | in the end, every client has what the database has |
//! | C8 | read marks never move back, and unread counts follow from them |
//! | C9 | nothing is delivered to a member after the removal, or to a session after its end |
//! | C11 | no live connection stays behind |
//!
//! C10, the time to learn, is in [`crate::learn`]; C12 and C13 are the pages and `sync` of [`crate::pager`].

mod clients;
mod members;
mod order;
mod pages;
mod rows;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, time::Duration};

use uuid::Uuid;

pub(crate) use self::pages::{check_pages, check_sync};
use crate::{
    database::{Database, Row},
    history::{Content, Event, History},
};

/// A broken guarantee.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) check: &'static str,
    pub(crate) text: String,
    pub(crate) conversation: Uuid,
    /// The client that it is about, if it is about one.
    pub(crate) client: Option<String>,
    /// The message, if it is about one.
    pub(crate) client_id: Option<Uuid>,
    /// The numbered event, if it is about one.
    pub(crate) seq: Option<u64>,
}

impl Violation {
    pub(crate) fn new(check: &'static str, conversation: Uuid, text: impl Into<String>) -> Self {
        Self { check, text: text.into(), conversation, client: None, client_id: None, seq: None }
    }

    /// What a client has done or got.
    pub(crate) fn of(
        history: &History,
        check: &'static str,
        conversation: Uuid,
        text: impl std::fmt::Display,
    ) -> Self {
        let text = format!("{} {text}", history.name);
        Self { client: Some(history.name.clone()), ..Self::new(check, conversation, text) }
    }

    pub(crate) fn of_message(self, client_id: Uuid) -> Self {
        Self { client_id: Some(client_id), ..self }
    }

    pub(crate) fn at(self, seq: u64) -> Self {
        Self { seq: Some(seq), ..self }
    }
}

/// A message as its sender knows it.
#[derive(Debug)]
struct Sent<'a> {
    sender: Uuid,
    conversation: Uuid,
    text: &'a str,
    invoked: Duration,
    acked: Option<(Duration, u64)>,
}

/// Runs all checks.
pub(crate) fn check(histories: &[History], database: &Database) -> Vec<Violation> {
    let sent = sent(histories);
    let rows: BTreeMap<Uuid, &Row> = database.messages.iter().map(|row| (row.client_id, row)).collect();
    let mut violations = rows::acknowledged(&sent, database);
    violations.extend(rows::gaps(database));
    violations.extend(rows::unknown(&sent, histories, database));
    violations.extend(histories.iter().flat_map(order::applied));
    violations.extend(histories.iter().flat_map(order::frames));
    violations.extend(order::retries(histories, &rows));
    violations.extend(order::real_time(&sent));
    violations.extend(histories.iter().flat_map(|history| clients::final_state(history, database)));
    violations.extend(histories.iter().flat_map(|history| clients::read_marks(history, database)));
    violations.extend(clients::unread(database));
    violations.extend(histories.iter().flat_map(|history| members::removed(history, database)));
    violations.extend(histories.iter().flat_map(members::logged_out));
    violations.extend(histories.iter().flat_map(|history| clients::left_behind(history, database)));
    violations
}

/// All messages by their `client_id`.
fn sent(histories: &[History]) -> BTreeMap<Uuid, Sent<'_>> {
    let mut sent = BTreeMap::new();
    let entries =
        histories.iter().flat_map(|history| history.entries.iter().map(|entry| (history.user, entry)));
    for (sender, entry) in entries {
        match &entry.event {
            Event::Invoked { conversation, client_id, text } => {
                let (conversation, invoked) = (*conversation, entry.at);
                let message = Sent { sender, conversation, text, invoked, acked: None };
                sent.insert(*client_id, message);
            }
            Event::Acked { client_id, seq, .. } => {
                if let Some(message) = sent.get_mut(client_id) {
                    message.acked.get_or_insert((entry.at, *seq));
                }
            }
            _ => {}
        }
    }
    sent
}

/// The contents of messages that an event of a history carries.
fn contents(event: &Event) -> Vec<(Uuid, &Content)> {
    match event {
        Event::Frame(numbered) | Event::Applied(numbered) => {
            numbered.content.iter().map(|content| (numbered.conversation, content)).collect()
        }
        Event::Loaded { conversation, messages, .. } => {
            messages.iter().map(|content| (*conversation, content)).collect()
        }
        _ => Vec::new(),
    }
}
