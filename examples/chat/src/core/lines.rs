//! Typed lines: messages and commands.

use std::time::Duration;

use serde_json::json;
use uuid::Uuid;

use super::{Core, replies::Request};

/// Maximum size of a message in UTF-8, and as JSON, where it must fit into a frame of 16 KiB with the rest of the
/// command.
const MAX_TEXT_BYTES: usize = 8 * 1024;
const MAX_JSON_BYTES: usize = 15 * 1024;

impl Core {
    pub(super) fn line(&mut self, now: Duration, client_id: Uuid, text: String) {
        match text.split_once(' ').unwrap_or((&text, "")) {
            ("/quit", _) => (self.ended, self.follow) = (true, false),
            ("/who", _) => {
                let names: Vec<&str> = self.names.values().map(String::as_str).collect();
                self.notify(names.join(", "));
            }
            ("/edit", text) => self.change_last(now, Request::Edit, Some(text)),
            ("/delete", _) => self.change_last(now, Request::Delete, None),
            (command, _) if command.starts_with('/') => {
                self.notify("available commands: /who, /edit TEXT, /delete, /quit");
            }
            _ if text.trim().is_empty() => {}
            _ if is_too_long(&text) => self.notify("not sent: a message can have at most 8 KiB"),
            _ => self.outbox.push(client_id, text),
        }
    }

    /// Edits or deletes the user's last message. Unlike messages, this is not retried; the user can type it again.
    fn change_last(&mut self, now: Duration, request: Request, text: Option<&str>) {
        let Some(message) = self.timeline.last_own().filter(|_| self.link.is_ready()) else {
            return self.notify("you have no message to change here, or there is no connection");
        };
        let mut d = json!({ "conversation_id": self.conversation, "message_id": message });
        if let Some(text) = text {
            d["text"] = json!(text);
        }
        self.send_command(now, request, &d);
    }
}

/// Checked before sending: a frame that is too large would end the connection each time it is sent.
fn is_too_long(text: &str) -> bool {
    text.len() > MAX_TEXT_BYTES || json!(text).to_string().len() > MAX_JSON_BYTES
}
