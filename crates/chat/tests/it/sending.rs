use std::{
    collections::HashSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use blegram_chat::{Chat, Error, Event};
use blegram_domain::{
    Clock, ConversationId, Media, MediaId, MessageId, MessageText, UserId, conversation::SendMessage,
    event::EventSink, media::MediaKey,
};
use blegram_persistence::{Db, Settings, conversations, media, testing::Backend, users};
use futures_util::{FutureExt, future::join_all};
use rstest_reuse::apply;
use tokio::time::Instant;

use crate::{Recorder, World, both_databases, message};

async fn send(
    chat: &Chat,
    (sender, conversation, message): (UserId, ConversationId, SendMessage),
) -> Result<(u64, bool), Error> {
    let (view, is_new) = chat.send_message(sender, conversation, message).await?;
    Ok((view.message.seq, is_new))
}

/// The `seq` of each message event.
fn seqs(events: &[Event]) -> Vec<u64> {
    let seq = |event: &Event| match event {
        Event::Appended { event, .. } => Some(event.event.seq),
        _ => None,
    };
    events.iter().filter_map(seq).collect()
}

/// The number of statements since the last call that inserted messages.
fn inserts(w: &World) -> usize {
    let is_insert = |statement: &String| statement.starts_with("INSERT INTO \"messages\"");
    w.database.take_statements().iter().filter(|statement| is_insert(statement)).count()
}

#[apply(both_databases)]
#[tokio::test]
async fn concurrent_messages_are_batched_in_one_order(#[case] backend: Backend) {
    let w = World::new(backend).await;
    let [ann, bob] = w.users(["ann", "bob"]).await;
    let group = w.create_group(ann, &[bob]).await;
    w.take_events();
    w.database.take_statements();
    let messages = (0..100).map(|n| ([ann, bob][n % 2], group, message(&format!("{n}"))));
    let sent = join_all(messages.map(|m| send(&w.chat, m))).await;
    let sent: Vec<(u64, bool)> = sent.into_iter().map(Result::unwrap).collect();
    assert_eq!(sent, (1..=100).map(|seq| (seq, true)).collect::<Vec<_>>());
    assert_eq!(inserts(&w), 2);
    let events = w.take_events();
    assert_eq!(seqs(&events), (1..=100).collect::<Vec<_>>());
    let Event::Appended { event, .. } = &events[6] else { panic!("{:?}", events[6]) };
    assert_eq!(event.message.as_ref().unwrap().message.text, "6");
    let view = w.chat.get_conversation(bob, group).await.unwrap();
    assert_eq!((view.conversation.last_seq, view.conversation.last_message_no), (100, 100));
    assert_eq!(view.last_message.unwrap().message.text, "99");
    // Each sender has read up to their own last message.
    assert_eq!(view.mine.read_no, 100);
    assert_eq!(w.chat.get_conversation(ann, group).await.unwrap().mine.read_no, 99);
}

#[apply(both_databases)]
#[tokio::test]
async fn rejected_messages_do_not_affect_the_rest_of_the_batch(#[case] backend: Backend) {
    let w = World::new(backend).await;
    let [ann, bob, cid, deleted] = w.users(["ann", "bob", "cid", "deleted"]).await;
    let [group, other] = [w.create_group(ann, &[bob, deleted]).await, w.create_group(ann, &[bob]).await];
    let [before, elsewhere] = [message("before"), message("elsewhere")];
    w.chat.send_message(ann, group, before.clone()).await.unwrap();
    let (foreign, _) = w.chat.send_message(ann, other, elsewhere.clone()).await.unwrap();
    let tx = w.database.db().write().await.unwrap();
    blegram_persistence::users::update_deleted(&tx, deleted).await.unwrap();
    tx.commit().await.unwrap();
    let reply = |id: MessageId| SendMessage { reply_to: Some(id), ..message("to nothing") };
    let no_image = SendMessage { media: vec![MediaId::generate(w.clock.now())], ..message("no image") };
    w.take_events();
    let messages = [
        (bob, group, message("one")),
        (cid, group, message("not in")),
        (deleted, group, message("deleted")),
        (ann, group, before),
        (ann, group, elsewhere),
        (ann, group, reply(foreign.message.id)),
        (ann, group, no_image),
        (bob, group, message("two")),
    ];
    let sent = join_all(messages.map(|m| send(&w.chat, m))).await;
    assert!(matches!(
        sent[..],
        [
            Ok((2, true)),
            Err(Error::NotFound),
            Err(Error::AccountNotFound),
            Ok((1, false)),
            Err(Error::ClientIdReused),
            Err(Error::ReplyNotFound),
            Err(Error::MediaNotFound(_)),
            Ok((3, true)),
        ]
    ));
    assert_eq!(seqs(&w.take_events()), [2, 1, 3]);
}

#[apply(both_databases)]
#[tokio::test]
async fn failing_message_does_not_fail_the_rest_of_the_batch(#[case] backend: Backend) {
    let w = World::new(backend).await;
    let [ann, bob] = w.users(["ann", "bob"]).await;
    let group = w.create_group(ann, &[bob]).await;
    let broken = message("broken");
    w.chat.send_message(ann, group, broken.clone()).await.unwrap();
    w.database.execute("UPDATE messages SET fingerprint = 'no SHA-256'").await;
    w.take_events();
    let messages = [(bob, group, message("one")), (ann, group, broken), (bob, group, message("two"))];
    let sent = join_all(messages.map(|m| send(&w.chat, m))).await;
    assert!(matches!(sent[..], [Ok((_, true)), Err(Error::Storage(_)), Ok((_, true))]), "{sent:?}");
    assert_eq!(seqs(&w.take_events()), [2, 3]);
}

#[apply(both_databases)]
#[tokio::test]
async fn client_id_identifies_one_message_across_retries_and_conversations(#[case] backend: Backend) {
    let w = World::new(backend).await;
    let [ann, bob] = w.users(["ann", "bob"]).await;
    let [one, two] = [w.create_group(ann, &[bob]).await, w.create_group(ann, &[bob]).await];
    // The same message twice at once, and a different one with the same client id.
    w.database.take_statements();
    let hi = message("hi");
    let other = SendMessage { text: MessageText::parse("other").unwrap(), ..hi.clone() };
    let messages = [(ann, one, hi.clone()), (ann, one, hi), (ann, one, other), (bob, one, message("yes"))];
    let sent = join_all(messages.map(|m| send(&w.chat, m))).await;
    assert!(matches!(sent[..], [Ok((1, true)), Ok((1, false)), Err(Error::ClientIdReused), Ok((2, true))]));
    // The batch needed no retry.
    assert_eq!(inserts(&w), 2);
    // The same client id in two conversations at once, among other messages; repeated, so that the two transactions
    // meet.
    for _ in 0..10 {
        let contents: Vec<SendMessage> = (0..4).map(|n| message(&format!("{n}"))).collect();
        let batch = contents.iter().flat_map(|content| {
            let mine = |conversation| (ann, conversation, content.clone());
            [mine(one), (bob, one, message("so")), mine(two), (bob, two, message("so"))]
        });
        let sent = join_all(batch.map(|m| send(&w.chat, m))).await;
        for four in sent.chunks(4) {
            let [mine, Ok((_, true)), too, Ok((_, true))] = four else { panic!("{four:?}") };
            let is_one = matches!(
                (mine, too),
                (Ok((_, true)), Err(Error::ClientIdReused)) | (Err(Error::ClientIdReused), Ok((_, true)))
            );
            assert!(is_one, "{four:?}");
        }
    }
    for group in [one, two] {
        let view = w.chat.get_conversation(ann, group).await.unwrap();
        assert_eq!(view.conversation.last_seq, view.conversation.last_message_no);
    }
    let numbers = w
        .database
        .lines(
            "SELECT CAST(count(DISTINCT message_no) AS TEXT) AS line FROM messages GROUP BY conversation_id",
        )
        .await;
    let sum: usize = numbers.iter().map(|n| n.parse::<usize>().unwrap()).sum();
    assert_eq!(sum, 2 + 10 * (4 + 8));
    assert_eq!(w.database.count("messages").await, sum);
}

#[apply(both_databases)]
#[tokio::test]
async fn cancelled_sends_are_written_once_and_do_not_stop_the_queue(#[case] backend: Backend) {
    let w = World::new(backend).await;
    let [ann, bob] = w.users(["ann", "bob"]).await;
    let group = w.create_group(ann, &[bob]).await;
    w.take_events();
    let cancelled = message("cancelled");
    // The first sender starts writing and is cancelled; so is one that only waits in the queue.
    assert!(w.chat.send_message(ann, group, cancelled.clone()).now_or_never().is_none());
    assert!(w.chat.send_message(bob, group, message("too")).now_or_never().is_none());
    assert_eq!(send(&w.chat, (bob, group, message("here"))).await.unwrap(), (3, true));
    assert_eq!(send(&w.chat, (ann, group, cancelled)).await.unwrap(), (1, false));
    assert_eq!(seqs(&w.take_events()), [1, 2, 3, 1]);
}

#[apply(both_databases)]
#[tokio::test]
async fn block_rejects_both_senders_and_hidden_conversation_is_added_once(#[case] backend: Backend) {
    let w = World::new(backend).await;
    let [ann, bob] = w.users(["ann", "bob"]).await;
    let direct = w.create_conversation(ann, &[bob]).await.conversation.id;
    w.take_events();
    let both = || {
        let messages = [(ann, direct, message("one")), (bob, direct, message("two"))];
        join_all(messages.map(|m| send(&w.chat, m)))
    };
    assert!(both().await.iter().all(Result::is_ok));
    let events = w.take_events();
    let Event::Added { user, conversation } = &events[0] else { panic!("{:?}", events[0]) };
    assert_eq!((*user, conversation.last_message.as_ref().unwrap().message.text.as_str()), (bob, "two"));
    assert_eq!(seqs(&events), [1, 2]);
    assert!(
        events[1..]
            .iter()
            .all(|event| matches!(event, Event::Appended { members, .. } if members.len() == 2))
    );
    w.block(bob, ann).await;
    // Both are in one batch, and each is rejected for their own reason.
    let rejected = both().await;
    assert!(matches!(rejected[..], [Err(Error::CannotWrite), Err(Error::Blocked)]), "{rejected:?}");
    assert_eq!(w.take_events(), []);
}

#[apply(both_databases)]
#[tokio::test]
async fn two_nodes_write_one_conversation_without_gaps(#[case] backend: Backend) {
    let w = World::new(backend).await;
    let [ann, bob] = w.users(["ann", "bob"]).await;
    let direct = w.create_conversation(ann, &[bob]).await.conversation.id;
    let node = Chat::new(w.database.db().clone(), w.clock.clone());
    let sends = (0..60).map(|n| {
        let chat = if n % 3 == 0 { &node } else { &w.chat };
        send(chat, ([ann, bob][n % 2], direct, message("hi")))
    });
    let sent = join_all(sends).await;
    let seqs: HashSet<u64> = sent.into_iter().map(|result| result.unwrap().0).collect();
    assert_eq!(seqs, (1..=60).collect());
}

#[apply(both_databases)]
#[tokio::test]
async fn image_can_be_sent_only_once(#[case] backend: Backend) {
    let w = World::new(backend).await;
    let [ann, bob] = w.users(["ann", "bob"]).await;
    let group = w.create_group(ann, &[bob]).await;
    let image = MediaId::generate(w.clock.now());
    let unused = Media {
        id: image,
        owner: ann,
        key: MediaKey::new(false, ann, 7),
        previous_key: None,
        blurhash: String::new(),
        alt: None,
        variants: Vec::new(),
        used: None,
        created_at: w.clock.now(),
        version: 0,
    };
    let tx = w.database.db().write().await.unwrap();
    media::insert(&tx, &unused).await.unwrap();
    tx.commit().await.unwrap();
    let with_image = |text| SendMessage { media: vec![image], ..message(text) };
    let messages = [
        (ann, group, message("look")),
        (ann, group, with_image("this")),
        (ann, group, with_image("again")),
        (bob, group, message("nice")),
    ];
    let sent = join_all(messages.map(|m| send(&w.chat, m))).await;
    assert!(
        matches!(sent[..], [Ok((1, true)), Ok((2, true)), Err(Error::MediaInUse), Ok((3, true))]),
        "{sent:?}"
    );
}

/// The previous version stored new images in the public area.
#[apply(both_databases)]
#[tokio::test]
async fn image_with_a_public_key_is_moved_when_sent(#[case] backend: Backend) {
    let w = World::new(backend).await;
    let [ann, bob] = w.users(["ann", "bob"]).await;
    let direct = w.create_conversation(ann, &[bob]).await.conversation.id;
    let [public, private] = [true, false].map(|is_public| Media {
        id: MediaId::generate(w.clock.now()),
        owner: ann,
        key: MediaKey::new(is_public, ann, 7),
        previous_key: None,
        blurhash: String::new(),
        alt: None,
        variants: Vec::new(),
        used: None,
        created_at: w.clock.now(),
        version: 0,
    });
    let tx = w.database.db().write().await.unwrap();
    for image in [&public, &private] {
        media::insert(&tx, image).await.unwrap();
    }
    tx.commit().await.unwrap();
    let with_images = SendMessage { media: vec![public.id, private.id], ..message("look") };
    send(&w.chat, (ann, direct, with_images)).await.unwrap();
    let moves = w.database.lines("SELECT subject AS line FROM jobs WHERE kind = 'move-image'").await;
    assert_eq!(moves, [public.id.to_string()]);
}

#[apply(both_databases)]
#[tokio::test]
async fn full_queue_rejects_messages_at_once(#[case] backend: Backend) {
    let w = World::new(backend).await;
    let [ann, bob] = w.users(["ann", "bob"]).await;
    let direct = w.create_conversation(ann, &[bob]).await.conversation.id;
    let sent = join_all((0..1_100).map(|_| send(&w.chat, (ann, direct, message("hi"))))).await;
    let (sent, rejected) = sent.split_at(1_024);
    let sent: Vec<u64> = sent.iter().map(|result| result.as_ref().unwrap().0).collect();
    assert_eq!(sent, (1..=1_024).collect::<Vec<_>>());
    assert!(rejected.iter().all(|result| matches!(result, Err(Error::Busy))));
    assert_eq!(send(&w.chat, (ann, direct, message("later"))).await.unwrap(), (1_025, true));
}

#[apply(both_databases)]
#[tokio::test]
async fn large_messages_are_split_into_batches(#[case] backend: Backend) {
    let w = World::new(backend).await;
    let [ann, bob] = w.users(["ann", "bob"]).await;
    let direct = w.create_conversation(ann, &[bob]).await.conversation.id;
    w.database.take_statements();
    let long = "🌅".repeat(2_000);
    let sent = join_all((0..20).map(|_| send(&w.chat, (ann, direct, message(&long))))).await;
    assert!(sent.iter().all(Result::is_ok));
    assert_eq!(inserts(&w), 3);
}

#[apply(both_databases)]
#[tokio::test]
async fn unresponsive_database_fails_all_senders_within_the_time_limit(#[case] backend: Backend) {
    let w = World::new(backend).await;
    let [ann, bob] = w.users(["ann", "bob"]).await;
    let direct = w.create_conversation(ann, &[bob]).await.conversation.id;
    // Connecting takes time, and time is paused below: opens a second connection beforehand.
    let reads = join_all((0..4).map(|_| w.chat.get_conversation(ann, direct))).await;
    assert!(reads.iter().all(Result::is_ok));
    let tx = w.database.db().write().await.unwrap();
    conversations::lock(&tx, direct).await.unwrap();
    // Paused time advances whenever no task is ready, which the database does not notice.
    tokio::time::pause();
    let start = Instant::now();
    let sent = join_all((0..200).map(|_| send(&w.chat, (ann, direct, message("hi"))))).await;
    let waited = start.elapsed();
    tokio::time::resume();
    tx.commit().await.unwrap();
    assert!(
        sent.iter().all(|result| matches!(result, Err(Error::Storage(error)) if error.is_unreachable())),
        "{sent:?}"
    );
    // The messages of the fourth batch, too, although some wait for a connection and others for the lock.
    assert!(waited <= Duration::from_secs(31), "{waited:?}");
    assert!(send(&w.chat, (bob, direct, message("back"))).await.unwrap().1);
}

#[tokio::test]
async fn locked_sender_account_does_not_fail_the_rest_of_the_batch() {
    let w = World::new(Backend::Postgres).await;
    let [ann, bob] = w.users(["ann", "bob"]).await;
    let group = w.create_group(ann, &[bob]).await;
    let settings = Settings {
        url: w.database.url().to_owned(),
        max_connections: 2,
        statement_timeout: Duration::from_secs(2),
    };
    let chat = Chat::new(Db::connect(&settings).await.unwrap(), w.clock.clone());
    let tx = w.database.db().write().await.unwrap();
    users::lock(&tx, ann).await.unwrap();
    let messages =
        [(bob, group, message("one")), (ann, group, message("locked")), (bob, group, message("two"))];
    let sent = join_all(messages.map(|m| send(&chat, m))).await;
    tx.commit().await.unwrap();
    assert!(
        matches!(&sent[..], [Ok((1, true)), Err(Error::Storage(error)), Ok((2, true))] if error.is_transient()),
        "{sent:?}"
    );
}

#[apply(both_databases)]
#[tokio::test]
async fn instances_publish_only_their_own_messages(#[case] backend: Backend) {
    let w = World::new(backend).await;
    let [ann, bob] = w.users(["ann", "bob"]).await;
    let group = w.create_group(ann, &[bob]).await;
    w.take_events();
    let recorder = Arc::new(Recorder::default());
    let other = w.chat.clone().with_events(Arc::clone(&recorder) as _);
    let batch = [(&w.chat, "one"), (&other, "two"), (&w.chat, "three")];
    let sent = join_all(batch.map(|(chat, text)| send(chat, (ann, group, message(text))))).await;
    let sent: Vec<u64> = sent.into_iter().map(|result| result.unwrap().0).collect();
    assert_eq!(seqs(&recorder.0.lock().unwrap()), [sent[1]]);
    assert_eq!(seqs(&w.take_events()).len(), 2);
}

/// Panics at its first event.
#[derive(Default)]
struct PanickingSink(AtomicBool);

impl EventSink<Event> for PanickingSink {
    fn publish(&self, _: Event) {
        assert!(self.0.swap(true, Ordering::Relaxed), "the sink panics at its first event");
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn panicking_writer_does_not_lose_queued_messages(#[case] backend: Backend) {
    let w = World::new(backend).await;
    let [ann, bob] = w.users(["ann", "bob"]).await;
    let group = w.create_group(ann, &[bob]).await;
    let chat =
        Chat::new(w.database.db().clone(), w.clock.clone()).with_events(Arc::new(PanickingSink::default()));
    // The batch that panicked had committed the first two messages, so sending them alone finds them.
    let messages = [(ann, group, message("one")), (bob, group, message("two"))];
    let sent = join_all(messages.map(|m| send(&chat, m))).await;
    assert!(matches!(sent[..], [Ok((1, false)), Ok((2, false))]), "{sent:?}");
    assert_eq!(send(&chat, (ann, group, message("three"))).await.unwrap(), (3, true));
}
