//! A minimal application: prints the messages of a conversation.

use std::collections::HashSet;

use crate::{
    core::Page,
    types::Message,
    wire::{Change, ChangeKind},
};

#[derive(Default)]
pub(super) struct Screen {
    pub(super) lines: Vec<String>,
    /// The highest message number printed.
    newest: u64,
    /// Messages that were already deleted when they were printed; their deletion events will follow.
    deleted: HashSet<u64>,
}

impl Screen {
    pub(super) fn load(&mut self, page: &Page, known: Option<u64>) {
        assert!(known.is_none_or(|known| known == self.newest), "the core knows what was reported");
        self.deleted.clear();
        page.messages.iter().for_each(|message| self.created(message));
    }

    pub(super) fn apply(&mut self, change: &Change) {
        match &change.kind {
            ChangeKind::Created(message) => {
                self.created(message);
                if message.is_deleted {
                    self.deleted.insert(message.message_no);
                }
            }
            ChangeKind::Edited(message) if !message.is_deleted => self.print(message, " (edited)"),
            ChangeKind::Deleted(message) if !self.deleted.remove(&message.message_no) => {
                self.print(message, "");
            }
            _ => {}
        }
    }

    fn created(&mut self, message: &Message) {
        if message.message_no > self.newest {
            self.newest = message.message_no;
            self.print(message, "");
        }
    }

    fn print(&mut self, message: &Message, suffix: &str) {
        let sender = message.sender.as_ref().map_or("deleted user", |sender| &sender.username);
        let no = message.message_no;
        self.lines.push(match &message.text {
            Some(text) if !message.is_deleted => format!("[{no}] {sender}{suffix}: {text}"),
            _ => format!("[{no}] {sender} (deleted)"),
        });
    }
}
