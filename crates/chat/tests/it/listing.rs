//! Paging the list of conversations towards newer activity.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use blegram_chat::{Chat, ConversationView};
use blegram_domain::{
    ClientId, ConversationId, FixedClock, Message, MessageId, PageRequest, UserId,
    page::{Activity, Cursor, Limit, Page, Scope},
};
use blegram_persistence::{Db, Settings, conversations, messages, testing::Backend};
use rstest_reuse::apply;
use tokio::task::JoinSet;

use crate::{World, both_databases, message, now};

async fn list(
    chat: &Chat,
    user: UserId,
    cursor: Option<Cursor<Activity>>,
) -> Page<ConversationView, Activity> {
    let scope = Scope::new("list", &[]);
    let cursor = cursor.map(|cursor| Cursor::decode(&cursor.encode(), scope).unwrap());
    chat.conversations(user, &PageRequest::new(scope, Limit::parse(5).unwrap(), cursor, None)).await.unwrap()
}

fn ids(page: &Page<ConversationView, Activity>) -> Vec<ConversationId> {
    page.items.iter().map(|view| view.conversation.id).collect()
}

#[tokio::test]
async fn listing_moves_a_conversation_up_when_a_late_message_commits() {
    let world = World::new(Backend::Postgres).await;
    let [ann, bob] = world.users(["ann", "bob"]).await;
    let slow = world.create_group(ann, &[bob]).await;
    let quick = world.create_group(ann, &[bob]).await;
    let tx = world.database.db().write().await.unwrap();
    let mut conversation = conversations::lock(&tx, slow).await.unwrap().unwrap();
    conversation.last_seq += 1;
    conversation.last_message_no += 1;
    let late = Message {
        id: MessageId::generate(now()),
        conversation: slow,
        seq: 1,
        message_no: 1,
        sender: Some(ann),
        client_id: ClientId::generate(now()),
        fingerprint: [0; 32],
        text: "late".to_owned(),
        media: Vec::new(),
        reply_to: None,
        created_at: now(),
        edited_at: None,
        deleted_at: None,
        version: 0,
    };
    conversation.last_message = Some(late.id);
    messages::insert_all(&tx, &[late]).await.unwrap();
    conversations::update(&tx, &conversation, true, now()).await.unwrap();

    world.send(ann, quick, "later, and committed before").await;
    let first = list(&world.chat, bob, None).await;
    assert_eq!(ids(&first), [quick, slow]);
    let newer = list(&world.chat, bob, first.prev).await;
    assert_eq!(ids(&newer), []);
    tx.commit().await.unwrap();
    let newer = list(&world.chat, bob, newer.prev).await;
    assert_eq!(ids(&newer), [slow]);
    assert_eq!(newer.items[0].conversation.last_message_no, 1);
    assert_eq!(ids(&list(&world.chat, bob, newer.prev).await), []);
}

#[apply(both_databases)]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn listing_towards_newer_misses_no_message(#[case] backend: Backend) {
    const GROUPS: usize = 8;
    const EACH: u64 = 15;
    let world = World::new(backend).await;
    let [ann, reader] = world.users(["ann", "reader"]).await;
    let mut groups = Vec::new();
    for _ in 0..GROUPS {
        groups.push(world.create_group(ann, &[reader]).await);
    }
    let other = if backend == Backend::Postgres {
        let settings = Settings {
            url: world.database.url().to_owned(),
            max_connections: 8,
            statement_timeout: Duration::from_secs(30),
        };
        let behind = Arc::new(FixedClock::new(now() - Duration::from_secs(40)));
        Chat::new(Db::connect(&settings).await.unwrap(), behind)
    } else {
        world.chat.clone()
    };
    let is_done = AtomicBool::new(false);
    let write = async {
        let mut writers = JoinSet::new();
        for (at, group) in groups.iter().copied().enumerate() {
            let chat = if at % 2 == 0 { world.chat.clone() } else { other.clone() };
            writers.spawn(async move {
                for _ in 0..EACH {
                    chat.send_message(ann, group, message("hello")).await.unwrap();
                }
            });
        }
        writers.join_all().await;
        is_done.store(true, Ordering::SeqCst);
    };
    let read = async {
        let mut known = HashMap::new();
        let mut page = list(&world.chat, reader, None).await;
        // Items that do not fit into the first page are on the pages below.
        let mut below = page.next.clone();
        while let Some(next) = below {
            let page = list(&world.chat, reader, Some(next)).await;
            known.extend(
                page.items.iter().map(|view| (view.conversation.id, view.conversation.last_message_no)),
            );
            below = page.next;
        }
        loop {
            known.extend(
                page.items.iter().map(|view| (view.conversation.id, view.conversation.last_message_no)),
            );
            let was_done = is_done.load(Ordering::SeqCst);
            page = list(&world.chat, reader, page.prev).await;
            if was_done && page.items.is_empty() {
                return known;
            }
            tokio::task::yield_now().await;
        }
    };
    let ((), known) = tokio::join!(write, read);
    assert_eq!(known, groups.into_iter().map(|group| (group, EACH)).collect());
}
