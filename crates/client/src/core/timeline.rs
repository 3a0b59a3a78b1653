//! The events of a conversation: applies each one once, in order, without gaps.

use super::Page;
use crate::wire::{Change, ChangeKind};

/// The position in a conversation.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    /// The `seq` up to which all events were applied; `None` until a page is loaded.
    cursor: Option<u64>,
    /// The highest known `seq`.
    head: u64,
    /// The highest message number passed to the application, 0 if the first page was empty; `None` until it is loaded.
    newest: Option<u64>,
}

/// What to do with an event.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Applied {
    /// Ignore it: it was known, or no page is loaded yet.
    Not,
    /// Apply it: it was the next one.
    Next,
    /// Pull: earlier events are missing.
    Gap,
}

impl Timeline {
    pub(super) fn cursor(&self) -> Option<u64> {
        self.cursor
    }

    pub(super) fn newest(&self) -> Option<u64> {
        self.newest
    }

    /// Raises the highest known `seq`.
    pub(super) fn raise_head(&mut self, seq: u64) {
        self.head = self.head.max(seq);
    }

    /// The cursor to pull from, if it is behind the highest known `seq`.
    pub(super) fn behind(&self) -> Option<u64> {
        self.cursor.filter(|cursor| *cursor < self.head)
    }

    /// The gateway's rule for clients: ignore a smaller or equal `seq`, apply the next one, pull on a larger one.
    pub(super) fn apply(&mut self, change: &Change) -> Applied {
        self.raise_head(change.seq);
        match self.cursor {
            Some(cursor) if change.seq == cursor + 1 => {
                self.cursor = Some(change.seq);
                self.newest = self.newest.max(message_no(&change.kind));
                Applied::Next
            }
            Some(cursor) if change.seq > cursor => Applied::Gap,
            _ => Applied::Not,
        }
    }

    /// Drops the cursor; a page must be loaded.
    pub(super) fn reset(&mut self) {
        self.cursor = None;
    }

    /// Continues from a page. Returns the highest message number passed to the application before.
    pub(super) fn load(&mut self, page: &Page) -> Option<u64> {
        let before = self.newest;
        self.cursor = Some(page.last_seq);
        self.raise_head(page.last_seq);
        let newest = page.messages.last().map(|message| message.message_no);
        self.newest = before.max(newest).or(Some(0));
        before
    }
}

fn message_no(kind: &ChangeKind) -> Option<u64> {
    match kind {
        ChangeKind::Created(message) => Some(message.message_no),
        _ => None,
    }
}
