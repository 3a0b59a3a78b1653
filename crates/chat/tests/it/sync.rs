//! Which conversations changed: decided by committed transactions, independent of clocks.

use std::{
    collections::{HashMap, hash_map::Entry},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use blegram_chat::{ChangePosition, ChangedHead, Chat, SyncCursor};
use blegram_domain::{
    Conversation, ConversationEvent, ConversationId, FixedClock, Timestamp, UserId, UserRef,
    conversation::{ConversationEventKind, ConversationKind, Membership},
    version::Precondition,
};
use blegram_persistence::{
    Db, Settings, Tx, conversations,
    testing::{Backend, TestDatabase},
};
use proptest::prelude::*;
use rstest_reuse::apply;
use tokio::{io::AsyncWriteExt, process::Command};

use crate::{World, both_databases, message, now};

/// Reads all pages of a response: the listed conversations, and the next cursor.
async fn sync(
    chat: &Chat,
    user: UserId,
    mut cursor: Option<SyncCursor>,
) -> (Vec<ConversationId>, SyncCursor) {
    let mut listed = Vec::new();
    loop {
        let synced = chat.sync(user, cursor.map(|cursor| cursor.to_string().parse().unwrap())).await.unwrap();
        listed.extend(synced.heads.iter().map(|head| head.conversation.id));
        if !synced.more {
            return (listed, synced.cursor);
        }
        cursor = Some(synced.cursor);
    }
}

async fn connect(url: &str) -> Db {
    let statement_timeout = Duration::from_secs(30);
    Db::connect(&Settings { url: url.to_owned(), max_connections: 4, statement_timeout }).await.unwrap()
}

#[apply(both_databases)]
#[tokio::test]
async fn changed_heads_are_limited_to_the_requested_users(#[case] backend: Backend) {
    let world = World::new(backend).await;
    let [ann, bob, cho] = world.users(["ann", "bob", "cho"]).await;
    let position = async || world.chat.change_position().await.unwrap();
    let heads = async |users: &[UserId], since: Option<&ChangePosition>, until: &ChangePosition| {
        let (heads, next) = world.chat.heads_changed(users, (since, until), None).await.unwrap();
        assert_eq!(next, None);
        heads
    };
    let head = |conversation, last_seq, last_message_no, members: &[_]| ChangedHead {
        conversation,
        last_seq,
        last_message_no,
        members: members.to_vec(),
    };
    let start = position().await;
    let direct = world.create_conversation(ann, &[bob]).await.conversation.id;
    let after_direct = position().await;
    assert_eq!(
        heads(&[ann, bob], Some(&start), &after_direct).await,
        [head(direct, 0, 0, &[ann])],
        "bob does not see the conversation yet"
    );
    let group = world.create_conversation(ann, &[bob, cho]).await.conversation.id;
    world.send(ann, group, "one").await;
    let two = world.send(bob, group, "two").await;
    let after_group = position().await;
    world.send(ann, direct, "one").await;
    let end = position().await;
    let mut both = [ann, bob];
    both.sort();

    let all = [head(direct, 1, 1, &both), head(group, 2, 2, &both)];
    assert_eq!(heads(&both, Some(&start), &end).await, all);
    assert_eq!(heads(&both, None, &end).await, all, "without `since`, all conversations are listed");
    let elsewhere = ChangePosition { database: "another".to_owned(), ..end.clone() };
    assert_eq!(
        heads(&both, Some(&elsewhere), &end).await,
        all,
        "a position of another database lists all conversations"
    );
    assert_eq!(heads(&[cho], Some(&start), &end).await, [head(group, 2, 2, &[cho])]);
    assert_eq!(heads(&both, Some(&after_direct), &after_group).await, [head(group, 2, 2, &both)]);
    assert_eq!(heads(&both, Some(&after_group), &end).await, [head(direct, 1, 1, &both)]);
    assert_eq!(heads(&both, Some(&end), &end).await, []);
    assert_eq!(heads(&[], Some(&start), &end).await, []);

    world.chat.remove_member(ann, group, cho).await.unwrap();
    world.chat.remove_member(bob, direct, bob).await.unwrap();
    let edited = world.view(ann, direct).await.last_message.unwrap().message.id;
    let text = blegram_domain::MessageText::parse("edited").unwrap();
    world.chat.edit_message(ann, direct, edited, text, &Precondition::Any).await.unwrap();
    let left = position().await;
    let changed = heads(&[ann, bob, cho], Some(&end), &left).await;
    assert_eq!(changed, [head(direct, 2, 1, &[ann]), head(group, 3, 2, &both)]);
    assert_eq!(heads(&[cho], None, &left).await, []);
    drop(two);
}

#[apply(both_databases)]
#[tokio::test]
async fn sync_lists_each_change_once(#[case] backend: Backend) {
    let world = World::new(backend).await;
    let [ann, bob] = world.users(["ann", "bob"]).await;
    let one = world.create_conversation(ann, &[bob]).await.conversation.id;
    world.send(ann, one, "1").await;
    let two = world.create_group(ann, &[bob]).await;
    let (listed, cursor) = sync(&world.chat, bob, None).await;
    assert_eq!(listed, [one, two]);
    let (listed, cursor) = sync(&world.chat, bob, Some(cursor)).await;
    assert_eq!(listed, []);
    world.send(ann, two, "2").await;
    let (listed, cursor) = sync(&world.chat, bob, Some(cursor)).await;
    assert_eq!(listed, [two]);
    world.chat.mark_read(bob, one, 1).await.unwrap();
    let (listed, cursor) = sync(&world.chat, bob, Some(cursor)).await;
    assert_eq!(listed, [one], "reading on another device is a change");
    world.chat.mark_delivered(bob, &[(one, 1)]).await.unwrap();
    world.chat.remove_member(ann, two, bob).await.unwrap();
    let synced = world.chat.sync(bob, Some(cursor)).await.unwrap();
    assert_eq!((synced.heads, synced.removed), (vec![], vec![two]));
}

#[apply(both_databases)]
#[tokio::test]
async fn sync_misses_nothing_when_the_clock_steps(#[case] backend: Backend) {
    let world = World::new(backend).await;
    let [ann, bob] = world.users(["ann", "bob"]).await;
    let id = world.create_conversation(ann, &[bob]).await.conversation.id;
    let other = world.create_group(ann, &[bob]).await;
    world.send(ann, id, "first").await;
    let (_, mut cursor) = sync(&world.chat, bob, None).await;
    let mut before = world.chat.change_position().await.unwrap();
    let (hour, five) = (Duration::from_secs(3600), Duration::from_secs(300));
    // Back by five minutes; forward by an hour and back, with a sync in between; further back, and forward again.
    for step in [now() - five, now() + hour, now(), now() - five, now() - hour, now() + hour] {
        world.clock.step_wall(step);
        world.send(ann, id, "another").await;
        let until = world.chat.change_position().await.unwrap();
        let (heads, _) = world.chat.heads_changed(&[bob], (Some(&before), &until), None).await.unwrap();
        assert_eq!(heads.iter().map(|head| head.conversation).collect::<Vec<_>>(), [id], "{step}");
        let listed;
        (listed, cursor) = sync(&world.chat, bob, Some(cursor)).await;
        assert_eq!(listed, [id], "{step}; not {other}");
        before = until;
    }
}

#[tokio::test]
async fn sync_misses_nothing_from_a_node_with_a_slow_clock() {
    let world = World::new(Backend::Postgres).await;
    let [ann, bob] = world.users(["ann", "bob"]).await;
    let id = world.create_conversation(ann, &[bob]).await.conversation.id;
    for seconds in [0_u64, 40, 40] {
        let behind = Arc::new(FixedClock::new(now() - Duration::from_secs(seconds)));
        let node = Chat::new(connect(world.database.url()).await, behind);
        let (_, cursor) = sync(&world.chat, bob, None).await;
        let before = world.chat.change_position().await.unwrap();
        node.send_message(ann, id, message("of the other node")).await.unwrap();
        let until = world.chat.change_position().await.unwrap();
        let (heads, _) = world.chat.heads_changed(&[bob], (Some(&before), &until), None).await.unwrap();
        assert_eq!(heads.len(), 1);
        // A cursor of one node is valid on another.
        let (listed, cursor) = sync(&node, bob, Some(cursor)).await;
        assert_eq!(listed, [id]);
        assert_eq!(sync(&world.chat, bob, Some(cursor)).await.0, []);
    }
}

#[tokio::test]
async fn sync_misses_nothing_with_many_open_transactions() {
    let world = World::new(Backend::Postgres).await;
    let [ann, bob] = world.users(["ann", "bob"]).await;
    let id = world.create_conversation(ann, &[bob]).await.conversation.id;
    let mut open = Vec::new();
    for _ in 0..20 {
        let other = world.create_group(ann, &[bob]).await;
        let db = connect(world.database.url()).await;
        let tx = db.write().await.unwrap();
        touch(&tx, other, now()).await;
        open.push(tx);
    }
    let (_, cursor) = sync(&world.chat, bob, None).await;
    let before = world.chat.change_position().await.unwrap();
    world.send(ann, id, "meanwhile").await;
    let until = world.chat.change_position().await.unwrap();
    let (heads, _) = world.chat.heads_changed(&[bob], (Some(&before), &until), None).await.unwrap();
    assert_eq!(heads.iter().map(|head| head.conversation).collect::<Vec<_>>(), [id]);
    assert!(sync(&world.chat, bob, Some(cursor)).await.0.contains(&id));
    drop(open);
}

#[apply(both_databases)]
#[tokio::test]
async fn hidden_conversation_is_removed_on_other_devices(#[case] backend: Backend) {
    let world = World::new(backend).await;
    let [ann, bob] = world.users(["ann", "bob"]).await;
    let id = world.create_conversation(ann, &[bob]).await.conversation.id;
    let synced = world.chat.sync(bob, None).await.unwrap();
    assert_eq!(
        (synced.heads, synced.removed),
        (vec![], vec![]),
        "a conversation without messages is not listed"
    );
    world.send(ann, id, "hello").await;
    let (listed, cursor) = sync(&world.chat, bob, Some(synced.cursor)).await;
    assert_eq!(listed, [id]);
    world.chat.remove_member(bob, id, bob).await.unwrap();
    let synced = world.chat.sync(bob, Some(cursor)).await.unwrap();
    assert_eq!((synced.heads, synced.removed), (vec![], vec![id]));
    world.send(ann, id, "again").await;
    assert_eq!(sync(&world.chat, bob, Some(synced.cursor)).await.0, [id]);
}

#[apply(both_databases)]
#[tokio::test]
async fn group_ownership_passes_to_the_longest_member_despite_clock_steps(#[case] backend: Backend) {
    let world = World::new(backend).await;
    let [ann, bob, cho, dan] = world.users(["ann", "bob", "cho", "dan"]).await;
    let group = world.create_group(ann, &[dan]).await;
    world.chat.remove_member(ann, group, dan).await.unwrap();
    world.chat.add_members(ann, group, &[UserRef::Id(bob)]).await.unwrap();
    world.clock.step_wall(now() - Duration::from_secs(3600));
    world.chat.add_members(ann, group, &[UserRef::Id(cho)]).await.unwrap();
    world.chat.remove_member(ann, group, ann).await.unwrap();
    let owner = world.chat.get_conversation(bob, group).await.unwrap().conversation.owner;
    assert_eq!(owner, Some(bob));
}

/// Advances `last_seq` of a conversation, as its events do.
async fn touch(tx: &Tx, id: ConversationId, at: Timestamp) {
    let mut conversation = conversations::lock(tx, id).await.unwrap().unwrap();
    conversation.last_seq += 1;
    conversations::update(tx, &conversation, false, at).await.unwrap();
}

#[tokio::test]
async fn sync_neither_misses_nor_repeats_changes_with_an_open_transaction() {
    let world = World::new(Backend::Postgres).await;
    let [ann, bob] = world.users(["ann", "bob"]).await;
    let slow = world.create_group(ann, &[bob]).await;
    let quick = world.create_group(ann, &[bob]).await;
    let tx = world.database.db().write().await.unwrap();
    touch(&tx, slow, now()).await;
    let (_, cursor) = sync(&world.chat, bob, None).await;
    world.send(ann, quick, "1").await;
    let (listed, mut cursor) = sync(&world.chat, bob, Some(cursor)).await;
    assert_eq!(listed, [quick]);
    for _ in 0..3 {
        let listed;
        (listed, cursor) = sync(&world.chat, bob, Some(cursor)).await;
        assert_eq!(listed, [], "an open transaction must not repeat what was already listed");
    }
    world.send(ann, quick, "2").await;
    tx.commit().await.unwrap();
    let (mut listed, cursor) = sync(&world.chat, bob, Some(cursor)).await;
    listed.sort();
    assert_eq!(listed, [slow, quick]);
    assert_eq!(sync(&world.chat, bob, Some(cursor)).await.0, []);
}

/// A transaction that stays open has a lower number than those that commit meanwhile.
#[tokio::test]
async fn changed_heads_include_a_long_transaction_after_its_commit() {
    let world = World::new(Backend::Postgres).await;
    let [ann, bob] = world.users(["ann", "bob"]).await;
    let slow = world.create_group(ann, &[bob]).await;
    let quick = world.create_group(ann, &[bob]).await;
    let position = async || world.chat.change_position().await.unwrap();
    let heads = async |since: &ChangePosition, until: &ChangePosition| {
        let (heads, _) = world.chat.heads_changed(&[bob], (Some(since), until), None).await.unwrap();
        heads.into_iter().map(|head| head.conversation).collect::<Vec<_>>()
    };
    let start = position().await;
    let tx = world.database.db().write().await.unwrap();
    touch(&tx, slow, now()).await;
    let kind = ConversationEventKind::Updated { title: None, owner: None };
    let event = ConversationEvent { conversation: slow, seq: 1, kind, at: now() };
    conversations::insert_events(&tx, &[event]).await.unwrap();
    world.send(ann, quick, "1").await;
    let between = position().await;
    assert_eq!(heads(&start, &between).await, [quick]);
    tx.commit().await.unwrap();
    let end = position().await;
    assert_eq!(heads(&between, &end).await, [slow]);
    assert_eq!(
        heads(&start, &between).await,
        [quick],
        "a change that was not visible at `between` belongs to the next call"
    );
}

/// The later of two transactions may have the lower number; and of a conversation and a membership, the newer change
/// may have it.
#[tokio::test]
async fn sync_misses_nothing_when_transaction_numbers_decrease() {
    let world = World::new(Backend::Postgres).await;
    let [ann, bob] = world.users(["ann", "bob"]).await;
    let id = world.create_group(ann, &[bob]).await;
    let other = world.create_group(ann, &[bob]).await;
    let early = world.database.db().write().await.unwrap();
    touch(&early, other, now()).await;
    world.send(ann, id, "of a later transaction").await;
    world.chat.mark_read(bob, id, 1).await.unwrap();
    let (_, cursor) = sync(&world.chat, bob, None).await;
    touch(&early, id, now()).await;
    early.commit().await.unwrap();
    let (mut listed, _) = sync(&world.chat, bob, Some(cursor)).await;
    listed.sort();
    assert_eq!(listed, [id, other]);
}

/// Both versions run during an upgrade; the previous one writes times only, no transaction numbers.
#[tokio::test]
async fn sync_lists_changes_by_a_node_of_the_previous_version() {
    let world = World::new(Backend::Postgres).await;
    let [ann, bob] = world.users(["ann", "bob"]).await;
    let id = world.create_group(ann, &[bob]).await;
    let (_, mut cursor) = sync(&world.chat, bob, None).await;
    let of_bob = format!("conversation_id = '{id}' AND user_id = '{bob}'");
    let mut before = world.chat.change_position().await.unwrap();
    for sql in [
        format!("UPDATE conversations SET last_seq = last_seq + 1, updated_at = 1 WHERE id = '{id}'"),
        format!("UPDATE conversation_members SET read_no = 0, updated_at = 1 WHERE {of_bob}"),
        format!(
            "INSERT INTO conversation_members (conversation_id, user_id, joined_at, is_muted, updated_at) \
             VALUES ('{id}', '{bob}', 1, true, 1) \
             ON CONFLICT (conversation_id, user_id) DO UPDATE SET is_muted = excluded.is_muted, updated_at = 1"
        ),
    ] {
        world.database.execute(&sql).await;
        let listed;
        (listed, cursor) = sync(&world.chat, bob, Some(cursor)).await;
        assert_eq!(listed, [id], "{sql}");
    }
    let event = format!(
        "INSERT INTO conversation_events (conversation_id, seq, kind, created_at) VALUES ('{id}', 1, 'conversation.updated', 1)"
    );
    for sql in [event, format!("UPDATE conversation_members SET delivered_seq = 1 WHERE {of_bob}")] {
        world.database.execute(&sql).await;
        assert_eq!(sync(&world.chat, bob, Some(cursor.clone())).await.0, [], "{sql}");
        let until = world.chat.change_position().await.unwrap();
        let (heads, _) = world.chat.heads_changed(&[bob], (Some(&before), &until), None).await.unwrap();
        assert_eq!(heads.len(), usize::from(sql.starts_with("INSERT")), "{sql}");
        before = until;
    }
}

/// Runs a command-line tool of PostgreSQL with `input`, and returns its output.
async fn tool(name: &str, arguments: &[&str], input: &str) -> String {
    let mut child = Command::new(name)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{name}, from the PostgreSQL client tools: {error}"));
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(input.as_bytes()).await.unwrap();
    drop(stdin);
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{name}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn sync_misses_nothing_after_a_dump_and_restore() {
    let world = World::new(Backend::Postgres).await;
    let [ann, bob] = world.users(["ann", "bob"]).await;
    let [old, busy] = [world.create_group(ann, &[bob]).await, world.create_group(ann, &[bob]).await];
    world.send(ann, busy, "before").await;
    let (_, cursor) = sync(&world.chat, bob, None).await;
    let dump = tool("pg_dump", &["--no-owner", world.database.url()], "").await;

    let restored = TestDatabase::new(Backend::Postgres).await;
    let restore = |sql: &str| {
        let sql = sql.to_owned();
        let url = restored.url().to_owned();
        async move { tool("psql", &["--quiet", "--set=ON_ERROR_STOP=1", &url], &sql).await }
    };
    restore("DROP SCHEMA public CASCADE; CREATE SCHEMA public;").await;
    restore(&dump).await;
    // As in a cluster that has run fewer transactions than the one of the dump.
    for table in ["conversations", "conversation_members", "conversation_events"] {
        restored.execute(&format!("UPDATE {table} SET changed_no = changed_no + 1000000000")).await;
    }
    restored.execute("UPDATE conversations SET begun_no = begun_no + 1000000000").await;
    let chat = Chat::new(connect(restored.url()).await, Arc::clone(&world.clock) as _);
    let start = chat.change_position().await.unwrap();
    let (listed, cursor) = sync(&chat, bob, Some(cursor)).await;
    assert_eq!(listed, [old, busy], "a cursor of another database starts from the beginning");
    let (listed, cursor) = sync(&chat, bob, Some(cursor)).await;
    assert_eq!(listed, [], "restored rows count as committed long ago");

    // The numbers of the memberships, which this does not change, are higher than all numbers that are assigned here.
    chat.send_message(ann, busy, message("after")).await.unwrap();
    let (listed, cursor) = sync(&chat, bob, Some(cursor)).await;
    assert_eq!(listed, [busy]);
    chat.mark_read(bob, old, 0).await.unwrap();
    chat.mark_read(bob, busy, 2).await.unwrap();
    assert_eq!(sync(&chat, bob, Some(cursor)).await.0, [busy]);
    let until = chat.change_position().await.unwrap();
    let (heads, _) = chat.heads_changed(&[bob], (Some(&start), &until), None).await.unwrap();
    assert_eq!(heads.iter().map(|head| head.conversation).collect::<Vec<_>>(), [busy]);
}

/// A step of a random history.
#[derive(Debug, Clone)]
enum Step {
    /// A transaction changes a conversation, or the reader's membership in it.
    Change { transaction: usize, conversation: usize, is_membership: bool },
    /// A transaction ends.
    End { transaction: usize, is_commit: bool },
    /// The reader requests one page.
    Sync,
}

fn step() -> impl Strategy<Value = Step> {
    let (transaction, conversation) = (0..TRANSACTIONS, 0..CONVERSATIONS);
    prop_oneof![
        3 => (transaction.clone(), conversation, any::<bool>()).prop_map(
            |(transaction, conversation, is_membership)| Step::Change { transaction, conversation, is_membership }
        ),
        2 => (transaction, prop::bool::weighted(0.8))
            .prop_map(|(transaction, is_commit)| Step::End { transaction, is_commit }),
        3 => Just(Step::Sync),
    ]
}

/// More than fit into one page.
const CONVERSATIONS: usize = 120;
const TRANSACTIONS: usize = 3;

struct Reader {
    user: UserId,
    cursor: Option<SyncCursor>,
    /// The `last_seq` and `read_no` of each conversation.
    known: HashMap<ConversationId, (u64, u64)>,
}

impl Reader {
    /// Reads one page. Returns whether there are more.
    async fn sync(&mut self, chat: &Chat) -> bool {
        let synced = chat.sync(self.user, self.cursor.take()).await.unwrap();
        for head in synced.heads {
            self.known.insert(head.conversation.id, (head.conversation.last_seq, head.mine.read_no));
        }
        self.cursor = Some(synced.cursor);
        synced.more
    }
}

async fn create_conversations(world: &World, user: UserId) -> Vec<ConversationId> {
    let tx = world.database.db().write().await.unwrap();
    let mut ids = Vec::new();
    for _ in 0..CONVERSATIONS {
        let id = ConversationId::generate(now());
        let conversation = Conversation {
            id,
            kind: ConversationKind::Group,
            title: None,
            owner: None,
            last_seq: 0,
            last_message_no: 1_000_000,
            last_message: None,
            created_at: now(),
            version: 0,
        };
        conversations::insert(&tx, &conversation, None).await.unwrap();
        conversations::update(&tx, &conversation, false, now()).await.unwrap();
        let membership = Membership {
            conversation: id,
            user,
            joined_at: now(),
            since_seq: 0,
            since_no: 0,
            read_no: 0,
            delivered_seq: 0,
            hidden_no: None,
            is_muted: false,
        };
        conversations::insert_member(&tx, &membership, now()).await.unwrap();
        ids.push(id);
    }
    tx.commit().await.unwrap();
    ids
}

async fn run_steps(world: &World, ids: &[ConversationId], reader: &mut Reader, steps: Vec<Step>) {
    let is_sqlite = world.database.db().is_sqlite();
    let mut open: HashMap<usize, (Tx, Vec<usize>)> = HashMap::new();
    for step in steps {
        match step {
            Step::Change { transaction, conversation, is_membership } => {
                // SQLite has one writer, so transactions cannot overlap.
                let transaction = if is_sqlite { 0 } else { transaction };
                let is_locked = |(other, (_, locked)): (&usize, &(Tx, Vec<usize>))| {
                    *other != transaction && locked.contains(&conversation)
                };
                if open.iter().any(is_locked) {
                    continue;
                }
                if let Entry::Vacant(entry) = open.entry(transaction) {
                    entry.insert((world.database.db().write().await.unwrap(), Vec::new()));
                }
                let (tx, locked) = open.get_mut(&transaction).unwrap();
                locked.push(conversation);
                let id = ids[conversation];
                if is_membership {
                    let mine = conversations::find_member(tx, id, reader.user).await.unwrap().unwrap();
                    let mine = Membership { read_no: mine.read_no + 1, ..mine };
                    conversations::update_member(tx, &mine, now()).await.unwrap();
                } else {
                    touch(tx, id, now()).await;
                }
            }
            Step::End { transaction, is_commit } => {
                if let Some((tx, _)) = open.remove(&transaction)
                    && is_commit
                {
                    tx.commit().await.unwrap();
                }
            }
            Step::Sync => _ = reader.sync(&world.chat).await,
        }
    }
    for (_, (tx, _)) in open {
        tx.commit().await.unwrap();
    }
    while reader.sync(&world.chat).await {}
    let heads = conversations::list_by_ids(world.database.db(), ids).await.unwrap();
    let mine = conversations::list_memberships(world.database.db(), reader.user, ids).await.unwrap();
    let expected = heads.into_iter().map(|head| (head.id, (head.last_seq, mine[&head.id].read_no)));
    assert_eq!(reader.known, expected.collect());
    assert!(!reader.sync(&world.chat).await);
}

#[apply(both_databases)]
#[test]
fn sync_misses_nothing_in_any_commit_order(#[case] backend: Backend) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (world, reader, ids) = runtime.block_on(async {
        let world = World::new(backend).await;
        let reader = world.user("reader").await;
        let ids = create_conversations(&world, reader).await;
        (world, reader, ids)
    });
    let config = ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() };
    let steps = prop::collection::vec(step(), 1..60);
    let outcome = proptest::test_runner::TestRunner::new(config).run(&steps, |steps| {
        let mut reader = Reader { user: reader, cursor: None, known: HashMap::new() };
        runtime.block_on(run_steps(&world, &ids, &mut reader, steps));
        Ok(())
    });
    outcome.unwrap();
}
