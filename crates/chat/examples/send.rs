//! Measures how many messages per second are sent: 10 concurrent senders in each of 100 direct conversations, on
//! PostgreSQL and on SQLite.
//!
//! Run it with `cargo xtask services -- cargo run --release -p blegram-chat --example send [SECONDS [CONNECTIONS]]`.
//! `xtask services` starts PostgreSQL with `fsync` and `synchronous_commit` off; set `BLEGRAM_TEST_POSTGRES_URL` to
//! measure another server. SQLite waits for the disk.

#![expect(clippy::unwrap_used, reason = "a failure ends the measurement")]

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use blegram_chat::Chat;
use blegram_domain::{
    ClientId, Clock, ConversationId, DisplayName, MessageText, SystemClock, UserId, UserRef, Username,
    conversation::SendMessage, user::Role,
};
use blegram_persistence::{
    Db, Settings,
    testing::{Backend, TestDatabase},
    users::{self, NewUser},
};
use tokio::task::JoinSet;

const CONVERSATIONS: usize = 100;
const SENDERS: usize = 10;

#[tokio::main]
async fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: u32| arguments.next().map_or(default, |text| text.parse().unwrap());
    let (seconds, max_connections) = (number(10), number(20));
    for backend in [Backend::Postgres, Backend::Sqlite] {
        let database = TestDatabase::new(backend).await;
        let url = database.url().to_owned();
        let statement_timeout = Duration::from_secs(30);
        let db = Db::connect(&Settings { url, max_connections, statement_timeout }).await.unwrap();
        let pairs = people(&db).await;
        let chat = Chat::new(db, Arc::new(SystemClock));
        let mut conversations = Vec::new();
        for (one, other) in pairs {
            let (view, _) = chat.create_conversation(one, &[UserRef::Id(other)], None).await.unwrap();
            conversations.push((view.conversation.id, [one, other]));
        }
        // The first, one-second run warms up; the second one is the measurement.
        for duration in [Duration::from_secs(1), Duration::from_secs(seconds.into())] {
            let mut took = run(&chat, &conversations, duration).await;
            took.sort_unstable();
            let rate = took.len() as f64 / duration.as_secs_f64();
            let [median, slow] = [50, 99].map(|percent| took[took.len() * percent / 100].as_secs_f64() * 1e3);
            println!(
                "{backend:?}: {rate:.0} messages per second; median {median:.1} ms, 99 % within {slow:.1} ms"
            );
        }
    }
}

async fn run(
    chat: &Chat,
    conversations: &[(ConversationId, [UserId; 2])],
    duration: Duration,
) -> Vec<Duration> {
    let until = Instant::now() + duration;
    let mut senders = JoinSet::new();
    for (id, pair) in conversations.iter().copied() {
        for sender in 0..SENDERS {
            let chat = chat.clone();
            senders.spawn(async move {
                let mut took = Vec::new();
                while Instant::now() < until {
                    let client_id = ClientId::generate(SystemClock.now());
                    let text = MessageText::parse("내일 세 시에 볼까?").unwrap();
                    let message = SendMessage::new(client_id, text, Vec::new(), None).unwrap();
                    let start = Instant::now();
                    chat.send_message(pair[sender % 2], id, message).await.unwrap();
                    took.push(start.elapsed());
                }
                took
            });
        }
    }
    senders.join_all().await.concat()
}

async fn people(db: &Db) -> Vec<(UserId, UserId)> {
    let tx = db.write().await.unwrap();
    let mut ids = Vec::new();
    for n in 0..2 * CONVERSATIONS {
        let id = UserId::generate(SystemClock.now());
        let user = NewUser {
            id,
            username: Username::parse(&format!("sender_{n}")).unwrap(),
            display_name: DisplayName::parse("sender").unwrap(),
            email: None,
            password_hash: None,
            role: Role::User,
            created_at: SystemClock.now(),
        };
        users::insert(&tx, user).await.unwrap();
        ids.push(id);
    }
    tx.commit().await.unwrap();
    ids.chunks(2).map(|pair| (pair[0], pair[1])).collect()
}
