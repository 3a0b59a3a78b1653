//! What is typed: messages, and a few commands.

use std::time::Duration;

use serde_json::json;
use uuid::Uuid;

use super::{Core, replies::Asked};

/// What a message may take, in UTF-8; and as JSON, where a frame of 16 KiB must hold it with what is around it.
const MAX_TEXT_BYTES: usize = 8 * 1024;
const MAX_JSON_BYTES: usize = 15 * 1024;

impl Core {
    pub(super) fn line(&mut self, now: Duration, client_id: Uuid, text: String) {
        match text.split_once(' ').unwrap_or((&text, "")) {
            ("/quit", _) => (self.ended, self.follow) = (true, false),
            ("/who", _) => {
                let names: Vec<&str> = self.names.values().map(String::as_str).collect();
                self.tell(names.join(", "));
            }
            ("/edit", text) => self.change_last(now, Asked::Edit, Some(text)),
            ("/delete", _) => self.change_last(now, Asked::Delete, None),
            (command, _) if command.starts_with('/') => {
                self.tell("commands are /who, /edit TEXT, /delete and /quit");
            }
            _ if text.trim().is_empty() => {}
            _ if is_too_long(&text) => self.tell("not sent: a message takes at most 8 KiB"),
            _ => self.outbox.push(client_id, text),
        }
    }

    /// Edits or deletes the last message of ours. Unlike a message this is not kept: it can be typed again.
    fn change_last(&mut self, now: Duration, asked: Asked, text: Option<&str>) {
        let Some(message) = self.timeline.mine().filter(|_| self.link.is_ready()) else {
            return self.tell("there is no message of yours here, or no connection");
        };
        let mut d = json!({ "conversation_id": self.conversation, "message_id": message });
        if let Some(text) = text {
            d["text"] = json!(text);
        }
        self.ask(now, asked, &d);
    }
}

/// Asked here, for a frame that is too large would end the connection, each time it is sent.
fn is_too_long(text: &str) -> bool {
    text.len() > MAX_TEXT_BYTES || json!(text).to_string().len() > MAX_JSON_BYTES
}
