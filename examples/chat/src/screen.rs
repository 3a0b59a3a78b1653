//! The lines of a conversation: each message once, and its later changes.

use std::collections::{BTreeMap, HashSet};

use blegram_client::{
    ChangeKind,
    types::{Message, UserSummary},
};
use uuid::Uuid;

/// What was printed.
pub(crate) struct Screen {
    me: Uuid,
    names: BTreeMap<Uuid, String>,
    /// The highest message number printed.
    newest: u64,
    /// Messages that were already deleted when they were printed; their deletion events will follow and print nothing.
    deleted: HashSet<u64>,
    last_own: Option<Uuid>,
}

impl Screen {
    pub(crate) fn new(me: Uuid, members: &[UserSummary]) -> Self {
        let mut screen =
            Self { me, names: BTreeMap::new(), newest: 0, deleted: HashSet::new(), last_own: None };
        screen.add_names(members);
        screen
    }

    /// The number of the last message.
    pub(crate) fn newest(&self) -> u64 {
        self.newest
    }

    /// The user's last message, for `/edit` and `/delete`.
    pub(crate) fn last_own(&self) -> Option<Uuid> {
        self.last_own
    }

    pub(crate) fn name(&self, user: Uuid) -> &str {
        self.names.get(&user).map_or("someone", String::as_str)
    }

    pub(crate) fn names(&self) -> String {
        self.names.values().map(String::as_str).collect::<Vec<_>>().join(", ")
    }

    /// The lines of the messages, oldest first, that were not printed before.
    pub(crate) fn load(&mut self, messages: &[Message]) -> Vec<String> {
        // The deletion events before the page will not arrive.
        self.deleted.clear();
        messages.iter().filter_map(|message| self.created(message)).collect()
    }

    /// The line of an event, if it has one.
    pub(crate) fn apply(&mut self, kind: &ChangeKind) -> Option<String> {
        match kind {
            ChangeKind::Created(message) => {
                let line = self.created(message);
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
            ChangeKind::Joined(user) => {
                self.add_names(user);
                Some(format!("* {} joined", name(user.as_ref())))
            }
            ChangeKind::Left(user) => {
                user.as_ref().and_then(|user| self.names.remove(&user.id));
                Some(format!("* {} left", name(user.as_ref())))
            }
            ChangeKind::Updated { title: Some(title), .. } => {
                Some(format!("* title changed to: {}", plain(title)))
            }
            ChangeKind::Updated { title: None, .. } => Some("* title removed".to_owned()),
            _ => None,
        }
    }

    fn created(&mut self, message: &Message) -> Option<String> {
        if message.message_no <= self.newest {
            return None;
        }
        self.newest = message.message_no;
        self.add_names(&message.sender);
        if !message.is_deleted && message.sender.as_ref().is_some_and(|sender| sender.id == self.me) {
            self.last_own = Some(message.id);
        }
        Some(text(message, ""))
    }

    fn add_names<'a>(&mut self, users: impl IntoIterator<Item = &'a UserSummary>) {
        self.names.extend(users.into_iter().map(|user| (user.id, user.username.clone())));
    }
}

fn text(message: &Message, suffix: &str) -> String {
    let (no, sender) = (message.message_no, name(message.sender.as_ref()));
    match &message.text {
        Some(text) if !message.is_deleted => format!("[{no}] {sender}{suffix}: {}", plain(text)),
        _ => format!("[{no}] {sender} (deleted)"),
    }
}

fn name(user: Option<&UserSummary>) -> &str {
    user.map_or("deleted user", |user| &user.username)
}

/// Makes text of other users safe for the terminal: a single line without control characters.
pub(crate) fn plain(text: &str) -> String {
    text.replace('\n', " ⏎ ").replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ANN: Uuid = Uuid::from_u128(1);
    const BOB: Uuid = Uuid::from_u128(2);

    fn message(no: u64, text: Option<&str>) -> Message {
        let message = json!({
            "id": Uuid::from_u128(no.into()), "conversation_id": Uuid::nil(), "seq": no, "message_no": no,
            "client_id": Uuid::nil(), "sender": user(), "text": text, "media": [],
            "created_at": "2026-01-01T00:00:00Z", "is_deleted": text.is_none(),
        });
        serde_json::from_value(message).unwrap()
    }

    fn user() -> UserSummary {
        let user = json!({ "id": BOB, "username": "bob", "display_name": "Bob" });
        serde_json::from_value(user).unwrap()
    }

    fn lines(kinds: impl IntoIterator<Item = ChangeKind>) -> Vec<String> {
        let mut screen = Screen::new(ANN, &[]);
        kinds.into_iter().filter_map(|kind| screen.apply(&kind)).collect()
    }

    #[test]
    fn edits_deletions_and_member_changes_are_printed() {
        let changes = [
            ChangeKind::Created(message(1, Some("helo"))),
            ChangeKind::Edited(message(1, Some("hello"))),
            ChangeKind::Deleted(message(1, None)),
            ChangeKind::Joined(Some(user())),
            ChangeKind::Left(None),
            ChangeKind::Updated { title: Some("us".to_owned()), owner_id: None },
            ChangeKind::Other,
        ];
        let expected = [
            "[1] bob: helo",
            "[1] bob (edited): hello",
            "[1] bob (deleted)",
            "* bob joined",
            "* deleted user left",
            "* title changed to: us",
        ];
        assert_eq!(lines(changes), expected);
    }

    #[test]
    fn message_deleted_before_it_was_printed_has_one_line() {
        let changes = [ChangeKind::Created(message(1, None)), ChangeKind::Deleted(message(1, None))];
        assert_eq!(lines(changes), ["[1] bob (deleted)"]);
    }

    #[test]
    fn pages_repeat_no_line() {
        let mut screen = Screen::new(BOB, &[]);
        assert_eq!(screen.load(&[message(1, Some("one"))]).len(), 1);
        let again = [message(1, Some("one")), message(2, Some("two"))];
        assert_eq!(screen.load(&again), ["[2] bob: two"]);
        assert_eq!(screen.apply(&ChangeKind::Created(message(2, Some("two")))), None);
        assert_eq!((screen.newest(), screen.last_own()), (2, Some(Uuid::from_u128(2))));
    }

    #[test]
    fn control_characters_are_not_printed() {
        let changes = [ChangeKind::Created(message(1, Some("a\nb\u{1b}[2J\tc")))];
        assert_eq!(lines(changes), ["[1] bob: a ⏎ b [2J c"]);
    }
}
