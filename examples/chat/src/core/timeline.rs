//! What of the conversation was seen: each event once, in order, without holes.

use std::collections::HashSet;

use uuid::Uuid;

use crate::wire::{Change, Message, User, What};

/// How far we are in the one conversation that this client shows.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    /// The highest `seq` up to which everything was applied; `None` until a page was loaded.
    cursor: Option<u64>,
    /// The highest `seq` that we heard of.
    head: u64,
    /// The highest message number that was printed, 0 if the first page was empty; `None` until it was loaded.
    shown: Option<u64>,
    /// Messages that were gone already when they were to be printed: their deletion is to come, and is no news.
    gone: HashSet<u64>,
    /// The last message of ours, to be edited or deleted.
    mine: Option<Uuid>,
}

/// What became of an event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Applied {
    /// It was known, or nothing can be applied until the page is there.
    Not,
    /// It was the next one. The line that tells of it, if there is something to tell.
    Next(Option<String>),
    /// Something before it is missing: pull.
    Gap,
}

impl Timeline {
    pub(crate) fn cursor(&self) -> Option<u64> {
        self.cursor
    }

    pub(crate) fn shown(&self) -> Option<u64> {
        self.shown
    }

    pub(crate) fn mine(&self) -> Option<Uuid> {
        self.mine
    }

    /// Takes note that so much happened.
    pub(crate) fn hear(&mut self, seq: u64) {
        self.head = self.head.max(seq);
    }

    /// Where to pull from: the cursor, when it is behind what we heard of.
    pub(crate) fn behind(&self) -> Option<u64> {
        self.cursor.filter(|cursor| *cursor < self.head)
    }

    /// The rule of the gateway: smaller or equal, ignore; next, apply; larger, pull.
    pub(crate) fn apply(&mut self, change: &Change, me: Uuid) -> Applied {
        self.hear(change.seq);
        match self.cursor {
            Some(cursor) if change.seq == cursor + 1 => {
                self.cursor = Some(change.seq);
                Applied::Next(self.line(&change.what, me))
            }
            Some(cursor) if change.seq > cursor => Applied::Gap,
            _ => Applied::Not,
        }
    }

    /// Drops the cursor: a page is to be loaded.
    pub(crate) fn reset(&mut self) {
        self.cursor = None;
        self.gone.clear();
    }

    /// Goes on from a page, whose messages are in order. Those that were printed before are not printed again.
    pub(crate) fn load(&mut self, messages: &[Message], last_seq: u64, me: Uuid) -> Vec<String> {
        self.cursor = Some(last_seq);
        self.hear(last_seq);
        self.shown.get_or_insert(0);
        messages.iter().filter_map(|message| self.created(message, me)).collect()
    }

    fn line(&mut self, what: &What, me: Uuid) -> Option<String> {
        match what {
            What::Created(message) => {
                let line = self.created(message, me);
                if message.is_deleted {
                    self.gone.insert(message.message_no);
                }
                line
            }
            What::Edited(message) if message.is_deleted => None,
            What::Edited(message) => Some(text(message, " (edited)")),
            What::Deleted(message) => {
                let is_news = !self.gone.remove(&message.message_no);
                is_news.then(|| text(message, ""))
            }
            What::Joined(user) => Some(format!("* {} joined", name(user.as_ref()))),
            What::Left(user) => Some(format!("* {} left", name(user.as_ref()))),
            What::Renamed(Some(title)) => Some(format!("* this is now called {}", plain(title))),
            What::Renamed(None) => Some("* this has no title now".to_owned()),
            What::Other => None,
        }
    }

    fn created(&mut self, message: &Message, me: Uuid) -> Option<String> {
        if Some(message.message_no) <= self.shown {
            return None;
        }
        self.shown = Some(message.message_no);
        if !message.is_deleted && message.sender.as_ref().is_some_and(|sender| sender.id == me) {
            self.mine = Some(message.id);
        }
        Some(text(message, ""))
    }
}

fn text(message: &Message, how: &str) -> String {
    let (no, sender) = (message.message_no, name(message.sender.as_ref()));
    match &message.text {
        Some(text) if !message.is_deleted => format!("[{no}] {sender}{how}: {}", plain(text)),
        _ => format!("[{no}] {sender} (deleted)"),
    }
}

fn name(user: Option<&User>) -> &str {
    user.map_or("somebody", |user| &user.username)
}

/// One line that does nothing to the terminal: others wrote it.
pub(crate) fn plain(text: &str) -> String {
    text.replace('\n', " ⏎ ").replace(char::is_control, " ")
}
