//! The events of the conversation: applies each one once, in order, without gaps.

use std::collections::HashSet;

use uuid::Uuid;

use crate::wire::{Change, ChangeKind, Message, User};

/// The position in the conversation that this client shows.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    /// The `seq` up to which all events were applied; `None` until a page is loaded.
    cursor: Option<u64>,
    /// The highest known `seq`.
    head: u64,
    /// The highest message number printed, 0 if the first page was empty; `None` until it is loaded.
    displayed: Option<u64>,
    /// Messages that were already deleted when they were printed; their deletion events will follow and print nothing.
    deleted: HashSet<u64>,
    /// The user's last message, for `/edit` and `/delete`.
    last_own: Option<Uuid>,
}

/// The result of [`Timeline::apply`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Applied {
    /// Ignored: the event was known, or no page is loaded yet.
    Not,
    /// Applied: it was the next event. Has the line to print, if there is one.
    Next(Option<String>),
    /// Not applied: earlier events are missing and must be pulled.
    Gap,
}

impl Timeline {
    pub(crate) fn cursor(&self) -> Option<u64> {
        self.cursor
    }

    pub(crate) fn displayed(&self) -> Option<u64> {
        self.displayed
    }

    pub(crate) fn last_own(&self) -> Option<Uuid> {
        self.last_own
    }

    /// Raises the highest known `seq`.
    pub(crate) fn raise_head(&mut self, seq: u64) {
        self.head = self.head.max(seq);
    }

    /// The cursor to pull from, if it is behind the highest known `seq`.
    pub(crate) fn behind(&self) -> Option<u64> {
        self.cursor.filter(|cursor| *cursor < self.head)
    }

    /// The gateway's rule for clients: ignore a smaller or equal `seq`, apply the next one, pull on a larger one.
    pub(crate) fn apply(&mut self, change: &Change, me: Uuid) -> Applied {
        self.raise_head(change.seq);
        match self.cursor {
            Some(cursor) if change.seq == cursor + 1 => {
                self.cursor = Some(change.seq);
                Applied::Next(self.line(&change.kind, me))
            }
            Some(cursor) if change.seq > cursor => Applied::Gap,
            _ => Applied::Not,
        }
    }

    /// Drops the cursor; a page must be loaded.
    pub(crate) fn reset(&mut self) {
        self.cursor = None;
        self.deleted.clear();
    }

    /// Continues from a page with its messages oldest first. Returns the lines of those that were not printed before.
    pub(crate) fn load(&mut self, messages: &[Message], last_seq: u64, me: Uuid) -> Vec<String> {
        self.cursor = Some(last_seq);
        self.raise_head(last_seq);
        self.displayed.get_or_insert(0);
        messages.iter().filter_map(|message| self.created(message, me)).collect()
    }

    fn line(&mut self, kind: &ChangeKind, me: Uuid) -> Option<String> {
        match kind {
            ChangeKind::Created(message) => {
                let line = self.created(message, me);
                if message.is_deleted {
                    self.deleted.insert(message.message_no);
                }
                line
            }
            ChangeKind::Edited(message) if message.is_deleted => None,
            ChangeKind::Edited(message) => Some(text(message, " (edited)")),
            ChangeKind::Deleted(message) => {
                let is_new = !self.deleted.remove(&message.message_no);
                is_new.then(|| text(message, ""))
            }
            ChangeKind::Joined(user) => Some(format!("* {} joined", name(user.as_ref()))),
            ChangeKind::Left(user) => Some(format!("* {} left", name(user.as_ref()))),
            ChangeKind::Renamed(Some(title)) => Some(format!("* title changed to: {}", plain(title))),
            ChangeKind::Renamed(None) => Some("* title removed".to_owned()),
            ChangeKind::Other => None,
        }
    }

    fn created(&mut self, message: &Message, me: Uuid) -> Option<String> {
        if Some(message.message_no) <= self.displayed {
            return None;
        }
        self.displayed = Some(message.message_no);
        if !message.is_deleted && message.sender.as_ref().is_some_and(|sender| sender.id == me) {
            self.last_own = Some(message.id);
        }
        Some(text(message, ""))
    }
}

fn text(message: &Message, suffix: &str) -> String {
    let (no, sender) = (message.message_no, name(message.sender.as_ref()));
    match &message.text {
        Some(text) if !message.is_deleted => format!("[{no}] {sender}{suffix}: {}", plain(text)),
        _ => format!("[{no}] {sender} (deleted)"),
    }
}

fn name(user: Option<&User>) -> &str {
    user.map_or("deleted user", |user| &user.username)
}

/// Makes text of other users safe for the terminal: a single line without control characters.
pub(crate) fn plain(text: &str) -> String {
    text.replace('\n', " ⏎ ").replace(char::is_control, " ")
}
