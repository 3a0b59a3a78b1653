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
fn seqs(told: &[Event]) -> Vec<u64> {
    let seq = |event: &Event| match event {
        Event::Happened { event, .. } => Some(event.event.seq),
        _ => None,
    };
    told.iter().filter_map(seq).collect()
}

/// The number of statements since the last call that inserted messages.
fn inserts(w: &World) -> usize {
    let is_insert = |statement: &String| statement.starts_with("INSERT INTO \"messages\"");
    w.database.take_statements().iter().filter(|it| is_insert(it)).count()
}

#[apply(both_databases)]
#[tokio::test]
async fn what_is_said_at_once_is_written_at_once_in_one_order(#[case] backend: Backend) {
    let w = World::new(backend).await;
    let [ann, bob] = w.users(["ann", "bob"]).await;
    let group = w.begin_group(ann, &[bob]).await;
    w.take_told();
    w.database.take_statements();
    let said = (0..100).map(|n| ([ann, bob][n % 2], group, message(&format!("{n}"))));
    let sent = join_all(said.map(|it| send(&w.chat, it))).await;
    let sent: Vec<(u64, bool)> = sent.into_iter().map(Result::unwrap).collect();
    assert_eq!(sent, (1..=100).map(|seq| (seq, true)).collect::<Vec<_>>());
    assert_eq!(inserts(&w), 2);
    let told = w.take_told();
    assert_eq!(seqs(&told), (1..=100).collect::<Vec<_>>());
    let Event::Happened { event, .. } = &told[6] else { panic!("{:?}", told[6]) };
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
async fn what_is_refused_does_not_stop_the_others(#[case] backend: Backend) {
    let w = World::new(backend).await;
    let [ann, bob, cid, gone] = w.users(["ann", "bob", "cid", "gone"]).await;
    let [group, other] = [w.begin_group(ann, &[bob, gone]).await, w.begin_group(ann, &[bob]).await];
    let [before, elsewhere] = [message("before"), message("elsewhere")];
    w.chat.send_message(ann, group, before.clone()).await.unwrap();
    let (said, _) = w.chat.send_message(ann, other, elsewhere.clone()).await.unwrap();
    let tx = w.database.db().write().await.unwrap();
    blegram_persistence::users::update_deleted(&tx, gone).await.unwrap();
    tx.commit().await.unwrap();
    let reply = |id: MessageId| SendMessage { reply_to: Some(id), ..message("to nothing") };
    let no_image = SendMessage { media: vec![MediaId::generate(w.clock.now())], ..message("no image") };
    w.take_told();
    let said = [
        (bob, group, message("one")),
        (cid, group, message("not in")),
        (gone, group, message("gone")),
        (ann, group, before),
        (ann, group, elsewhere),
        (ann, group, reply(said.message.id)),
        (ann, group, no_image),
        (bob, group, message("two")),
    ];
    let sent = join_all(said.map(|it| send(&w.chat, it))).await;
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
    assert_eq!(seqs(&w.take_told()), [2, 1, 3]);
}

#[apply(both_databases)]
#[tokio::test]
async fn a_failure_of_one_is_no_failure_of_the_others(#[case] backend: Backend) {
    let w = World::new(backend).await;
    let [ann, bob] = w.users(["ann", "bob"]).await;
    let group = w.begin_group(ann, &[bob]).await;
    let broken = message("broken");
    w.chat.send_message(ann, group, broken.clone()).await.unwrap();
    w.database.execute("UPDATE messages SET fingerprint = 'no SHA-256'").await;
    w.take_told();
    let said = [(bob, group, message("one")), (ann, group, broken), (bob, group, message("two"))];
    let sent = join_all(said.map(|it| send(&w.chat, it))).await;
    assert!(matches!(sent[..], [Ok((_, true)), Err(Error::Storage(_)), Ok((_, true))]), "{sent:?}");
    assert_eq!(seqs(&w.take_told()), [2, 3]);
}

#[apply(both_databases)]
#[tokio::test]
async fn one_client_id_is_one_message_however_it_comes(#[case] backend: Backend) {
    let w = World::new(backend).await;
    let [ann, bob] = w.users(["ann", "bob"]).await;
    let [one, two] = [w.begin_group(ann, &[bob]).await, w.begin_group(ann, &[bob]).await];
    // The same message twice at once, and a different one with the same client id.
    w.database.take_statements();
    let hi = message("hi");
    let other = SendMessage { text: MessageText::parse("other").unwrap(), ..hi.clone() };
    let said = [(ann, one, hi.clone()), (ann, one, hi), (ann, one, other), (bob, one, message("yes"))];
    let sent = join_all(said.map(|it| send(&w.chat, it))).await;
    assert!(matches!(sent[..], [Ok((1, true)), Ok((1, false)), Err(Error::ClientIdReused), Ok((2, true))]));
    // The batch needed no retry.
    assert_eq!(inserts(&w), 2);
    // The same client id in two conversations at once, among other messages; repeated, so that the two transactions
    // meet.
    for _ in 0..10 {
        let messages: Vec<SendMessage> = (0..4).map(|n| message(&format!("{n}"))).collect();
        let said = messages.iter().flat_map(|said| {
            let mine = |conversation| (ann, conversation, said.clone());
            [mine(one), (bob, one, message("so")), mine(two), (bob, two, message("so"))]
        });
        let sent = join_all(said.map(|it| send(&w.chat, it))).await;
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
    let sum: usize = numbers.iter().map(|it| it.parse::<usize>().unwrap()).sum();
    assert_eq!(sum, 2 + 10 * (4 + 8));
    assert_eq!(w.database.count("messages").await, sum);
}

#[apply(both_databases)]
#[tokio::test]
async fn whoever_does_not_wait_is_heard_once_and_stops_nobody(#[case] backend: Backend) {
    let w = World::new(backend).await;
    let [ann, bob] = w.users(["ann", "bob"]).await;
    let group = w.begin_group(ann, &[bob]).await;
    w.take_told();
    let lost = message("gone");
    // The first sender starts writing and is cancelled; so is one that only waits in the queue.
    assert!(w.chat.send_message(ann, group, lost.clone()).now_or_never().is_none());
    assert!(w.chat.send_message(bob, group, message("too")).now_or_never().is_none());
    assert_eq!(send(&w.chat, (bob, group, message("here"))).await.unwrap(), (3, true));
    assert_eq!(send(&w.chat, (ann, group, lost)).await.unwrap(), (1, false));
    assert_eq!(seqs(&w.take_told()), [1, 2, 3, 1]);
}

#[apply(both_databases)]
#[tokio::test]
async fn a_block_is_for_both_and_a_hidden_conversation_is_shown_once(#[case] backend: Backend) {
    let w = World::new(backend).await;
    let [ann, bob] = w.users(["ann", "bob"]).await;
    let direct = w.begin(ann, &[bob]).await.conversation.id;
    w.take_told();
    let both = || {
        let said = [(ann, direct, message("one")), (bob, direct, message("two"))];
        join_all(said.map(|it| send(&w.chat, it)))
    };
    assert!(both().await.iter().all(Result::is_ok));
    let told = w.take_told();
    let Event::Added { user, conversation } = &told[0] else { panic!("{:?}", told[0]) };
    assert_eq!((*user, conversation.last_message.as_ref().unwrap().message.text.as_str()), (bob, "two"));
    assert_eq!(seqs(&told), [1, 2]);
    assert!(told[1..].iter().all(|it| matches!(it, Event::Happened { members, .. } if members.len() == 2)));
    w.block(bob, ann).await;
    // Both are in one batch, and each is rejected for their own reason.
    let refused = both().await;
    assert!(matches!(refused[..], [Err(Error::CannotWrite), Err(Error::Blocked)]), "{refused:?}");
    assert_eq!(w.take_told(), []);
}

#[apply(both_databases)]
#[tokio::test]
async fn two_nodes_write_into_one_conversation_without_a_gap(#[case] backend: Backend) {
    let w = World::new(backend).await;
    let [ann, bob] = w.users(["ann", "bob"]).await;
    let direct = w.begin(ann, &[bob]).await.conversation.id;
    let node = Chat::new(w.database.db().clone(), w.clock.clone());
    let said = (0..60).map(|n| {
        let chat = if n % 3 == 0 { &node } else { &w.chat };
        send(chat, ([ann, bob][n % 2], direct, message("hi")))
    });
    let sent = join_all(said).await;
    let seqs: HashSet<u64> = sent.into_iter().map(|it| it.unwrap().0).collect();
    assert_eq!(seqs, (1..=60).collect());
}

#[apply(both_databases)]
#[tokio::test]
async fn an_image_is_sent_once(#[case] backend: Backend) {
    let w = World::new(backend).await;
    let [ann, bob] = w.users(["ann", "bob"]).await;
    let group = w.begin_group(ann, &[bob]).await;
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
    let show = |text| SendMessage { media: vec![image], ..message(text) };
    let said = [
        (ann, group, message("look")),
        (ann, group, show("this")),
        (ann, group, show("again")),
        (bob, group, message("nice")),
    ];
    let sent = join_all(said.map(|it| send(&w.chat, it))).await;
    assert!(
        matches!(sent[..], [Ok((1, true)), Ok((2, true)), Err(Error::MediaInUse), Ok((3, true))]),
        "{sent:?}"
    );
}

/// The previous version stored new images in the public area.
#[apply(both_databases)]
#[tokio::test]
async fn an_image_with_a_public_key_moves_when_it_is_sent(#[case] backend: Backend) {
    let w = World::new(backend).await;
    let [ann, bob] = w.users(["ann", "bob"]).await;
    let direct = w.begin(ann, &[bob]).await.conversation.id;
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
    let show = SendMessage { media: vec![public.id, private.id], ..message("look") };
    send(&w.chat, (ann, direct, show)).await.unwrap();
    let moves = w.database.lines("SELECT subject AS line FROM jobs WHERE kind = 'move-image'").await;
    assert_eq!(moves, [public.id.to_string()]);
}

#[apply(both_databases)]
#[tokio::test]
async fn more_than_may_wait_are_refused_at_once(#[case] backend: Backend) {
    let w = World::new(backend).await;
    let [ann, bob] = w.users(["ann", "bob"]).await;
    let direct = w.begin(ann, &[bob]).await.conversation.id;
    let sent = join_all((0..1_100).map(|_| send(&w.chat, (ann, direct, message("hi"))))).await;
    let (sent, refused) = sent.split_at(1_024);
    let sent: Vec<u64> = sent.iter().map(|it| it.as_ref().unwrap().0).collect();
    assert_eq!(sent, (1..=1_024).collect::<Vec<_>>());
    assert!(refused.iter().all(|it| matches!(it, Err(Error::Busy))));
    assert_eq!(send(&w.chat, (ann, direct, message("later"))).await.unwrap(), (1_025, true));
}

#[apply(both_databases)]
#[tokio::test]
async fn much_is_written_in_parts(#[case] backend: Backend) {
    let w = World::new(backend).await;
    let [ann, bob] = w.users(["ann", "bob"]).await;
    let direct = w.begin(ann, &[bob]).await.conversation.id;
    w.database.take_statements();
    let long = "🌅".repeat(2_000);
    let sent = join_all((0..20).map(|_| send(&w.chat, (ann, direct, message(&long))))).await;
    assert!(sent.iter().all(Result::is_ok));
    assert_eq!(inserts(&w), 3);
}

#[apply(both_databases)]
#[tokio::test]
async fn nobody_waits_for_a_database_that_does_not_answer(#[case] backend: Backend) {
    let w = World::new(backend).await;
    let [ann, bob] = w.users(["ann", "bob"]).await;
    let direct = w.begin(ann, &[bob]).await.conversation.id;
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
    assert!(sent.iter().all(|it| matches!(it, Err(Error::Storage(why)) if why.is_unreachable())), "{sent:?}");
    // The messages of the fourth batch, too, although some wait for a connection and others for the lock.
    assert!(waited <= Duration::from_secs(31), "{waited:?}");
    assert!(send(&w.chat, (bob, direct, message("back"))).await.unwrap().1);
}

#[tokio::test]
async fn whoever_cannot_be_asked_about_does_not_stop_the_others() {
    let w = World::new(Backend::Postgres).await;
    let [ann, bob] = w.users(["ann", "bob"]).await;
    let group = w.begin_group(ann, &[bob]).await;
    let settings = Settings {
        url: w.database.url().to_owned(),
        max_connections: 2,
        statement_timeout: Duration::from_secs(2),
    };
    let chat = Chat::new(Db::connect(&settings).await.unwrap(), w.clock.clone());
    let tx = w.database.db().write().await.unwrap();
    users::lock(&tx, ann).await.unwrap();
    let said = [(bob, group, message("one")), (ann, group, message("held")), (bob, group, message("two"))];
    let sent = join_all(said.map(|it| send(&chat, it))).await;
    tx.commit().await.unwrap();
    assert!(
        matches!(&sent[..], [Ok((1, true)), Err(Error::Storage(why)), Ok((2, true))] if why.is_transient()),
        "{sent:?}"
    );
}

#[apply(both_databases)]
#[tokio::test]
async fn each_tells_its_own(#[case] backend: Backend) {
    let w = World::new(backend).await;
    let [ann, bob] = w.users(["ann", "bob"]).await;
    let group = w.begin_group(ann, &[bob]).await;
    w.take_told();
    let told = Arc::new(Recorder::default());
    let other = w.chat.clone().with_events(Arc::clone(&told) as _);
    let said = [(&w.chat, "one"), (&other, "two"), (&w.chat, "three")];
    let sent = join_all(said.map(|(chat, text)| send(chat, (ann, group, message(text))))).await;
    let sent: Vec<u64> = sent.into_iter().map(|it| it.unwrap().0).collect();
    assert_eq!(seqs(&told.0.lock().unwrap()), [sent[1]]);
    assert_eq!(seqs(&w.take_told()).len(), 2);
}

/// Panics at its first event.
#[derive(Default)]
struct Brittle(AtomicBool);

impl EventSink<Event> for Brittle {
    fn publish(&self, _: Event) {
        assert!(self.0.swap(true, Ordering::Relaxed), "the sink panics at its first event");
    }
}

#[apply(both_databases)]
#[tokio::test]
async fn whoever_waits_for_one_that_breaks_is_answered(#[case] backend: Backend) {
    let w = World::new(backend).await;
    let [ann, bob] = w.users(["ann", "bob"]).await;
    let group = w.begin_group(ann, &[bob]).await;
    let chat = Chat::new(w.database.db().clone(), w.clock.clone()).with_events(Arc::new(Brittle::default()));
    // The batch that panicked had committed the first two messages, so sending them alone finds them.
    let said = [(ann, group, message("one")), (bob, group, message("two"))];
    let sent = join_all(said.map(|it| send(&chat, it))).await;
    assert!(matches!(sent[..], [Ok((1, false)), Ok((2, false))]), "{sent:?}");
    assert_eq!(send(&chat, (ann, group, message("three"))).await.unwrap(), (3, true));
}
