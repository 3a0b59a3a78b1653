//! Tests of the chat use cases on both databases. The tests of the API crate cover what clients see.

#![expect(clippy::unwrap_used, reason = "a failing step fails the test, in helpers too")]

mod blocking;
mod events;
mod listing;
mod presence;
mod receipts;
mod rejoining;
mod sending;
mod sync;

use std::sync::{Arc, Mutex};

use blegram_chat::{Chat, ConversationView, Event, MessageView, Result};
use blegram_domain::{
    ClientId, ConversationId, ConversationTitle, DisplayName, FixedClock, MessageText, RelationId, Timestamp,
    UserId, UserRef, Username, conversation::SendMessage, event::EventSink, user::Role,
};
use blegram_persistence::{
    blocks, follows,
    testing::{Backend, TestDatabase},
    users::{self, NewUser},
};
use rstest_reuse::template;

/// Runs a test on SQLite and on PostgreSQL.
#[template]
#[rstest::rstest]
#[case::sqlite(blegram_persistence::testing::Backend::Sqlite)]
#[case::postgres(blegram_persistence::testing::Backend::Postgres)]
fn both_databases(#[case] backend: blegram_persistence::testing::Backend) {}

pub(crate) fn now() -> Timestamp {
    Timestamp::from_micros(1_790_000_000_000_000).unwrap()
}

/// Records the published events.
#[derive(Default)]
struct Recorder(Mutex<Vec<Event>>);

impl EventSink<Event> for Recorder {
    fn publish(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

/// A database, the use cases over it, and the events that they publish.
pub(crate) struct World {
    pub(crate) database: TestDatabase,
    pub(crate) chat: Chat,
    pub(crate) clock: Arc<FixedClock>,
    recorder: Arc<Recorder>,
}

impl World {
    pub(crate) async fn new(backend: Backend) -> Self {
        let database = TestDatabase::new(backend).await;
        let clock = Arc::new(FixedClock::new(now()));
        let recorder = Arc::new(Recorder::default());
        let chat =
            Chat::new(database.db().clone(), Arc::clone(&clock) as _).with_events(Arc::clone(&recorder) as _);
        Self { database, chat, clock, recorder }
    }

    pub(crate) async fn users<const N: usize>(&self, names: [&str; N]) -> [UserId; N] {
        let mut ids = Vec::new();
        for name in names {
            ids.push(self.user(name).await);
        }
        ids.try_into().unwrap()
    }

    pub(crate) async fn user(&self, name: &str) -> UserId {
        let id = UserId::generate(now());
        let tx = self.database.db().write().await.unwrap();
        let user = NewUser {
            id,
            username: Username::parse(name).unwrap(),
            display_name: DisplayName::parse(name).unwrap(),
            email: None,
            password_hash: None,
            role: Role::User,
            created_at: now(),
        };
        users::insert(&tx, user).await.unwrap();
        tx.commit().await.unwrap();
        id
    }

    pub(crate) async fn block(&self, blocker: UserId, blocked: UserId) {
        let tx = self.database.db().write().await.unwrap();
        blocks::insert(&tx, RelationId::generate(now()), blocker, blocked).await.unwrap();
        tx.commit().await.unwrap();
    }

    pub(crate) async fn follow(&self, follower: UserId, followee: UserId) {
        let tx = self.database.db().write().await.unwrap();
        follows::insert(&tx, RelationId::generate(now()), follower, followee).await.unwrap();
        tx.commit().await.unwrap();
    }

    /// Starts a direct conversation with one other user, or a group with several.
    pub(crate) async fn create_conversation(
        &self,
        actor: UserId,
        other_users: &[UserId],
    ) -> ConversationView {
        let other_users: Vec<UserRef> = other_users.iter().map(|id| UserRef::Id(*id)).collect();
        self.chat.create_conversation(actor, &other_users, None).await.unwrap().0
    }

    /// Starts a group with any number of members.
    pub(crate) async fn create_group(&self, actor: UserId, other_users: &[UserId]) -> ConversationId {
        let other_users: Vec<UserRef> = other_users.iter().map(|id| UserRef::Id(*id)).collect();
        let title = ConversationTitle::parse("us").unwrap();
        self.chat.create_conversation(actor, &other_users, Some(title)).await.unwrap().0.conversation.id
    }

    pub(crate) async fn send(&self, sender: UserId, id: ConversationId, text: &str) -> MessageView {
        let (view, is_new) = self.chat.send_message(sender, id, message(text)).await.unwrap();
        assert!(is_new);
        view
    }

    /// The events since the last call.
    pub(crate) fn take_events(&self) -> Vec<Event> {
        std::mem::take(&mut *self.recorder.0.lock().unwrap())
    }

    /// The names of the events since the last call.
    pub(crate) fn take_names(&self) -> Vec<String> {
        self.take_events().iter().map(name).collect()
    }

    pub(crate) async fn view(&self, viewer: UserId, id: ConversationId) -> ConversationView {
        self.chat.get_conversation(viewer, id).await.unwrap()
    }
}

fn name(event: &Event) -> String {
    match event {
        Event::Appended { event, .. } => event.event.kind.as_str().to_owned(),
        Event::Added { .. } => "added".to_owned(),
        Event::Removed { reason, .. } => reason.as_str().to_owned(),
        Event::Read { .. } => "read".to_owned(),
        Event::Delivered { .. } => "delivered".to_owned(),
        Event::Typing { .. } => "typing".to_owned(),
    }
}

pub(crate) fn message(text: &str) -> SendMessage {
    let client_id = ClientId::generate(now());
    SendMessage::new(client_id, MessageText::parse(text).unwrap(), Vec::new(), None).unwrap()
}

/// Asserts that the call was rejected and published nothing.
pub(crate) fn assert_rejected<T: std::fmt::Debug>(world: &World, result: Result<T>) {
    result.unwrap_err();
    assert_eq!(world.take_events(), []);
}
